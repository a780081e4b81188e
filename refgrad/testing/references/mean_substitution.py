"""Mean substitution: the gradient of f at the mean of z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector

__all__ = ["mean_substitution", "settings"]


def mean_substitution(q: Any, f: Callable[[Vector], Any], noise: list[Vector]) -> dict[str, Any]:  # noqa: ARG001
    """Values of `MeanSubstitution`, which draws no noise."""
    gradient = q.slope(lambda own: f(own.probs))  # Eq. 07.6
    mean = q.probs
    return {"mean": mean, "value_at_mean": f(mean), "terms": {"slope": gradient}, "gradient": gradient}


def settings(draw: Any) -> list[dict[str, Any]]:  # noqa: ARG001
    """Parameters that vectors are made for."""
    return [{}]
