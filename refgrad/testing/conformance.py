"""Tests that a package runs on an estimator of its own, with one variable and one command.

    REFGRAD_SAMPLER=my_pkg.rebar:estimate python -m pytest --pyargs refgrad.testing.conformance

The sampler is one that `refgrad verify` takes: `estimate(problem, n, rng)`, as file.py:name or pkg.module:name.

| option | |
| --- | --- |
| `--refgrad-estimator "Rebar(temperature=0.5)"` | the reference: its covariance and its bias are asked for |
| `--refgrad-form loss,probs,rows=M` | its gradient is of -f, in the probabilities, a mean over M rows |
| `--refgrad-family bernoulli` | only problems of this family |
| `--refgrad-xfails FILE` | tests that are expected to fail, one a line, as `test_unbiased[toy (bernoulli, D = 1)]` |

Each may stand in the configuration file of pytest, `refgrad_family = bernoulli`; a path there begins where that file
is. The options of the checks, such as `--refgrad-samples`, hold here too. A sampler that skips a test fails it.

Needs pytest: `pip install 'refgrad[pytest]'`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.testing._conformance import COARSE, SMALL, Subject, answered, plan_of
from refgrad.testing._sampler import Source
from refgrad.testing.black_box import assert_moments, assert_unbiased, check_moments, check_unbiased
from refgrad.testing.problem import Problem

if TYPE_CHECKING:
    import pytest

__all__ = [
    "test_moments",
    "test_problem_stays",
    "test_rows_follow_from_rng",
    "test_shape",
    "test_small_calls",
    "test_unbiased",
]

SIZES = (1, 2, 3, 7)
NAMED = 5  # tests that are named in one sentence


@answered
def test_unbiased(subject: Subject, problem: Problem) -> None:
    """The mean is the exact gradient."""
    assert_unbiased(subject.sampler, problem, estimator=subject.reference, **vars(subject.form))


@answered
def test_moments(subject: Subject, problem: Problem) -> None:
    """Mean and covariance are those of the reference."""
    assert subject.reference is not None
    assert_moments(subject.sampler, problem, subject.reference, **vars(subject.form))


@answered
def test_shape(subject: Subject, problem: Problem) -> None:
    """One row for each of n, in real numbers."""
    source = Source(subject.sampler, problem, form=subject.form)
    for n in sizes(subject):
        source.draw(n, n)


@answered
def test_small_calls(subject: Subject, problem: Problem) -> None:
    """Rows of calls for one and for two of them are estimates too: a mean over the rows of a call needs care there.

    So many calls show a bias of half the gradient, on those problems that are asked, or what is not finite.
    """
    options: dict[str, Any] = {"max_samples": SMALL, "tolerance": COARSE, "causes": False, **vars(subject.form)}
    sampler = in_small_calls(subject.sampler)
    if subject.reference is not None and subject.biased:
        verdict = check_moments(sampler, problem, subject.reference, **options)
    else:
        verdict = check_unbiased(sampler, problem, estimator=subject.reference, **options)
    if verdict.outcome == "wrong":
        raise AssertionError(f"in calls for one and for two rows\n{verdict}")


@answered
def test_rows_follow_from_rng(subject: Subject, problem: Problem) -> None:
    """The same state of the generator gives the same rows: there is no other randomness."""
    source = Source(subject.sampler, problem, form=subject.form)
    for n in sizes(subject):
        first, again = source.draw(n, n), source.draw(n, n, again=True)
        differ = np.flatnonzero(~np.isclose(first.rows, again.rows, rtol=0, atol=0, equal_nan=True).all(axis=1))
        if len(differ):
            row = differ[0]
            raise AssertionError(
                f"{source.name}({problem}, n={n}) needs to return the same rows for the same state of rng, but row "
                f"{row} is {first.rows[row].tolist()} and then {again.rows[row].tolist()}"
            )


@answered
def test_problem_stays(subject: Subject, problem: Problem) -> None:
    """The sampler does not change what it is given."""
    z = problem.q.support()
    logits, values = problem.logits.copy(), np.array(problem.f(z))
    Source(subject.sampler, problem, form=subject.form).draw(max(sizes(subject)), 0)
    if not np.array_equal(problem.logits, logits):
        raise AssertionError(
            f"{subject.name} needs to leave problem.logits as they are, but {problem} had {logits.tolist()} and has "
            f"{problem.logits.tolist()} after a call"
        )
    if not np.array_equal(problem.f(z), values):
        raise AssertionError(f"{subject.name} needs to leave problem.f as it is, but it changed it on {problem}")


def sizes(subject: Subject) -> tuple[int, ...]:
    """Numbers of rows that are asked for; of a sampler that returns a mean, one."""
    return SIZES if subject.form.rows is None else (1,)


def in_small_calls(sampler: Callable[..., Any]) -> Callable[..., Any]:
    """The same sampler, asked for one row and for two in turns."""

    @wraps(sampler)
    def small(problem: Problem, n: int, rng: np.random.Generator) -> Any:
        sizes = [1, 2] * (n // 3) + [[], [1], [2]][n % 3]
        return np.concatenate([np.asarray(sampler(problem, size, rng)) for size in sizes])

    return small


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the problems that it can say something of."""
    if not metafunc.config.pluginmanager.has_plugin("refgrad"):  # it is switched off, and nobody else would say it
        refuse(metafunc.config)
    plan_of(metafunc.config).parametrize(metafunc)


def refuse(config: pytest.Config) -> None:
    """Stop a run, before a test runs, if the variable or an option is wrong. The plugin calls it.

    Raises
    ------
    pytest.UsageError
        If so.
    """
    import pytest  # noqa: PLC0415  (the extra)

    if error := plan_of(config).error:
        raise pytest.UsageError(error)


def not_asked(config: pytest.Config) -> str:
    """Say which tests that are expected to fail are none of this run, if there are some. The plugin calls it."""
    names = plan_of(config).not_asked()
    if not names:
        return ""
    shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
    return f"Expected to fail, but not asked in this run: {shown}"
