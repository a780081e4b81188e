"""Work in blocks: in order whoever computes them, with a bar if wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any

from refgrad._workers._flight import WINDOW, Flight, LateError

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["WINDOW", "Flight", "LateError", "bar", "run"]


def run(work: Callable[..., Any], tasks: Iterable[Any], *, progress: bool, executor: Executor | None) -> Iterator[Any]:
    """Yield `work(task)` for each task in order, so that what is added up does not depend on the workers.

    Parameters
    ----------
    work : callable
    tasks : iterable
        Read as it is needed, at most `WINDOW` tasks ahead of the result that is yielded.
    progress : bool
        Show a bar, of the tasks that are finished (needs tqdm).
    executor : concurrent.futures.Executor, optional
        Threads, processes, Dask (`Client.get_executor()`), or another with `submit`. (mpi4py's pool has the interface,
        and was not tried.) It is not shut down.

    Yields
    ------
    object

    Raises
    ------
    Exception
        What a task raised, when its turn comes.
    TypeError
        If the executor is none, or work or a task cannot be pickled, and has to be.
    BrokenExecutor
        If the executor lost a worker and cannot go on. (Dask gives the task to another worker.)

    Notes
    -----
    When the iterator is closed, or an error ends it, tasks that have not begun are cancelled and those that run are
    waited for. Dask does not tell which run: all are cancelled, and one that runs ends on its worker, unheard.
    """
    if executor is None:
        results: Iterable[Any] = map(work, tasks)
        return iter(bar(results, _size(tasks), "block") if progress else results)
    shown: Any = bar(None, _size(tasks), "block") if progress else None
    return _in_order(Flight(work, executor, shown.update if progress else None), tasks, shown)


def _in_order(flight: Flight, tasks: Iterable[Any], shown: Any) -> Iterator[Any]:
    rest = iter(tasks)
    try:
        with flight:
            while True:
                for task in islice(rest, flight.room):
                    flight.submit(task)
                if not len(flight):
                    break
                yield flight.take()
    finally:
        if shown is not None:
            shown.close()


def _size(tasks: Iterable[Any]) -> int | None:
    return len(tasks) if isinstance(tasks, Sized) else None


def bar(results: Iterable[Any] | None, total: int | None, unit: str) -> Any:
    """Show a bar while the results come (needs tqdm)."""
    try:
        from tqdm import tqdm  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'refgrad[cli]'") from error
    return tqdm(results, total=total, unit=unit, leave=False)
