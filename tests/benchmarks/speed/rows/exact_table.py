"""The exact gradient where f is a table, beside one `np.sum` of the table."""

from collections.abc import Iterator
from math import prod

import numpy as np

from refgrad import exact
from speed.case import BEST, Case, Goal, Plan
from speed.problems import Shape, count, named, q_of, table
from speed.rows._answers import same_gradient
from speed.timing import clock

TITLE = "exact gradient, f a table"
SHAPES = ((8,), (20,), (22,), (24,), (26,), (13, 3), (16, 3), (8, 6), (10, 6), (7, 8), (8, 8))
PEERS = ((4,), (8,), (20,))
QUICK = ((4,), (3, 3))


def cases(plan: Plan) -> Iterator[Case]:
    """All sizes, the smallest first."""
    return (one(shape, plan) for shape in plan.pick(SHAPES, QUICK))


def one(shape: Shape, plan: Plan) -> Case:
    """D bits, or D variables of K categories."""
    q, f, size = q_of(shape, plan.seed), table(shape, plan.seed), count(shape)
    goals = [Goal("refgrad", 1e-4)] if shape == (8,) else [Goal("refgrad", 1.3, "np.sum of the table")]
    goals += [Goal("refgrad", 100, BEST, faster=True)] if shape == (20,) else []
    return Case(
        row="a",
        size=named(shape),
        clocks={
            "refgrad": clock(lambda: exact.gradient(q, f, limit=size)),
            "np.sum of the table": clock(lambda: np.sum(f.values)),
        },
        reference="np.sum of the table",
        goals=tuple(goals),
        task={"kind": "table", "shape": shape, "seed": plan.seed} if shape in PEERS else None,
        check=same_gradient(exact.gradient(q, f), size, 1.5) if shape in PEERS else lambda answer, precision: None,
        notes=(f"{size:,} values, {8 * size / 2**20:,.0f} MiB",) if prod(shape) > 16 else (),
    )
