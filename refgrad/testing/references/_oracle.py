"""The truth about E f: a sum over every configuration, and its differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references._numbers import Vector

__all__ = ["exact_gradient", "exact_value", "expectation"]


def expectation(q: Any, values: Sequence[tuple[Vector, Any]]) -> Any:
    """Mean of a function that is given by pairs of z and its value; one of no probability is left out."""
    return sum((mp.exp(q.log_prob(z)) * value for z, value in values if q.possible(z)), mpf(0))


def exact_value(q: Any, f: Callable[[Vector], Any]) -> Any:
    """E f(z)."""
    return expectation(q, [(z, f(z)) for z in q.support() if q.possible(z)])


def exact_gradient(q: Any, f: Callable[[Vector], Any]) -> Vector:
    """Gradient of E f(z) in the logits."""
    values = [(z, f(z)) for z in q.support() if q.possible(z)]
    return q.slope(lambda own: expectation(own, values))
