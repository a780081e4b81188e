"""The figures: the bound, variance and bias along the path, the mismatch of the relaxations, and the digits."""

import numpy as np
from _shared.digits import SIDE
from _shared.drawing import FONT, GREY, figure, marker, pictures, save, style
from _shared.networks import forward

__all__ = ["all_of", "save"]

TINY = 1e-12  # of a variance: rounding
WORST = 6.0  # nats below the best that the figure of the bound still shows
INKS = {"#f0e442": "#a39800", "#999999": "#777777"}  # for colors that are too light on paper
LABEL = 9  # points, of names beside lines
ALTERNATIVES = {"——": "-", "- -": (0, (4, 1.5)), "···": (0, (1, 1.2))}  # estimators of one class, in turn


def all_of(study):
    """Names and figures, of what there is to draw."""
    drawings = {"elbo": elbo, "variance": variance, "bias": bias, "mismatch": mismatch, "pictures": digits}
    for name, draw in drawings.items():
        drawn = draw(study)
        if drawn is not None:
            yield f"13_{name}", drawn


def short(run):
    """A name that fits beside a line."""
    return run.name.replace("(temperature=", " ").removesuffix(")").replace("MovingAverageBaseline", "MovingAverage")


def dashes(study, run, **options):
    """The style of an estimator's line; those of one class differ in dashes."""
    if run.estimator is None:
        return {"color": "black", "linestyle": "-", "linewidth": 3.5, "alpha": 0.3, **options}
    made = style(run.estimator, **options)
    made["color"] = INKS.get(made["color"], made["color"])
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


def elbo(study):
    """Held-out ELBO against evaluations of the decoder, and against seconds."""
    made = figure(6.4, 7.2)
    top, bottom = made.subplots(2, 1)
    best = max(run.column("held_out").max() for run in study.seen)
    ends = []
    for run in study.seen:
        look, values = dashes(study, run), run.column("held_out")
        top.plot(run.column("evaluations")[1:], values[1:], **look)
        bottom.plot(run.column("seconds")[1:], values[1:], **look)
        name = named(study, run) if values[-1] > best - WORST else f"{short(run)}: {values[-1]:.0f}, below"
        ends.append((max(values[-1], best - WORST), name, look["color"]))
    for axes, what in ((top, "evaluations of the decoder"), (bottom, "seconds of training")):
        axes.set(xscale="log", xlabel=what, ylabel="held-out ELBO / nats", ylim=(best - WORST, best + 0.4))
        axes.xaxis.set_major_formatter("{x:,.0f}" if axes is top else "{x:g}")
        axes.xaxis.set_minor_formatter("")
        label_ends(axes, ends)
    return made


def variance(study):
    """Exact total variance at the checkpoints, and what the draws of training say all the way."""
    runs = [run for run in study.seen if run.probes]
    if not runs:
        return None
    made = figure(6.4, 5.6)
    axes, ends = made.subplots(), []
    for run in runs:
        look = dashes(study, run, linewidth=1.2)
        axes.plot(*training_variance(run), **look, alpha=0.7)
        values = np.array([p.variance.mean() if p.exact else p.sampled.mean() for p in run.probes])
        if values[-1] > TINY:
            fill = "full" if run.probes[-1].exact else "none"
            points = marker(run.estimator, markersize=7, fillstyle=fill, color=look["color"], clip_on=False)
            axes.plot([p.epoch for p in run.probes], values, **points)
            ends.append((values[-1], named(study, run), look["color"]))
    axes.set(yscale="log", xlabel="epochs of training", ylabel="total variance / nats²")
    by_root(axes, max(run.curve[-1]["epoch"] for run in runs))
    label_ends(axes, ends)
    what = (
        "points: exact"
        if all(run.probes[-1].exact for run in runs)
        else f"full points: exact; empty: {study.sizes.draws:,} draws"
    )
    axes.set_title(f"{what}; lines: the draws of training", fontsize=FONT, loc="left")
    return made


def by_root(axes, epochs):
    """Epochs at the distance of their square root: early ones have more room."""
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set_xlim(0, 1.02 * max(1, epochs))
    axes.set_xticks([at for at in (0, 1, 2, 5, 10, 20, 40, 60) if at <= epochs])


