"""Along which sizes costs are followed, and which exponent they should have."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import cost
import numpy as np

from refgrad import exact
from refgrad.estimators import Rebar, Reinforce
from refgrad.testing import check_unbiased, standard_problems
from speed import inputs
from speed.case import Plan
from speed.problems import Shape, interacting, q_of, squared_error, table

TEMPERATURES = (2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05)
LINEAR, ROOT, AT_MOST_LINEAR = (0.9, 1.1), (-0.1, 0.6), (-0.1, 1.1)


@dataclass(frozen=True)
class Sweep:
    """One quantity against one size.

    Parameters
    ----------
    what : str
    quantity : {"seconds", "bytes"}
        Bytes are the peak of what tracemalloc counts.
    against : str
    points : sequence of pairs
        A size and the work of that size.
    start : float
        Sizes from which on the exponent is fitted.
    wanted : (float, float)
        Of the exponent.
    """

    what: str
    quantity: str
    against: str
    points: Sequence[tuple[float, Callable[[], object]]]
    start: float
    wanted: tuple[float, float]

    @property
    def name(self) -> str:
        """As tables and panels show it."""
        return f"{self.what}: {self.quantity} against {self.against}"


@dataclass(frozen=True)
class Counted(Rebar):
    """REBAR that counts for how many rows of noise it is called."""

    rows: ClassVar[list[int]] = []

    def __call__(self, q: Any, f: Any, noise: Any) -> Any:
        self.rows.append(noise.shape[1])
        return super().__call__(q, f, noise)


def sweeps(plan: Plan) -> Iterator[Sweep]:
    """All of them, one after the other: what one needs is gone when the next one comes."""
    yield from tables(plan)
    yield from callables(plan)
    yield from samples(plan)
    yield nodes(plan)
    yield checks(plan)


def tables(plan: Plan) -> Iterator[Sweep]:
    """The exact gradient of a table: linear, and memory like its root."""
    points = []
    for size in plan.pick([*range(12, 22, 2), *range(22, 27)], range(4, 8)):
        q, f = q_of((size,), plan.seed), table((size,), plan.seed)
        points.append((2.0**size, partial(exact.gradient, q, f)))
    start = plan.pick(2.0**22, 1.0)  # 32 MiB, beyond the caches of a core
    yield Sweep("exact.gradient of a table", "seconds", "K^D", points, start, LINEAR)
    yield Sweep("exact.gradient of a table", "bytes", "K^D", points, start, ROOT)


def callables(plan: Plan) -> Iterator[Sweep]:
    """Of a callable whose cost is that of reading z."""
    points = []
    for size in plan.pick(range(10, 25, 2), range(4, 8)):
        q, f = q_of((size,), plan.seed), inputs.Linear(inputs.logits((size,), plan.seed + 1))
        points.append((size, partial(exact.gradient, q, f)))
    numbers = [(2.0**size * size, work) for size, work in points]
    counts = [(2.0**size, work) for size, work in points]
    yield Sweep("exact.gradient of a callable", "seconds", "K^D D", numbers, plan.pick(18 * 2.0**18, 1.0), LINEAR)
    yield Sweep("exact.gradient of a callable", "bytes", "K^D", counts, plan.pick(2.0**16, 1.0), ROOT)


def samples(plan: Plan) -> Iterator[Sweep]:
    """Estimates against n, D and K, and noise against the draws."""

    def work(shape: Shape, n: int) -> Callable[[], object]:
        q, f = q_of(shape, plan.seed), squared_error(shape, plan.seed)
        return lambda: Rebar().sample(q, f, n, np.random.default_rng(plan.seed))

    many = [(float(n), work((50,), n)) for n in plan.pick([2**i for i in range(8, 18)], [8, 16, 32])]
    yield Sweep("sample of Rebar, D = 50", "seconds", "n", many, plan.pick(2.0**12, 1.0), LINEAR)
    yield Sweep("sample of Rebar, D = 50", "bytes", "n", many, plan.pick(2.0**14, 1.0), AT_MOST_LINEAR)
    n = plan.pick(4000, 20)
    wide = [(float(d), work((d,), n)) for d in plan.pick([2**i for i in range(3, 11)], [4, 8, 16])]
    yield Sweep(f"sample of Rebar, n = {n:,}", "seconds", "D", wide, plan.pick(32.0, 1.0), LINEAR)
    deep = [(float(k), work((10, k), n)) for k in plan.pick([2**i for i in range(2, 9)], [4, 8, 16])]
    yield Sweep(f"sample of Rebar, D = 10, n = {n:,}", "seconds", "K", deep, plan.pick(8.0, 1.0), LINEAR)
    q = q_of((50,), plan.seed)
    drawn = [
        (float(draws), partial(q.draw_noise, (draws, n), np.random.default_rng(plan.seed)))
        for draws in plan.pick([2**i for i in range(7)], [1, 2, 4])
    ]
    yield Sweep(f"draw_noise, D = 50, n = {n:,}", "seconds", "draws", drawn, plan.pick(2.0, 1.0), LINEAR)


def nodes(plan: Plan) -> Sweep:
    """Moments of REBAR: the colder, the more nodes."""
    points, size = [], plan.pick(3, 2)
    q, f = q_of((size,), plan.seed), interacting((size,), plan.seed)
    for temperature in plan.pick(TEMPERATURES, (1.0, 0.4, 0.2, 0.1)):
        Counted.rows.clear()
        exact.moments(Counted(temperature), q, f)
        points.append((float(sum(Counted.rows)), partial(exact.moments, Rebar(temperature), q, f)))
    different = sorted(dict(points).items(), key=lambda point: point[0])  # one of each size
    start = min(different[-1][0] / 20, different[-3][0])  # where nodes outweigh what a call costs
    return Sweep(f"moments of Rebar, D = {size}", "seconds", "nodes", different, start, LINEAR)


def checks(plan: Plan) -> Sweep:
    """A check that nothing decides: linear in the samples."""
    problem, sampler = standard_problems()[2], cost.Plain(Reinforce())
    options = {"tolerance": cost.TINY, "causes": False, "seed": plan.seed}
    points = [
        (float(n), partial(check_unbiased, sampler, problem, max_samples=n, **options))
        for n in plan.pick([2**i * 25_000 for i in range(10)], [2_000, 4_000, 8_000])
    ]
    return Sweep("check_unbiased of Reinforce", "seconds", "samples", points, plan.pick(8e5, 1.0), LINEAR)
