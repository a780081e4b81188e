"""Estimates, beside their limit: the numbers that are drawn, and the values of f that are read, and nothing else."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from inspect import signature
from math import prod
from typing import Any

import numpy as np

from refgrad.estimators import Estimator, GumbelSoftmax, MuProp, Rebar, Reinforce, _blocks
from speed.case import BEST, Case, Goal, Plan
from speed.problems import Shape, named, q_of, squared_error
from speed.rows._answers import same_mean
from speed.timing import clock

TITLE = "estimates, f a squared error"
TEMPERATURE = 0.5
VALUES = {Reinforce(): 1, MuProp(): 1, GumbelSoftmax(TEMPERATURE): 1, Rebar(TEMPERATURE): 3}  # of f, for one estimate
PROBLEMS, QUICK = (((200,), 100_000), ((20, 10), 10_000)), (((5,), 50), ((2, 3), 50))
THREADS = os.cpu_count() or 1
AHEAD = 2 * THREADS  # blocks whose noise is drawn before their values are there


def cases(plan: Plan) -> Iterator[Case]:
    """Four estimators on two problems, in one thread and in as many as there are cores."""
    with ThreadPoolExecutor(THREADS) as executor:
        for shape, n in plan.pick(PROBLEMS, QUICK):
            for estimator in VALUES:
                yield one(estimator, shape, n, plan, executor)


def one(estimator: Estimator, shape: Shape, n: int, plan: Plan, executor: Executor) -> Case:
    """One estimator on one problem."""
    q, f, name = q_of(shape, plan.seed), squared_error(shape, plan.seed), type(estimator).__name__
    rng = np.random.default_rng(plan.seed)
    many, ours = f"limit, {THREADS} threads", f"refgrad, {THREADS} threads"
    clocks = {
        "refgrad": clock(lambda: estimator.sample(q, f, n, rng)),
        "limit": clock(lambda: limit(estimator, f, shape, n, rng)),
    }
    goals = [Goal("refgrad", 3, "limit")]
    if "executor" in signature(Estimator.sample).parameters:
        clocks[ours] = clock(lambda: estimator.sample(q, f, n, rng, executor=executor))
        clocks[many] = clock(lambda: limit_in_threads(estimator, f, shape, n, rng, executor))
        goals += [Goal(ours, 3, many), Goal(ours, 1.5, BEST, faster=True)]
    else:
        goals += [Goal("refgrad", 1.5, BEST, faster=True)]
    task = {"kind": "sample", "estimator": name, "shape": shape, "n": n, "temperature": TEMPERATURE, "seed": plan.seed}
    return Case(
        row="c",
        size=f"{name}, {named(shape)}, n = {n:,}",
        clocks=clocks,
        reference="limit",
        goals=tuple(goals),
        task=task,
        check=same_mean(estimator.sample(q, f, n, np.random.default_rng([plan.seed, 1]))),
        notes=(f"limit of {name}: numbers for each entry, {estimator.draws}; values of f, {VALUES[estimator]}",),
    )


def rows_of(estimator: Estimator, shape: Shape) -> int:
    """Rows of a block, as `Estimator.sample` has them."""
    return max(1, _blocks.BLOCK // (estimator.draws * prod(shape)))


def limit(estimator: Estimator, f: Callable[[Any], Any], shape: Shape, n: int, rng: Any) -> None:
    """Draw what is drawn, and call f as often as it is called."""
    step, numbers = rows_of(estimator, shape), prod(shape)
    buffer = np.empty(estimator.draws * step * numbers)
    for start in range(0, n, step):
        _values(f, _drawn(buffer, estimator.draws, min(step, n - start), shape, rng), VALUES[estimator])


def limit_in_threads(
    estimator: Estimator, f: Callable[[Any], Any], shape: Shape, n: int, rng: Any, executor: Executor
) -> None:
    """The same, where the executor calls f, and the numbers are drawn in order by the caller."""
    step, numbers = rows_of(estimator, shape), prod(shape)
    buffers = [np.empty(estimator.draws * step * numbers) for _ in range(AHEAD)]
    waiting: list[Future[None] | None] = [None] * AHEAD
    for i, start in enumerate(range(0, n, step)):
        before = waiting[i % AHEAD]
        if before is not None:
            before.result()
        z = _drawn(buffers[i % AHEAD], estimator.draws, min(step, n - start), shape, rng)
        waiting[i % AHEAD] = executor.submit(_values, f, z, VALUES[estimator])
    for future in waiting:
        if future is not None:
            future.result()


def _drawn(buffer: Any, draws: int, rows: int, shape: Shape, rng: Any) -> Any:
    used = buffer[: draws * rows * prod(shape)]
    rng.random(out=used)
    return used.reshape(draws, rows, *shape)[0]


def _values(f: Callable[[Any], Any], z: Any, count: int) -> None:
    for _ in range(count):
        f(z)
