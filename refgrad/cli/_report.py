"""The report of a command: what it was asked, and the files that it is written to."""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refgrad.testing._reserved import reserved
from refgrad.testing.report import begin, page, to_json
from refgrad.testing.report._extra import needed
from refgrad.testing.report._files import NEEDS

__all__ = ["add_files", "reported"]

PLAIN = ("alpha", "tolerance", "seed", "max_samples", "family", "estimator", "rows", "loss", "all", "limit")


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
    ImportError
        If the page needs what is not installed.
    """
    report = begin(options.command) | {"repeat": shlex.join(["refgrad", *arguments]), "options": _asked(options)}
    if options.command == "verify":
        report["target"] = options.target or options.program
    if options.html:
        for name in NEEDS[".html"]:
            needed(name)
    with reserved(options.json), reserved(options.html):
        yield report
        if options.json:
            options.json.write_text(to_json(report), encoding="utf-8")
        if options.html:
            options.html.write_text(page(report), encoding="utf-8")


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What was said, or has a default, as JSON can hold it."""
    given = vars(options)
    asked = {name: given[name] for name in PLAIN if name in given}
    if options.command == "verify":
        limited = options.max_seconds != float("inf")
        asked |= {
            "max_seconds": options.max_seconds if limited else None,
            "wrt": "probs" if options.probs else "logits",
            "state": str(options.state) if options.state else None,
        }
    else:
        texts = ("problem", "logits", "over", "temperatures")
        asked |= {name: given[name] for name in texts} | {"estimators": asked.pop("estimator")}
    return asked
