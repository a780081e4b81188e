"""The figures: words over the steps, relaxed against hard, and the estimators against the oracle."""

import numpy as np
from _shared import drawing


def drawn(runs, yardsticks, pairs, folder, partial):
    """Write what there is to draw, and return the paths."""
    paths = [_words(runs, yardsticks, folder, partial)]
    if any("gap" in run.looks[-1] for run in runs):
        paths.append(_mismatch(runs, folder, partial))
    if pairs:
        paths.append(_oracle(pairs, folder, partial))
    return paths


def _words(runs, yardsticks, folder, partial):
    """Share of words, number of distinct ones, distance of bigrams."""
    figure = drawing.figure(6.4, 7.6)
    axes = figure.subplots(3, 1, sharex=True)
    held, alone = yardsticks["the held-out half"], yardsticks["independent letters"]
    panels = (
        ("share", 100, "real words (%)\nhigher is better"),
        ("distinct", 1, "distinct real words\nhigher is better"),
        ("distance", 1, "bigrams off the book\nlower is better"),
    )
    for ax, (name, scale, label) in zip(axes, panels, strict=True):
        for run in runs:
            steps, values = ([look[key] for look in run.looks] for key in ("step", name))
            ax.plot(steps, np.multiply(values, scale), **drawing.style(run.estimator, label=run.name))
        for one, text in ((held, "the book's\nother half"), (alone, "independent\nletters")):
            ax.axhline(one[name] * scale, color=drawing.GREY, linewidth=1, linestyle=":")
            ax.text(1.01, one[name] * scale, text, transform=ax.get_yaxis_transform(), fontsize=9, va="center")
        ax.set(ylabel=label, ylim=(0, None))
    axes[-1].set_xlabel("steps of the generator")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return drawing.save(figure, folder, "15_words", partial)


def _mismatch(runs, folder, partial):
    """What the discriminator makes of the same words relaxed and hard, with bands of two standard errors."""
    figure = drawing.figure(6.4, 4.0)
    ax = figure.subplots()
    for run in (run for run in runs if "gap" in run.looks[-1]):
        steps, gap, error = (np.array([look[key] for look in run.looks]) for key in ("step", "gap", "gap error"))
        style = drawing.style(run.estimator, label=run.name)
        ax.plot(steps, gap, **style)
        ax.fill_between(steps, gap - 2 * error, gap + 2 * error, color=style["color"], alpha=0.2, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="steps of the generator", ylabel="f(relaxed word) - f(hard word)\nlogit, mean of 1,000 words")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return drawing.save(figure, folder, "15_mismatch", partial)


def _oracle(pairs, folder, partial):
    """Mean along the gradient and deviation for each x, two letters a place: measured and exact."""
    figure = drawing.figure(6.4, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(one.name for one in pairs))
    by_name = {name: [one for one in pairs if one.name == name] for name in names}
    for row, name in enumerate(reversed(names)):
        color = drawing.COLORS.get(name.split("(")[0], drawing.GREY)
        cross = {"color": color, "marker": "x", "markersize": 8, "linestyle": "none", "zorder": 3}
        count = len(by_name[name])
        for turn, one in enumerate(by_name[name]):
            y = row + 0.22 * ((count - 1) / 2 - turn)
            left.errorbar(one.along, y, xerr=2 * one.error, color=color, linewidth=4, alpha=0.4)
            left.plot(one.exact_along, y, **cross)
            right.plot(one.deviation, y, color=color, marker="o", markersize=9, alpha=0.4, linestyle="none")
            right.plot(one.exact_deviation, y, **cross)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_yticks(range(len(names)), names[::-1])
    left.set(xlabel="mean, over the gradient\ncross: exact; bar: measured, 2 s.e.", title="mean: off 1 is bias")
    right.set(
        xlabel="std. dev., over the gradient\ncross: exact; disc: measured", xscale="log", title="noise of a draw"
    )
    return drawing.save(figure, folder, "15_oracle", partial)
