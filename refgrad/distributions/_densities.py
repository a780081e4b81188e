"""Densities of relaxed samples inside, like terms together, their derivatives by hand: Eq. 01.12, 01.13 and 01.20."""

from functools import cache
from typing import Any

import numpy as np

from refgrad.distributions._array import namespace, traced, untraced
from refgrad.distributions._planes import first_maximum


def binary_density(logits: Any, relaxed: Any, temperature: Any) -> Any:
    """Log-density of binary Concrete in each variable, inside of the cube: (..., D)."""
    values = logits, relaxed, temperature
    return _traced_binary()(*_broadcast(*values)) if traced(*values) else _binary(*values)


def _binary(logits: Any, relaxed: Any, temperature: Any) -> Any:
    log_one, log_zero = np.log(relaxed), np.log1p(-relaxed)
    noise = temperature * (log_one - log_zero) - logits
    side = np.where(noise > 0, 1.0, -1.0)
    return (
        np.log(temperature)
        + side * logits
        - (1 + side * temperature) * log_one
        - (1 - side * temperature) * log_zero
        - 2 * np.log1p(np.exp(-side * noise))
    )  # Eq. 01.12


@cache
def _traced_binary() -> Any:
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    def log_odds(relaxed: Any) -> Any:
        xp = namespace(relaxed)
        return xp.log(relaxed) - xp.log1p(-relaxed)

    def slope(logits: Any, relaxed: Any, temperature: Any) -> Any:
        noise = temperature * log_odds(relaxed) - logits
        return namespace(noise).tanh(noise / 2)  # Eq. 01.20

    function = primitive(_binary)
    defvjp(
        function,
        lambda _, *x: lambda g: g * slope(*x),
        lambda _, *x: lambda g: g * (2 * x[1] - 1 - x[2] * slope(*x)) / (x[1] * (1 - x[1])),
        lambda _, *x: lambda g: g * (1 / x[2] - slope(*x) * log_odds(x[1])),
    )
    return function


def density_of_race(logits: Any, log_y: Any, temperature: Any, keep: Any, zero: Any) -> Any:
    """Log-density of Concrete in each variable but for its factorial: (..., D); logits and logs are 0 where masked."""
    if not traced(logits, log_y, temperature):
        return _race(logits, log_y, temperature, keep, zero)
    return _traced_race()(*_broadcast(logits, log_y, temperature), keep, zero)


def _race(logits: Any, log_y: Any, temperature: Any, keep: Any, zero: Any) -> Any:
    kept = keep.sum(axis=-1)
    # The largest of `logits - temperature * log_y` leads; at a zero it is infinite.
    largest = np.where(keep, logits - temperature * log_y, -np.inf)
    lead = first_maximum(np.where(zero, np.inf, largest))
    rest, inside = keep & ~lead, ~zero.any(axis=-1, keepdims=True)
    lead_logit, lead_log_y = (np.sum(lead * x, axis=-1, keepdims=True) for x in (logits, log_y))
    gap = np.where(rest & inside, logits - lead_logit - temperature * (log_y - lead_log_y), -np.inf)
    common = temperature if np.ndim(temperature) == 0 else temperature[..., 0]
    # Logs of y are measured from the largest: a high temperature multiplies what differs alone.
    own = keep & ~zero & (kept > 1)[..., None]
    level = np.where(
        own.any(axis=-1, keepdims=True), np.max(log_y, axis=-1, keepdims=True, where=own, initial=-1e9), 0.0
    )
    return (
        (kept - 1) * np.log(common)
        + np.sum(np.where(rest, logits - lead_logit - (1 + temperature) * (log_y - level), 0.0), axis=-1)
        + np.where(kept > 1, common * (kept - 1) - 1, 0.0) * (lead_log_y - level)[..., 0]
        - kept * level[..., 0]
        - kept * np.log1p(np.sum(np.exp(gap), axis=-1))
    )


@cache
def _traced_race() -> Any:
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    def slope(logits: Any, log_y: Any, temperature: Any, keep: Any, _zero: Any) -> Any:
        """`1 - K softmax(w)`, Eq. 01.20: the mean of `expm1(w - w_i)` less its own, over one more than the mean."""
        w = logits - temperature * log_y
        xp = namespace(w)
        lead = first_maximum(np.where(keep, untraced(w), -np.inf))
        rise = xp.where(keep, xp.expm1(xp.where(keep, w - xp.sum(lead * w, axis=-1, keepdims=True), 0.0)), 0.0)
        mean = xp.sum(rise, axis=-1, keepdims=True) / keep.sum(axis=-1, keepdims=True)
        return keep * (mean - rise) / (1 + mean)

    def alone(keep: Any) -> Any:
        """Whether there is a density at all: not where one category is left."""
        return keep & (keep.sum(axis=-1, keepdims=True) > 1)

    def of_temperature(x: Any) -> Any:
        kept = x[3].sum(axis=-1, keepdims=True)
        return x[3] * (kept - 1) / (kept * x[2]) - x[1] * slope(*x)

    function = primitive(_race)
    defvjp(
        function,
        lambda _, *x: lambda g: g[..., None] * slope(*x),
        lambda _, *x: lambda g: -g[..., None] * alone(x[3]) * (1 + x[2] * slope(*x)),
        lambda _, *x: lambda g: g[..., None] * of_temperature(x),
        argnums=(0, 1, 2),
    )
    return function


def _broadcast(*values: Any) -> list[Any]:
    """All of one shape, so that each has a gradient of its own."""
    zeros = np.zeros(np.broadcast_shapes(*map(np.shape, values)))
    return [value + zeros for value in values]
