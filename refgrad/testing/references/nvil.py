"""NVIL at one step: a baseline of x, centred by a running mean, divided by a running deviation, and what it learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp

from refgrad.testing.references._numbers import Vector, add, scale
from refgrad.testing.references._objectives import quadratic

__all__ = ["nvil", "settings"]


def nvil(  # noqa: PLR0913
    q: Any,
    f: Callable[[Vector], Any],
    noise: list[Vector],
    *,
    features: Vector,
    baseline: dict[str, Any],
    average: Any,
    variance: Any,
    decay: Any,
    centred: bool,
    normalised: bool,
) -> dict[str, Any]:
    """Values of `Nvil`; the learned baseline is a quadratic of the features."""
    z = q.sample(noise[0])
    value, score, baseline_value = f(z), q.score(z), quadratic(baseline)(features)
    divisor = max(1, mp.sqrt(variance)) if normalised else 1
    terms = {
        "value_score": scale(value / divisor, score),
        "baseline_score": scale(-baseline_value / divisor, score),
    }
    if centred:
        terms["average_score"] = scale(-average / divisor, score)
    away = value - baseline_value - average
    return {
        "z": z,
        "value": value,
        "score": score,
        "baseline_value": baseline_value,
        "average_after": average + (1 - decay) * away,  # Eq. 05.7
        "variance_after": decay * variance + (1 - decay) * decay * away**2,  # Eq. 05.8, for one sample
        "terms": terms,
        "gradient": add(*terms.values()),  # Eq. 05.3
    }


def settings(draw: Any) -> list[dict[str, Any]]:
    """Parameters that vectors are made for."""
    features, decay = draw.numbers(2), 0.875
    plain = {"features": features, "baseline": draw.linear(2), "average": 0.5, "variance": 2.25, "decay": decay}
    return [
        plain | {"centred": True, "normalised": False},
        plain | {"centred": True, "normalised": True},
        plain | {"variance": 0.25, "centred": False, "normalised": True},
    ]
