"""Executors of different kinds in one form: submit, withdraw, and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import wait
from typing import Any, Protocol

__all__ = ["Pool", "pool_of"]


class Pool(Protocol):
    """What is asked of an executor; a future has `result` and `add_done_callback`."""

    def submit(self, work: Callable[[Any], Any], task: Any) -> Any:
        """Begin `work(task)` some time, and return its future."""

    def withdraw(self, future: Any) -> bool:
        """Cancel a task that has not begun; tell whether it will not be heard of again."""

    def stop(self, futures: Iterable[Any]) -> None:
        """Cancel what has not begun, and wait for what runs."""


def pool_of(executor: Any) -> Pool:
    """The form of an executor.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor needs to be a concurrent.futures.Executor, but is {executor!r}")
    client = getattr(executor, "_client", None)
    return _Dask(client, executor) if hasattr(client, "get_executor") else _Standard(executor)


class _Standard:
    """Any executor of `concurrent.futures`."""

    def __init__(self, executor: Any) -> None:
        self.submit = executor.submit

    def withdraw(self, future: Any) -> bool:
        return bool(future.cancel())

    def stop(self, futures: Iterable[Any]) -> None:
        wait([future for future in futures if not future.cancel()])


class _Dask:
    """Dask's client behind its executor.

    The executor's own futures cannot be cancelled in peace: a result that is on its way is then set to a future that is
    cancelled, an error in the log each time. No task is pure: it would be one with that of another run, whose end then
    cancels both, and its name a digest of all its data.
    """

    def __init__(self, client: Any, executor: Any) -> None:
        self._client, self._options = client, getattr(executor, "_kwargs", {}) | {"pure": False}

    def submit(self, work: Callable[[Any], Any], task: Any) -> Any:
        return self._client.submit(work, task, **self._options)

    def withdraw(self, future: Any) -> bool:
        self.stop([future])
        return True

    def stop(self, futures: Iterable[Any]) -> None:
        if futures := list(futures):
            self._client.cancel(futures)
