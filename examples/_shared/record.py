"""What a run found: tables for people, results.json for machines."""

import io
import json
import platform

import numpy as np

import refgrad


def table(head, rows):
    """Lines of a table: the first column to the left, numbers to the right."""
    from rich.console import Console  # noqa: PLC0415  (an extra)
    from rich.table import Table  # noqa: PLC0415

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for at, name in enumerate(head):
        made.add_column(name, justify="right" if at else "left", no_wrap=True)
    for row in rows:
        made.add_row(*map(str, row))
    console = Console(file=io.StringIO(), width=200, no_color=True, color_system=None, markup=False, emoji=False)
    console.print(made)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def write(folder, options, printed, results):
    """Write results.json: what was run, what was printed, and the numbers behind it; returns its path.

    Parameters
    ----------
    folder : pathlib.Path
    options : argparse.Namespace
    printed : list of str
        Lines that do not depend on the machine: another run with the same seed prints them again.
    results : dict
        Arrays and numbers; NaN and infinity are written as null.
    """
    given = {name: value for name, value in vars(options).items() if name != "out"}
    versions = {"refgrad": refgrad.__version__, "numpy": np.__version__, "python": platform.python_version()}
    path = folder / "results.json"
    whole = {"options": given, "versions": versions, "printed": printed, "results": _plain(results)}
    path.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n")
    return path


def _plain(value):
    """Arrays as lists, numbers of NumPy as numbers of Python."""
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
