"""Judge a sampler of which nothing is known but what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from refgrad.estimators import Estimator
from refgrad.testing import _expected
from refgrad.testing._battery import generator_fault, lag_evidence, not_finite, repeated_rows
from refgrad.testing._court import Court, Sums
from refgrad.testing._expected import Expected, Settings
from refgrad.testing._sampler import Batch, Form, Sampler, Source
from refgrad.testing.evidence import MEAN_SHARE
from refgrad.testing.problems import Problem
from refgrad.testing.state import Saved
from refgrad.testing.verdict import Undecided, Verdict

__all__ = ["assert_moments", "assert_unbiased", "calls", "check_moments", "check_unbiased"]

PILOT = 1000  # rows of each of its two calls
ROWS = 2**15  # most rows asked for in one call
FIRST, GROWTH = 200, 1.2  # rows at the first look, and from each look to the next
MAIN = 2  # the first call that is not of the pilot


def check_unbiased(
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
        If the sampler does not return real numbers.

    Notes
    -----
    Two calls of 1,000 rows come first, and the first of them again: for the covariance, the generator, and rows that
    depend on each other. Looks are at n = 200 and then 20 % more each time. Derivation 11 has the test.

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
    return _check(source, settings, _expected.unbiased, max_seconds, state, progress)


def check_moments(
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
    alpha, max_samples, seed, rows, wrt, loss, max_seconds, state, progress
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
    return _check(source, settings, _expected.with_moments, max_seconds, state, progress)


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


def calls(available: int) -> Iterator[tuple[int, bool]]:
    """Sizes of the calls, and whether a look follows: at 200 rows altogether, then at 20 % more each time."""
    done, goal = 0, min(FIRST, available)
    while done < available:
        size = min(ROWS, goal - done)
        done += size
        yield size, done == goal
        if done == goal:
            goal = min(max(int(goal * GROWTH), goal + 1), available)


def _check(
    source: Source,
    settings: Settings,
    expect: Callable[[Problem, Batch, Settings, int], Expected],
    max_seconds: float,
    state: str | Path | None,
    progress: Callable[[int, float], Any] | None,
) -> Verdict:
    """The battery, then calls and looks until something is decided."""
    if not max_seconds > 0:
        raise ValueError(f"max_seconds needs to be positive, but is {max_seconds}")
    began, weight = time.monotonic(), source.form.weight
    budget = settings.max_samples // weight
    size = min(PILOT, budget // 20)
    if size < 2:
        raise ValueError(f"max_samples needs to allow 40 calls, but {settings.max_samples} allows {budget} of {weight}")
    first, second, again = (source.draw(size, call) for call in (0, 1, 0))
    pilot = _joined(first, second)
    expected = expect(source.problem, pilot, settings, weight)
    court = Court(source.problem, expected, settings, weight)
    reason = _fault(source, court, first, second, again)
    if reason:
        finite = pilot.rows[np.isfinite(pilot.rows).all(axis=1)]
        sums = Sums.begin(expected)
        sums = sums.add(expected.features(finite), expected) if len(finite) else sums
        return court.verdict("wrong", reason, sums, source.seed, battery=True)
    notes = () if _alike(first, again) else ("the same generator gave other rows: this verdict cannot be repeated",)
    sums = Sums.begin(expected)
    saved = Saved.open(state, source, court, pilot) if state is not None else None
    skipped = saved.restore(sums) if saved else None
    start, sums = skipped or (0, sums)
    outcome: str | None = None
    reason = ""
    battery = False
    available = budget - 2 * size
    for number, (count, look) in enumerate(calls(available)):
        if number < start - 1 or (number == start - 1 and not look):
            continue
        if number >= start:
            if time.monotonic() - began > max_seconds:
                reason = f"the time is spent: {max_seconds:g} s allowed {number} of the calls"
                break
            batch = source.draw(count, MAIN + number)
            reason = not_finite(batch, f"call {MAIN + number}") or ""
            if reason:
                outcome, battery = "wrong", True
                break
            if batch.precision > pilot.precision:
                raise TypeError(
                    f"{source.name} needs to return one kind of numbers, but call {MAIN + number}, n={count}, has a "
                    f"precision of {batch.precision:.1g}, and those before {pilot.precision:.1g}"
                )
            sums = sums.add(expected.features(batch.rows), expected)
        if look:
            last = sums.evidence.n == available
            outcome, reason = court.judge(sums, last)
            if progress is not None:
                progress(sums.evidence.n * weight, court.log_evidence(sums) / float(np.log(10)))
        if saved and number >= start:
            saved.keep(number + 1, sums, now=look)
        if outcome is not None:
            break
    verdict = court.verdict(outcome or "undecided", reason, sums, source.seed, battery=battery)
    return replace(verdict, notes=verdict.notes + notes)


def _fault(source: Source, court: Court, first: Batch, second: Batch, again: Batch) -> str | None:
    """What the pilot shows that is wrong whatever the mean."""
    alpha, expected = court.settings.alpha, court.expected
    for number, batch in enumerate((first, second)):
        if found := not_finite(batch, f"call {number}"):
            return found
    if found := generator_fault(first, second, again, alpha) or repeated_rows(first, second, expected.log_most, alpha):
        return found
    rest = np.concatenate([first.rows, second.rows]) - expected.center
    size = len(expected.center)
    log_evidence, lag = lag_evidence(rest, expected.covariance[:size, :size])
    if log_evidence < court.settings.log_limit - np.log(1 - MEAN_SHARE):
        return None
    if lag == len(first.rows):
        return "two calls with different generators return related rows: some noise is seeded inside the call"
    return f"rows are not independent: those {lag} apart are correlated"


def _alike(one: Batch, other: Batch) -> bool:
    return np.array_equal(one.rows, other.rows, equal_nan=True)


def _joined(one: Batch, other: Batch) -> Batch:
    return Batch(np.concatenate([one.rows, other.rows]), max(one.precision, other.precision), one.used or other.used)
