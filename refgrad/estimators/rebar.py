"""REBAR: REINFORCE with its own relaxation as control variate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator, pathwise

__all__ = ["Rebar"]


@dataclass(frozen=True)
class Rebar(Estimator):
    """Tucker et al. (2017): unbiased for every temperature and coefficient; categorical as in Grathwohl et al. (2018).

    f is evaluated at z, and evaluated and differentiated at two relaxed samples: one of the noise of z, one of fresh
    noise given z.

    Parameters
    ----------
    temperature : float
        Positive. Of the relaxation in the control variate; it changes the variance only.
    coefficient : float
        Of the control variate. Zero gives REINFORCE.

    Raises
    ------
    ValueError
        If `temperature` is not positive, or a parameter is not finite.
    """

    temperature: float = 0.5
    coefficient: float = 1.0
    draws: ClassVar[int] = 2
    claims: ClassVar[Claims] = Claims(
        unbiased=True, differentiates_f=True, reads=("cell", "smooth"), additive=True, derivation="08-rebar"
    )
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"temperature": 0.1, "coefficient": 0.7})

    def __post_init__(self) -> None:
        if not 0 < self.temperature < np.inf:
            raise ValueError(f"Rebar needs a positive and finite temperature, but it is {self.temperature}")
        if not np.isfinite(self.coefficient):
            raise ValueError(f"Rebar needs a finite coefficient, but it is {self.coefficient}")

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z, fresh) = self._prepare(q, f, noise)  # (..., *event_shape) each
        z = q.sample(noise_z)  # Eq. 08.1

        def relaxed(q: Distribution) -> Any:
            return f(q.relax(noise_z, self.temperature))  # Eq. 08.2

        def relaxed_given_z(q: Distribution) -> Any:
            return f(q.relax(q.noise_given(z, fresh), self.temperature))  # Eq. 08.3

        _, slope = pathwise(relaxed, q, noise_z)
        value_z, slope_z = pathwise(relaxed_given_z, q, noise_z)
        weight = f(z) - self.coefficient * value_z
        return q.expand(weight) * q.score(z) + self.coefficient * (slope - slope_z)  # Eq. 08.4
