"""What the benchmarks share: their options, their seeds, and work that is spread over processes."""

import argparse
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import refgrad
from refgrad.cli._output import watched
from refgrad.testing._reserved import reserved


def options(description: str, examples: str, quick: str, arguments: Any, **more: dict[str, Any]) -> argparse.Namespace:
    """Read the command line: the options that all have, and `more` by name."""
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(description), epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, settings in more.items():
        parser.add_argument(f"--{name}", **settings)
    parser.add_argument("--seed", type=int, default=0, help="what all seeds follow from (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the numbers do not depend on it (default: 1)")
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    found = parser.parse_args(arguments)
    numbers = [name for name, settings in more.items() if settings.get("type") is int and "choices" not in settings]
    for name in ("jobs", *numbers):
        if getattr(found, name) < 1:
            parser.error(f"--{name} needs to be at least 1, but is {getattr(found, name)}")
    if found.seed < 0:
        parser.error(f"--seed needs to be at least 0, but is {found.seed}")
    return found


@contextmanager
def written(path: Path | None) -> Iterator[dict[str, Any]]:
    """A dictionary that is written to a file at the end, if there is one; whether it can be is seen before the work."""
    report: dict[str, Any] = {"format": "refgrad-benchmark", "version": refgrad.__version__}
    if path is None:
        yield report
        return
    with reserved(path):
        yield report
        path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")


def seed_of(*numbers: int) -> int:
    """One seed from the numbers of a piece of work."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def each(function: Callable[[Any], Any], tasks: Iterable[Any], jobs: int, what: str) -> Iterator[Any]:
    """Yield the results in the order of the tasks, with a bar if somebody looks."""
    work = list(tasks)
    if watched():
        from tqdm import tqdm  # noqa: PLC0415

        with tqdm(total=len(work), desc=what, leave=False) as bar:
            for result in _results(function, work, jobs):
                bar.update()
                yield result
    else:
        yield from _results(function, work, jobs)


def _results(function: Callable[[Any], Any], work: list[Any], jobs: int) -> Iterator[Any]:
    if jobs == 1:
        yield from map(function, work)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, work)
