"""The figure of a comparison: bias, standard deviation and error, a row of panels for each axis (extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from refgrad.testing.comparison import Comparison, Curve

__all__ = ["figure", "save"]

# Paul Tol's muted scheme and black: told apart by the colour-blind. Markers tell apart what shares a colour.
COLORS = ["#CC6677", "#88CCEE", "#117733", "#AA4499", "#999933", "#44AA99", "#332288", "#DDAA33", "#000000", "#882255"]
MARKERS = "osD^vXP<>*"
DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))
PANELS = (
    ("total_bias", "bias (unbiased estimators have no line)"),
    ("standard_deviation", "standard deviation"),
    ("rms", "root mean squared error"),
    ("ratio", "bias / standard deviation"),
)
DECADES = 5  # below the largest value that a panel shows
DRAWN: dict[Any, Any] = {"font.size": 9.0}
SAVED: dict[Any, Any] = {"svg.hashsalt": "refgrad", "pdf.fonttype": 42}


def figure(comparison: Comparison) -> Figure:
    """Draw the curves of a comparison.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    matplotlib.figure.Figure
        With a canvas of its own; nothing of pyplot is touched.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there are no curves.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
        from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("the figure needs matplotlib: pip install 'refgrad[plot]'") from error
    rows = [(axis, curves) for axis in ("temperature", "logits") if (curves := getattr(comparison, axis))]
    if not rows:
        raise ValueError("the figure needs curves, but the comparison was made without temperatures and scales")
    with rc_context(DRAWN):
        heights = [max(3.4, 0.45 + sum(0.17 * len(_label(c).splitlines()) for c in curves)) for _, curves in rows]
        drawn = Figure(figsize=(18.0, sum(heights) + 0.7), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.05))
        FigureCanvasAgg(drawn)
        axes = drawn.subplots(len(rows), len(PANELS), squeeze=False, gridspec_kw={"height_ratios": heights})
        drawn.suptitle(f"Exact error of one estimate: {comparison.problem}", fontsize=12)
        for panels, (axis, curves) in zip(axes, rows, strict=True):
            _row(panels, axis, curves, comparison)
    return drawn


def save(drawn: Figure, path: Path) -> None:
    """Write a figure, without the date: the same figure is the same file.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure
    path : pathlib.Path
        Its suffix is the format.
    """
    from matplotlib import rc_context  # noqa: PLC0415

    dated = {".svg": "Date", ".pdf": "CreationDate"}.get(path.suffix.lower())
    with rc_context(SAVED):
        drawn.savefig(path, dpi=150, metadata={dated: None} if dated else None)


def _row(panels: Sequence[Any], axis: str, curves: Sequence[Curve], comparison: Comparison) -> None:
    styles = _styles([curve.name for curve in curves])
    for other in panels[1:3]:
        other.sharey(panels[0])
        other.tick_params(labelleft=False)
    limits: list[tuple[float, float]] = []
    for panel, (what, title) in zip(panels, PANELS, strict=True):
        shown: list[float] = []
        for number, (curve, style) in enumerate(zip(curves, styles, strict=True)):
            values = curve.values(what)
            values = np.where(values > 0, values, np.nan)  # a logarithm has no zero: the line has a gap there
            shown.extend(values[np.isfinite(values)])
            every = len(curve.at) if curve.constant else 4
            panel.plot(curve.at, values, label=_label(curve), markevery=(number % max(1, every), every), **style)
        if what != "ratio":
            _gradient(panel, curves)
        panel.set_title(title)
        panel.set_yscale("log")
        panel.grid(which="major", color="0.9", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        if axis == "temperature":
            panel.set_xscale("log")
            panel.set_xlabel("temperature")
        else:
            panel.set_xlabel(f"t, at logits t * ({_vector(comparison.direction)})")
            itself = float(np.array_equal(comparison.direction, comparison.problem.logits))  # else its logits are level
            panel.axvline(itself, color="0.75", linewidth=0.8, linestyle=":", zorder=0, label="the problem itself")
        panel.margins(x=0.02)
        limits.append((min(shown), max(shown)) if shown else (np.inf, 0.0))
    for own, (low, high) in ((panels[0], np.transpose(limits[:3])), (panels[3], np.transpose(limits[3:]))):
        if high.max() > 0:
            own.set_ylim(max(low.min() / 1.5, high.max() * 10.0**-DECADES), 1.5 * high.max())
    panels[0].set_ylabel("units of f per logit")
    panels[-1].legend(
        *panels[0].get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(1.02, 1.02),
        borderaxespad=0,
        fontsize=7.5,
        frameon=False,
        handlelength=3.4,
    )


def _gradient(panel: Any, curves: Sequence[Curve]) -> None:
    """The norm of the gradient, behind the curves: an error above it drowns what is estimated."""
    sizes = np.array([np.linalg.norm(point.gradient) for point in curves[0].points])
    sizes = np.where(sizes > 0, sizes, np.nan)
    panel.plot(curves[0].at, sizes, color="0.8", linewidth=5, zorder=0, label="norm of the gradient")


def _styles(names: Sequence[str]) -> list[dict[str, Any]]:
    """A colour and a marker for each class, dashes for each of its instances."""
    classes = [name.partition("(")[0] for name in names]
    order = {name: number for number, name in enumerate(sorted(set(classes)))}
    styles = []
    for position, name in enumerate(classes):
        number, copy = order[name], classes[:position].count(name)
        styles.append(
            {
                "color": COLORS[number % len(COLORS)],
                "marker": MARKERS[number % len(MARKERS)],
                "markersize": 4.5,
                "markerfacecolor": "white" if copy % 2 else COLORS[number % len(COLORS)],
                "linewidth": 1.4,
                "linestyle": DASHES[copy % len(DASHES)],
            }
        )
    return styles


def _label(curve: Curve) -> str:
    """The name in lines that fit beside the panels."""
    return "\n  ".join(wrap(curve.name, 46, break_long_words=False))


def _vector(values: Any) -> str:
    """Logits as the command line takes them, if they are few."""
    rows = values if values.ndim > 1 else values[None]
    text = "; ".join(", ".join(f"{value:g}" for value in row) for row in rows)
    return text if len(text) <= 40 else "the logits of the problem"
