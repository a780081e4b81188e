"""The oracle along the path: exact bias and variance of the estimator that training uses at the moment."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from _vae.control import shown_to
from refgrad import exact

THREE = 2**18  # evaluations that the oracle's rule for three axes needs


@dataclass(frozen=True)
class Probe:
    """What is known of an estimator at a checkpoint, on the same few images each time.

    Parameters
    ----------
    epoch : int
    gradient, bias : (images, size) ndarray
        Of the first term of the ELBO in the logits; of one image each.
    error : (images, size) ndarray
        Of the bias and the variance: numerical if exact, else one standard error.
    variance : (images,) ndarray
        Total: the sum over the components. NaN where the oracle would need too long; then all is by the draws alone.
    sampled, standard_error : (images,) ndarray
        Total variance of the draws.
    """

    epoch: int
    gradient: Any
    bias: Any
    error: Any
    variance: Any
    sampled: Any
    standard_error: Any

    @property
    def exact(self):
        """Whether the oracle gave the moments."""
        return not np.isnan(self.variance).any()

    @property
    def relative_bias(self):
        """Size of the bias as a share of that of the gradient, over all images."""
        return float(np.linalg.norm(self.bias) / np.linalg.norm(self.gradient))  # Eq. 13.9

    @property
    def relative_error(self):
        """The error of that, of each component at its worst."""
        return float(np.linalg.norm(self.error) / np.linalg.norm(self.gradient))

    @property
    def z_score(self):
        """Sampled less exact variance, beyond the error of the oracle, in standard errors; NaN if there is nothing."""
        away = self.sampled.mean() - self.variance.mean()
        excess = np.sign(away) * max(0.0, abs(away) - self.error.sum(axis=1).mean())
        deviation = np.linalg.norm(self.standard_error) / len(self.standard_error)
        return float(excess / deviation) if self.exact and self.variance.mean() > 0 else np.nan


def probe(vae, estimator, pixels, epoch, sizes, rng):
    """Ask the oracle about each image, and draw estimates of each."""
    limit = max(sizes.limit, THREE) if vae.code.axes == 3 else sizes.limit
    rows = [_one(vae, shown_to(estimator, one), one, sizes.draws, limit, rng) for one in pixels]
    return Probe(epoch, *(np.array(column) for column in zip(*rows, strict=True)))


def _one(vae, estimator, pixels, n, limit, rng):
    q, f = vae.q(pixels), vae.likelihood(pixels)
    gradient = exact.gradient(q, f).ravel()
    draws = estimator.sample(q, f, n, rng).reshape(n, -1)
    away = ((draws - draws.mean(axis=0)) ** 2).sum(axis=1) * (n / (n - 1))
    of_draws = away.mean(), away.std() / np.sqrt(n)
    try:
        m = exact.moments(estimator, q, f, limit=limit)
    except ValueError as error:
        if "more than the limit" not in str(error):
            raise
        by_chance = draws.std(axis=0, ddof=1) / np.sqrt(n)
        return gradient, draws.mean(axis=0) - gradient, by_chance, np.nan, *of_draws
    return gradient, m.mean.ravel() - gradient, m.error.ravel(), m.variance.sum(), *of_draws
