"""One machine to many: the same work without an executor and on one and two workers, and whether the bits are equal."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from importlib.util import find_spec
from inspect import signature
from multiprocessing import get_context
from typing import Any

import cost
import numpy as np

from refgrad import exact
from refgrad.estimators import Rebar
from refgrad.testing import check_unbiased, standard_problems
from speed import inputs
from speed.case import Case, Fact, Goal, Plan
from speed.problems import interacting, q_of, squared_error
from speed.timing import clock

TITLE = "workers"
ALONE = "no executor"
BLAS = "OPENBLAS_NUM_THREADS"
SPEEDUP = 1.8
KINDS = (("2 threads", "1 thread"), ("2 processes", "1 process"), ("2 Dask workers", "1 Dask worker"))
QUADRATIC, NETWORK = "exact.gradient of a quadratic", "exact.gradient of a network"
HELD = (QUADRATIC, NETWORK, "exact.moments", "check_unbiased")  # to the goal; a sample draws its noise in one thread

Work = Callable[[Executor | None], Any]


def cases(plan: Plan) -> Iterator[Case]:
    """What takes an executor: on threads and processes, and then, while no others are there, on Dask's workers."""
    for kinds in (here(plan.quick), {} if plan.quick else clusters()):
        with one_thread(), workers(kinds) as executors:
            for name, (function, work) in works(plan).items():
                if executors and "executor" in signature(function).parameters:
                    yield one(name, work, executors)


def works(plan: Plan) -> dict[str, tuple[Callable[..., Any], Work]]:
    """What is done, and the function that is asked whether it takes an executor."""
    size, units = plan.pick(24, 6), plan.pick(64, 2)
    q, f = q_of((size,), plan.seed), inputs.Written(*inputs.coefficients(size, plan.seed))
    fewer = plan.pick(22, 6)
    p, network = q_of((fewer,), plan.seed), inputs.Network(inputs.logits((fewer, units), plan.seed))
    few, n, samples = plan.pick(3, 1), plan.pick(100_000, 100), plan.pick(300_000, 3_000)
    small, mixed = q_of((few,), plan.seed), interacting((few,), plan.seed)
    wide, toy = q_of((200,), plan.seed), squared_error((200,), plan.seed)
    problem, sampler = standard_problems()[2], cost.Plain(Rebar())
    options = {"tolerance": cost.TINY, "max_samples": samples, "causes": False, "seed": plan.seed}

    def draw(own: Executor | None) -> Any:
        return Rebar().sample(wide, toy, n, np.random.default_rng(plan.seed), **given(own))

    return {
        QUADRATIC: (exact.gradient, lambda own: exact.gradient(q, f, **given(own))),
        NETWORK: (exact.gradient, lambda own: exact.gradient(p, network, **given(own))),
        "exact.moments": (
            exact.moments,
            lambda own: exact.moments(Rebar(), small, mixed, **given(own)),
        ),
        "sample": (Rebar.sample, draw),
        "check_unbiased": (check_unbiased, lambda own: check_unbiased(sampler, problem, **options, **given(own))),
    }


def given(executor: Executor | None) -> dict[str, Executor]:
    """The option, where there is one."""
    return {} if executor is None else {"executor": executor}


def one(name: str, work: Work, executors: Mapping[str, Executor]) -> Case:
    """One piece of work."""

    def runner(own: Executor | None) -> Callable[[], object]:
        return lambda: work(own)

    def facts(_: Any) -> Iterator[Fact]:
        bits = [bits_of(work(own)) for own in (None, *executors.values())]
        yield Fact("answers of other bits", float(sum(own != bits[0] for own in bits)), f"of {len(bits)}", 0)

    goals = [Goal(many, SPEEDUP, few, faster=True) for many, few in KINDS if name in HELD and many in executors]
    return Case(
        row="g",
        size=name,
        clocks={
            ALONE: clock(runner(None)),
            **{label: clock(runner(own)) for label, own in executors.items()},
        },
        reference=ALONE,
        goals=tuple(goals),
        facts=facts,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of BLAS here, and in the processes that begin now: what is compared are workers."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  (an extra)

    before = dict(os.environ)
    os.environ[BLAS] = "1"
    try:
        with threadpool_limits(1):
            yield
    finally:  # Dask adds to it too
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def workers(kinds: Mapping[str, Callable[[], AbstractContextManager[Executor]]]) -> Iterator[dict[str, Executor]]:
    """Executors by name, whose processes have started and loaded what they need."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(make()) for name, make in kinds.items()}
        for executor in found.values():
            for future in [executor.submit(ready) for _ in range(2)]:
                future.result()
        yield found


def here(quick: bool) -> dict[str, Callable[[], AbstractContextManager[Executor]]]:
    """Threads; but for a quick run processes too."""
    spawned = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
    processes = {} if quick else {"1 process": partial(spawned, 1), "2 processes": partial(spawned, 2)}
    return {"1 thread": partial(ThreadPoolExecutor, 1), "2 threads": partial(ThreadPoolExecutor, 2), **processes}


def clusters() -> dict[str, Callable[[], AbstractContextManager[Executor]]]:
    """Dask's, where it is installed."""
    return {"1 Dask worker": partial(dask, 1), "2 Dask workers": partial(dask, 2)} if find_spec("distributed") else {}


def ready() -> str:
    """What a worker that has loaded this module says."""
    return __name__


@contextmanager
def dask(count: int) -> Iterator[Executor]:
    """The executor of a cluster of so many processes here, which keep the memory that they free, as others do."""
    from dask import config  # noqa: PLC0415  (an extra)
    from distributed import Client, LocalCluster  # noqa: PLC0415  (an extra)

    options = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": ":0", "processes": True}
    with (
        config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}),
        LocalCluster(**options) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def bits_of(answer: Any) -> tuple[Any, ...]:
    """All numbers of an answer, bit by bit."""
    if is_dataclass(answer):
        return tuple(bits_of(getattr(answer, field.name)) for field in fields(answer))
    array = np.asarray(answer)
    return (array.shape, array.tobytes()) if array.dtype.kind in "fiub" else (repr(answer),)
