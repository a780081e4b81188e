"""The figures: the bound, variance and bias along the path, the mismatch of the relaxations, and the digits."""

from functools import partial

import numpy as np
from _shared.digits import SIDE
from _shared.drawing import FONT, GREY, figure, marker, pictures, save
from _shared.networks import forward

from _vae.audit import ratio, watched_ratios
from _vae.lines import LABEL, by_root, dashes, label_ends, named, short

__all__ = ["all_of", "save"]

WORST = 6.0  # nats below the best that the figure of the bound still shows


def all_of(study):
    """Names and figures, of what there is to draw."""
    drawings = {
        "elbo": partial(elbo, which="held_out"),
        "training": partial(elbo, which="training"),
        "variance": variance,
        "bias": bias,
        "mismatch": mismatch,
        "pictures": digits,
    }
    for name, draw in drawings.items():
        drawn = draw(study)
        if drawn is not None:
            yield f"13_{name}", drawn


def elbo(study, which):
    """ELBO, `held_out` or `training`, against evaluations of the decoder, and against seconds."""
    made = figure(6.4, 7.2)
    top, bottom = made.subplots(2, 1)
    best = max(run.column(which).max() for run in study.seen)
    ends = []
    for run in study.seen:
        look, values = dashes(study, run), run.column(which)
        top.plot(run.column("evaluations")[1:], values[1:], **look)
        bottom.plot(run.column("seconds")[1:], values[1:], **look)
        name = named(study, run) if values[-1] > best - WORST else f"{short(run)}: {values[-1]:.0f}, below"
        ends.append((max(values[-1], best - WORST), name, look["color"]))
    for axes, what in ((top, "evaluations of the decoder"), (bottom, "seconds of training")):
        axes.set(
            xscale="log", xlabel=what, ylabel=f"{which.replace('_', '-')} ELBO / nats", ylim=(best - WORST, best + 0.4)
        )
        axes.xaxis.set_major_formatter("{x:,.0f}" if axes is top else "{x:g}")
        axes.xaxis.set_minor_formatter("")
        label_ends(axes, ends)
    return made


def variance(study):
    """Exact total variance at the checkpoints; below, what training saw of it as a multiple of the exact one."""
    runs = [run for run in study.seen if run.probes and run.estimator.draws]
    if not runs:
        return None
    compared = [run for run in runs if run.audits or len(watched_ratios(run.probes, run.saw)) > 1]
    heights = [4.2, 0.4 * len(compared) + 0.9][: 1 + bool(compared)]
    made = figure(6.4, sum(heights))
    panels = made.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    axes = panels[0]
    ends, exact = [], all(run.probes[-1].exact for run in runs)
    for run in runs:
        look, fill = dashes(study, run, linewidth=1.2), "full" if run.probes[-1].exact else "none"
        values = [np.mean(p.variance if p.exact else p.sampled) for p in run.probes]
        points = marker(run.estimator, markersize=7, fillstyle=fill, clip_on=False)
        axes.plot([p.epoch for p in run.probes], values, **{**points, **look})
        ends.append((values[-1], named(study, run), look["color"]))
    axes.set(yscale="log", xlabel="epochs of training", ylabel="total variance / nats²")
    by_root(axes, max(run.curve[-1]["epoch"] for run in runs))
    if compared:
        seen_over_exact(study, panels[1], compared)
    label_ends(axes, ends)
    what = "exact" if exact else f"full points: exact; empty: {study.sizes.draws:,} draws"
    axes.set_title(f"{what}, mean over {study.sizes.images} images", fontsize=FONT, loc="left")
    return made


def seen_over_exact(study, axes, runs):
    """Ratios with two standard errors, a row for each estimator."""
    for row, run in enumerate(runs):
        color, ratios = dashes(study, run)["color"], watched_ratios(run.probes, run.saw)
        if run.audits:
            mean, error = ratio(run.audits)
            axes.errorbar(mean, row - 0.15, xerr=2 * error, fmt="o", color=color, markersize=6)
        if len(ratios) > 1:
            error = ratios.std(ddof=1) / np.sqrt(len(ratios))
            axes.errorbar(ratios.mean(), row + 0.15, xerr=2 * error, fmt="s", color=color, markersize=6, mfc="white")
    axes.axvline(1, color="black", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(runs)), [short(run) for run in runs], fontsize=LABEL)
    axes.set_ylim(len(runs) - 0.5, -0.5)
    axes.set_xlabel("variance that training saw / exact, and two standard errors")
    axes.set_title(
        "full: images of one step, at that step\nempty: those above, between checkpoints", fontsize=FONT, loc="left"
    )


def bias(study):
    """Exact bias as a share of the gradient, of those that have one."""
    runs = [run for run in study.seen if run.probes and not run.estimator.claims.unbiased]
    if not runs:
        return None
    made = figure(6.4, 4.4)
    axes, ends = made.subplots(), []
    for run in runs:
        look, values = dashes(study, run), [100 * p.relative_bias for p in run.probes]
        look |= {"marker": marker(run.estimator)["marker"], "clip_on": False}
        axes.plot([p.epoch for p in run.probes], values, **look)
        sampled = [p for p in run.probes if not p.exact]
        centers, bars = ([100 * getattr(p, name) for p in sampled] for name in ("relative_bias", "relative_error"))
        axes.errorbar([p.epoch for p in sampled], centers, yerr=bars, fmt="none", ecolor=look["color"])
        ends.append((values[-1], named(study, run), look["color"]))
    axes.set(yscale="log", xlabel="epochs of training", ylabel="size of the bias / % of the gradient")
    sizes = [100 * p.relative_bias for run in runs for p in run.probes if p.relative_bias]
    axes.set_ylim(min(sizes, default=1) / 2, 1.2 * max(sizes, default=1))
    if not all(p.exact for run in runs for p in run.probes):
        axes.set_title(f"bars: {study.sizes.draws:,} draws, one standard error", fontsize=FONT)
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
