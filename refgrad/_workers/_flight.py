"""Tasks in flight, whose results are taken in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from refgrad._traces import separate
from refgrad._workers._payload import not_picklable
from refgrad._workers._pools import pool_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["WINDOW", "Flight", "LateError"]

WINDOW = 128  # tasks in flight: 40 workers stay busy while no task takes three times as long as another


class LateError(Exception):
    """A task did not begin in time."""


class Flight:
    """Tasks in flight: their results are taken in the order in which they were submitted, whoever computes them.

    Parameters
    ----------
    work : callable
    executor : concurrent.futures.Executor or None
        None: a task is done when its result is taken.
    ended : callable, optional
        Called by whoever takes results, once for each task that has ended, in the order in which they do.

    Raises
    ------
    TypeError
        If the executor is none.
    """

    def __init__(
        self, work: Callable[..., Any], executor: Executor | None, ended: Callable[[], Any] | None = None
    ) -> None:
        self._work = work if executor is None else _Apart(work)
        self._pool = None if executor is None else pool_of(executor)
        self._waiting: deque[tuple[int, Any, Any]] = deque()  # number, task, future
        self._count, self._tell = 0, ended
        self._news: SimpleQueue[int] = SimpleQueue()  # numbers of tasks that have ended
        self._ended: set[int] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more tasks may be submitted now."""
        return (1 if self._pool is None else WINDOW) - len(self._waiting)

    def submit(self, task: Any) -> None:
        """Add a task at the end."""
        number, future, news = self._count, None, self._news
        if self._pool is not None:
            try:
                future = self._pool.submit(self._work, task)
            except Exception as error:
                self._explain(error, task)
                raise
            future.add_done_callback(lambda _: news.put(number))
        self._waiting.append((number, task, future))
        self._count += 1

    def take(self, until: float = float("inf")) -> Any:
        """Wait for the first task, and return its result.

        Parameters
        ----------
        until : float
            A task of an executor that has not begun then, by `time.monotonic`, is cancelled.

        Raises
        ------
        LateError
            If it was cancelled.
        Exception
            As in `run`.
        """
        number, task, future = self._waiting[0]
        if self._pool is None:
            self._waiting.popleft()
            return self._work(task)
        self._hear(number, future, until)
        self._waiting.popleft()
        self._ended.remove(number)
        try:
            return future.result()
        except Exception as error:
            self._pool.stop([future])  # whoever keeps the error, with its frames, keeps no result on a cluster
            self._explain(error, task)
            raise

    def _hear(self, number: int, future: Any, until: float) -> None:
        """Hear of tasks that have ended, at least until this one has."""
        while number not in self._ended or not self._news.empty():
            left = None if until == float("inf") else max(0.0, until - time.monotonic())
            try:
                self._ended.add(self._news.get(timeout=left))
            except Empty:
                if self._pool is not None and self._pool.withdraw(future):
                    raise LateError from None
                until = float("inf")  # it has begun
            else:
                if self._tell is not None:
                    self._tell()

    def _explain(self, error: Exception, task: Any) -> None:
        """Raise what says more than an error of the executor does."""
        if isinstance(error, BrokenExecutor):
            raise BrokenExecutor(
                "the executor needs its workers until the end, but one died (killed, out of memory, or it could not "
                "import what its task is made of), and the executor gave up: begin again with a new one, of fewer "
                f"workers if memory ran out; Dask begins a new worker and repeats its tasks. It said: {error}"
            ) from error
        if message := not_picklable((self._work, task), error):
            raise TypeError(message) from error

    def __enter__(self) -> Flight:
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what has not begun, and wait for what runs."""
        futures = [future for _, _, future in self._waiting]
        self._waiting.clear()
        if self._pool is not None:
            self._pool.stop(futures)


@dataclass(frozen=True)
class _Apart:
    """Work for other threads and processes."""

    work: Callable[..., Any]

    def __call__(self, task: Any) -> Any:
        separate()
        return self.work(task)
