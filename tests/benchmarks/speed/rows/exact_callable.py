"""The exact gradient where f is a callable, beside f alone on all configurations in the best block size."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.objectives import Quadratic
from speed import inputs
from speed.case import Case, Fact, Goal, Plan
from speed.memory import peaks
from speed.problems import named, q_of
from speed.rows._answers import same_gradient
from speed.timing import clock

TITLE = "exact gradient, f a callable: a quadratic with all interactions"
SIZES, QUICK = (20, 24), (6,)
BLOCKS = tuple(2**i for i in range(9, 17))
SEARCHED = 2**18  # configurations, in the search for the best block
MEBIBYTES = 100.0


def cases(plan: Plan) -> Iterator[Case]:
    """The quadratic as a user writes it, and as `objectives` has it."""
    for size in plan.pick(SIZES, QUICK):
        given = inputs.coefficients(size, plan.seed)
        for name, f in (("written by a user", inputs.Written(*given)), ("objectives.Quadratic", Quadratic(*given))):
            yield one(size, name, f, plan)


def one(size: int, name: str, f: Callable[[Any], Any], plan: Plan) -> Case:
    """D bits."""
    q = q_of((size,), plan.seed)
    best = min(BLOCKS, key=lambda block: searched(f, size, block))
    peers = name.startswith("written") and size <= SIZES[0]
    largest = float(np.abs(f(inputs.support((size,), 0, 1024))).max())
    limit = MEBIBYTES if size == SIZES[-1] else None

    def facts(_: Any) -> Iterator[Fact]:
        resident, traced = peaks(size, type(f).__name__, plan.seed)
        yield Fact("memory beyond the imports, resident", resident / 2**20, "MiB", limit)
        yield Fact("memory beyond the imports, traced", traced / 2**20, "MiB", limit)

    return Case(
        row="b",
        size=f"{named((size,))}, {name}",
        clocks={"refgrad": clock(lambda: exact.gradient(q, f)), "f alone": clock(alone(f, size, best))},
        reference="f alone",
        goals=(Goal("refgrad", 1.2, "f alone"),),
        task={"kind": "quadratic", "shape": (size,), "seed": plan.seed} if peers else None,
        check=same_gradient(exact.gradient(q, f), 2**size, 2 * largest) if peers else lambda answer, precision: None,
        facts=facts,
        notes=(f"f alone in blocks of {best:,}: only the bits that differ from the last block are written anew",),
    )


def alone(f: Callable[[Any], Any], size: int, block: int, count: int | None = None) -> Callable[[], None]:
    """Evaluate f on the first `count` configurations; low bits are the same in every block, high ones are filled in."""
    count = 2**size if count is None else min(count, 2**size)
    block = min(block, count)
    low = block.bit_length() - 1
    z = np.empty((block, size))
    z[:, size - low :] = inputs.support((low,)) if low else 0
    high = inputs.support((size - low,), 0, count // block) if low < size else np.empty((1, 0))

    def run() -> None:
        for bits in high:
            z[:, : size - low] = bits
            f(z)

    return run


def searched(f: Callable[[Any], Any], size: int, block: int) -> float:
    """Seconds on some configurations, at best."""
    run, seconds = alone(f, size, block, SEARCHED), []
    for _ in range(3):
        began = perf_counter()
        run()
        seconds.append(perf_counter() - began)
    return min(seconds)
