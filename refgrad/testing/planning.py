"""How many samples a check takes, before it is run: its own statistic on the path that the sums are expected to take."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions._array import Array, as_float
from refgrad.estimators import Estimator
from refgrad.testing._expected import Expected, Settings, unbiased
from refgrad.testing._sampler import Batch
from refgrad.testing.evidence import MEAN_SHARE, Evidence
from refgrad.testing.problems import Problem

__all__ = ["detectable_bias", "samples_needed", "samples_to_certify"]

LARGEST = 2**53  # samples that a float counts
FURTHEST = 1e6  # bias in units of the noise of one estimate


def samples_needed(problem: Problem, estimator: Estimator, bias: Any, alpha: float = 1e-9, *, power: float = 0.9) -> int:
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
        Probability that the check has said "wrong" by then.

    Returns
    -------
    int
        Tested samples, as `Verdict.n` counts them: a check that may test so many says "wrong" with about this
        probability. One that may test more looks again at most 20 % later.

    Raises
    ------
    ValueError
        If alpha, bias or power is out of range, the bias is relative and the gradient zero or the estimator biased, or
        more than 2**53 samples are needed.
    TypeError
        If the estimator is no Estimator, or the bias no real number.

    Notes
    -----
    After n samples the sums of `refgrad.testing.evidence` are taken to be

        S = n delta - ppf(power) sqrt(n) delta / sqrt(delta' Sigma^-1 delta),    V = n (Sigma + delta delta'),

    the quantile of a normal sum along `Sigma^-1 delta`, which is what the evidence grows with. So the probability rests
    on the normal approximation of S, and on a V near its mean. Neither holds while outcomes that carry much of the
    variance, or of the gradient, are expected only a few times in n samples. The false alarms of the check, its alpha,
    need no approximation.

    A check stops with "right" as soon as every component is within its tolerance. To see a bias below the tolerance of
    0.1, give the check a tolerance no larger than the bias.

    Examples
    --------
    >>> from refgrad.estimators import GumbelSoftmax, Reinforce
    >>> from refgrad.testing import standard_problems
    >>> toy = standard_problems("bernoulli")[0]
    >>> samples_needed(toy, Reinforce(), 0.5), samples_needed(toy, Reinforce(), 0.1)
    (0, 0)
    >>> from refgrad import exact
    >>> relaxed = GumbelSoftmax(1.0)
    >>> samples_needed(toy, relaxed, exact.bias(relaxed, toy.q, toy.f))
    0
    """
    settings = Settings(alpha=alpha, estimator=estimator)
    covariance = _expected("samples_needed", problem, settings, power).covariance
    shift = _shift("samples_needed", problem, estimator, bias)
    limit = settings.log_limit - np.log(MEAN_SHARE)
    needed = _first(lambda n: _log_evidence(covariance, shift, n, power) >= limit)
    if needed is None:
        raise ValueError(f"samples_needed finds that 2**53 samples do not show a bias of {bias}")
    return needed


def detectable_bias(problem: Problem, estimator: Estimator, n: int, alpha: float = 1e-9, *, power: float = 0.9) -> float:
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
        Positive. A sampler with mean `(1 + bias) * gradient` or `(1 - bias) * gradient` is called wrong within n samples
        with probability `power`, under the conditions of `samples_needed`.

    Raises
    ------
    ValueError
        If alpha, n or power is out of range, the gradient is zero, the estimator is biased, or n samples show no bias
        however large: the evidence of a large bias grows by 1.5 a sample.
    TypeError
        If the estimator is no Estimator.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> toy = standard_problems("bernoulli")[0]
    >>> print(f"{detectable_bias(toy, Reinforce(), 1_000_000):.3f}")
    0
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

    high = 1 / np.sqrt(n)
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
        the tolerance. Each component may miss it with an equal share of `1 - power`, so with several that are hard
        alike the probability is higher.

    Raises
    ------
    ValueError
        If tolerance, alpha or power is out of range, the estimator is biased, or more than 2**53 samples are needed.
    TypeError
        If the estimator is no Estimator.

    Notes
    -----
    The sums are those of `samples_needed`, with no bias: `S_j = quantile * sqrt(n Sigma_jj)`, `V_jj = n Sigma_jj`; the
    normal approximation is the same.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> samples_to_certify(standard_problems("bernoulli")[0], Reinforce())
    0
    """
    from scipy.special import ndtri  # noqa: PLC0415  (loaded when needed)

    settings = Settings(tolerance, alpha, estimator=estimator)
    expected = _expected("samples_to_certify", problem, settings, power)
    if not estimator.claims.unbiased:
        raise ValueError(f"samples_to_certify needs an unbiased estimator, but {estimator!r} is biased: never right")
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


def _expected(name: str, problem: Problem, settings: Settings, power: float) -> Expected:
    """What the check expects of a sampler, and the checks that all planning shares."""
    if settings.estimator is None:
        raise TypeError(f"{name} needs an Estimator, but it is None")
    if not 0 < power < 1:
        raise ValueError(f"{name} needs a power between 0 and 1, but it is {power}")
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
    scale = np.sqrt(covariance.diagonal())
    unit = shift / scale
    return float(np.sqrt(unit @ np.linalg.solve(covariance / np.multiply.outer(scale, scale), unit)))


def _first(reached: Callable[[int], bool]) -> int | None:
    """Least n from which on something holds, or None beyond 2**53."""
    high = 1
    while not reached(high):
        high *= 2
        if high > LARGEST:
            return None
    low = high // 2
    return low + bisect_left(range(low, high), True, key=reached)
