"""Tables of reports that have no verdicts: the built-in estimators, a comparison, answers to vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refgrad.testing.report._words import component, number

__all__ = ["of_built_in", "of_comparison", "of_judgements"]


def of_built_in(rows: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One row for each estimator and problem, with its worst component; wrong ones first.

    Parameters
    ----------
    rows : list of dict
        Of a report.

    Returns
    -------
    list of dict
    """
    table = []
    for row in sorted(rows, key=lambda row: row["verdict"] != "wrong"):
        values = {name: np.array(row[name], dtype=float) for name in ("gradient", "bias", "variance", "error")}
        size = np.abs(values["bias"])
        size = size if (size > values["error"]).any() else np.abs(values["gradient"])
        at = np.unravel_index(int(np.argmax(np.nan_to_num(size))), size.shape) if size.size else ()
        cells = {name: number(float(value[at]) if size.size else None) for name, value in values.items()}
        names = {name: row[name] for name in ("estimator", "problem", "verdict")}
        table.append({**names, **cells, "component": component([int(i) for i in at])})
    return table


def of_comparison(comparison: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row for each estimator, as the comparison orders them.

    Parameters
    ----------
    comparison : dict
        Of a report.

    Returns
    -------
    list of dict
    """
    names = ("total_bias", "standard_deviation", "ratio", "rms", "crossover")
    table = []
    for row in comparison["rows"]:
        cells = {name: number(row.get(name)) for name in names}
        share = row.get("relative_bias")
        cells["relative_bias"] = f"{number(100 * share, 3)} %" if share is not None else number(None)
        table.append({"name": row["name"], "note": row["note"], "draws": str(row["draws"]), **cells})
    return table


def of_judgements(judgements: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each file of vectors; wrong ones first, with an example.

    Parameters
    ----------
    judgements : list of dict
        Of a report.

    Returns
    -------
    list of dict
    """
    table = []
    for own in sorted(judgements, key=lambda own: own["outcome"] != "wrong"):
        off, left_out = len(own["failures"]), len(own["left_out"])
        frequent = [failure for failure in own["failures"] if failure["field"] == own["first_off"]]
        first = max(frequent, key=lambda own: np.inf if own["share"] is None else own["share"], default=None)
        row = {
            "right": f"{own['tests'] - off - left_out:,}",
            "off": f"{off:,}",
            "left_out": f"{left_out:,}",
            "used": f"{100 * own['used']:.3g} %" if own["used"] is not None else number(None),
            "first_off": own["first_off"] or "",
            "example": f"{first['id']}: {first['field']} {first['reason']}" if first else "",
        }
        table.append({name: own[name] for name in ("name", "outcome", "suggestions")} | row)
    return table
