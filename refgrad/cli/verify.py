"""`refgrad verify`: the built-in estimators against the oracle, or somebody's sampler against the exact gradient."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from refgrad.cli._output import RIGHT, UNDECIDED, WRONG, bar, component, print_table, rich_package
from refgrad.testing import Verdict, built_in, check_unbiased, standard_problems
from refgrad.testing._expected import Settings
from refgrad.testing._names import short_names
from refgrad.testing.loading import LoadError, describe, load_estimator, load_sampler

__all__ = ["add_to"]

EXAMPLES = """\
examples:
  refgrad verify                                   every built-in estimator: its worst exact bias
  refgrad verify --all                             on every problem, with the variance
  refgrad verify my_code.py:estimate               your sampler on the standard problems
  refgrad verify my_code.py:estimate --family bernoulli --json report.json
  refgrad verify my_pkg.estimators:rebar --estimator "GumbelSoftmax(temperature=0.5)" --alpha 1e-6

a sampler is a function
  estimate(problem, n, rng) -> array of shape (n, *problem.q.event_shape)
that returns n independent estimates of the gradient of E f(z) in problem.q.logits, with z ~ problem.q and
f = problem.f, and draws all its randomness from rng, a numpy.random.Generator.

exit status:
  0 right on every problem      1 wrong on some      2 usage, or code that fails      3 undecided on some, wrong on none
"""


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    verify = commands.add_parser(
        "verify",
        help="judge the built-in estimators exactly, or a sampler of yours by its samples",
        description="Without a sampler: the exact bias and variance of every built-in estimator. With one: a verdict.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("target", nargs="?", metavar="SAMPLER", help="file.py:name or pkg.module:name")
    verify.add_argument("--family", choices=["bernoulli", "categorical"], help="only problems of this family")
    verify.add_argument(
        "--all", action="store_true", help="without a sampler: every row, not the worst of each estimator"
    )
    verify.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts for machines")
    judged = verify.add_argument_group("with a sampler")
    judged.add_argument("--estimator", metavar="NAME", help="reference whose exact covariance the test uses")
    judged.add_argument("--alpha", type=float, default=1e-9, help="rate of false verdicts (default: %(default)s)")
    judged.add_argument(
        "--tolerance", type=float, default=0.1, help="relative bias that 'right' allows (default: %(default)s)"
    )
    judged.add_argument(
        "--max-samples", type=int, default=1_000_000, metavar="N", help="for each problem (default: %(default)s)"
    )
    judged.add_argument("--seed", type=int, default=0, help="of the generator (default: %(default)s)")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report, and return the exit status."""
    Settings(options.tolerance, options.alpha, options.max_samples)
    return _verify_sampler(options, report) if options.target else _verify_built_in(options, report)


def _verify_built_in(options: argparse.Namespace, report: dict[str, Any]) -> int:
    pairs = built_in.pairs(options.family)
    rows = [built_in.row(estimator, problem) for estimator, problem in bar(pairs, "exact moments")]
    report["rows"] = [row.to_dict() for row in rows]
    wrong_rows = [row for row in rows if row.verdict == "wrong"]
    if options.all:
        _print_rows(rows)
    else:
        _print_summary(rows)
        if wrong_rows:
            print()
            _print_rows(wrong_rows)
    invisible = list(built_in.invisible(rows))
    for name in invisible:
        print(f"wrong: {name} claims a bias, but none is visible on these problems")
    wrong = len(wrong_rows) + len(invisible)
    shown = "" if options.all else " Each line above is the worst of its estimator; --all shows every row."
    print(f"\n{len(rows)} rows, {wrong} wrong.{shown}")
    return WRONG if wrong else RIGHT


def _print_rows(rows: Sequence[built_in.Row]) -> None:
    """Every row, with the component of the largest bias, or gradient."""
    table, names = [], _names()
    for row in rows:
        at = row.worst
        numbers = (row.gradient[at], row.mean[at], row.bias[at], row.variance[at], row.error[at])
        table.append([names[row.estimator], row.problem, component(at), *(f"{x:.4g}" for x in numbers), row.verdict])
    head = ["estimator", "problem", "component", "gradient", "mean", "bias", "variance", "error", "verdict"]
    print_table(head, table)


