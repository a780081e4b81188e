"""Figure of a verdict: how the evidence of a bias grew."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refgrad.testing.report._svg import INK, LINE, RIGHT, WRONG, canvas, element
from refgrad.testing.report._words import number, superscript

__all__ = ["evidence"]

LONG = 1e7  # counts from here on have powers of ten at their ticks


def evidence(verdict: Mapping[str, Any], name: str) -> str:
    """How the evidence of a bias grew with n, and the line from which it convicts.

    Parameters
    ----------
    verdict : dict
        Of a report, with a history and an alpha above 0.
    name : str
        Of the figure: its ids begin so.

    Returns
    -------
    str
        An SVG element.
    """
    n, grown = (np.array(column, dtype=float) for column in zip(*verdict["history"], strict=True))
    limit = -np.log10(verdict["alpha"])
    color = WRONG if verdict["outcome"] == "wrong" else RIGHT
    with canvas(height=220) as axes:
        axes.set_xscale("log")
        axes.axhline(limit, color=INK, linewidth=1.4, linestyle=(0, (5, 3)))
        axes.axhline(0, color=LINE, linewidth=1)
        axes.plot(n, grown, color=color, linewidth=2, marker="o", markersize=3.5)
        axes.plot(n[-1:], grown[-1:], "D" if verdict["outcome"] == "wrong" else "o", color=color, markersize=8)
        finite = np.append(grown[np.isfinite(grown)], 0.0)
        top = max(limit, float(finite.max()))
        axes.set_ylim(min(-0.05 * top, float(finite.min()) - 0.02 * top), 1.22 * top)
        place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (4, 4), "textcoords": "offset points"}
        axes.annotate(f"'wrong' from {_power(limit)}", (0, limit), **place)
        axes.set_yticks(*_ticks(axes.get_ylim(), superscript, 5))
        axes.set_xticks(*_ticks(np.log10(n[[0, -1]]), _written if n[-1] < LONG else superscript, 4, scale=10.0))
        axes.minorticks_off()
        axes.set_xlabel(verdict.get("counted", "samples"))
        title = f"Evidence of a bias over {verdict.get('counted', 'samples')}"
        said = f"At the end {number(grown[-1])} of {number(limit)} that convict, after {n[-1]:,.0f}"
        return element(axes, name, title, said)


def _ticks(
    ends: Sequence[float], text: Callable[[int], str], most: int, scale: float = 0.0
) -> tuple[list[float], list[str]]:
    """Whole numbers from low to high, not too many, and their labels; with a scale at its powers."""
    low, high = ends
    step = math.ceil((high - low) / most) or 1
    whole = range(math.ceil(low / step) * step, math.floor(high) + 1, step)
    return [scale**k if scale else float(k) for k in whole], [text(k) for k in whole]


def _written(k: int) -> str:
    return f"{10**k:,}"


def _power(exponent: float) -> str:
    whole = round(exponent)
    return superscript(whole) if abs(exponent - whole) < 1e-9 else f"10^{exponent:.1f}"
