"""Call f on configurations, and check what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions._array import Array


def evaluate(f: Callable[[Any], Any], z: Array) -> Array:
    """Values of f at configurations (n, *event_shape), all of them finite: (n,).

    Raises
    ------
    TypeError, ValueError
        As in `returned` and `check_finite`.
    """
    values = returned(f, z)
    check_finite(values, lambda first: z[first])
    return values


def returned(f: Callable[[Any], Any], z: Array) -> Array:
    """Values of f at configurations (n, *event_shape): (n,) in float64.

    Raises
    ------
    TypeError
        If f does not return real numbers.
    ValueError
        If f returns another shape.
    """
    values = np.asarray(f(z))
    if values.dtype.kind not in "buif":
        raise TypeError(f"f needs to return real numbers, but returned dtype {values.dtype}")
    if values.shape != z.shape[:1]:
        raise ValueError(
            f"f needs to return one value for each z, but returned shape {values.shape} for z of shape {z.shape}, "
            f"which begins with {_text(z[0])}"
        )
    return values.astype(np.float64, copy=False)


def check_finite(values: Array, at: Callable[[int], Array]) -> None:
    """Refuse a value that is not finite, and name its configuration, which `at` gives by its place.

    Raises
    ------
    ValueError
        If there is one.
    """
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(f"f needs to return finite values, but f(z) = {values.flat[first]} at z = {_text(at(first))}")


def _text(z: Array) -> str:
    return str(z.astype(int).tolist())
