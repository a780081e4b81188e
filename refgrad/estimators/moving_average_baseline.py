"""REINFORCE with the moving average of earlier values as baseline."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator, keep_number

__all__ = ["MovingAverageBaseline"]


@dataclass(frozen=True)
class MovingAverageBaseline(Estimator):
    """Exponential moving average of f over earlier steps; unbiased because it is used before it is updated.

    f is evaluated once, at z, and never differentiated. The state is the field `average`; a call does not change it.

    Parameters
    ----------
    average : float
        Units of f: the state.
    decay : float
        In [0, 1): the share of the old average that an update keeps.

    Raises
    ------
    ValueError
        If `average` is not a finite number, or `decay` is outside [0, 1).
    """

    average: float = 0.0
    decay: float = 0.9
    claims: ClassVar[Claims] = Claims(unbiased=True, derivation="04-constant-baselines")
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"average": 0.5, "decay": 0.99})

    def __post_init__(self) -> None:
        keep_number(self, "average")
        if not 0 <= keep_number(self, "decay") < 1:
            raise ValueError(f"MovingAverageBaseline needs 0 <= decay < 1, but it is {self.decay}")

    def update(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> "MovingAverageBaseline":
        """Return the estimator of the next step: the average moves to the mean of f over all repetitions and rows.

        Parameters
        ----------
        q, f, noise
            As in a call.

        Returns
        -------
        MovingAverageBaseline
            Eq. 04.6.

        Raises
        ------
        ValueError
            If there is no sample, or f is not finite at one.
        """
        f, (noise_z,) = self._prepare(q, f, noise)
        values = f(q.sample(noise_z))
        if not np.size(values):
            raise ValueError(f"MovingAverageBaseline needs a sample, but noise has shape {np.shape(noise)}")
        value = float(np.mean(values))
        return replace(self, average=self.decay * self.average + (1 - self.decay) * value)  # Eq. 04.6

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        return q.expand(f(z) - self.average) * q.score(z)  # Eq. 04.5
