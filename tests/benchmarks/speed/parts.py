"""Where time goes: the parts of a row, each timed alone on the same blocks, beside the whole."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

import cost
import numpy as np

from refgrad import exact
from refgrad.estimators import Estimator, Rebar, pathwise
from refgrad.testing import check_unbiased, standard_problems
from speed import inputs
from speed.case import Plan
from speed.memory import environment
from speed.problems import Shape, interacting, named, q_of, squared_error, table
from speed.rows import exact_callable, sampling
from speed.split import Split, medians
from speed.timing import clock

PATHS = {"GumbelSoftmax": 1, "Rebar": 2}  # relaxed paths of an estimate
PACKAGES = ("numpy", "scipy", "autograd", "refgrad")
CALL = "Python overhead: the same with D = 1"


def splits(plan: Plan, rows: tuple[str, ...]) -> Iterator[Split]:
    """All rows that were asked for and have parts."""
    known: dict[str, Callable[[Plan], Iterator[Split]]] = {
        "a": tables,
        "b": callables,
        "c": samples,
        "d": moments,
        "e": checks,
        "f": imports,
    }
    for row in rows:
        if row in known:
            yield from known[row](plan)


def products(size: int) -> Callable[[], object]:
    """Both products of a table of D bits with the probabilities of its halves."""
    values = np.ones((2 ** ((size + 1) // 2), 2 ** (size // 2)))
    right, left = np.ones(values.shape[1]), np.ones(values.shape[0])
    return lambda: (values @ right, left @ values)


def tables(plan: Plan) -> Iterator[Split]:
    """One pass over the table, and what a call costs."""
    small, tiny = q_of((1,), plan.seed), table((1,), plan.seed)
    for size in plan.pick((8, 20, 24), (4,)):
        q, f = q_of((size,), plan.seed), table((size,), plan.seed)
        own = medians(
            plan.seed,
            whole=lambda q=q, f=f: exact.gradient(q, f),
            products=products(size),
            call=lambda: exact.gradient(small, tiny),
        )
        parts = {"products with both halves": own["products"], CALL: own["call"]}
        yield Split("a", named((size,)), own["whole"], parts)


def callables(plan: Plan) -> Iterator[Split]:
    """Values of f, the configurations that it is shown, products."""
    size = plan.pick(20, 6)
    q, f = q_of((size,), plan.seed), inputs.Written(*inputs.coefficients(size, plan.seed))
    small, tiny = q_of((1,), plan.seed), inputs.Written(*inputs.coefficients(1, plan.seed))
    block = min(2**14, 2**size)
    own = medians(
        plan.seed,
        whole=lambda: exact.gradient(q, f),
        both=exact_callable.alone(f, size, block),
        bits=exact_callable.alone(lambda z: None, size, block),
        products=products(size),
        call=lambda: exact.gradient(small, tiny),
    )
    parts = {
        "f": own["both"] - own["bits"],
        "configurations, in place": own["bits"],
        "products with both halves": own["products"],
        CALL: own["call"],
    }
    yield Split("b", named((size,)), own["whole"], parts)


def samples(plan: Plan) -> Iterator[Split]:
    """Noise, logs and exponentials, f, the bookkeeping of autograd."""
    for shape, n in plan.pick(sampling.PROBLEMS, sampling.QUICK):
        for estimator in sampling.VALUES:
            yield sample(estimator, shape, n, plan)


def sample(estimator: Estimator, shape: Shape, n: int, plan: Plan) -> Split:
    """One estimator on one problem, block by block."""
    q, f, rng = q_of(shape, plan.seed), squared_error(shape, plan.seed), np.random.default_rng(plan.seed)
    name, temperature = type(estimator).__name__, sampling.TEMPERATURE
    rows = min(n, sampling.rows_of(estimator, shape))
    paths, hard = PATHS.get(name, 0), name != "GumbelSoftmax"
    noise, row = estimator.draw_noise(q, rows, rng), estimator.draw_noise(q, 1, rng)
    z, uniform = q.sample(noise[0]), np.empty(noise.shape)

    def values() -> None:
        for _ in range(sampling.VALUES[estimator]):
            f(z)
        for _ in range(paths):
            f.grad(z)

    def relaxed() -> None:
        if paths:
            q.relax(noise[0], temperature)
        if paths > 1:
            q.relax_given(z, noise[1], temperature)

    def followed() -> None:
        for _ in range(paths):
            pathwise(lambda q: f(q.relax(row[0], temperature)), q, row[0])

    own = medians(
        plan.seed,
        whole=lambda: estimator.sample(q, f, n, rng),
        uniform=lambda: rng.random(out=uniform),
        noise=lambda: estimator.draw_noise(q, rows, rng),
        f=values,
        hard=lambda: q.score(q.sample(noise[0])) if hard else None,
        relaxed=relaxed,
        autograd=followed,
        call=lambda: estimator(q, f, row),
    )
    block = {
        "noise: uniform numbers": own["uniform"],
        "noise: its logs": own["noise"] - own["uniform"],
        "f, and its gradient": own["f"],
        **({"z and its score": own["hard"]} if hard else {}),
        **({"relaxations: logs and exponentials": own["relaxed"]} if paths else {}),
        **({"bookkeeping of autograd, on one row": own["autograd"]} if paths else {}),
        "other Python overhead, on one row": own["call"] - own["autograd"],
    }
    parts = {part: ceil(n / rows) * seconds for part, seconds in block.items()}
    return Split("c", f"{name}, {named(shape)}, n = {n:,}", own["whole"], parts)


class Watched(Rebar):
    """REBAR whose calls are timed."""

    timed = cost.Timed(Rebar().__call__)

    def __call__(self, q: Any, f: Any, noise: Any) -> Any:
        return self.timed(q, f, noise)


def moments(plan: Plan) -> Iterator[Split]:
    """The estimator on the nodes; the rest makes nodes and adds up."""
    for shape in plan.pick(((1,), (2,), (1, 3), (3,)), ((1,),)):
        q, f = q_of(shape, plan.seed), interacting(shape, plan.seed)
        exact.moments(Watched(), q, f)
        Watched.timed.wall = 0.0
        seconds = clock(lambda q=q, f=f: exact.moments(Watched(), q, f))(1)
        yield Split("d", named(shape), seconds, {"the estimator": Watched.timed.wall}, "nodes, weights and sums")


def checks(plan: Plan) -> Iterator[Split]:
    """The sampler; the rest are statistics."""
    problem = standard_problems()[2]
    options = {"tolerance": cost.TINY, "max_samples": plan.pick(500_000, 3_000), "causes": False, "seed": plan.seed}
    for name in ("Reinforce", "Rebar"):
        timed = cost.Timed(cost.samplers()[name])
        seconds = clock(lambda timed=timed: check_unbiased(timed, problem, **options))(1)
        yield Split("e", name, seconds, {"the sampler": timed.wall}, "statistics")


def imports(plan: Plan) -> Iterator[Split]:
    """What is loaded by everything but testing, by package, as the interpreter counts."""
    statement = "from refgrad import Bernoulli, Categorical, estimators, exact, objectives"
    command = [sys.executable, "-X", "importtime", "-c", statement]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stderr
    parts = dict.fromkeys([*PACKAGES, "Python and its library"], 0.0)
    for line in said.splitlines():
        own, _, module = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            package = module.strip().partition(".")[0]
            parts[package if package in PACKAGES else "Python and its library"] += 1e-6 * int(own)
    yield Split("f", statement, sum(parts.values()), parts, "the rest")
