"""What a schema cannot say of a report: fields that must go together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["LONGEST", "faults", "shown"]

LONGEST = 60  # characters of a wrong value that a message repeats
LIKE_EXACT = ("estimate", "standard_error", "low", "high")
LIKE_PAIRS = ("exact_covariance", "covariance", "covariance_error")
OF_ROW = ("mean", "bias", "variance", "error")


def faults(report: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with a report that keeps to the schema: place, rule and value.

    Parameters
    ----------
    report : dict

    Yields
    ------
    str
        Without the "report" that it begins with.
    """
    if report["command"] == "verify" and not {"verdicts", "rows", "error"} & set(report):
        yield f" needs verdicts, rows or an error, but has {', '.join(report)}"
    for number, row in enumerate(report.get("rows", ())):
        for wrong in _of_shape(row, "gradient", OF_ROW):
            yield f".rows[{number}]{wrong}"
    for number, verdict in enumerate(report.get("verdicts", ())):
        for rule in (_of_arrays, _of_indices, _of_signs, _of_history):
            for wrong in rule(verdict):
                yield f".verdicts[{number}]{wrong}"


def shown(value: Any) -> str:
    """A value in a message, as JSON, cut where it is long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _of_shape(node: Mapping[str, Any], like: str, names: tuple[str, ...]) -> Iterator[str]:
    shape = _shape(node[like])
    if shape is None:
        yield f".{like} needs rows of the same length, but is {shown(node[like])}"
        return
    for name in names:
        if node.get(name) is not None and _shape(node[name]) != shape:
            yield _other_shape(name, node[name], f"{like}, {shape}")


def _other_shape(name: str, value: Any, rule: str) -> str:
    return f".{name} needs the shape of {rule}, but has {_shape(value) or 'rows of several lengths'}"


def _of_arrays(verdict: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_shape(verdict, "exact", LIKE_EXACT)
    pairs = (_shape(verdict["exact"]) or ()) * 2
    for name in LIKE_PAIRS:
        if verdict.get(name) is not None and _shape(verdict[name]) != pairs:
            yield _other_shape(name, verdict[name], f"pairs of components, {pairs}")
    some = [verdict.get(name) is None for name in LIKE_PAIRS]
    if any(some) and not all(some):
        yield " needs exact_covariance, covariance and covariance_error together, but has not all of them"


def _of_indices(verdict: Mapping[str, Any]) -> Iterator[str]:
    shape = _shape(verdict["exact"]) or ()
    for name, index in [("worst", verdict["worst"]), *(("off", index) for index in verdict.get("off", ()))]:
        for allowed in (shape, shape * 2):
            if len(index) == len(allowed) and all(i < size for i, size in zip(index, allowed, strict=True)):
                break
        else:
            yield f".{name} needs an index into the shape {shape}, or into its pairs, but is {index}"


def _of_signs(verdict: Mapping[str, Any]) -> Iterator[str]:
    """Errors that are negative, intervals that end before they begin."""
    for name in ("standard_error", "covariance_error"):
        values = np.array(verdict.get(name) or [], dtype=float)
        for place in np.argwhere(values < 0):
            yield f".{name} needs numbers of at least 0, but is {values[tuple(place)]:g} at {place.tolist()}"
    if verdict.get("low") is not None and verdict.get("high") is not None:
        low, high = (np.array(verdict[name], dtype=float) for name in ("low", "high"))
        for place in np.argwhere(low > high):
            ends = f"from {low[tuple(place)]:g} to {high[tuple(place)]:g}"
            yield f" needs low to be at most high, but goes {ends} at {place.tolist()}"


def _of_history(verdict: Mapping[str, Any]) -> Iterator[str]:
    looks = [n for n, _ in verdict.get("history", ())]
    for one, other in pairwise(looks):
        if other < one:
            yield f".history needs n to grow, but goes from {one} to {other}"
    if looks and looks[-1] > verdict["n"]:
        yield f".history needs to end at n, {verdict['n']}, or before, but ends at {looks[-1]}"


def _shape(value: Any) -> tuple[int, ...] | None:
    """Of nested lists; None where they are ragged."""
    if not isinstance(value, list):
        return ()
    inner = {_shape(item) for item in value}
    if len(inner) > 1 or None in inner:
        return None
    return (len(value), *(inner.pop() or () if inner else ()))
