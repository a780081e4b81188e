"""What was sampled against what is exact, at one point of a run: derivation 12, Eq. 12.5."""

from dataclasses import dataclass

import numpy as np

from refgrad import Bernoulli, exact
from refgrad.testing.evidence import Evidence

NODES = {1: 2**15, 2: 2**13}  # of the design that gives the fourth moments, by the number of bits
LIMIT = 9.0  # of log10 of the evidence against a row
FLAT = 1e-12  # a share of the variance: what varies less is rounding


@dataclass(frozen=True)
class Point:
    """One logged step: total variance exact and sampled, its standard error, the size of the bias, and the evidence."""

    step: int
    exact: float
    sampled: float
    error: float
    bias: float
    gradient: float
    evidence: Evidence

    @property
    def z(self):
        """Sampled less exact variance, in standard errors; none where it cannot vary."""
        return (self.sampled - self.exact) / self.error if self.error > FLAT * self.exact else np.nan


def point(step, logits, estimator, f, draws, rng):
    """Judge an estimator where a run is: logits (size,), in the state that it has there.

    The exact mean is known, so the sampled variance is a plain mean of squares; the error of that is exact too.
    """
    q = Bernoulli(logits)
    moments, gradient = exact.moments(estimator, q, f), exact.gradient(q, f)
    variance, sizes = float(moments.variance.sum()), _norms(moments.mean - gradient, gradient)
    if variance <= (FLAT * sizes[1]) ** 2:  # no noise, or none but rounding
        return Point(step, variance, 0.0, 0.0, *sizes, Evidence(np.eye(q.logits.size + 1)))

    def features(noise):
        """Estimates less their mean, and their square less its own: (n, size + 1)."""
        rest = estimator(q, f, noise) - moments.mean
        return np.column_stack([rest, (rest**2).sum(axis=-1) - variance])  # Eq. 12.5

    design = exact.design(estimator, q, limit=NODES[q.logits.size], goal=1e-6)
    at_nodes = features(design.noise)
    covariance = at_nodes.T @ (design.weights[:, None] * at_nodes)
    scale = np.r_[np.sqrt(moments.variance), variance]
    covariance += np.diag(FLAT * scale**2)  # so that what cannot vary has a scale
    rows = features(estimator.draw_noise(q, draws, rng))
    evidence = Evidence(np.eye(len(scale))).add(rows @ Evidence(covariance).whiten)
    error = np.sqrt(max(at_nodes[:, -1] ** 2 @ design.weights, 0.0) / draws)
    sampled = float(rows[:, -1].mean()) + variance
    return Point(step, variance, sampled, float(error), *sizes, evidence)


def _norms(*vectors):
    return [float(np.linalg.norm(vector)) for vector in vectors]


def together(points):
    """Log10 of the evidence of all points: each step is judged in its own units, so the sums add up."""
    n = sum(p.evidence.n for p in points)
    if not n:
        return np.nan
    first = points[0].evidence
    total, squares = (sum(getattr(p.evidence, name) for p in points) for name in ("total", "squares"))
    return Evidence(first.covariance, n, total, squares).log_against_zero() / np.log(10)
