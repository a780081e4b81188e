"""`refgrad compare`: bias against variance of the estimators on a problem, exactly, as a table and a figure."""

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from refgrad.cli._arguments import check_plot, find_problem, moved, read_temperatures
from refgrad.cli._output import RIGHT, component, print_table, watched
from refgrad.cli._report import add_files
from refgrad.testing import Comparison, compare
from refgrad.testing._figures import save
from refgrad.testing._quality import Quality
from refgrad.testing._reserved import reserved
from refgrad.testing.comparison import LIMIT, SCALES, TEMPERATURES, Curve
from refgrad.testing.loading import load_estimator

__all__ = ["add_to"]

EXAMPLES = """\
examples:
  refgrad compare                                  every built-in estimator on two variables that interact
  refgrad compare --plot tradeoff.png              and as curves, over temperature and over logits
  refgrad compare --family categorical --over temperature --plot tradeoff.svg
  refgrad compare --problem "toy" --logits=-1.5 --estimator Reinforce --estimator "Rebar(temperature=0.5)"
  refgrad compare --estimator "GumbelSoftmax(temperature=1)" --temperatures 0.05,...,5 --json tradeoff.json

columns:
  largest bias   of a component, as mean less gradient      of gradient   norm of the bias over that of the gradient
  std. dev.      root of the total variance of one draw     rms error     root of the mean squared distance
  n*             samples whose mean has as much bias as noise, (std. dev. / bias)**2; averaging more is in vain

exit status:
  0 compared      2 usage
"""


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "compare",
        help="bias against variance of the estimators on a problem, as a table and a figure",
        description="Exact bias, standard deviation and error of one estimate. Nothing is sampled.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--problem", metavar="NAME", help="name of a problem, or how it begins; any other lists them")
    parser.add_argument("--family", choices=["bernoulli", "categorical"], help="of the problem")
    parser.add_argument(
        "--logits", metavar="NUMBERS", help="in place of the problem's: '0.5,-1', for categories '0,1;2,0'"
    )
    parser.add_argument(
        "--estimator",
        action="append",
        metavar="NAME",
        help="Name or Name(field=value); more than once for several (default: every built-in example)",
    )
    parser.add_argument("--over", choices=["temperature", "logits", "both"], help="curves (default: both, for a file)")
    parser.add_argument(
        "--temperatures", metavar="NUMBERS", help="'0.1,1,10', or '0.1,...,10' for a grid (the default)"
    )
    parser.add_argument(
        "--limit", type=int, default=LIMIT, metavar="N", help="evaluations a number (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes for the curves (default: one a core)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves: .png, .svg or .pdf")
    add_files(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report, print the table, draw the figure."""
    problem = find_problem(options.problem, options.family)
    if options.logits is not None:
        problem = moved(problem, options.logits)
    estimators = [load_estimator(text) for text in options.estimator] if options.estimator else None
    temperatures = read_temperatures(options.temperatures) if options.temperatures is not None else TEMPERATURES
    over = options.over or ("both" if options.plot or options.json or options.html else "nothing")
    for name in ("limit", "jobs"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} needs to be at least 1, but is {value}")
    check_plot(options.plot)
    jobs = (options.jobs or os.cpu_count() or 1) if over != "nothing" else 1
    with reserved(options.plot), _pool(jobs) as executor:
        found = compare(
            problem,
            estimators,
            temperatures=temperatures if over in {"temperature", "both"} else (),
            scales=SCALES if over in {"logits", "both"} else (),
            limit=options.limit,
            progress=watched(),
            executor=executor,
        )
        report["comparison"] = found.to_dict()
        _print(found)
        if options.over and not options.plot:
            for axis in ("temperature", "logits"):
                _print_curves(axis, getattr(found, axis))
        if options.plot:
            save(found.figure(), options.plot)
            print(f"wrote {options.plot}")
    return RIGHT


def _print(found: Comparison) -> None:
    gradient = np.linalg.norm(found.problem.gradient)
    print(f"{found.problem}, gradient of norm {gradient:.4g}\n")
    head = ["estimator", "largest bias", "of gradient", "std. dev.", "bias / sd", "rms error", "n*", "draws"]
    print_table(head, [_cells(row) for row in found.rows])
    biased = sum(row.total_bias > 0 for row in found.rows)
    missing = [row for row in found.rows if row.note]
    print()
    for row in missing:
        print(f"{row.name} was not computed: {row.note.replace('pass limit=', 'pass --limit ')}")
    points = [p for curve in (*found.temperature, *found.logits) for p in curve.points[: 1 if curve.constant else None]]
    gaps = sum(bool(point.note) for point in points)
    if gaps:
        print(f"{gaps} of {len(points)} points of the curves were not computed; --limit N allows more evaluations")
    count = f"{len(found.rows)} estimator{'s' * (len(found.rows) != 1)}"
    print(f"{count}, {biased} biased here. Over more than n* samples the bias outweighs the noise.")


def _print_curves(axis: str, curves: Sequence[Curve]) -> None:
    """What the third panel draws, in numbers."""
    if curves:
        place = "temperature" if axis == "temperature" else "t, at logits t * the problem's"
        print(f"\nroot mean squared error over {place}\n")
        head = ["estimator", *(f"{at:.3g}" for at in curves[0].at)]
        print_table(head, [[curve.name, *(f"{value:.3g}" for value in curve.values("rms"))] for curve in curves])


def _cells(row: Quality) -> list[str]:
    """One line of the table; "0" is exact, and "< x" hides in the error of the quadrature."""
    name, draws = row.name, str(row.draws)
    if row.note:
        return [name, *["not computed"] * 6, draws]
    deviation = f"{row.standard_deviation:.4g}"
    if not row.visible:
        bias = "0" if row.unbiased or not row.error.any() else f"< {row.error.max():.1g}"
        return [name, bias, "", deviation, "0" if row.standard_deviation else "-", f"{row.rms:.4g}", "-", draws]
    percent, ratio = (_short(value) for value in (100 * row.relative_bias, row.ratio))
    return [
        name,
        f"{row.bias[row.worst]:+.4g} {component(row.worst)}",
        f"{percent} %" if np.isfinite(row.relative_bias) else "-",
        deviation,
        ratio,
        f"{row.rms:.4g}",
        _samples(row.crossover),
        draws,
    ]


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1e4 else f"{value:.1e}"


def _samples(count: float) -> str:
    return f"{count:.2g}" if count < 10 else f"{count:,.0f}" if count < 1e7 else f"{count:.1e}"


@contextmanager
def _pool(jobs: int) -> Iterator[Executor | None]:
    if jobs == 1:
        yield None
        return
    # Whoever interrupts means this process: it cancels what has not begun, and the others end in silence.
    quiet = (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=signal.signal, initargs=quiet)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
