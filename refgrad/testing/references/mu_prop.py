"""MuProp: what a Taylor expansion of f at the mean leaves, and the gradient of the expansion's mean by enumeration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector, add, directional, dot, gradient, scale, sub
from refgrad.testing.references._oracle import expectation

__all__ = ["mu_prop", "settings"]


def mu_prop(q: Any, f: Callable[[Vector], Any], noise: list[Vector], *, order: int) -> dict[str, Any]:
    """Values of `MuProp`."""
    z, mean = q.sample(noise[0]), q.probs
    value_at_mean, slope_at_mean = f(mean), gradient(f, mean)

    def expansion(z: Vector) -> Any:
        rest = sub(z, mean)
        linear = value_at_mean + dot(slope_at_mean, rest)
        if order == 1:
            return linear  # Eq. 06.2
        along = directional(lambda x: directional(f, x, rest), mean, rest)
        return linear + along / 2  # Eq. 06.5

    value, score, expanded = f(z), q.score(z), expansion(z)
    values = [(z, expansion(z)) for z in q.support()]  # the point of expansion stays where it is
    mean_slope = q.slope(lambda own: expectation(own, values))  # Eq. 06.3
    terms = {"value_score": scale(value, score), "expansion_score": scale(-expanded, score), "mean_slope": mean_slope}
    return {
        "z": z,
        "value": value,
        "score": score,
        "mean": mean,
        "value_at_mean": value_at_mean,
        "slope_at_mean": slope_at_mean,
        "expansion": expanded,
        "mean_slope": mean_slope,
        "terms": terms,
        "gradient": add(*terms.values()),  # Eq. 06.4
    }


def settings(draw: Any) -> list[dict[str, Any]]:  # noqa: ARG001
    """Parameters that vectors are made for."""
    return [{"order": 1}, {"order": 2}]
