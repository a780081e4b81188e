"""From a Matplotlib figure to an SVG element that a page takes in: colours of the page, ids of its own, no fonts."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from refgrad.testing.report._extra import needed

__all__ = ["BAND", "INK", "LINE", "PAPER", "RIGHT", "WIDTH", "WRONG", "canvas", "element"]

WIDTH = 320  # pixels: a phone shows them at nearly full size
VARIABLES = ("ink", "muted", "line", "band", "right", "wrong", "paper")  # of the style sheet
COLORS = tuple(f"#{one:02x}fe{one:02x}" for one in range(1, 8))  # that no figure has otherwise, one for each
INK, MUTED, LINE, BAND, RIGHT, WRONG, PAPER = COLORS
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "refgrad",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 15.0,
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@contextmanager
def canvas(height: int) -> Iterator[Any]:
    """Yield axes on a figure as wide as `WIDTH`; height in pixels.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    matplotlib, of_figure = needed("matplotlib"), needed("matplotlib.figure")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user has set
        matplotlib.rcParams.update(STYLE)
        yield of_figure.Figure(figsize=(WIDTH / 72, height / 72), dpi=72).add_axes((0, 0, 1, 1))


def element(axes: Any, name: str, title: str, said: str) -> str:
    """Return the figure of the axes as an SVG element.

    Parameters
    ----------
    axes : matplotlib Axes
        From `canvas`, inside its block.
    name : str
        Its ids begin so.
    title, said : str
        Name and description, for those who do not see it.

    Returns
    -------
    str
    """
    _finish(axes)
    figure, file = axes.figure, io.StringIO()
    figure.savefig(file, format="svg")
    text = file.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :].replace("xlink:href=", "href=")
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r">\s+<", "><", re.sub(r"\s+", " ", body)).strip()
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = body.replace("'DejaVu Sans'", "var(--font)")
    for color, variable in zip(COLORS, VARIABLES, strict=True):
        body = body.replace(color, f"var(--{variable})")
    width, height = (f"{size:g}" for size in figure.get_size_inches() * figure.dpi)
    head = f'<svg class="figure" role="img" aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {width} {height}">'
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(said)}</desc>'
    return head + words + body


def _finish(axes: Any) -> None:
    """Light frame, and as much room as the labels take."""
    axes.grid(visible=True, axis="x", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure = axes.figure
    figure.canvas.draw()
    tight, (width, height) = axes.get_tightbbox(), figure.get_size_inches() * figure.dpi
    room = {"left": -tight.x0 + 4, "bottom": -tight.y0 + 4, "right": max(tight.x1 - width, 0) + 12, "top": 8}
    axes.set_position(
        (
            room["left"] / width,
            room["bottom"] / height,
            1 - (room["left"] + room["right"]) / width,
            1 - (room["bottom"] + room["top"]) / height,
        )
    )
