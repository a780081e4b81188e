"""One absolute tolerance for each vector and precision, from the conditioning of that vector."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references._numbers import Vector, add, flat, scale, sub

__all__ = ["BITS", "DIGITS", "tolerance", "ulp", "up"]

BITS = {"float64": 53, "float32": 24}
DIGITS, STEP = 60, mpf(10) ** -12
FACTOR = 4
PLACES = 2  # significant digits of a tolerance, rounded up


def tolerance(compute: Callable[[Vector], dict[str, Any]], inputs: Vector, sizes: dict[str, Any]) -> dict[str, float]:
    """Bound what rounding does to a correct row. Eq. 16.3.

    Parameters
    ----------
    compute : callable
        From the inputs, flat, to all values of a reference.
    inputs : list of mpf
        Logits (no masked one), noise and parameters.
    sizes : dict
        Values of the reference where every coefficient of f is positive: how large its terms are before they cancel.

    Returns
    -------
    dict
        From `float64` and `float32` to the tolerance.
    """
    with mp.workdps(DIGITS):
        slopes = []
        for i in range(len(inputs)):
            unit = [STEP * (i == j) for j in range(len(inputs))]
            ahead, behind = (_listed(compute(add(inputs, scale(side, unit)))) for side in (1, -1))
            slopes.append([abs(x) / (2 * STEP) for x in sub(ahead, behind)])
        terms = sum(abs(x) for term in sizes["terms"].values() for x in term)
        largest = max(abs(x) for x in (*_listed(sizes), *inputs))
        found = {}
        for name, bits in BITS.items():
            units = [ulp(x, bits) for x in inputs]
            moved = [sum(s * unit for s, unit in zip(own, units, strict=True)) for own in zip(*slopes, strict=True)]
            bound = FACTOR * (max(moved, default=mpf(0)) + mpf(2) ** (1 - bits) * (terms + largest))
            found[name] = up(bound)
    return found


def _listed(values: dict[str, Any]) -> Vector:
    """All numbers that a reference returned, those of its terms too."""
    return [x for name, own in values.items() for x in (_listed(own) if name == "terms" else flat(own))]


def ulp(x: Any, bits: int) -> Any:
    """Distance of a number to the next larger one."""
    return mpf(2) ** (int(mp.floor(mp.log(abs(x), 2))) + 1 - bits) if x else mpf(0)


def up(x: Any) -> float:
    """Round up to a few digits, as a float prints them."""
    exponent = math.floor(mp.log10(x)) + 1 - PLACES
    return float(f"{int(mp.ceil(x / mpf(10) ** exponent))}e{exponent}")
