"""Figures of a verdict: its components against the exact values, and how the evidence grew."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refgrad.testing.report._svg import BAND, INK, LINE, PAPER, RIGHT, WRONG, canvas, element
from refgrad.testing.report._words import component, number, superscript

__all__ = ["components", "evidence"]

MOST = 16  # components in one figure


def components(verdict: Mapping[str, Any], name: str) -> str:
    """Every component against the exact value: point, standard error, interval, and what is tolerated.

    Parameters
    ----------
    verdict : dict
        Of a report. Its estimate has some number that is finite.
    name : str
        Of the figure: its ids begin so.

    Returns
    -------
    str
        An SVG element. Where there are more components than `MOST`, those that are furthest off.
    """
    exact, estimate, error = (_flat(verdict[key]) for key in ("exact", "estimate", "standard_error"))
    low, high = (_flat(verdict.get(key), like=exact, missing=side * np.inf) for key, side in (("low", -1), ("high", 1)))
    places = list(np.ndindex(*np.shape(verdict["exact"])))
    off, worst = {tuple(index) for index in verdict.get("off", ())}, tuple(verdict["worst"])
    chosen = np.sort(np.argsort(-np.abs(np.nan_to_num(estimate - exact)), kind="stable")[:MOST])
    largest = float(np.nanmax(np.abs(exact)))
    tolerance = verdict["tolerance"] or 0.0
    share = largest > 0 and tolerance <= largest
    unit = 100 / largest if share else 1.0
    reach = unit * np.concatenate([(end - exact)[chosen] for end in (estimate - error, estimate + error, low, high)])
    reach = np.append(reach[np.isfinite(reach)], [-unit * tolerance, unit * tolerance])
    room = 0.08 * float(np.ptp(reach)) or 1.0
    limits = float(reach.min()) - room, float(reach.max()) + room

    with canvas(height=82 + 28 * len(chosen)) as axes:
        if tolerance:
            axes.axvspan(-unit * tolerance, unit * tolerance, color=BAND, linewidth=0, zorder=0)
        axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
        for row, k in enumerate(chosen):
            at = unit * (estimate[k] - exact[k])
            ends = [unit * (end[k] - exact[k]) for end in (low, high)]
            faulty = places[k] in off or (places[k] == worst and verdict["outcome"] == "wrong")
            color, marker = (WRONG, "D") if faulty else (RIGHT, "o")
            _interval(axes, row, ends, limits, color)
            if np.isfinite(at):
                spread = unit * error[k]
                axes.plot([at - spread, at + spread], [row, row], color=color, linewidth=5, solid_capstyle="butt")
                axes.plot([at], [row], marker, color=color, markersize=8, markeredgecolor=PAPER, markeredgewidth=1.2)
        axes.set_xlim(limits)
        axes.set_ylim(len(chosen) - 0.4, -0.6)
        axes.set_yticks(range(len(chosen)), [component(places[k]) for k in chosen])
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(
            "estimate minus exact, % of the largest component"
            if share
            else "estimate minus exact, units of f per logit"
        )
        title = f"{len(chosen)} of {len(places)} components against the exact value"
        said = "; ".join(f"{component(places[k])}: {number(estimate[k])}, exact {number(exact[k])}" for k in chosen)
        return element(axes, name, title, said)


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
        top = max(limit, float(np.nanmax(grown)))
        axes.set_ylim(min(-0.05 * top, float(np.nanmin(grown)) - 0.02 * top), 1.22 * top)
        place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (4, 4), "textcoords": "offset points"}
        axes.annotate(f"'wrong' from {_power(limit)}", (0, limit), **place)
        axes.set_yticks(*_ticks(axes.get_ylim(), superscript, 5))
        axes.set_xticks(*_ticks(np.log10(n[[0, -1]]), lambda k: f"{10**k:,}", 4, scale=10.0))
        axes.minorticks_off()
        axes.set_xlabel(verdict.get("counted", "samples"))
        title = f"Evidence of a bias over {verdict.get('counted', 'samples')}"
        said = f"At the end {number(grown[-1])} of {number(limit)} that convict, after {n[-1]:,.0f}"
        return element(axes, name, title, said)


def _flat(values: Any, like: Any = None, missing: float = np.nan) -> Any:
    """Nested lists as (d,) of float64."""
    if values is None:
        return np.full(len(like), missing)
    flat = np.array(values, dtype=float).ravel()
    return np.where(np.isnan(flat), missing, flat)


def _interval(axes: Any, row: int, ends: Sequence[float], limits: tuple[float, float], color: str) -> None:
    """A thin line with an end at each side, or an arrow where there is none."""
    shown = np.clip(ends, *limits)
    axes.plot(shown, [row, row], color=color, linewidth=1.5)
    for end, place, arrow in zip(ends, shown, "<>", strict=True):
        axes.plot([place], [row], "|" if np.isfinite(end) else arrow, color=color, markersize=9, markeredgewidth=1.5)


def _ticks(
    ends: Sequence[float], text: Callable[[int], str], most: int, scale: float = 0.0
) -> tuple[list[float], list[str]]:
    """Whole numbers from low to high, not too many, and their labels; with a scale at its powers."""
    low, high = ends
    step = math.ceil((high - low) / most) or 1
    whole = range(math.ceil(low / step) * step, math.floor(high) + 1, step)
    return [scale**k if scale else k for k in whole], [text(k) for k in whole]


def _power(exponent: float) -> str:
    whole = round(exponent)
    return superscript(whole) if abs(exponent - whole) < 1e-9 else f"10^{exponent:.1f}"
