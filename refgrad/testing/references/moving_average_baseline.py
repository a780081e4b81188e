"""REINFORCE with the average of earlier values as baseline, and the average that the next step will use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector, add, scale

__all__ = ["moving_average_baseline", "settings"]


def moving_average_baseline(
    q: Any, f: Callable[[Vector], Any], noise: list[Vector], *, average: Any, decay: Any
) -> dict[str, Any]:
    """Values of `MovingAverageBaseline`."""
    z = q.sample(noise[0])
    value, score = f(z), q.score(z)
    terms = {"value_score": scale(value, score), "baseline_score": scale(-average, score)}
    after = decay * average + (1 - decay) * value  # Eq. 04.6
    gradient = add(*terms.values())  # Eq. 04.5
    return {"z": z, "value": value, "score": score, "average_after": after, "terms": terms, "gradient": gradient}


def settings(draw: Any) -> list[dict[str, Any]]:  # noqa: ARG001
    """Parameters that vectors are made for."""
    return [{"average": 0.75, "decay": 0.875}]
