"""Judge a sampler of which nothing is known but what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refgrad.estimators import Estimator
from refgrad.testing import _expected
from refgrad.testing._expected import Settings
from refgrad.testing._sampler import Form, Sampler, Source
from refgrad.testing._trial import Limits, trial
from refgrad.testing.diagnosis import diagnose
from refgrad.testing.problem import Problem
from refgrad.testing.session import judged, once
from refgrad.testing.verdict import Verdict

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["assert_moments", "assert_unbiased", "check_moments", "check_unbiased"]


@judged
def check_unbiased(  # noqa: PLR0913  (options with a name)
    sampler: Sampler,
    problem: Problem,
    *,
    tolerance: float = 0.1,
    alpha: float = 1e-9,
    max_samples: int = 1_000_000,
    estimator: Estimator | None = None,
    seed: int = 0,
    rows: int | None = None,
    wrt: str = "logits",
    loss: bool = False,
    max_seconds: float = float("inf"),
    state: str | Path | None = None,
    progress: Callable[[int, float], Any] | None = None,
    causes: bool = True,
    executor: Executor | None = None,
) -> Verdict:
    """Compare the mean of a sampler with the exact gradient, and stop as soon as the evidence decides.

    Parameters
    ----------
    sampler : callable
        `sampler(problem, n, rng)` returns n independent estimates, array-like of shape (n, *event_shape), and draws all
        its randomness from `rng`. Arrays of any framework that NumPy reads, in any precision.
    problem : Problem
    tolerance : float
        Bias that "right" allows, relative to the largest component of the exact gradient (or, where that is small, to a
        tenth of the largest gradient that the spread of f under q allows). A component whose score varies little, since
        its variable is nearly certain, is held to its own share of that.
    alpha : float
        Bound on the probability of a false "wrong", and of a false "right".
    max_samples : int
    estimator : Estimator, optional
        The reference that the sampler implements; its exact covariance takes the place of REINFORCE's and a pilot's.
    seed : int
        Call number c is given `numpy.random.default_rng([seed, c])`.
    rows : int, optional
        The sampler returns one mean over that many samples, of shape (*event_shape,), and is called with n = rows.
    wrt : {"logits", "probs"}
        What the sampler's gradient is taken in. That in the probabilities, free of their sum, is carried over exactly.
    loss : bool
        Whether it is the gradient of the loss, -f.
    max_seconds : float
        No call begins after so many seconds; the verdict is then "undecided" at most.
    state : str or Path, optional
        File that the check goes on from, if it is there, and that is kept up to date. See `refgrad.testing.state`.
    progress : callable, optional
        Called at every look with the number of samples and the decimal logarithm of the evidence.
    causes : bool
        Whether a "wrong" is followed by `diagnose`, on fresh samples: `causes` of the verdict.
    executor : concurrent.futures.Executor, optional
        Where calls are made, ahead of the looks: threads, processes, Dask. The verdict has the same bits as without it
        if rows follow from (problem, n, rng) alone: see Notes.

    Returns
    -------
    Verdict

    Raises
    ------
    SamplerError
        If the sampler raises.
    ValueError
        If a parameter is out of range, the problem is too large, the sampler returns a wrong shape, or the state is
        damaged or of another check.
    TypeError
        If the sampler does not return real numbers, or cannot be pickled and workers are other processes.

    Notes
    -----
    Two calls of 1,024 rows come first, and the first of them again: for the covariance, the generator, and rows that
    depend on each other. Looks are at n = 64, and then whenever a quarter has been added. Sizes of calls are powers of
    two, at most 32,768, and few: code that is compiled for each size is compiled a dozen times. Derivation 11 has the
    test.

    With an executor, calls in threads overlap, and in other processes the sampler is a copy that is made anew: one with
    a state of its own, such as a moving average, is then another sampler. (The pilot is three calls on one copy, and a
    note of the verdict says if the first, made again, gave other rows.) At most as many rows as are judged, or 32,768,
    are drawn ahead; at the verdict what has not begun is cancelled, and what runs is waited for. `diagnose` is not
    shared out. What the sampler raised is the cause of a SamplerError in threads; from other processes, its text.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> def half(problem, n, rng):
    ...     return 0.5 * Reinforce().sample(problem.q, problem.f, n, rng)
    >>> verdict = check_unbiased(half, standard_problems("bernoulli")[0])
    >>> print(verdict.outcome)
    wrong
    """
    settings = Settings(tolerance, alpha, max_samples, estimator)
    source = Source(sampler, problem, seed, Form(rows, wrt, loss))
    verdict = trial(source, settings, _expected.unbiased, Limits(max_seconds, state, progress, executor))
    return _explained(verdict, source, estimator) if causes else verdict


@judged
def check_moments(  # noqa: PLR0913
    sampler: Sampler,
    problem: Problem,
    estimator: Estimator,
    *,
    tolerance: float = 0.1,
    alpha: float = 1e-9,
    max_samples: int = 1_000_000,
    seed: int = 0,
    rows: int | None = None,
    wrt: str = "logits",
    loss: bool = False,
    max_seconds: float = float("inf"),
    state: str | Path | None = None,
    progress: Callable[[int, float], Any] | None = None,
    causes: bool = True,
    executor: Executor | None = None,
) -> Verdict:
    """Compare mean and covariance of a sampler with the exact ones of an estimator: a biased one has its exact bias.

    Parameters
    ----------
    sampler, problem
        As in `check_unbiased`.
    estimator : Estimator
        What the sampler implements.
    tolerance : float
        As in `check_unbiased`; for a covariance, relative to the product of the two standard deviations.
    alpha, max_samples, seed, rows, wrt, loss, max_seconds, state, progress, causes, executor
        As in `check_unbiased`.

    Returns
    -------
    Verdict
        With `exact_covariance`, `covariance` and `covariance_error`.

    Raises
    ------
    SamplerError, ValueError, TypeError
        As in `check_unbiased`, and if the estimator does not serve the problem.

    Notes
    -----
    The same test, of the rows and the products of their centred components; the covariance of these is made of exact
    fourth moments.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> def mean_of_two(problem, n, rng):
    ...     return Reinforce().sample(problem.q, problem.f, 2 * n, rng).reshape(n, 2, -1).mean(axis=1)
    >>> problem = standard_problems("bernoulli")[0]
    >>> print(check_unbiased(mean_of_two, problem).outcome, check_moments(mean_of_two, problem, Reinforce()).outcome)
    right wrong
    """
    settings = Settings(tolerance, alpha, max_samples, estimator)
    if problem.family not in estimator.claims.families:
        raise ValueError(f"{estimator!r} needs a problem of {estimator.claims.families}, but was given {problem}")
    source = Source(sampler, problem, seed, Form(rows, wrt, loss))
    verdict = trial(source, settings, _expected.with_moments, Limits(max_seconds, state, progress, executor))
    return _explained(verdict, source, estimator) if causes else verdict


def assert_unbiased(sampler: Sampler, problem: Problem, **options: Any) -> Verdict:
    """Raise unless `check_unbiased` says "right".

    Parameters
    ----------
    sampler, problem, **options
        As in `check_unbiased`.

    Returns
    -------
    Verdict

    Raises
    ------
    AssertionError
        If the sampler is wrong; the message is the report.
    Undecided
        If the samples are spent without a verdict.
    SamplerError, ValueError, TypeError
        As in `check_unbiased`.
    """
    return check_unbiased(sampler, problem, **options).raised()


def assert_moments(sampler: Sampler, problem: Problem, estimator: Estimator, **options: Any) -> Verdict:
    """Raise unless `check_moments` says "right".

    Parameters
    ----------
    sampler, problem, estimator, **options
        As in `check_moments`.

    Returns
    -------
    Verdict

    Raises
    ------
    AssertionError, Undecided, SamplerError, ValueError, TypeError
        As in `assert_unbiased`.
    """
    return check_moments(sampler, problem, estimator, **options).raised()


def _explained(verdict: Verdict, source: Source, estimator: Estimator | None) -> Verdict:
    """Add the known mistakes that fit."""
    if verdict.outcome != "wrong" or verdict.battery:
        return verdict
    if time.monotonic() > source.deadline:
        return verdict
    options: dict[str, Any] = {"estimator": estimator, "seed": source.seed, **vars(source.form)}
    # A test that judges a sampler on many problems hears of it once.
    key = source.sampler, source.problem.family, repr(estimator), tuple(vars(source.form).values())
    found = once(key, lambda: diagnose(source.sampler, source.problem.family, **options))
    if not found.problems or not found.causes[0].biased:  # it shows on this problem alone
        found = diagnose(source.sampler, source.problem, **options)
    return replace(verdict, causes=tuple(cause.text for cause in found.causes))
