"""The control variate of REBAR and RELAX: a function of a relaxed sample, and of the relaxed sample given z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, untraced
from refgrad.estimators._base import Estimator, keep_number, keep_temperature
from refgrad.estimators._derivatives import pathwise
from refgrad.estimators._learning import Adam


def control_paths(
    control_variate: Callable[[Any], Any], q: Distribution, noise: Any, temperature: Any, coupled: bool
) -> tuple[Array, Array, Array]:
    """Sample z, the value of a control variate given z, and the derivative that its mean is paid back with.

    Parameters
    ----------
    control_variate : callable
        From relaxed samples (..., *event_shape) to (...).
    q : Distribution
    noise : (draws, ..., *event_shape) ndarray of float64
        Of z, and fresh; of z alone if coupled.
    temperature : float
    coupled : bool
        Whether the fresh noise is that of the noise of z.

    Returns
    -------
    z : (..., *event_shape) ndarray of float64
    value_z : (...) ndarray of float64
        At the relaxed sample given z.
    slope : (..., *event_shape) ndarray of float64
        Derivative in the logits of the value at the relaxed sample less the value given z.
    """
    noise_z = noise[0]
    z = q.sample(noise_z)  # Eq. 08.1
    fresh = q.fresh_given(noise_z) if coupled else noise[1]  # Eq. 08.6

    def relaxed(own: Distribution) -> Any:
        return control_variate(own.relax(noise_z, temperature))  # Eq. 08.2

    def relaxed_given_z(own: Distribution) -> Any:
        return control_variate(own.relax_given(z, fresh, temperature))  # Eq. 08.3, Eq. 01.16

    def relaxed_by_noise(own: Distribution) -> Any:
        moved = own.noise_given(z, fresh)
        return control_variate(q.relax(noise_z + (moved - untraced(moved)), temperature))  # Eq. 08.7

    if coupled:  # the same point on both paths: what they share is left out, not subtracted
        value_z, slope_z = pathwise(relaxed_by_noise, q, noise_z)
        return z, value_z, -slope_z
    _, slope = pathwise(relaxed, q, noise_z)
    value_z, slope_z = pathwise(relaxed_given_z, q, noise_z)
    return z, value_z, slope - slope_z


def check_relaxation(estimator: Estimator) -> None:
    """Refuse a temperature, a coefficient, a choice or an optimizer that is none."""
    keep_temperature(estimator)
    keep_number(estimator, "coefficient")
    for name, kind in (("coupled", bool), ("optimizer", Adam)):
        value = getattr(estimator, name)
        if not isinstance(value, kind):
            raise TypeError(f"{type(estimator).__name__} needs a {kind.__name__} as {name}, but it is {value!r}")
