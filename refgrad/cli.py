"""`refgrad verify`: the built-in estimators against the oracle, or somebody's sampler against the exact gradient."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import refgrad
from refgrad.testing import Verdict, built_in, check_unbiased, standard_problems
from refgrad.testing.black_box import check_options
from refgrad.testing.loading import LoadError, describe, load_estimator, load_sampler

__all__ = ["main"]

RIGHT, WRONG, USAGE, UNDECIDED = range(4)

EXAMPLES = """\
examples:
  refgrad verify                                   every built-in estimator: exact bias and variance
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        with _report(options.json) as report:
            return _verify(options, report)
    except OSError as error:
        print(f"refgrad: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("refgrad: interrupted", file=sys.stderr)
        return 130


def _verify(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report; what the user can mend is a message and an exit status, not a traceback."""
    try:
        check_options(options.tolerance, options.alpha, options.max_samples)
        status = _verify_sampler(options, report) if options.target else _verify_built_in(options, report)
    except (LoadError, ValueError) as error:
        print(f"refgrad: {error}", file=sys.stderr)
        status, report["error"] = USAGE, str(error)
    report["exit_status"] = status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refgrad",
        description="The reference for gradient estimators of E_q f(z) with discrete z, and the judge of others.",
    )
    parser.add_argument("--version", action="version", version=f"refgrad {refgrad.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    verify = commands.add_parser(
        "verify",
        help="judge the built-in estimators exactly, or a sampler of yours by its samples",
        description="Without a sampler: the exact bias and variance of every built-in estimator. With one: a verdict.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("target", nargs="?", metavar="SAMPLER", help="file.py:name or pkg.module:name")
    verify.add_argument("--family", choices=["bernoulli", "categorical"], help="only problems of this family")
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
    return parser


def _verify_built_in(options: argparse.Namespace, report: dict[str, Any]) -> int:
    pairs = built_in.pairs(options.family)
    rows = [built_in.row(estimator, problem) for estimator, problem in _bar(pairs, "exact moments")]
    report["rows"] = [row.to_dict() for row in rows]
    table = []
    for row in rows:
        at = row.worst
        numbers = (row.gradient[at], row.mean[at], row.bias[at], row.variance[at], row.error[at])
        index = "[" + ", ".join(map(str, at)) + "]"
        table.append([row.estimator, row.problem, index, *(f"{x:.4g}" for x in numbers), row.verdict])
    head = ["estimator", "problem", "component", "gradient", "mean", "bias", "variance", "error", "verdict"]
    _print_table(head, table)
    invisible = list(built_in.invisible(rows))
    for name in invisible:
        print(f"wrong: {name} claims a bias, but none is visible on these problems")
    wrong = sum(row.verdict == "wrong" for row in rows) + len(invisible)
    print(f"\n{len(rows)} rows, {wrong} wrong. Each row shows the component with the largest bias, or gradient.")
    return WRONG if wrong else RIGHT


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
    rich = _rich()
    if rich is None:
        print(text, flush=True)
        return
    color = {"right": "green", "wrong": "bold red", "undecided": "yellow"}[verdict.outcome]
    outcome, rest = text.split(":", 1)
    styled = rich.text.Text.assemble((outcome, color), ":" + rest)
    rich.console.Console(highlight=False, soft_wrap=True).print(styled)


def _print_table(head: list[str], rows: list[list[str]]) -> None:
    """A table by rich, or aligned columns without it."""
    rich = _rich()
    if rich is not None and sys.stdout.isatty():
        table = rich.table.Table(*head)
        for row in rows:
            table.add_row(*row, style="bold red" if row[-1] == "wrong" else None)
        rich.console.Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich() -> Any:
    """The rich package, if it is installed (extra `cli`)."""
    try:
        import rich.console  # noqa: PLC0415
        import rich.table  # noqa: PLC0415
        import rich.text  # noqa: PLC0415
    except ImportError:
        return None
    return rich


def _bar(items: Sequence[Any], what: str) -> Iterable[Any]:
    """A bar by tqdm, if it is installed and somebody looks."""
    try:
        from tqdm import tqdm  # noqa: PLC0415
    except ImportError:
        return items
    return tqdm(items, desc=what, leave=False, disable=not sys.stderr.isatty())


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


@contextmanager
def _report(path: Path | None) -> Iterator[dict[str, Any]]:
    """A dictionary that is written to a file at the end, if there is one; the file is opened before the work."""
    report: dict[str, Any] = {"format": "refgrad-report", "version": refgrad.__version__}
    if path is None:
        yield report
        return
    with path.open("w") as file:
        yield report
        json.dump(report, file, indent=2, allow_nan=False)
        file.write("\n")
