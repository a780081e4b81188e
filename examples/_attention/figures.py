"""The figures: masks, accuracy against patches, learning, the mismatch of the relaxations, the oracle."""

import numpy as np
from _shared.digits import CLASSES, SIDE
from _shared.drawing import FONT, GREY, figure, marker, save, style

from _attention.glimpse import PATCHES, SPREAD
from _attention.learner import masks

__all__ = ["all_of", "save"]

# Rows of red, green and blue: seen paper and ink, hidden paper and ink.
SHADES = np.array([[1, 1, 1], [0, 0, 0], [0.65, 0.82, 0.94], [0.36, 0.58, 0.78]])
BLUE, ORANGE = "#0072b2", "#d55e00"
SMALL = FONT - 2


def all_of(study):
    """Names and figures, of what there is to draw."""
    for name, draw in (
        ("masks", pictures),
        ("accuracy", accuracy),
        ("learning", learning),
        ("mismatch", mismatch),
        ("oracle", verdicts),
    ):
        made = draw(study)
        if made is not None:
            yield f"14_{name}", made


def pictures(study):
    """One digit of each class under its likeliest mask, and the mean mask of each class.

    Of the best run at the lowest price, the best at the highest, and the first estimator at the middle price.
    """
    best = [
        max(there, key=lambda run: run.quality.objective)
        for price in (study.prices[0], study.prices[-1])
        if (there := study.of("both learn", price))
    ]
    runs = [*best, *study.of("both learn", study.middle)[:1]]
    runs = [run for at, run in enumerate(runs) if run not in runs[:at]]
    if not runs:
        return None
    made = figure(6.4, 1.45 * len(runs) + 0.3)
    made.suptitle("blue: hidden; below, the mean mask of each class", fontsize=SMALL, color="#36648b")
    axes = made.subplots(2 * len(runs), 1, squeeze=False)[:, 0]
    made.get_layout_engine().set(h_pad=0.01, hspace=0, rect=(0, 0, 1, 0.985))
    digits = study.held_out
    first = [int(np.argmax(digits.labels == label)) for label in range(CLASSES)]
    for run, above, below in zip(runs, axes[::2], axes[1::2], strict=True):
        q = masks(run.learner.attention.weights, digits.pixels)
        hidden = (q.logits[first] <= 0) @ SPREAD
        shades = SHADES[(digits.pixels[first] + 2 * hidden).astype(int)].reshape(-1, SIDE, SIDE, 3)
        above.imshow(_mosaic(shades), interpolation="nearest")
        above.set_title(f"{run.name}, price {run.learner.price:g}: {run.quality.patches:.1f} patches", fontsize=FONT)
        means = np.stack([q.probs[digits.labels == label].mean(axis=0) @ SPREAD for label in range(CLASSES)])
        colors = below.imshow(
            _mosaic(means.reshape(-1, SIDE, SIDE)), cmap="cividis", vmin=0, vmax=1, interpolation="nearest"
        )
        for ax in (above, below):
            ax.axis("off")
    bar = made.colorbar(colors, ax=axes.tolist(), shrink=0.5, pad=0.01, aspect=14)
    bar.set_label("mean mask", fontsize=SMALL)
    bar.set_ticks([0, 1])
    return made


def _mosaic(images):
    """Images (n, height, width, ...) side by side, with a gap."""
    gap = np.ones((1, *images.shape[1:2], 2, *images.shape[3:])) * (1.0 if images.ndim == 4 else np.nan)
    pieces = [piece for image in images for piece in (image, gap[0])]
    return np.concatenate(pieces[:-1], axis=1)


def accuracy(study):
    """Accuracy against patches: by the classifier of the run, and by the judge."""
    if not study.of("both learn"):
        return None
    made = figure(6.4, 7.6)
    panels = made.subplots(2, 1, sharex=True, sharey=True)
    titles = ("classifier that learned with the masks", "judge: a classifier that learned on random masks")
    for ax, title, which in zip(panels, titles, ("own", "judged"), strict=True):
        ax.set_title(title, fontsize=FONT, loc="left")
        ax.plot(range(PATCHES + 1), 100 * np.array(study.at_random), color=GREY, linewidth=4, alpha=0.4)
        for estimator in study.estimators:
            runs = [run for run in study.of("both learn") if run.estimator is estimator]
            points = sorted((run.quality.patches, 100 * getattr(run.quality, which)) for run in runs)
            if points:
                look = {**style(estimator), **{"marker": marker(estimator)["marker"]}}
                ax.plot(*np.transpose(points), **look, markersize=6, label=runs[0].name)
        ax.set_ylabel("right, % of held-out digits")
        ax.grid(axis="y", alpha=0.3)
    same = sorted((round(run.quality.patches), 100 * run.quality.same_for_all) for run in study.of("both learn"))
    panels[1].plot(
        *np.transpose(same), "s", color=GREY, markersize=7, fillstyle="none", label="same patches for every image"
    )
    panels[0].plot([], [], color=GREY, linewidth=4, alpha=0.4, label="random masks, by the judge")
    handles = [entry for ax in panels for entry in zip(*ax.get_legend_handles_labels(), strict=True)]
    unique = {label: handle for handle, label in handles}
    panels[1].set(xlabel="patches that are seen, of 16", xlim=(0, 12), ylim=(0, 100))
    made.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return made


