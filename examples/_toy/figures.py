"""Loss, variance, the mismatch of a relaxation, and where it stands still."""

import numpy as np
from _shared import drawing

from . import standstill
from .problems import TARGETS


def label(course, courses):
    """Name of the class; with its fields where the class is there twice, and the temperature of Gumbel-Softmax."""
    name = type(course.estimator).__name__
    if name == "GumbelSoftmax":
        return f"{name}({course.estimator.temperature:g})"
    alike = sum(type(other.estimator).__name__ == name for other in courses)
    return repr(course.estimator) if alike > 1 else name


def look(course, courses):
    """Options of its line; a second one of a class is paler."""
    before = [c for c in courses[: courses.index(course)] if type(c.estimator) is type(course.estimator)]
    return {**drawing.style(course.estimator), "alpha": 0.5 ** len(before)}


def draw_loss(ax, courses):
    """Exact loss of all runs: mean, and a band from the first to the third quartile."""
    problem = courses[0].problem
    for course in courses:
        if course.losses:
            losses, options = np.array(course.losses), look(course, courses)
            low, high = np.quantile(losses, (0.25, 0.75), axis=1)
            ax.fill_between(course.steps, low, high, color=options["color"], alpha=0.12, linewidth=0)
            ax.plot(course.steps, losses.mean(axis=1), **options)
    ax.axhline(problem.best, color=drawing.GREY, linewidth=1)
    ax.annotate("best", (0.01, problem.best), xycoords=("axes fraction", "data"), va="bottom", color=drawing.GREY)
    ax.set_ylabel("loss")


def draw_variance(ax, courses):
    """Exact variance of the first run as a line, sampled over it as points with one standard error."""
    lowest = np.inf
    for course in courses:
        points = [p for p in course.points if p.exact > 0]
        if points:
            options = look(course, courses)
            exact = np.array([p.exact for p in points])
            steps, sampled, error = np.array([(p.step, p.sampled, p.error) for p in points]).T
            ax.plot(steps, exact, **options)
            seen = sampled > 0
            bars = {"fmt": drawing.MARKERS[type(course.estimator).__name__], "markersize": 4, "elinewidth": 1}
            ax.errorbar(steps[seen], sampled[seen], error[seen], color=options["color"], alpha=options["alpha"], **bars)
            lowest = min(lowest, exact.min())
    ax.set(yscale="log", ylabel="variance")
    if np.isfinite(lowest):
        ax.set_ylim(bottom=max(lowest / 3, 1e-12))


def stacked(groups, draw):
    """A panel for each problem, one over the other, and one legend above."""
    figure = drawing.figure(6.4, 1.2 + 2.4 * len(groups))
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    for ax, courses in zip(axes, groups, strict=True):
        draw(ax, courses)
        ax.set_title(courses[0].problem.name, fontsize=drawing.FONT, loc="right")
    axes[-1].set_xlabel("step")
    return _legend(figure, groups[0])


def both(courses):
    """Loss and variance of one problem."""
    figure = drawing.figure(6.4, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    draw_loss(upper, courses)
    draw_variance(lower, courses)
    lower.set_xlabel("step")
    return _legend(figure, courses)


def _legend(figure, courses):
    from matplotlib.lines import Line2D  # noqa: PLC0415  (an extra)

    handles = [
        Line2D([], [], marker=drawing.MARKERS[type(c.estimator).__name__], markersize=4, **look(c, courses))
        for c in courses
    ]
    names = [label(c, courses) for c in courses]
    figure.legend(handles, names, loc="outside upper center", ncols=2, frameon=False, handlelength=3)
    return figure


def mismatch(courses, temperatures):
    """Above, what a relaxation trains and what is tested, of the first run; below, where its mean vanishes."""
    figure = drawing.figure(6.4, 7.2)
    upper, lower = figure.subplots(2, 1)
    problem, dots = courses[0].problem, (0, (1.5, 1.5))
    for course in courses:
        if course.relaxed:
            options = {**look(course, courses), "linestyle": "-"}
            upper.plot(course.steps, [losses[0] for losses in course.losses], label=label(course, courses), **options)
            upper.plot(course.steps, course.relaxed, **{**options, "linestyle": dots})
    upper.plot([], [], color="black", label="tested: discrete loss")
    upper.plot([], [], color="black", linestyle=dots, label="trained: relaxed loss")
    upper.axhline(problem.best, color=drawing.GREY, linewidth=1)
    upper.annotate("best", (0.01, problem.best), xycoords=("axes fraction", "data"), va="bottom", color=drawing.GREY)
    upper.set(xlabel="step", ylabel="loss")
    upper.set_title(problem.name, fontsize=drawing.FONT, loc="right")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    for target, color, dash in zip(TARGETS, ("#0072b2", "#d55e00", "#009e73"), ("-", "--", "-."), strict=True):
        turn = 1 - 2 * target  # Eq. 12.4
        at = np.r_[turn, temperatures[temperatures > turn]]
        lower.plot(at, [standstill.probability(target, t) for t in at], color=color, linestyle=dash)
        lower.plot([turn], [0], "^", color=color, markersize=8, clip_on=False, zorder=4)
        lower.text(turn * 1.4, 0.015, f"t = {target}", color=color)
    lower.set(xscale="log", xlabel="temperature of Gumbel-Softmax", ylabel="p where its mean is zero", ylim=(0, 0.52))
    return figure
