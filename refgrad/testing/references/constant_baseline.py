"""REINFORCE with a constant baseline, of one number or one for each component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector, add, flat

__all__ = ["constant_baseline", "settings"]


def constant_baseline(q: Any, f: Callable[[Vector], Any], noise: list[Vector], *, baseline: Any) -> dict[str, Any]:
    """Values of `ConstantBaseline`."""
    z = q.sample(noise[0])
    value, score = f(z), q.score(z)
    own = flat(baseline) if isinstance(baseline, list) else [baseline] * len(z)
    terms = {
        "value_score": [value * s for s in score],
        "baseline_score": [-b * s for b, s in zip(own, score, strict=True)],
    }
    return {"z": z, "value": value, "score": score, "terms": terms, "gradient": add(*terms.values())}  # Eq. 04.1


def settings(draw: Any) -> list[dict[str, Any]]:
    """Parameters that vectors are made for."""
    return [{"baseline": 0.75}, {"baseline": draw.event(draw.numbers(draw.size))}]
