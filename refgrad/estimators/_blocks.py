"""Estimates in blocks of rows that fit a cache, computed by whoever is free; the bits are those of one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, keep_freed_memory

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from refgrad.estimators._base import Estimator

BLOCK = 2**17  # numbers of noise in a block, of all draws
SHARED = 2**18  # the same in threads, which wait for each other between two operations of NumPy


def in_blocks(
    estimator: Estimator,
    q: Distribution,
    f: Callable[[Any], Any],
    n: int,
    rng: np.random.Generator,
    executor: Executor | None,
) -> Array:
    """Draw n estimates, as in `Estimator.sample`.

    Threads draw the noise too, one after the other, each for the block that it computes while its cache holds it; to
    other workers noise is sent.
    """
    threads = executor is not None and _has_threads(executor)
    numbers = max(1, estimator.draws) * max(1, np.size(q.logits))
    step = max(1, (SHARED if threads else BLOCK) // numbers)
    starts, estimates = range(0, n, step), np.empty((n, *np.shape(q.logits)))
    noises = estimator.noise_in_blocks(q, n, step, rng)
    if n > step:
        keep_freed_memory()
    if threads or executor is None:
        coming, turn = zip(starts, noises, strict=True), Lock()

        def next_block(_: int) -> None:
            with turn:
                start, noise = next(coming)
            estimates[start : start + step] = estimator(q, f, noise)

        for _ in run(next_block, starts, progress=False, executor=executor):
            pass
    else:
        blocks = run(partial(estimator, q, f), noises, progress=False, executor=executor)
        for start, block in zip(starts, blocks, strict=True):
            estimates[start : start + step] = block
    return estimates


def _has_threads(executor: Executor) -> bool:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (whoever has one has loaded it)

    return isinstance(executor, ThreadPoolExecutor)
