"""RELAX: REBAR with a learned function in the place of the relaxed f."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, namespace
from refgrad.estimators._base import Claims
from refgrad.estimators._derivatives import checked
from refgrad.estimators._learning import Adam
from refgrad.estimators._regressors import OneHiddenLayer, Regressor
from refgrad.estimators._relaxed import check_relaxation, control_paths
from refgrad.estimators._variance import VarianceMinimised

__all__ = ["Relax"]


@dataclass(frozen=True)
class Relax(VarianceMinimised):
    """Grathwohl et al. (2018): unbiased for every differentiable control variate of the relaxed sample.

    f is evaluated once, at z, and never differentiated: it may be a black box. `update` and `tune` learn the log
    temperature, the coefficient and the parameters of the control variate.

    Parameters
    ----------
    control_variate : callable
        From relaxed samples (..., *event_shape) to (...), in units of f, in autograd.numpy or with a method `grad`. A
        regressor is given the flattened sample. With parameters, a field `parameters` of a dataclass, it is learned.
        The relaxed f itself gives REBAR.
    temperature : float
        Positive. Of the relaxation; it changes the variance only.
    coefficient : float
        Of the control variate. Zero gives REINFORCE.
    coupled : bool
        Take the fresh noise from the noise of z, as in `Rebar`.
    optimizer : Adam
        Of the updates.

    Raises
    ------
    ValueError
        If `temperature` is not positive, a parameter is not finite, or, when called, the control variate does not
        return one number for each sample.
    TypeError
        If the control variate is not callable, `coupled` no bool, the optimizer no Adam, or, when called, autograd
        cannot follow the control variate.
    """

    control_variate: Callable[[Any], Any] = field(default=OneHiddenLayer())
    temperature: float = 0.5
    coefficient: float = 1.0
    coupled: bool = False
    optimizer: Adam = field(default=Adam(), repr=False)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"control_variate": OneHiddenLayer(units=3, seed=1), "temperature": 1.0, "coefficient": 0.7, "coupled": True},
    )

    def __post_init__(self) -> None:
        if not callable(self.control_variate):
            raise TypeError(f"Relax needs a callable control variate, but it is {self.control_variate!r}")
        check_relaxation(self)

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased; additive in its two draws; a control variate need not treat the variables alike."""
        reads = ("cell",) if self.coupled else ("cell", "smooth")
        return Claims(unbiased=True, reads=reads, additive=not self.coupled, symmetric=False, derivation="10-relax")

    def parameters(self, q: Distribution) -> Array:
        """Log temperature, coefficient, and the parameters of the control variate: (P,)."""
        own: Any = self._started(q)
        learned = own.parameters if _learnable(own) else ()
        return np.concatenate([[np.log(self.temperature), self.coefficient], learned])

    def at(self, parameters: Any, q: Distribution) -> "Relax":
        """The same estimator with other parameters."""
        control_variate: Any = self._started(q)
        if len(parameters) > 2:
            control_variate = replace(control_variate, parameters=parameters[2:])
        temperature = namespace(parameters).exp(parameters[0])
        return replace(self, control_variate=control_variate, temperature=temperature, coefficient=parameters[1])

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, noise = self._prepare(q, f, noise)  # (draws, ..., *event_shape)
        z, value_z, slope = control_paths(self._at(q), q, noise, self.temperature, self.coupled)  # Eq. 10.1, 10.2
        weight = f(z) - self.coefficient * value_z
        return q.expand(weight) * q.score(z) + self.coefficient * slope  # Eq. 10.3

    def _started(self, q: Distribution) -> Callable[[Any], Any]:
        """The control variate, with its first parameters if it has none."""
        own = self.control_variate
        return own.started(int(np.prod(q.event_shape))) if isinstance(own, Regressor) else own

    def _at(self, q: Distribution) -> Callable[[Any], Any]:
        """The control variate as a function of relaxed samples, checked."""
        own = self._started(q)
        if isinstance(own, Regressor):
            size = int(np.prod(q.event_shape))
            return lambda relaxed: own(relaxed.reshape((*np.shape(relaxed)[: -q.event_ndim], size)))
        return checked(own, q, "the control variate")


def _learnable(control_variate: Any) -> bool:
    """Whether it is a dataclass with a field `parameters`; what else has that name, as a method, is left alone."""
    return is_dataclass(control_variate) and any(own.name == "parameters" for own in fields(control_variate))
