"""Log-density of a relaxed sample: inside without cancellation, on the boundary by its limit."""

from typing import Any

import numpy as np

from refgrad.distributions._array import Array, namespace, select, traced, untraced
from refgrad.distributions._base import _first
from refgrad.distributions._densities import binary_density, density_of_race

LARGEST = 1e300  # a temperature whose product with a logarithm is still finite


def binary_concrete(logits: Any, relaxed: Any, temperature: Any) -> Any:
    """Log-density of binary Concrete, summed over the D variables: (...)."""
    plain, fixed = untraced(relaxed), untraced(temperature)
    edge = (plain == 0) | (plain == 1)
    _check(edge, logits, relaxed, temperature)
    xp = namespace(logits, relaxed, temperature)
    inside = xp.where(edge, 0.5, relaxed)
    density = binary_density(logits, inside, temperature)
    if edge.any():
        density = np.where(edge, (2 * plain - 1) * logits if fixed == 1 else np.copysign(np.inf, 1 - fixed), density)
    return xp.sum(density, axis=-1)


def concrete(logits: Any, keep: Any, relaxed: Any, temperature: Any) -> Any:
    """Log-density of Concrete on the categories that are kept, summed over the D variables: (...)."""
    from scipy.special import gammaln  # noqa: PLC0415  (loaded when needed)

    plain, fixed = untraced(relaxed), untraced(temperature)
    zero, kept = keep & (plain == 0), keep.sum(axis=-1)
    _check(zero, logits, relaxed, temperature)
    xp = namespace(logits, relaxed, temperature)
    logits = xp.where(keep, logits, 0.0)
    log_y = xp.log(select(keep & ~zero, relaxed, 1.0))
    density = density_of_race(logits, log_y, temperature, keep, zero) + gammaln(kept)  # Eq. 01.13
    outside = (~keep & (plain != 0)).any(axis=(-2, -1))
    if zero.any():
        density = _limit(density, (zero & ~outside[..., None, None]).sum(axis=-1), kept, fixed)
    return xp.where(outside, -np.inf, xp.sum(density, axis=-1))


def _limit(density: Array, zeros: Array, kept: Array, temperature: float) -> Array:
    """Put the limit in the place of the density where entries are zero. Eq. 01.14."""
    low, high, kept = np.broadcast_arrays(1 / np.maximum(kept - 1, 1), zeros / np.maximum(kept - zeros, 1), kept)
    grows = (zeros > 0) & ((temperature < low) | ((temperature == low) & (zeros > 1)))
    vanishes = (zeros > 0) & (temperature > high)
    depends = (zeros > 1) & ~grows & ~vanishes
    if depends.any():
        at = _first(depends)
        raise ValueError(
            f"relaxed needs at most one zero at temperatures above {low[at]:.4g} and up to {high[at]:.4g}, where the "
            f"limit of the density depends on the way, but at {at}, temperature {temperature}, {zeros[at]} of "
            f"{kept[at]} entries are zero"
        )
    against = grows.any(axis=-1) & vanishes.any(axis=-1)
    if against.any():
        raise ValueError(
            "relaxed needs densities that all grow or all vanish at its zeros, or the limit of their product depends "
            f"on the way, but the row at {_first(against)}, temperature {temperature}, has both"
        )
    return np.where(grows, np.inf, np.where(vanishes, -np.inf, density))


def _check(edge: Array, *values: Any) -> None:
    """Refuse a temperature with no finite product, and a derivative where there is none."""
    temperature = untraced(values[-1])
    if temperature > LARGEST:
        raise ValueError(f"relaxed_log_prob needs a temperature up to {LARGEST}, but it is {temperature}")
    if edge.any() and traced(*values):
        raise ValueError(f"relaxed needs to lie inside to be differentiated, but is on the boundary at {_first(edge)}")
