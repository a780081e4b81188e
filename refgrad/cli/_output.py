"""What the commands share: exit statuses, tables and bars."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

__all__ = [
    "RIGHT",
    "UNDECIDED",
    "USAGE",
    "WRONG",
    "bar",
    "component",
    "console",
    "print_table",
    "rich_package",
    "terminal",
    "watched",
    "wide",
]

RIGHT, WRONG, USAGE, UNDECIDED = range(4)
WIDE = 100  # columns of a terminal from which on a table is drawn with lines


def print_table(head: list[str], rows: list[list[str]], alarm: str = "wrong") -> None:
    """Print a table by rich on a terminal, or aligned columns; rows that end with the alarm are red."""
    rich = rich_package()
    if rich is not None and wide(sys.stdout):
        first, *others = (rich.table.Column(name, overflow="fold") for name in head)
        first.min_width = 24
        table = rich.table.Table(first, *others)
        for row in rows:
            table.add_row(*row, style="bold red" if row[-1] == alarm else None)
        console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def component(index: tuple[int, ...]) -> str:
    """Name a component as Python does."""
    return "[" + ", ".join(map(str, index)) + "]"


def rich_package() -> Any:
    """The rich package, if it is installed (extra `cli`)."""
    try:
        import rich.console  # noqa: PLC0415
        import rich.table  # noqa: PLC0415
        import rich.text  # noqa: PLC0415
    except ImportError:
        return None
    return rich


def console(**options: Any) -> Any:
    """A console of rich; a reader who goes away is a BrokenPipeError, and has no exit status of its own."""
    rich = rich_package()

    class Console(rich.console.Console):  # type: ignore[name-defined,misc]
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Console(**options)


def terminal(stream: Any) -> bool:
    """Whether somebody looks at a stream that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wide(stream: Any) -> bool:
    """Whether it is a terminal on which a table has room."""
    return terminal(stream) and shutil.get_terminal_size().columns >= WIDE


def bar(items: Sequence[Any], what: str) -> Iterable[Any]:
    """Show a bar by tqdm, if it is installed and somebody looks."""
    if not watched():
        return items
    from tqdm import tqdm  # noqa: PLC0415

    return tqdm(items, desc=what, leave=False)


def watched() -> bool:
    """Whether there is a terminal, and tqdm to show a bar on it."""
    return terminal(sys.stderr) and find_spec("tqdm") is not None
