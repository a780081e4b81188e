"""REBAR: the control variate is f itself at the relaxed sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector
from refgrad.testing.references._relaxed import RELAXATIONS, relaxed_control

__all__ = ["rebar", "settings"]


def rebar(
    q: Any, f: Callable[[Vector], Any], noise: list[Vector], *, temperature: Any, coefficient: Any, coupled: bool
) -> dict[str, Any]:
    """Values of `Rebar`."""
    return relaxed_control(q, f, noise, f, temperature, coefficient, coupled)


def settings(draw: Any) -> list[dict[str, Any]]:  # noqa: ARG001
    """Parameters that vectors are made for."""
    return list(RELAXATIONS)
