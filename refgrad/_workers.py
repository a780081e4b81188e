"""Work in blocks: in order whoever computes them, with a bar if wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

WINDOW = 16  # blocks submitted ahead of the one that is added


def run(work: Callable[..., Any], tasks: Sequence[Any], *, progress: bool, executor: Executor | None) -> Iterator[Any]:
    """Yield `work(task)` for each task in order, so that what is added up does not depend on the workers."""
    results = map(work, tasks) if executor is None else _windowed(work, tasks, executor)
    return iter(bar(results, len(tasks), "block") if progress else results)


def _windowed(work: Callable[..., Any], tasks: Sequence[Any], executor: Executor) -> Iterator[Any]:
    waiting: deque[Any] = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(work, task))
            if len(waiting) == WINDOW:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def bar(results: Iterable[Any], total: int, unit: str) -> Iterable[Any]:
    """Show a bar while the results come (needs tqdm)."""
    try:
        from tqdm import tqdm  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'refgrad[cli]'") from error
    return tqdm(results, total=total, unit=unit, leave=False)
