"""The table of `refgrad verify`: every built-in estimator against the oracle."""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from refgrad.cli._output import RIGHT, WRONG, bar, component, print_table
from refgrad.testing import built_in
from refgrad.testing._names import short_names

__all__ = ["verify_built_in"]


def verify_built_in(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report, print the table, and return the exit status."""
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
    report["invisible"] = invisible
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
