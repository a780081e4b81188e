"""REBAR: REINFORCE with its own relaxation as control variate."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, namespace
from refgrad.estimators._base import Claims
from refgrad.estimators._learning import Adam
from refgrad.estimators._relaxed import check_relaxation, control_paths
from refgrad.estimators._variance import VarianceMinimised

__all__ = ["Rebar"]


@dataclass(frozen=True)
class Rebar(VarianceMinimised):
    """Tucker et al. (2017): unbiased for every temperature and coefficient; categorical as in Grathwohl et al. (2018).

    f is evaluated at z, and evaluated and differentiated at two relaxed samples: one of the noise of z, one of fresh
    noise given z; coupled, at the latter alone. `update` and `tune` learn the log temperature and the coefficient, and
    differentiate f twice.

    Parameters
    ----------
    temperature : float
        Positive. Of the relaxation in the control variate; it changes the variance only.
    coefficient : float
        Of the control variate. Zero gives REINFORCE.
    coupled : bool
        Take the fresh noise from the noise of z, so that both relaxed samples are the same and only their derivatives
        differ: one draw in place of two.
    optimizer : Adam
        Of the updates.

    Raises
    ------
    ValueError
        If `temperature` is not positive, or a parameter is not finite.
    TypeError
        If a parameter is no real number, `coupled` no bool, or the optimizer no Adam.
    """

    temperature: float = 0.5
    coefficient: float = 1.0
    coupled: bool = False
    optimizer: Adam = field(default=Adam(), repr=False)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"temperature": 0.1, "coefficient": 0.7},
        {"temperature": 1.0, "coupled": True},
    )

    def __post_init__(self) -> None:
        check_relaxation(self)

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased; additive in its two draws."""
        reads = ("cell",) if self.coupled else ("cell", "smooth")
        return Claims(
            unbiased=True, differentiates_f=True, reads=reads, additive=not self.coupled, derivation="08-rebar"
        )

    def parameters(self, q: Distribution) -> Array:  # noqa: ARG002
        """Log temperature and coefficient: (2,)."""
        return np.array([np.log(self.temperature), self.coefficient])

    def at(self, parameters: Any, q: Distribution) -> "Rebar":  # noqa: ARG002
        """The same estimator with another log temperature and coefficient."""
        temperature = namespace(parameters).exp(parameters[0])
        return replace(self, temperature=temperature, coefficient=parameters[1])

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, noise = self._prepare(q, f, noise)  # (draws, ..., *event_shape)
        z, value_z, slope = control_paths(f, q, noise, self.temperature, self.coupled)  # Eq. 08.1 to 08.3
        weight = f(z) - self.coefficient * value_z
        return q.expand(weight) * q.score(z) + self.coefficient * slope  # Eq. 08.4
