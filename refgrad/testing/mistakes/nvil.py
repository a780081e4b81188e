"""Mistakes of NVIL: of its running mean, and of its running variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Linear, Nvil
from refgrad.testing.mistakes._mistake import Biased, Mistake

__all__ = ["MISTAKES"]


class UpdatedBeforeUsed(Biased, Nvil):
    """The running mean already has a share of the value that it is taken from."""

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        rest = f(z) - self.baseline(self.features)
        average = self.decay * self.average + (1 - self.decay) * rest  # Eq. 05.7, too early
        signal = rest - self.centred * average
        return q.expand(signal / self.scale) * q.score(z)


class DividedBySmall(Biased, Nvil):
    """Divided by the standard deviation even where that is small."""

    @property
    def scale(self) -> float:
        """The standard deviation itself."""
        return float(np.sqrt(self.variance)) if self.normalised else 1.0


SETTINGS: dict[str, Any] = {"features": [0.5, -1.0], "baseline": Linear([1.0, 0.25, 0.5]), "average": 0.25}
MISTAKES = (
    Mistake(
        "nvil-updated-before-use",
        UpdatedBeforeUsed(**SETTINGS, decay=0.75),
        Nvil(**SETTINGS, decay=0.75),
        "the running mean was updated with the value and then taken from it, not the other way round: factor decay",
        "algorithm 1 of the paper, as printed",
    ),
    Mistake(
        "nvil-divided-by-a-small-deviation",
        DividedBySmall(**SETTINGS, variance=0.25, normalised=True),
        Nvil(**SETTINGS, variance=0.25, normalised=True),
        "divided by sigma, not by max(1, sigma)",
    ),
)
