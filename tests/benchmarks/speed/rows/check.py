"""The black-box checks of the standard battery by their defaults, beside the samples that they take."""

from collections.abc import Iterator
from statistics import median
from typing import Any

import cost
import numpy as np

from refgrad.testing import check_unbiased, standard_problems
from speed.case import Case, Fact, Goal, Plan
from speed.timing import clock

TITLE = "black-box checks of the standard battery"
SHARE = 0.10  # statistics, of a check
SAMPLES = 100_000  # of the shorter of two checks whose difference is measured
PLACES = (2, -1)  # problems of which it is measured, one of each family


def cases(plan: Plan) -> Iterator[Case]:
    """The samplers of cost.py that are refgrad's."""
    for name in plan.pick(("Reinforce", "MuProp", "Rebar"), ("Reinforce",)):
        yield one(name, plan)


def one(name: str, plan: Plan) -> Case:
    """One check for each problem, and all of their samples."""
    problems = standard_problems()[: 1 if plan.quick else None]
    sampler, rng = cost.samplers()[name], np.random.default_rng(plan.seed)
    sizes = [check_unbiased(sampler, problem, seed=plan.seed).n for problem in problems]

    def judge() -> None:
        for problem in problems:
            check_unbiased(sampler, problem, seed=plan.seed)

    def draw() -> None:
        for problem, n in zip(problems, sizes, strict=True):
            sampler(problem, n, rng)

    def facts(_: Any) -> Iterator[Fact]:
        if plan.quick:
            return
        count = len(standard_problems())
        runs = [cost.measure((place % count, name, SAMPLES, plan.seed + i)) for i in range(3) for place in PLACES]
        lines = [cost.summary(runs[i :: len(PLACES)]) for i in range(len(PLACES))]
        share = median(line["statistics"] / (line["statistics"] + line["sampler"]) for line in lines)
        yield Fact("share of statistics in a further sample", share, "", SHARE)

    return Case(
        row="e",
        size=f"{name}, {len(problems)} checks",
        clocks={"refgrad": clock(judge), "its samples": clock(draw)},
        reference="its samples",
        goals=(Goal("refgrad", cost.SECONDS),),
        facts=facts,
        notes=(f"{sum(sizes):,} samples",),
    )
