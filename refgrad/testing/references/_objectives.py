"""Objectives by their coefficients: f of a flat z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mpf

from refgrad.testing.references._numbers import Vector, dot, numbers

__all__ = ["objective", "quadratic"]


def objective(wire: dict[str, Any], q: Any) -> Callable[[Vector], Any]:
    """The function that is described by its `kind` and coefficients.

    Parameters
    ----------
    wire : dict
        Of kind table, multilinear or quadratic.
    q : Reference
        Whose support numbers the values of a table.

    Returns
    -------
    callable
        From a flat z to a number.
    """
    if wire["kind"] == "quadratic":
        return quadratic(wire)
    values, support = numbers(wire["values"]), list(q.support())

    def table(z: Vector) -> Any:
        return values[support.index(z)]

    def multilinear(z: Vector) -> Any:
        return sum(value * _weight(q.family, own, z) for value, own in zip(values, support, strict=True))

    return {"table": table, "multilinear": multilinear}[wire["kind"]]


def quadratic(wire: dict[str, Any]) -> Callable[[Vector], Any]:
    """`constant + linear . z + z . matrix . z`."""
    constant, linear, matrix = (numbers(wire[name]) for name in ("constant", "linear", "matrix"))
    return lambda z: constant + dot(linear, z) + dot(z, [dot(row, z) for row in matrix])


def _weight(family: str, own: list[int], z: Vector) -> Any:
    """Product over the variables of the entry of z that a configuration picks."""
    weight = mpf(1)
    for chosen, x in zip(own, z, strict=True):
        weight *= x if chosen else (1 - x if family == "bernoulli" else 1)
    return weight
