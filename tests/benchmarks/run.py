"""How fast refgrad is, side by side with NumPy, its limits and its peers: every figure a ratio from one run.

All who take part in a row do the same work, and take turns in rounds whose order changes. A figure is a median over the
rounds, and a ratio has the interval that it takes when rounds are drawn anew. Peers run in an environment of their
own, whose interpreter REFGRAD_PEERS_PYTHON names, each in its own process, in float64 and in float32, with its default
threads; one that is absent, fails, or answers something else is skipped by name. Everybody
has the threads of BLAS that the machine gives, but workers one each.
"""

import argparse
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from speed import growth, history, parts, split, table
from speed.case import Measurement, Plan, missed
from speed.client import VARIABLE, peers
from speed.machine import machine, now, versions
from speed.measure import measure
from speed.rows import ROWS
from speed.sweeps import sweeps
from speed.timing import Effort

from refgrad.cli._output import watched
from refgrad.testing._reserved import reserved

QUICK = Effort(turns=1, seconds=0.0, most=1, short=0.0)
EXAMPLES = """\
examples:
  python tests/benchmarks/run.py --quick
  REFGRAD_PEERS_PYTHON=peers/bin/python python tests/benchmarks/run.py --json speed.jsonl --markdown speed.md
  python tests/benchmarks/run.py --rows a,c --record
  python tests/benchmarks/run.py --growth --plot out
  python tests/benchmarks/run.py --profile --row c
"""


def parse(arguments: Any) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--list", action="store_true", help="the rows")
    add("--rows", type=lambda text: text.split(","), default=[], metavar="A,B", help="only these")
    add("--row", action="append", default=[], metavar="A", help="only this one; may be repeated")
    add("--growth", action="store_true", help="instead: how cost grows with size, and its exponents")
    add("--profile", action="store_true", help="instead: where time goes")
    add("--plot", type=Path, metavar="DIR", help="with --growth: draw growth.svg")
    add("--seed", type=int, default=0, help="what all numbers follow from (default: 0)")
    add("--quick", action="store_true", help="tiny sizes, without peers; nothing is judged by them")
    add("--json", type=Path, metavar="FILE", help="write all figures, one line of JSON for each")
    add("--markdown", type=Path, metavar="FILE", help="write the tables to a file too")
    add("--history", type=Path, default=history.FILE, metavar="FILE", help="of recorded runs (default: history.jsonl)")
    add("--record", action="store_true", help="append the ratios of this run to the history")
    add("--strict", action="store_true", help="end with status 1 if a ratio is worse than in the last recorded run")
    given = parser.parse_args(arguments)
    given.rows = tuple(dict.fromkeys([*given.rows, *given.row])) or tuple(ROWS)
    for row in given.rows:
        if row not in ROWS:
            parser.error(f"--rows needs some of {', '.join(ROWS)}, but has {row!r}")
    if given.seed < 0:
        parser.error(f"--seed needs to be at least 0, but is {given.seed}")
    if given.growth and given.profile:
        parser.error("--growth and --profile need to be asked for one after the other")
    if given.plot is not None and not given.growth:
        parser.error("--plot needs --growth")
    if given.record and (given.growth or given.profile):
        parser.error("--record needs the rows, not --growth or --profile")
    for path in (given.json, given.markdown, given.history):
        if path is not None and not path.resolve().parent.is_dir():
            parser.error(f"{path} needs a folder to be written to, but {path.resolve().parent} is none")
    try:
        given.before = history.recorded(given.history)
    except ValueError as error:
        parser.error(str(error))
    return given


@dataclass
class Result:
    """What is printed and written, and how many goals were missed."""

    texts: list[str] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    missed: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Print a part, and keep it."""
        tell("")
        print(f"\n{text}", flush=True)
        self.texts.append(text)


def measured(given: argparse.Namespace, plan: Plan) -> Result:
    """The tables, row by row, and what has changed since the last recorded run."""
    python = None if given.quick else os.environ.get(VARIABLE)
    effort = QUICK if given.quick else Effort()
    result, every = Result(), []
    with peers(python) as (found, absent):
        result.versions = {peer.name: peer.version for peer in found}
        result.say(table.company(result.versions, absent))
        for row in given.rows:
            own: list[Measurement] = []
            for number, case in enumerate(ROWS[row].cases(plan)):
                tell(f"{row}: {case.size}")
                judged = replace(case, goals=()) if plan.quick else case
                own += measure(judged, found, effort, plan.seed + number)
            result.say(table.markdown(f"{row}. {ROWS[row].TITLE}", own))
            every += own
    result.lines = [table.line(own) for own in every]
    entry = history.entry(every, given.quick)
    changes = history.compared(entry, given.before, given.rows)
    print(f"\n{changes}")
    if given.record:
        history.record(given.history, entry)
    result.missed = sum(1 for _ in missed(every)) + (len(changes.certain) if given.strict else 0)
    return result


def grown(given: argparse.Namespace, plan: Plan) -> Result:
    """The exponents, and the picture."""
    found = []
    for sweep in sweeps(plan):
        tell(sweep.name)
        found.append(growth.grow(sweep, not plan.quick))
    result = Result(lines=list(growth.lines(found)), missed=sum(own.held is False for own in found))
    result.say(growth.markdown(found))
    if given.plot is not None:
        print(f"\n{growth.draw(found, given.plot)}")
    return result


def profiled(given: argparse.Namespace, plan: Plan) -> Result:
    """The parts."""
    found = []
    for own in parts.splits(plan, given.rows):
        tell(f"{own.row}: {own.size}")
        found.append(own)
    result = Result(
        lines=[{"profile": s.row, "size": s.size, "whole": s.whole, "parts": dict(s.lines())} for s in found]
    )
    result.say(split.markdown(found))
    return result


def tell(text: str) -> None:
    """What is being done now, where somebody looks."""
    if watched():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def main(arguments: Any = None) -> int:
    """Print tables, write figures, and compare with the last recorded run."""
    given = parse(arguments)
    if given.list:
        print("\n".join(f"{letter}  {row.TITLE}" for letter, row in ROWS.items()))
        return 0
    where = machine()
    with ExitStack() as stack:
        for path in (given.json, given.markdown, given.history if given.record else None):
            stack.enter_context(reserved(path))
        print(f"{where['cpu']}, {where['cores']} cores; BLAS: {where['blas']}")
        work = grown if given.growth else profiled if given.profile else measured
        result = work(given, Plan(given.seed, given.quick))
        about = {"date": now(), "machine": where, "versions": {**versions(), **result.versions}}
        if given.json is not None:
            lines = (json.dumps({**line, **about}, allow_nan=False) for line in result.lines)
            given.json.write_text("".join(f"{line}\n" for line in lines))
        if given.markdown is not None:
            given.markdown.write_text("\n\n".join(result.texts) + "\n", encoding="utf-8")
    if given.quick:
        print("\nQuick: nothing is judged by sizes this small.")
        return 0
    if not given.profile:
        print(f"\n{result.missed} goals missed." if result.missed else "\nAll goals held.")
    return 1 if result.missed else 0


if __name__ == "__main__":
    sys.exit(main())
