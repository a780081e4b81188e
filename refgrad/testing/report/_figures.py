"""Figure of a verdict: its components against the exact values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refgrad.testing.report._svg import BAND, INK, MUTED, PAPER, RIGHT, WRONG, canvas, element
from refgrad.testing.report._words import component, number, superscript

__all__ = ["components"]

MOST = 16  # components in one figure
LEAST = 1e-290  # a largest component of less has no share that a float can hold
PLAIN = range(-3, 5)  # powers of ten of a scale that needs none in its label


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
    largest = float(np.nan_to_num(np.abs(exact)).max(initial=0.0))
    tolerance = verdict["tolerance"] or 0.0
    share = largest > LEAST and tolerance <= largest
    unit = 100 / largest if share else 1.0
    reach = unit * np.concatenate([(end - exact)[chosen] for end in (estimate - error, estimate + error, low, high)])
    reach = np.append(reach[np.isfinite(reach)], [-unit * tolerance, unit * tolerance])
    power = _power(float(np.abs(reach).max()))
    scaled = unit * 10.0**-power
    reach = reach * 10.0**-power
    room = 0.08 * float(np.ptp(reach)) or 1.0
    limits = float(reach.min()) - room, float(reach.max()) + room

    with canvas(height=100 + 28 * len(chosen)) as axes:
        if tolerance:
            axes.axvspan(-scaled * tolerance, scaled * tolerance, color=BAND, linewidth=0, zorder=0)
            for side in (-1, 1):
                axes.axvline(side * scaled * tolerance, color=MUTED, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
        axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
        for row, k in enumerate(chosen):
            at = scaled * (estimate[k] - exact[k])
            ends = [scaled * (end[k] - exact[k]) for end in (low, high)]
            faulty = places[k] in off or (places[k] == worst and verdict["outcome"] == "wrong")
            color, marker = (WRONG, "D") if faulty else (RIGHT, "o")
            _interval(axes, row, ends, limits, color)
            if np.isfinite(at):
                spread = scaled * error[k]
                axes.plot([at - spread, at + spread], [row, row], color=color, linewidth=5, solid_capstyle="butt")
                axes.plot([at], [row], marker, color=color, markersize=8, markeredgecolor=PAPER, markeredgewidth=1.2)
        axes.set_xlim(limits)
        axes.set_ylim(len(chosen) - 0.4, -0.6)
        axes.set_yticks(range(len(chosen)), [component(places[k]) for k in chosen])
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(_label(power, share=share))
        title = f"{len(chosen)} of {len(places)} components against the exact value"
        said = "; ".join(f"{component(places[k])}: {number(estimate[k])}, exact {number(exact[k])}" for k in chosen)
        return element(axes, name, title, said)


def _flat(values: Any, like: Any = None, missing: float = np.nan) -> Any:
    """Nested lists as (d,) of float64."""
    if values is None:
        return np.full(len(like), missing)
    flat = np.array(values, dtype=float).ravel()
    return np.where(np.isnan(flat), missing, flat)


def _power(most: float) -> int:
    """The power of ten that goes into the label, not into the ticks."""
    power = math.floor(math.log10(most)) if most else 0
    return 0 if power in PLAIN else power


def _label(power: int, *, share: bool) -> str:
    times = f"{superscript(power)} " if power else ""
    what = f"{times}% of the largest component" if share else f"{times}units of f per logit"
    return f"estimate minus exact,\n{what}"


def _interval(axes: Any, row: int, ends: Sequence[float], limits: tuple[float, float], color: str) -> None:
    """A thin line with an end at each side, or an arrow where there is none."""
    shown = np.clip(ends, *limits)
    axes.plot(shown, [row, row], color=color, linewidth=1.5)
    for end, place, arrow in zip(ends, shown, "<>", strict=True):
        axes.plot([place], [row], "|" if np.isfinite(end) else arrow, color=color, markersize=9, markeredgewidth=1.5)
