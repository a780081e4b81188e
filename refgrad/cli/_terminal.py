"""What a terminal shows of somebody's code under judgement: verdicts, a line that moves, what the code printed."""

import io
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np

from refgrad.cli._output import console, rich_package, terminal, wide
from refgrad.testing import Verdict

__all__ = ["live", "print_overview", "print_verdict", "said"]

COLORS = {"right": "green", "wrong": "bold red", "undecided": "yellow"}


@contextmanager
def said(target: str) -> Iterator[Callable[[], Any]]:
    """What the code prints is kept from the report, and its first line is shown at the end."""
    heard = io.StringIO()
    try:
        yield lambda: redirect_stdout(heard)
    finally:
        lines = heard.getvalue().splitlines()
        if lines:
            print(f"refgrad: {target} printed {len(lines):,} lines, the first: {lines[0][:100]!r}", file=sys.stderr)


def print_verdict(verdict: Verdict) -> None:
    """One line for what is right, the report for what is not; in colours where rich and a terminal are there."""
    off = abs(verdict.estimate - verdict.exact).max()
    counted = f"{verdict.n:,} {verdict.counted}"
    line = f"right: {verdict.problem}, {counted}, off by {off:.1g}, at most {verdict.certified:.1g}"
    notes = [f"  note: {note}" for note in verdict.notes]
    text = "\n".join([line, *notes]) if verdict.outcome == "right" else str(verdict)
    rich = rich_package()
    if rich is None:
        print(text, flush=True)
        return
    styled = rich.text.Text(text)
    styled.stylize(COLORS[verdict.outcome], 0, len(verdict.outcome))
    styled.highlight_regex(r"(?m)^.*<- (worst|off)$", "red")
    styled.highlight_regex(r"(?m)^  fits: .*$", "bold")
    styled.highlight_regex(r"(?m)^  (assumes|note|repeat|bias that|evidence) .*$", "dim")
    console(highlight=False, soft_wrap=True).print(styled)


def print_overview(verdicts: Sequence[Verdict]) -> None:
    """A table of several verdicts, for a terminal with rich: what is off, by how much, and how sure."""
    rich = rich_package()
    if rich is None or not wide(sys.stdout) or len(verdicts) < 2:
        return
    table = rich.table.Table(title_justify="left")
    for name in ("problem", "outcome", "samples", "off by", "could hide", "tolerance", "evidence"):
        table.add_column(name, justify="left" if name in {"problem", "outcome"} else "right", overflow="fold")
    for verdict in verdicts:
        numbers = (np.abs(verdict.estimate - verdict.exact).max(), verdict.certified, verdict.tolerance)
        table.add_row(
            verdict.problem,
            rich.text.Text(verdict.outcome, COLORS[verdict.outcome]),
            f"{verdict.n:,}",
            *(f"{number:.2g}" if np.isfinite(number) else "-" for number in numbers),
            f"10^{verdict.evidence:.1f}" if np.isfinite(verdict.evidence) else "certain",
        )
    print()
    console().print(table)


@contextmanager
def live(title: str) -> Iterator[Any]:
    """A line on the terminal that is overwritten at every look, and gone at the end."""
    if not terminal(sys.stderr):
        yield None
        return

    def show(n: int, evidence: float) -> None:
        line = f"{title}: {n:,} samples, evidence of a bias 10^{evidence:.1f}"
        room = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{line[:room]}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
