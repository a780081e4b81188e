"""Exact moments of REBAR, in seconds; the ratio is to ten thousand samples of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.estimators import Rebar
from speed.case import Case, Fact, Goal, Plan
from speed.problems import Shape, interacting, named, q_of
from speed.timing import clock

TITLE = "moments of REBAR"
GOALS = {(1,): 0.01, (2,): 0.1, (1, 3): 0.1, (3,): 2.0}  # seconds, by the shape of one z
TEMPERATURES = (0.1, 0.5, 1.0)
N = 10_000


def cases(plan: Plan) -> Iterator[Case]:
    """Four shapes, three temperatures."""
    for shape in plan.pick(tuple(GOALS), ((1,),)):
        for temperature in plan.pick(TEMPERATURES, (0.5,)):
            yield one(shape, temperature, plan)


def one(shape: Shape, temperature: float, plan: Plan) -> Case:
    """One shape at one temperature."""
    q, f = q_of(shape, plan.seed), interacting(shape, plan.seed)
    estimator, rng = Rebar(temperature), np.random.default_rng(plan.seed)

    def facts(_: Any) -> Iterator[Fact]:
        found = exact.moments(estimator, q, f)
        yield Fact("its error, of the largest variance", float(found.error.max() / found.variance.max()), "")

    return Case(
        row="d",
        size=f"{named(shape)}, temperature {temperature:g}",
        clocks={
            "refgrad": clock(lambda: exact.moments(estimator, q, f)),
            "10,000 samples": clock(lambda: estimator.sample(q, f, N, rng)),
        },
        reference="10,000 samples",
        goals=(Goal("refgrad", GOALS[shape]),),
        facts=facts,
    )
