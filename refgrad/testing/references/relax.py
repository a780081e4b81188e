"""RELAX: the control variate is a function of its own, here a quadratic of the relaxed sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector
from refgrad.testing.references._objectives import quadratic
from refgrad.testing.references._relaxed import RELAXATIONS, relaxed_control

__all__ = ["relax", "settings"]


def relax(
    q: Any,
    f: Callable[[Vector], Any],
    noise: list[Vector],
    *,
    control_variate: dict[str, Any],
    temperature: Any,
    coefficient: Any,
    coupled: bool,
) -> dict[str, Any]:
    """Values of `Relax`; the learned control variate is a quadratic."""
    return relaxed_control(q, f, noise, quadratic(control_variate), temperature, coefficient, coupled)


def settings(draw: Any) -> list[dict[str, Any]]:
    """Parameters that vectors are made for."""
    own = {"control_variate": draw.quadratic()}
    return [own | others for others in RELAXATIONS]
