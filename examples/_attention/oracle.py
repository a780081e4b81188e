"""What estimators measure on one held-out image, and what the oracle says: on all its patches, and on few."""

from dataclasses import dataclass, replace

import autograd.numpy as np
import numpy
from _shared import training
from scipy.special import fdtrc

from _attention.glimpse import PATCHES
from _attention.learner import masks
from refgrad import Bernoulli, exact
from refgrad.testing.evidence import Evidence

OPEN = 6  # patches: so few that relaxed estimators are exact too
LIMIT = 2**17  # evaluations of a relaxed estimator in one rule
RATE = 1e-6  # of false alarms of one test


@dataclass(frozen=True)
class Line:
    """One estimator on one problem; biases and deviations in units of the norm of the exact gradient.

    Parameters
    ----------
    off : float
        Norm of the mean of the estimates less the exact gradient.
    noise : float
        What that norm is about for an unbiased estimator: the root of its mean square.
    biased : bool
        The exact gradient is refuted, at a false-alarm rate of `RATE`: exactly so where the oracle has the covariance,
        else by Hotelling's test, which trusts the tails to be those of a normal mean.
    bias : float
        The exact norm of the bias, 0 if it is within the error of the oracle; NaN where it is out of reach.
    sampled, deviation : float
        Root of the total variance of one estimate, from the sample and exact (NaN where it is out of reach).
    agrees : bool or None
        Whether the estimates have the exact mean of this estimator, biased or not, at a false-alarm rate of `RATE`.
    """

    off: float
    noise: float
    biased: bool
    bias: float
    sampled: float
    deviation: float
    agrees: bool | None


def problem(estimator, q, f, count):
    """Leave the `count` most undecided patches of an image open, and hold the others as they are likelier.

    Returns
    -------
    estimator : Estimator
        With what it has learned of all patches.
    q : Bernoulli
    f : callable
        Of the open patches.
    """
    chosen = numpy.sort(numpy.argsort(numpy.abs(q.logits), kind="stable")[:count])
    spread = numpy.eye(PATCHES)[chosen]
    rest = (q.logits > 0) * (1.0 - spread.sum(axis=0))

    def of_open(function):
        return lambda z: function(np.dot(z, spread) + rest)

    if hasattr(estimator, "control_variate"):
        estimator = replace(estimator, control_variate=of_open(estimator.control_variate))
    if numpy.ndim(getattr(estimator, "baseline", None)) == 1:
        estimator = replace(estimator, baseline=numpy.array(estimator.baseline)[chosen])
    return estimator, Bernoulli(q.logits[chosen]), of_open(f)


def within_reach(estimator, q):
    """Whether the oracle has the moments: where only z is read it enumerates, else it integrates too."""
    return set(estimator.claims.reads) <= {"z"} or q.event_shape[0] <= OPEN


def line(estimator, q, f, n, rng, limit=LIMIT):
    """Measure an estimator on a problem with n estimates."""
    gradient = exact.gradient(q, f)
    size = numpy.linalg.norm(gradient) or 1.0
    rows = estimator.sample(q, f, n, rng)
    mean, covariance = rows.mean(axis=0), numpy.cov(rows.T)
    moments = exact.moments(estimator, q, f, limit=limit) if within_reach(estimator, q) else None
    return Line(
        off=float(numpy.linalg.norm(mean - gradient) / size),
        noise=float(numpy.sqrt(covariance.trace() / n) / size),
        biased=refuted(rows, gradient, moments),
        bias=exact_bias(moments, gradient) / size if moments else numpy.nan,
        sampled=float(numpy.sqrt(covariance.trace()) / size),
        deviation=float(numpy.sqrt(moments.variance.sum()) / size) if moments else numpy.nan,
        agrees=agreed(rows, moments) if moments else None,
    )


def exact_bias(moments, gradient):
    """Norm of the bias; 0 where the oracle, to its own error, sees none."""
    away = moments.mean - gradient
    return float(numpy.linalg.norm(away)) * bool((numpy.abs(away) > moments.error).any())


def refuted(rows, mean, moments=None, rate=RATE):
    """Whether rows (n, d) do not have this mean."""
    n, d = rows.shape
    away = rows - mean
    if moments:
        return not _holds(away, moments, rate)
    rounding = 64 * numpy.finfo(float).eps * numpy.abs(rows).max() + numpy.finfo(float).tiny ** 0.5
    whiten = Evidence(numpy.cov(rows.T) + n * rounding**2 * numpy.eye(d)).whiten  # alike in every row
    square = n * numpy.square(away.mean(axis=0) @ whiten).sum()
    return bool(fdtrc(d, n - d, (n - d) / (d * (n - 1)) * square) < rate)


def agreed(rows, moments, rate=RATE):
    """Whether rows have the exact mean of their estimator."""
    return _holds(rows - moments.mean, moments, rate)


def _holds(away, moments, rate):
    """Whether the mean of rows (n, d) may vanish, by a bound that needs no normal tails: derivation 11."""
    if not moments.variance.any():
        return bool((numpy.abs(away) <= moments.error).all())
    # The oracle errs alike in every row: so much more variance covers that.
    covariance = moments.covariance + numpy.diag(len(away) * moments.mean_error**2)
    return bool(Evidence(covariance).add(away).log_against_zero() < -numpy.log(rate))


def warmed(estimator, learner, batches, rng):
    """The estimator after it has learned from some batches, while the networks stay as they are."""
    for digits in batches:
        own = training.with_features(estimator, digits.pixels)
        q = masks(learner.attention.weights, digits.pixels)
        estimator = training.learned(own, q, learner.reward(digits), own.draw_noise(q, 1, rng))
    return estimator
