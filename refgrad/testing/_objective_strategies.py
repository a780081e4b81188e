"""Drawing an f with Hypothesis: every kind of objective, small round coefficients, constant only if asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table
from refgrad.testing._bounds import free_entry, possible
from refgrad.testing._logit_strategies import by_simplicity

__all__ = ["draw_objective"]

COEFFICIENTS = by_simplicity(np.arange(-8, 9) / 4)
SAME = 1e-12  # coefficients are quarters: two values of f are equal, but for rounding, or further apart than that


def draw_objective(draw: st.DrawFn, q: Distribution, kinds: tuple[type, ...], constant: bool) -> Any:
    """Draw an f; one that is constant where q is positive gives way to the simplest that varies."""
    shape, kind = q.event_shape, draw(st.sampled_from(kinds))
    coefficients = _coefficients(draw, kind, shape)
    extra = {"event_shape": shape} if kind is Table and q.event_ndim == 2 else {}
    f = kind(*coefficients, **extra)
    return f if constant or _varies(f, q) else kind(*_simplest(kind, coefficients, q), **extra)


def _coefficients(draw: st.DrawFn, kind: type, shape: tuple[int, ...]) -> list[Array]:
    """Draw the fields of an objective, in their order."""
    size, configurations = int(np.prod(shape)), (2 if len(shape) == 1 else shape[1]) ** shape[0]
    shapes: dict[type, list[tuple[int, ...]]] = {
        SquaredError: [shape],
        Table: [(configurations,)],
        Quadratic: [(), shape, (size, size)],
        Interacting: [(), shape, shape, shape, shape],
    }
    number, zero = st.sampled_from(COEFFICIENTS), st.just(0.0)
    drawn = [arrays(np.float64, own, elements=number, fill=zero) if own else number for own in shapes[kind]]
    return [np.array(draw(strategy)) for strategy in drawn]


def _varies(f: Any, q: Distribution) -> bool:
    values = f(possible(q))
    return bool(np.ptp(values) > SAME * max(1.0, np.abs(values).max()))


def _simplest(kind: type, coefficients: list[Array], q: Distribution) -> list[Array]:
    """Coefficients of an f that depends on one entry of z alone, one that may be 0 or 1."""
    found = [np.zeros_like(array) for array in coefficients]
    place: Any = free_entry(q)
    if kind is Table:
        z: Any = q.support()
        found[0][:] = z[(slice(None), *place)]
    else:  # the target; the linear term; the squares
        found[0 if kind is SquaredError else 1][place] = 1.0
    return found
