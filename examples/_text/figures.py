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
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415  (an extra)

    figure = drawing.figure(6.4, 4.8)
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(one.name for one in pairs))
    by_name = {name: [one for one in pairs if one.name == name] for name in names}
    biased = []
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
            if one.bias > 0.005:  # two decimals
                biased.append((one, y))
    left.axvline(1, color="black", linewidth=0.8)
    for one, y in biased:
        _beside(left, one, y)
    left.set_yticks(range(len(names)), names[::-1])
    left.set(
        xlabel="over the gradient; 1 is right\ncross: exact; bar: measured, 2 s.e.", title="mean, along the gradient"
    )
    right.set(
        xlabel="std. dev., over the gradient\ncross: exact; disc: measured", xscale="log", title="noise of a draw"
    )
    right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.xaxis.set_major_formatter("{x:g}")
    right.xaxis.set_minor_formatter(NullFormatter())
    if count > 1:
        figure.supxlabel(
            "in each group, from above: a word nearly decided by its x,\none between, an undecided one", fontsize=9
        )
    return drawing.save(figure, folder, "15_oracle", partial)


def _beside(axes, one, y):
    """The bias in any direction, beside its component along the gradient, on the side where there is room."""
    right = one.exact_along < sum(axes.get_xlim()) / 2
    end = max(one.exact_along, one.along + 2 * one.error) if right else min(one.exact_along, one.along - 2 * one.error)
    axes.annotate(
        f"bias {one.bias:.2f}",
        (end, y),
        (8 if right else -8, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        fontsize=9,
    )
