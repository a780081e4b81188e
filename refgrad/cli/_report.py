"""The report of a command: what it was asked, and the files that it is written to."""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refgrad.testing.loading import LoadError
from refgrad.testing.report import begin, reserved, write

__all__ = ["add_files", "reported"]

PLAIN = ("seed", "family", "estimator", "rows", "loss", "all", "limit", "program")
OF_SAMPLES = ("alpha", "tolerance", "max_samples")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the files."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report for machines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report for people: one page, no network")


@contextmanager
def reported(options: argparse.Namespace, arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the report, for the command to fill, and write it at the end; that it can be is seen before the work.

    Raises
    ------
    OSError
        If a file cannot be written.
    LoadError
        If its name does not say what it is.
    ImportError
        If the page needs what is not installed.
    """
    report = begin(options.command) | {"repeat": shlex.join(["refgrad", *arguments]), "options": _asked(options)}
    if options.command == "verify":
        report["target"] = options.target or options.program
    for name in ("json", "html"):
        path = getattr(options, name)
        if path is not None and path.suffix.lower() != f".{name}":
            raise LoadError(f"--{name} needs a file that ends with .{name}, but is {path}")
    with reserved(options.json), reserved(options.html):
        yield report
        for path in (options.json, options.html):
            if path is not None:
                write(report, path)


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What was said, or has a default, as JSON can hold it."""
    given = vars(options)
    asked = {name: given[name] for name in PLAIN if name in given}
    if options.command == "verify":
        limited = options.max_seconds != float("inf")
        if options.check not in {"expectation", "pathwise"}:
            asked |= {name: given[name] for name in OF_SAMPLES}
        asked |= {
            "timeout": options.timeout if options.program else None,
            "max_seconds": options.max_seconds if limited else None,
            "wrt": "probs" if options.probs else "logits",
            "state": str(options.state) if options.state else None,
        }
    elif options.command == "compare":
        texts = ("problem", "logits", "over", "temperatures")
        asked |= {name: given[name] for name in texts} | {"estimators": asked.pop("estimator")}
    else:
        paths = ("out", "check", "against")
        asked |= {name: None if given[name] is None else str(given[name]) for name in paths} | {"anew": options.anew}
    return asked