def learning(study):
    """The discrete objective along training, at the middle price."""
    runs = [run for run in study.seen if run.part == "both learn" and run.learner.price == study.middle]
    if not runs:
        return None
    made = figure(6.4, 4.6)
    ax = made.subplots()
    best = max(value for run in runs for _, value, _ in run.curve)
    bottom = best - 1.0  # what ends below is written in the legend
    for run in runs:
        steps, objective, _ = np.transpose(run.curve)
        look = {**style(run.estimator), "marker": marker(run.estimator)["marker"]}
        ax.plot(steps, objective, **look, markersize=4, label=_with_end(run, objective[-1], bottom))
    unit = ", nats" if study.kind == "likelihood" else ""
    ax.set(xlabel="step", ylabel=f"E f on held-out digits{unit}", ylim=(bottom, best + 0.1))
    ax.set_title(f"masks of zeros and ones, price {study.middle:g}", fontsize=FONT, loc="left")
    made.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return made


def mismatch(study):
    """What a relaxation is trained on, and what the same weights are worth with masks of zeros and ones."""
    runs = sorted(study.mismatched(), key=lambda run: getattr(run.estimator, "temperature", np.inf))
    if not runs:
        return None
    rows = (len(runs) + 1) // 2
    made = figure(6.4, 2.6 * rows + 0.4)
    panels = made.subplots(rows, min(len(runs), 2), sharex=True, sharey=True, squeeze=False).ravel()
    for ax, run in zip(panels, runs, strict=False):
        steps, discrete, relaxed = np.transpose(run.curve)
        ax.fill_between(steps, discrete, relaxed, color=ORANGE, alpha=0.15, linewidth=0)
        ax.plot(steps, relaxed, color=ORANGE, linestyle=(0, (4, 1.5)), linewidth=1.8, label="as trained, relaxed masks")
        ax.plot(steps, discrete, color="black", linewidth=1.8, label="same weights, masks of zeros and ones")
        temperature = getattr(run.estimator, "temperature", None)
        title = run.name if temperature is None else f"Gumbel-Softmax at {temperature:g}"
        ax.set_title(f"{title}: {_signed(discrete[-1] - relaxed[-1])}", fontsize=SMALL, loc="left")
    for ax in panels[len(runs) :]:
        ax.axis("off")
    made.supxlabel("step", fontsize=FONT)
    made.supylabel("objective on held-out digits, nats", fontsize=FONT)
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", fontsize=SMALL, frameon=False)
    return made


def verdicts(study):
    """Bias and deviation of each estimator, measured and exact."""
    if not study.lines:
        return None
    made = figure(6.4, 1.4 + 0.42 * len(study.lines))
    left, right = made.subplots(1, 2, sharey=True)
    for at, (_, own) in enumerate(study.lines.values()):
        left.plot([0, own.noise], [at, at], color=GREY, linewidth=7, alpha=0.3, solid_capstyle="butt")
        left.plot(own.off, at, "o", color=BLUE, fillstyle="none", markersize=10, markeredgewidth=1.8)
        left.plot(own.bias, at, "x", color="black", markersize=6, markeredgewidth=1.8)
        right.plot(own.sampled, at, "o", color=BLUE, fillstyle="none", markersize=10, markeredgewidth=1.8)
        right.plot(own.deviation, at, "x", color="black", markersize=6, markeredgewidth=1.8)
    left.set_yticks(range(len(study.lines)), list(study.lines), fontsize=SMALL)
    left.set_ylim(len(study.lines) - 0.5, -0.5)
    left.set(xlabel="bias", xlim=(-0.02, None))
    largest = max(own.sampled for _, own in study.lines.values())
    right.set(xlabel="standard deviation", xscale="symlog", xlim=(-0.3, 1.6 * largest))
    left.plot([], [], "x", color="black", markeredgewidth=1.8, label="exact")
    left.plot([], [], "o", color=BLUE, fillstyle="none", markersize=10, markeredgewidth=1.8, label="measured")
    left.plot([], [], color=GREY, linewidth=7, alpha=0.3, label="by chance (rms)")
    made.legend(loc="outside upper center", ncols=3, fontsize=SMALL, frameon=False)
    made.supxlabel("in units of the norm of the exact gradient", fontsize=SMALL)
    return made


def _with_end(run, end, bottom):
    """The name of a run, with where it ends if that is not in the picture."""
    return run.name if end > bottom else f"{run.name}, below: {_signed(end)}"


def _signed(number):
    """A number with its sign, and a minus that is no hyphen."""
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")
