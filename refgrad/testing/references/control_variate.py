"""A control variate that is a quadratic, whose mean is the sum of the means of its products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector, add, dot, numbers, scale
from refgrad.testing.references._objectives import quadratic

__all__ = ["control_variate", "settings"]


def control_variate(
    q: Any, f: Callable[[Vector], Any], noise: list[Vector], *, control_variate: dict[str, Any], coefficient: Any
) -> dict[str, Any]:
    """Values of `ControlVariate`."""
    z = q.sample(noise[0])
    value, score, control_value = f(z), q.score(z), quadratic(control_variate)(z)

    def mean(own: Any) -> Any:
        constant, linear, matrix = (numbers(control_variate[name]) for name in ("constant", "linear", "matrix"))
        pairs = sum(x * own.pairs(i, j) for i, row in enumerate(matrix) for j, x in enumerate(row))
        return constant + dot(linear, own.probs) + pairs

    mean_slope = q.slope(mean)
    terms = {
        "value_score": scale(value, score),
        "control_score": scale(-coefficient * control_value, score),
        "mean_slope": scale(coefficient, mean_slope),
    }
    return {
        "z": z,
        "value": value,
        "score": score,
        "control_value": control_value,
        "mean": mean(q),
        "mean_slope": mean_slope,
        "terms": terms,
        "gradient": add(*terms.values()),  # Eq. 03.4
    }


def settings(draw: Any) -> list[dict[str, Any]]:
    """Parameters that vectors are made for."""
    return [{"control_variate": draw.quadratic(), "coefficient": 0.75}]
