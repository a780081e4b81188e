"""Lines of estimators: their style, and their names beside the ends."""

import numpy as np
from _shared.drawing import style

LABEL = 9  # points, of names beside lines
# Of estimators of one class, in turn: as it is written, as it is drawn.
ALTERNATIVES = {"\N{EM DASH}\N{EM DASH}": "-", "- -": (0, (4, 1.5)), "···": (0, (1, 1.2))}


def short(run):
    """A name that fits beside a line."""
    return run.name.replace("(temperature=", " ").removesuffix(")").replace("MovingAverageBaseline", "MovingAverage")


def dashes(study, run, **options):
    """The style of an estimator's line; those of one class differ in dashes."""
    if run.estimator is None:
        return {"color": "black", "linestyle": "-", "linewidth": 3.5, "alpha": 0.3, **options}
    made = style(run.estimator, **options)
    dash = dash_of(study, run)
    return {**made, "linestyle": ALTERNATIVES[dash]} if dash else made


def dash_of(study, run):
    """What tells an estimator from others of its class, as it is written; nothing where it is alone."""
    twins = [other for other in study.runs if type(other.estimator) is type(run.estimator)]
    return list(ALTERNATIVES)[twins.index(run) % len(ALTERNATIVES)] if len(twins) > 1 else ""


def named(study, run):
    """The name beside the end of a line."""
    return f"{short(run)} {dash_of(study, run)}".strip()


def label_ends(axes, ends):
    """Write names to the right of the ends of lines, (height, name, color) each, moved apart where they touch."""
    gap = 1.3 * LABEL / 72 / (axes.figure.get_figheight() * axes.get_position().height)
    heights = axes.transAxes.inverted().transform(axes.transData.transform([(1, end[0]) for end in ends]))[:, 1]
    order = np.argsort(heights, kind="stable")
    places = apart(heights[order], gap)
    for place, at in zip(places, order, strict=True):
        _, name, color = ends[at]
        axes.annotate(
            name,
            (1, place),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            color=color,
            va="center",
            fontsize=LABEL,
        )


def apart(heights, gap):
    """Sorted heights, 1 at the most, moved to be a gap apart: neighbours that touch share the move."""
    groups = []  # [sum of heights less their ranks, count]
    for height in heights:
        groups.append([height, 1])
        while len(groups) > 1 and _bottom(groups[-1], gap) < _bottom(groups[-2], gap) + groups[-2][1] * gap:
            total, count = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += count
    places = [_bottom(group, gap) + rank * gap for group in groups for rank in range(group[1])]
    return [min(place, 1 - (len(places) - 1 - rank) * gap) for rank, place in enumerate(places)]


def _bottom(group, gap):
    total, count = group
    return total / count - gap * (count - 1) / 2


def by_root(axes, epochs):
    """Epochs at the distance of their square root: early ones have more room."""
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set_xlim(0, 1.02 * max(1, epochs))
    axes.set_xticks([at for at in (0, 1, 2, 5, 10, 20, 40, 60) if at <= epochs])
