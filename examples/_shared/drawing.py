"""Figures that are read on a phone and by the colour-blind: one colour, dash and marker for each estimator."""

import io
from pathlib import Path

# Okabe and Ito; what shares no colour shares no dash either.
COLORS = {
    "Reinforce": "#000000",
    "ConstantBaseline": "#666666",
    "MovingAverageBaseline": "#999999",
    "Nvil": "#0072b2",
    "MuProp": "#e69f00",
    "MeanSubstitution": "#56b4e9",
    "GumbelSoftmax": "#d55e00",
    "Rebar": "#009e73",
    "Relax": "#cc79a7",
}
DASHES = {
    "Reinforce": (0, (1, 1)),
    "ConstantBaseline": (0, (3, 1, 1, 1)),
    "MovingAverageBaseline": (0, (2, 2)),
    "Nvil": "-",
    "MuProp": (0, (5, 1.5)),
    "MeanSubstitution": (0, (4, 1, 1, 1, 1, 1)),
    "GumbelSoftmax": "-",
    "Rebar": "-",
    "Relax": (0, (6, 1.5, 1, 1.5)),
}
MARKERS = dict(zip(COLORS, "o.xsDv^P*", strict=True))
GREY = "#777777"
FONT = 11  # points on a page of some six inches: a phone shows them at half that


def style(estimator, **options):
    """Colour, dash and label of an estimator's line."""
    name = type(estimator).__name__
    return {"color": COLORS.get(name, GREY), "linestyle": DASHES.get(name, "-"), "linewidth": 1.8, **options}


def marker(estimator, **options):
    """The same of its points."""
    name = type(estimator).__name__
    return {"color": COLORS.get(name, GREY), "marker": MARKERS.get(name, "o"), "linestyle": "none", **options}


def figure(width=6.4, height=4.0):
    """A figure with a canvas of its own; nothing of pyplot is touched."""
    from matplotlib import rcParams  # noqa: PLC0415  (an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415

    rcParams.update({"font.size": FONT, "axes.spines.top": False, "axes.spines.right": False})
    return Figure(figsize=(width, height), layout="constrained")


def pictures(axes, images, title=None):
    """Show images (rows, columns, height, width) between 0 and 1 as one mosaic, ink dark, with a gap between them."""
    import numpy as np  # noqa: PLC0415

    rows, columns, height, width = images.shape
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i in range(rows):
        for j in range(columns):
            top, left = i * (height + 1), j * (width + 1)
            canvas[top : top + height, left : left + width] = images[i, j]
    axes.imshow(canvas, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    if title:
        axes.set_title(title, fontsize=FONT)


def save(figure, folder, name, partial=False):
    """Write a PNG and return its path; what an interrupt left is marked as such."""
    if partial:
        figure.text(0.995, 0.995, "partial: interrupted", ha="right", va="top", color="#d55e00", fontsize=FONT)
    from PIL import Image  # noqa: PLC0415  (Matplotlib brings it)

    path, whole = Path(folder) / f"{name}.png", io.BytesIO()
    figure.savefig(whole, dpi=160)
    Image.open(whole).convert("RGB").quantize(256).save(path, optimize=True)  # a third of the size
    return path