def training_variance(run):
    """Epochs, and the mean of the estimates that training made in the epochs within a quarter of each."""
    if not run.training_variances:
        return np.empty((2, 0))
    epochs, values = np.array(run.training_variances).reshape(-1, 2).T
    every = np.unique(epochs)
    means = np.array([values[np.abs(epochs - at) <= max(1, at // 4)].mean() for at in every])
    return (every[means > TINY] + 0.5, means[means > TINY])


def bias(study):
    """Exact bias as a share of the gradient, of those that have one."""
    runs = [run for run in study.seen if run.probes and not run.estimator.claims.unbiased]
    if not runs:
        return None
    made = figure(6.4, 4.4)
    axes, ends = made.subplots(), []
    for run in runs:
        look, values = dashes(study, run), [100 * p.relative_bias for p in run.probes]
        axes.plot([p.epoch for p in run.probes], values, **look, marker=marker(run.estimator)["marker"], clip_on=False)
        ends.append((values[-1], named(study, run), look["color"]))
    axes.set(yscale="log", xlabel="epochs of training", ylabel="size of the bias / % of the gradient")
    axes.yaxis.set_major_formatter("{x:g}")
    by_root(axes, max(run.curve[-1]["epoch"] for run in runs))
    label_ends(axes, ends)
    return made


def mismatch(study):
    """What a relaxation is trained on, and what its code is worth when it is discrete."""
    runs = [run for run in study.seen if run.relaxes]
    if not runs:
        return None
    rows = (len(runs) + 1) // 2
    made = figure(6.4, 0.6 + 2.7 * rows)
    panels = made.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    reference = study.seen[0]
    for axes, run in zip(panels, runs, strict=False):
        epochs, color = run.column("epoch"), dashes(study, run)["color"]
        axes.plot(reference.column("epoch"), reference.column("held_out"), **dashes(study, reference))
        axes.plot(epochs, run.column("relaxed"), color=color, linestyle=(0, (2, 1)), linewidth=1.8)
        axes.plot(epochs, run.column("held_out"), color=color, linewidth=1.8)
        gap = run.curve[-1]["relaxed"] - run.curve[-1]["held_out"]
        axes.set_title(f"{short(run)}\nat the end {gap:+.2f} nats", fontsize=FONT)
    for axes in panels[len(runs) :]:
        axes.axis("off")
    best = max(run.column("relaxed").max() for run in runs)
    panels[0].set_ylim(best - 20, best + 1)
    made.supxlabel("epochs of training", fontsize=FONT)
    made.supylabel("held-out ELBO / nats", fontsize=FONT)
    from matplotlib.lines import Line2D  # noqa: PLC0415  (an extra)

    lines = [
        Line2D([], [], color=GREY, linestyle=(0, (2, 1)), label="relaxed: trained on"),
        Line2D([], [], color=GREY, label="discrete: used as"),
        Line2D([], [], **dashes(study, reference), label="exact gradient"),
    ]
    made.legend(handles=lines, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return made


def digits(study):
    """Held-out digits, what is left of them after a code, and samples of the model."""
    runs, originals = study.seen, study.held_out.pixels[one_of_each(study.held_out.labels)]
    made = figure(6.4, 0.5 + 0.235 * (len(runs) + 1))
    left, right = made.subplots(1, 2)
    again = [originals, *(decoded(run.vae, originals) for run in runs)]
    fresh = [np.full_like(originals, np.nan), *(of_prior(run.vae, len(originals), study.seed) for run in runs)]
    pictures(left, np.array(again).reshape(len(runs) + 1, -1, SIDE, SIDE), "digits, and what a code keeps")
    pictures(right, np.array(fresh).reshape(len(runs) + 1, -1, SIDE, SIDE), "codes of the prior")
    for row, name in enumerate(["held-out digits", *map(short, runs)]):
        left.text(-1.5, (SIDE + 1) * row + SIDE / 2, name, ha="right", va="center", fontsize=LABEL)
    return made


def one_of_each(labels):
    """The first image of each digit."""
    return np.unique(labels, return_index=True)[1]


def decoded(vae, pixels):
    """Probability of ink after the likeliest code of each image: (B, 64)."""
    q = vae.q(pixels)
    return ink(vae, q.sample(np.zeros_like(q.logits)))


def of_prior(vae, n, seed):
    """Probability of ink at codes of the uniform prior, the same for every model: (n, 64)."""
    codes = vae.code.support()
    return ink(vae, codes[np.random.default_rng([seed, 5]).choice(len(codes), n, replace=n > len(codes))])


def ink(vae, z):
    """Probability of ink at some codes."""
    return 1 / (1 + np.exp(-forward(vae.decoder.weights, vae.code.flat(z))))
