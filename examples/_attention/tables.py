"""What is printed: how good the masks are, and what the oracle says."""

import numpy as np
from _shared import record

PARTS = ("both learn", "fixed classifier", "temperature")


def lines(study):
    """All tables that there is something for."""
    printed = []
    if study.done:
        printed += masks(study)
    if study.lines:
        printed += ["", *measured(study), "", *enumerated(study)]
    return printed


def masks(study):
    """One row for each finished run."""
    head = [
        "estimator", "price", "objective", "relaxed", "patches", "own", "judge", "random", "same", "mask only",
        "commonest",
    ]  # fmt: skip
    made = []
    for part in PARTS:
        runs = [run for price in study.prices for run in study.of(part, price)]
        if not runs:
            continue
        rows = []
        for run in runs:
            own = run.quality
            shares = (own.own, own.judged, own.at_random, own.same_for_all, own.from_mask, own.commonest)
            relaxed = "" if np.isnan(own.relaxed) else f"{own.relaxed:.2f}"
            numbers = (f"{own.objective:.2f}", relaxed, f"{own.patches:.1f}", *(f"{100 * s:.0f} %" for s in shares))
            rows.append((run.name, f"{run.learner.price:g}", *numbers))
        made += ["", f"{TITLES[part]}, {len(study.held_out)} held-out digits", *record.table(head, rows)]
    return made[1:]


TITLES = {
    "both learn": "attention and classifier learn together",
    "fixed classifier": "attention learns, the classifier is the judge and stays",
    "temperature": "more temperatures of Gumbel-Softmax, both learn",
}


def measured(study):
    """The problem of 16 patches."""
    head = ["estimator", "error", "by chance", "verdict", "deviation", "exact"]
    rows = []
    for name, (own, _) in study.lines.items():
        verdict = "biased" if own.biased else "no bias seen"
        rows.append((name, percent(own.off), percent(own.noise), verdict, f"{own.sampled:.1f}", _known(own.deviation)))
    title = f"oracle: {study.sizes.patches} patches of one held-out digit, {study.sizes.n:,} estimates each"
    return [f"{title}; in units of |exact gradient|", *record.table(head, rows)]


def enumerated(study):
    """The problem of a few open patches, where every estimator is exact."""
    head = ["estimator", "bias", "measured", "by chance", "deviation", "measured", "mean agrees"]
    rows = [
        (
            name, percent(own.bias), percent(own.off), percent(own.noise), f"{own.deviation:.2f}",
            f"{own.sampled:.2f}", "yes" if own.agrees else "NO",
        )
        for name, (_, own) in study.lines.items()
    ]  # fmt: skip
    return [
        f"oracle: its {study.sizes.open} most undecided patches alone, where every estimator is exact",
        *record.table(head, rows),
    ]


def percent(share):
    """A share, for people."""
    return f"{100 * share:.1f} %"


def _known(number):
    return "-" if np.isnan(number) else f"{number:.1f}"
