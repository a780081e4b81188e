"""Gumbel-Softmax: the gradient of f at a relaxed sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector

__all__ = ["gumbel_softmax", "settings"]


def gumbel_softmax(q: Any, f: Callable[[Vector], Any], noise: list[Vector], *, temperature: Any) -> dict[str, Any]:
    """Values of `GumbelSoftmax`."""
    (noise_z,) = noise
    relaxed = q.relax(noise_z, temperature)
    gradient = q.slope(lambda own: f(own.relax(noise_z, temperature)))  # Eq. 07.3
    return {"relaxed": relaxed, "relaxed_value": f(relaxed), "terms": {"slope": gradient}, "gradient": gradient}


def settings(draw: Any) -> list[dict[str, Any]]:  # noqa: ARG001
    """Parameters that vectors are made for."""
    return [{"temperature": 1.0}, {"temperature": 0.375}]
