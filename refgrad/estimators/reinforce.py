"""REINFORCE: the value of f times the score."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator

__all__ = ["Reinforce"]


@dataclass(frozen=True)
class Reinforce(Estimator):
    """Williams (1992): unbiased for any f; also score-function and likelihood-ratio estimator.

    f is evaluated once, at z, and never differentiated. The variance grows with the mean of f**2, so adding a constant
    to f changes the variance and not the mean.
    """

    claims: ClassVar[Claims] = Claims(unbiased=True, reads=("z",), derivation="02-reinforce")

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        return q.expand(f(z)) * q.score(z)  # Eq. 02.3
