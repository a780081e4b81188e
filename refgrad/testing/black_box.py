"""Judge a sampler of which nothing is known but what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refgrad.estimators import Estimator
from refgrad.testing._court import Batch, Court, Seen
from refgrad.testing.evidence import Evidence
from refgrad.testing.problems import Problem
from refgrad.testing.verdict import Undecided, Verdict

__all__ = ["assert_unbiased", "check_unbiased"]

Sampler = Callable[[Problem, int, "np.random.Generator"], Any]

PILOT = 1000
ROWS = 2**15  # most estimates asked for in one call


def check_unbiased(
    sampler: Sampler,
    problem: Problem,
    *,
    tolerance: float = 0.1,
    alpha: float = 1e-9,
    max_samples: int = 1_000_000,
    estimator: Estimator | None = None,
    seed: int = 0,
    progress: Callable[[int, float], Any] | None = None,
) -> Verdict:
    """Compare the mean of a sampler with the exact gradient, and stop as soon as the evidence decides.

    Parameters
    ----------
    sampler : callable
        `sampler(problem, n, rng)` returns n independent estimates, array-like of shape (n, *event_shape), and draws all
        its randomness from `rng`.
    problem : Problem
    tolerance : float
        Bias that "right" allows, relative to the largest component of the exact gradient (or, where that is small, to a
        tenth of the largest gradient that the spread of f under q allows).
    alpha : float
        Bound on the probability of a false "wrong", and of a false "right".
    max_samples : int
    estimator : Estimator, optional
        The reference that the sampler implements; its exact covariance takes the place of REINFORCE's and a pilot's.
    seed : int
        Of `rng`, a `numpy.random.default_rng(seed)`.
    progress : callable, optional
        Called at every look with the number of samples and the decimal logarithm of the evidence.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If a parameter is out of range, the problem is too large, or the sampler returns a wrong shape.
    TypeError
        If the sampler does not return real numbers.

    Notes
    -----
    Looks are at n = 200 and then 20 % more each time. See `refgrad.testing.evidence` for the test.

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
    check_options(tolerance, alpha, max_samples)
    rng = np.random.default_rng(seed)
    pilot = _draw(sampler, problem, min(PILOT, max(2, max_samples // 10)), rng)
    court = Court.open(problem, pilot, tolerance, alpha, estimator)
    seen = Seen.of(problem.gradient.size)
    evidence = Evidence(court.covariance)
    outcome, reason = court.not_finite(pilot)
    for size, look in _calls(max_samples - len(pilot.rows)):
        if outcome is not None:
            break
        batch = _draw(sampler, problem, size, rng)
        outcome, reason = court.not_finite(batch)
        if outcome is None:
            seen.add(batch.rows)
            evidence = evidence.add(batch.rows - court.exact)
            if look:
                outcome, reason = court.judge(evidence, seen)
                if progress is not None:
                    progress(evidence.n, evidence.log_against_zero() / np.log(10))
    return court.verdict(outcome or "undecided", reason, evidence, seen, seed)


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
    ValueError, TypeError
        As in `check_unbiased`.
    """
    verdict = check_unbiased(sampler, problem, **options)
    if verdict.outcome == "wrong":
        raise AssertionError(str(verdict))
    if verdict.outcome == "undecided":
        raise Undecided(str(verdict))
    return verdict


def _draw(sampler: Sampler, problem: Problem, n: int, rng: np.random.Generator) -> Batch:
    """Call the sampler and check what it returns."""
    returned = sampler(problem, n, rng)
    estimates = np.asarray(returned.detach() if hasattr(returned, "detach") else returned)
    shape = (n, *problem.q.event_shape)
    if estimates.dtype.kind not in "buif":
        raise TypeError(f"the sampler needs to return real numbers, but returned dtype {estimates.dtype}")
    if estimates.shape != shape:
        raise ValueError(
            f"the sampler needs to return shape {shape}, one estimate of the gradient in the logits for each of "
            f"n = {n} repetitions, but returned shape {estimates.shape}"
            + (" (was it averaged over the repetitions?)" if estimates.shape == problem.q.event_shape else "")
        )
    precision = np.finfo(estimates.dtype).eps if estimates.dtype.kind == "f" else np.finfo(float).eps
    return Batch(estimates.reshape(n, -1).astype(np.float64), float(precision))


def _calls(available: int) -> Iterator[tuple[int, bool]]:
    """Sizes of the calls, and whether a look follows: at 200 samples altogether, then at 20 % more each time."""
    done, goal = 0, min(200, available)
    while done < available:
        size = min(ROWS, goal - done)
        done += size
        yield size, done == goal
        if done == goal:
            goal = min(max(int(goal * 1.2), goal + 1), available)


def check_options(tolerance: float, alpha: float, max_samples: int) -> None:
    """Raise ValueError for a parameter of a check that is out of range."""
    if not 0 < tolerance < np.inf:
        raise ValueError(f"tolerance needs to be positive and finite, but is {tolerance}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha needs to lie between 0 and 1, but is {alpha}")
    if max_samples < 10:
        raise ValueError(f"max_samples needs to be at least 10, but is {max_samples}")
