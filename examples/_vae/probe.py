"""The oracle along the path: exact bias and variance of the estimator that training uses at the moment."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from _vae.control import shown_to
from refgrad import exact


@dataclass(frozen=True)
class Probe:
    """What is known of an estimator at a checkpoint, on the same few images each time.

    Parameters
    ----------
    epoch : int
    gradient, bias : (images, size) ndarray
        Of the first term of the ELBO in the logits; of one image each.
    error : (images, size) ndarray
        Of the bias: numerical if exact, else one standard error.
    variance : (images,) ndarray
        Total: the sum over the components. NaN where the oracle would need too long; then all is by the draws alone.
    variance_error : (images,) ndarray
        Numerical.
    sampled, standard_error : (images,) ndarray
        Total variance of the draws.
    """

    epoch: int
    gradient: Any
    bias: Any
    error: Any
    variance: Any
    variance_error: Any
    sampled: Any
    standard_error: Any

    @property
    def exact(self):
        """Whether the oracle gave the moments."""
        return not np.isnan(self.variance).any()

    @property
    def relative_bias(self):
        """Size of the bias as a share of that of the gradient, over all images.

        Draws make a square larger by their variance, which is taken off.
        """
        square = (self.bias**2).sum()
        if not self.exact:
            square = max(0.0, square - (self.error**2).sum())
        return float(np.sqrt(square) / np.linalg.norm(self.gradient))  # Eq. 13.9

    @property
    def relative_error(self):
        """The error of that, of each component at its worst."""
        return float(np.linalg.norm(self.error) / np.linalg.norm(self.gradient))

    @property
    def z_score(self):
        """Sampled less exact variance, beyond the error of the oracle, in standard errors; NaN if there is nothing."""
        away = self.sampled.mean() - self.variance.mean()
        excess = np.sign(away) * max(0.0, abs(away) - self.variance_error.mean())
        deviation = np.linalg.norm(self.standard_error) / len(self.standard_error)
        return float(excess / deviation) if self.exact and self.variance.mean() > 0 else np.nan

    def summary(self):
        """The numbers that figures and tables are made of."""
        names = ["epoch", "relative_bias", "relative_error", "variance", "variance_error", "sampled", "standard_error"]
        return {name: getattr(self, name) for name in [*names, "z_score"]}


def probe(vae, estimator, pixels, epoch, sizes, rng):
    """Ask the oracle about each image, and draw estimates of each."""
    rows = [_one(vae, shown_to(estimator, one), one, sizes, rng) for one in pixels]
    return Probe(epoch, *(np.array(column) for column in zip(*rows, strict=True)))


def _one(vae, estimator, pixels, sizes, rng):
    n = sizes.draws
    q, f = vae.q(pixels), vae.likelihood(pixels)
    gradient = exact.gradient(q, f).ravel()
    if not estimator.draws:  # the same whatever the noise
        bias = estimator(q, f, estimator.draw_noise(q, 1, rng)).ravel() - gradient
        return gradient, bias, np.zeros(gradient.size), 0.0, 0.0, 0.0, 0.0
    draws = estimator.sample(q, f, n, rng).reshape(n, -1)
    away = ((draws - draws.mean(axis=0)) ** 2).sum(axis=1) * (n / (n - 1))
    of_draws = away.mean(), away.std() / np.sqrt(n)
    try:
        m = exact.moments(estimator, q, f, limit=sizes.limit)
    except ValueError as error:
        if "more than the limit" not in str(error):
            raise
        by_chance = draws.std(axis=0, ddof=1) / np.sqrt(n)
        return gradient, draws.mean(axis=0) - gradient, by_chance, np.nan, np.nan, *of_draws
    size = gradient.size
    of_variance = m.covariance_error.reshape(size, size).diagonal().sum()
    return gradient, m.mean.ravel() - gradient, m.mean_error.ravel(), m.variance.sum(), of_variance, *of_draws
