"""REINFORCE by its definition: the value of f times the gradient of the log-probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector, scale

__all__ = ["reinforce", "settings"]


def reinforce(q: Any, f: Callable[[Vector], Any], noise: list[Vector]) -> dict[str, Any]:
    """Values of `Reinforce`."""
    z = q.sample(noise[0])
    value, score = f(z), q.score(z)
    gradient = scale(value, score)  # Eq. 02.3
    return {"z": z, "value": value, "score": score, "terms": {"value_score": gradient}, "gradient": gradient}


def settings(draw: Any) -> list[dict[str, Any]]:  # noqa: ARG001
    """Parameters that vectors are made for."""
    return [{}]