def _print_summary(rows: Sequence[built_in.Row]) -> None:
    """One line for each estimator: the problem on which its bias is largest."""
    table, names = [], _names()
    for name in dict.fromkeys(row.estimator for row in rows):
        own = [row for row in rows if row.estimator == name]
        row = max(own, key=_severity)
        at = row.worst
        numbers = (row.gradient[at], row.bias[at], row.error[at])
        table.append(
            [
                names[row.estimator],
                str(len(own)),
                row.problem,
                component(at),
                *(f"{x:.4g}" for x in numbers),
                row.verdict,
            ]
        )
    head = ["estimator", "problems", "worst on", "component", "gradient", "bias", "error", "verdict"]
    print_table(head, table)


def _names() -> dict[str, str]:
    """Short names by `repr`."""
    instances = built_in.instances()
    return dict(zip(map(repr, instances), short_names(instances), strict=True))


def _severity(row: built_in.Row) -> tuple[bool, bool, float]:
    """Wrong before biased before unbiased; then the size of the bias, or its share of the error."""
    size = np.abs(row.bias)
    biased = bool((size > row.error).any())
    share = np.divide(size, row.error, out=np.zeros_like(size), where=row.error > 0)
    return row.verdict == "wrong", biased, float(size.max() if biased else share.max())


def _verify_sampler(options: argparse.Namespace, report: dict[str, Any]) -> int:
    estimator = load_estimator(options.estimator) if options.estimator else None
    problems = [p for p in standard_problems(options.family) if not estimator or p.family in estimator.claims.families]
    sampler = load_sampler(options.target)
    report["verdicts"] = []
    verdicts: list[Verdict] = []
    for problem in problems:
        with _live(str(problem)) as progress:
            try:
                verdict = check_unbiased(
                    sampler,
                    problem,
                    tolerance=options.tolerance,
                    alpha=options.alpha,
                    max_samples=options.max_samples,
                    estimator=estimator,
                    seed=options.seed,
                    progress=progress,
                )
            except Exception as error:
                place = options.target.rpartition(":")[0]
                raise LoadError(
                    f"{options.target} fails on {problem}: {describe(error, place)}\n"
                    "  (for code that serves one family only, say --family bernoulli or --family categorical)"
                ) from error
        verdicts.append(verdict)
        report["verdicts"].append(verdict.to_dict())
        _print_verdict(verdict)
    outcomes = [verdict.outcome for verdict in verdicts]
    counts = ", ".join(f"{outcomes.count(name)} {name}" for name in ("right", "wrong", "undecided"))
    print(f"\n{options.target}: {counts}")
    return WRONG if "wrong" in outcomes else UNDECIDED if "undecided" in outcomes else RIGHT


def _print_verdict(verdict: Verdict) -> None:
    """One line for what is right, the report for what is not."""
    off = abs(verdict.estimate - verdict.exact).max()
    line = f"right: {verdict.problem}, {verdict.n:,} samples, off by {off:.1g}, at most {verdict.certified:.1g}"
    text = line if verdict.outcome == "right" else str(verdict)
    rich = rich_package()
    if rich is None:
        print(text, flush=True)
        return
    color = {"right": "green", "wrong": "bold red", "undecided": "yellow"}[verdict.outcome]
    outcome, rest = text.split(":", 1)
    styled = rich.text.Text.assemble((outcome, color), ":" + rest)
    rich.console.Console(highlight=False, soft_wrap=True).print(styled)


@contextmanager
def _live(title: str) -> Iterator[Any]:
    """A line on the terminal that is overwritten at every look, and gone at the end."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(n: int, evidence: float) -> None:
        print(
            f"\r\033[K{title}: {n:,} samples, evidence of a bias 10^{evidence:.1f}", end="", file=sys.stderr, flush=True
        )

    try:
        yield show
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
