"""How many samples a check takes, before it is run: its own statistic, on the way that its sums are expected to go."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions._array import Array, as_float
from refgrad.estimators import Estimator, Reinforce
from refgrad.testing._court import Court
from refgrad.testing._expected import Expected, Settings, unbiased, with_moments
from refgrad.testing._sampler import Batch
from refgrad.testing.evidence import MEAN_SHARE, Evidence
from refgrad.testing.problem import Problem

__all__ = ["detectable_bias", "samples_for_moments", "samples_needed", "samples_to_certify"]

LARGEST = 2**53  # samples that a float counts
FURTHEST = 1e6  # bias in units of the noise of one estimate


def samples_needed(
    problem: Problem, estimator: Estimator, bias: Any, alpha: float = 1e-9, *, power: float = 0.9
) -> int:
    """Samples after which a check has called a sampler wrong, if it scatters as `estimator` does and is off by `bias`.

    Parameters
    ----------
    problem : Problem
    estimator : Estimator
        The reference that the check is told, and whose exact covariance the sampler has.
    bias : float, or (*event_shape,) array_like of float64
        A number is relative: the mean is `(1 + bias) * gradient`. An array is the mean less the gradient, in units of f
        per logit; then `estimator` may be a biased one, and its own bias is `exact.bias(estimator, q, f)`.
    alpha : float
        Of the check.
    power : float
        Probability that the check has said "wrong" by then; more than alpha.

    Returns
    -------
    int
        Tested samples, as `Verdict.n` counts them. At most 2,000 of the pilot come on top: with `max_samples` larger by
        these the check says "wrong" with this probability or more, at its last look if not before.

    Raises
    ------
    ValueError
        If alpha, bias or power is out of range, the bias has another shape, it is relative and the gradient zero or the
        estimator biased, the bias is more than 1e6 times the noise, or more than 2**53 samples are needed.
    TypeError
        If the estimator is no Estimator or does not serve the family, or the bias is no real number.

    Notes
    -----
    After n samples the sums of `refgrad.testing.evidence` are taken to be

        S = n delta - ppf(power) sqrt(n) delta / sqrt(delta' Sigma^-1 delta),    V = n (Sigma + delta delta'),

    the quantile of a normal sum along `Sigma^-1 delta`, which is what the evidence grows with. So the probability rests
    on the normal approximation of S, and on a V near its mean. Neither holds while outcomes that carry much of the
    variance, or of the gradient, are expected only a few times in n samples. The false alarms of the check, its alpha,
    need no approximation.

    A check stops with "right" once every component is within its tolerance, 0.1 here: for a smaller bias give it a
    tolerance no larger than the bias. Where the covariance has no extent, the check puts a hair of its tolerance there,
    and so does this function. An estimator without variance is seen at once.

    Examples
    --------
    >>> from refgrad.estimators import GumbelSoftmax, Reinforce
    >>> from refgrad.testing import standard_problems
    >>> toy = standard_problems("bernoulli")[0]
    >>> samples_needed(toy, Reinforce(), 0.5), samples_needed(toy, Reinforce(), 0.1)
    (7114, 176464)

    How soon a biased estimator is found to be one:

    >>> from refgrad import exact
    >>> relaxed = GumbelSoftmax(1.0)
    >>> samples_needed(toy, relaxed, exact.bias(relaxed, toy.q, toy.f))
    4845
    """
    settings = Settings(alpha=alpha, estimator=estimator)
    covariance = _expected("samples_needed", problem, settings, power).covariance
    shift = _shift("samples_needed", problem, estimator, bias)
    length = _length(covariance, shift)
    if length > FURTHEST:
        raise ValueError(
            f"samples_needed needs a bias of at most {FURTHEST:,.0f} times the noise of one estimate, but it is "
            f"{length:.3g} times that"
        )
    limit = settings.log_limit - np.log(MEAN_SHARE)
    needed = _first(lambda n: _log_evidence(covariance, shift, n, power) >= limit)
    if needed is None:
        raise ValueError(f"samples_needed finds that 2**53 samples do not show a bias of {bias}")
    return needed


def detectable_bias(
    problem: Problem, estimator: Estimator, n: int, alpha: float = 1e-9, *, power: float = 0.9
) -> float:
    """Smallest relative bias that n samples show: the inverse of `samples_needed`.

    Parameters
    ----------
    problem, estimator, alpha, power
        As in `samples_needed`.
    n : int
        Tested samples.

    Returns
    -------
    float
        Positive. A sampler with mean `(1 + bias) * gradient` or `(1 - bias) * gradient` is called wrong within n
        samples with probability `power`, as far as `samples_needed` says. For a bias of many times the noise of one
        estimate the evidence falls again, as the sum of squares grows with it.

    Raises
    ------
    ValueError
        If alpha, n or power is out of range, the gradient is zero, the estimator is biased, or n samples show no bias
        however large: the logarithm of the evidence grows by at most 1.5 a sample.
    TypeError
        If the estimator is no Estimator or does not serve the family.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> toy = standard_problems("bernoulli")[0]
    >>> print(f"{detectable_bias(toy, Reinforce(), 1_000_000):.3f}")
    0.042
    """
    from scipy.optimize import brentq  # noqa: PLC0415  (loaded when needed)

    if not isinstance(n, (int, np.integer)) or not 1 <= n <= LARGEST:
        raise ValueError(f"detectable_bias needs n to be a whole number from 1 to 2**53, but it is {n!r}")
    settings = Settings(alpha=alpha, estimator=estimator)
    covariance = _expected("detectable_bias", problem, settings, power).covariance
    whole = _shift("detectable_bias", problem, estimator, 1.0)
    unit = 1 / _length(covariance, whole)  # of a bias as large as the noise of one estimate
    limit = settings.log_limit - np.log(MEAN_SHARE)

    def excess(size: float) -> float:
        return _log_evidence(covariance, size * unit * whole, n, power) - limit

    high = 1e-3 / np.sqrt(n)
    while excess(high) < 0:
        high *= 2
        if high > FURTHEST:
            raise ValueError(f"detectable_bias finds that n = {n} samples show no bias, however large; more are needed")
    return float(unit * brentq(excess, high / 2, high, xtol=1e-300, rtol=1e-14))


def samples_to_certify(
    problem: Problem, estimator: Estimator, tolerance: float = 0.1, alpha: float = 1e-9, power: float = 0.9
) -> int:
    """Samples after which a check has called `estimator` itself right.

    Parameters
    ----------
    problem : Problem
    estimator : Estimator
        The sampler, and the reference that the check is told; unbiased.
    tolerance, alpha : float
        Of the check.
    power : float
        Probability that the check has said "right" by then.

    Returns
    -------
    int
        Tested samples, as `Verdict.n` counts them, after which the confidence sequence of every component lies within
        the tolerance. Each component has an equal share of `1 - power`, so the probability is higher where they miss
        together, or one decides. A check that may test more says "right" no sooner than after 32,768.

    Raises
    ------
    ValueError
        If tolerance, alpha or power is out of range, the estimator is biased, or more than 2**53 samples are needed.
    TypeError
        If the estimator is no Estimator or does not serve the family.

    Notes
    -----
    The sums are those of `samples_needed`, with no bias: `S_j = quantile * sqrt(n Sigma_jj)`, `V_jj = n Sigma_jj`; the
    normal approximation is the same.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> samples_to_certify(standard_problems("bernoulli")[0], Reinforce())
    191498
    """
    from scipy.special import ndtri  # noqa: PLC0415  (loaded when needed)

    settings = Settings(tolerance, alpha, estimator=estimator)
    expected = _expected("samples_to_certify", problem, settings, power)
    if not estimator.claims.unbiased:
        raise ValueError(f"samples_to_certify needs an unbiased estimator, but {estimator!r} is biased and never right")
    covariance, size = expected.covariance, len(expected.center)
    quantile = -ndtri((1 - power) / (2 * size))  # on either side, of every component
    noise = quantile * np.sqrt(covariance.diagonal())

    def certified(n: int) -> bool:
        path = Evidence(covariance, n, np.sqrt(n) * noise, n * covariance)
        return bool(path.within(expected.allowed, settings.log_limit).all())

    needed = _first(certified)
    if needed is None:
        raise ValueError(f"samples_to_certify finds that 2**53 samples do not certify a tolerance of {tolerance}")
    return needed


def samples_for_moments(problem: Problem, tolerance: float = 0.1, alpha: float = 1e-9) -> int:
    """Samples that second moments take on a problem, about, for an estimator that scatters like REINFORCE.

    Parameters
    ----------
    problem : Problem
    tolerance, alpha : float
        Of `check_moments`.

    Returns
    -------
    int
        Half as many again as the least; rare outcomes make them many, since the variance of a square grows with the
        inverse of their probability.

    Raises
    ------
    ValueError
        If tolerance or alpha is out of range.

    Examples
    --------
    >>> from refgrad.testing import standard_problems
    >>> print(samples_for_moments(standard_problems("bernoulli")[0]) < 200_000)
    True
    """
    settings = Settings(tolerance, alpha, estimator=Reinforce())
    pilot = Batch(np.repeat(problem.gradient.reshape(1, -1), 2, axis=0), float(np.finfo(float).eps), used=True)
    soonest = Court(problem, with_moments(problem, pilot, settings), settings, 1).soonest
    return int(np.ceil(1.5 * soonest))


def _expected(name: str, problem: Problem, settings: Settings, power: float) -> Expected:
    """What the check expects of a sampler, and the checks that all planning shares."""
    if settings.estimator is None:
        raise TypeError(f"{name} needs an Estimator, but it is None")
    if not settings.alpha < power < 1:
        raise ValueError(f"{name} needs a power between alpha = {settings.alpha} and 1, but it is {power}")
    center = problem.gradient.reshape(1, -1)
    return unbiased(problem, Batch(np.repeat(center, 2, axis=0), float(np.finfo(float).eps), True), settings)


def _shift(name: str, problem: Problem, estimator: Estimator, bias: Any) -> Array:
    """Mean of the sampler less the gradient: (d,)."""
    bias = as_float(bias, "bias")
    if not np.isfinite(bias).all() or not bias.any():
        raise ValueError(f"{name} needs a finite bias that is not zero, but it is {bias}")
    if bias.ndim:
        if bias.shape != problem.gradient.shape:
            shape = problem.gradient.shape
            raise ValueError(f"{name} needs a bias that is a number or of shape {shape}, but it has {bias.shape}")
        return np.asarray(bias.ravel())
    if not estimator.claims.unbiased:
        raise ValueError(
            f"{name} needs an unbiased estimator for a relative bias, but it is {estimator!r}; "
            "its own bias is the array exact.bias(estimator, q, f)"
        )
    if not problem.gradient.any():
        raise ValueError(f"{name} needs a gradient that is not zero for a relative bias, but on {problem} it is")
    return np.asarray(bias * problem.gradient.ravel())


def _log_evidence(covariance: Array, shift: Array, n: int, power: float) -> float:
    """Log of the evidence against a mean that is off by `shift`; more with probability `power`."""
    from scipy.special import ndtri  # noqa: PLC0415  (loaded when needed)

    total = max(n - ndtri(power) * np.sqrt(n) / _length(covariance, shift), 0.0) * shift
    return Evidence(covariance, n, total, n * (covariance + np.outer(shift, shift))).log_against_zero()


def _length(covariance: Array, shift: Array) -> float:
    """Bias in units of the noise of one estimate: the root of shift' covariance^-1 shift."""
    largest = np.abs(shift).max()  # its square may underflow
    return float(largest * np.linalg.norm(Evidence(covariance).whiten.T @ (shift / largest)))


def _first(reached: Callable[[int], bool]) -> int | None:
    """Least n from which on something holds, or None beyond 2**53."""
    high = 1
    while not reached(high):
        high *= 2
        if high > LARGEST:
            return None
    low = high // 2
    return low + bisect_left(range(low, high), True, key=reached)
