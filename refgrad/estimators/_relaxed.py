"""The control variate of REBAR and RELAX: a function of a relaxed sample, and of the relaxed sample given z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, traced, untraced
from refgrad.estimators._base import pathwise


def control_paths(
    control_variate: Callable[[Any], Any], q: Distribution, z: Array, noise_z: Array, fresh: Array, temperature: Any
) -> tuple[Array, Array]:
    """Value of a control variate given z, and the derivative that its mean is paid back with.

    Parameters
    ----------
    control_variate : callable
        From relaxed samples (..., *event_shape) to (...).
    q : Distribution
    z, noise_z, fresh : (..., *event_shape) ndarray of float64
        z is the sample of noise_z.
    temperature : float

    Returns
    -------
    value_z : (...) ndarray of float64
        At the relaxed sample given z.
    slope : (..., *event_shape) ndarray of float64
        Derivative in the logits of the value at the relaxed sample less the value given z.
    """

    def relaxed(q: Distribution) -> Any:
        return control_variate(q.relax(noise_z, temperature))  # Eq. 08.2

    def relaxed_given_z(q: Distribution) -> Any:
        return control_variate(q.relax(q.noise_given(z, fresh), temperature))  # Eq. 08.3

    _, slope = pathwise(relaxed, q, noise_z)
    value_z, slope_z = pathwise(relaxed_given_z, q, noise_z)
    return value_z, slope - slope_z


def both_draws(q: Distribution, noise: Any, coupled: bool) -> tuple[Array, Array]:
    """Noise of z and fresh noise: two draws, or one from which the fresh noise follows. Eq. 08.6."""
    if not coupled:
        noise_z, fresh = noise
        return noise_z, fresh
    (noise_z,) = noise
    return noise_z, q.fresh_given(noise_z)


def check_relaxation(estimator: Any) -> None:
    """Refuse a temperature or a coefficient that is none; keep them as floats where autograd does not follow them.

    Raises
    ------
    ValueError
        If the temperature is not positive and finite, or the coefficient is not finite.
    """
    name = type(estimator).__name__
    temperature, coefficient = untraced(estimator.temperature), untraced(estimator.coefficient)
    if not 0 < temperature < np.inf:
        raise ValueError(f"{name} needs a positive and finite temperature, but it is {temperature}")
    if not np.isfinite(coefficient):
        raise ValueError(f"{name} needs a finite coefficient, but it is {coefficient}")
    if not traced(estimator.temperature, estimator.coefficient):
        object.__setattr__(estimator, "temperature", float(temperature))
        object.__setattr__(estimator, "coefficient", float(coefficient))
