"""One answer against one test: the first value that is off, in the order in which they are worked out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.testing.vectors._format import VectorsError, shape_of

__all__ = ["Failure", "compared", "values_of"]

DIGITS = (9, 17)  # that are printed, and where these agree


@dataclass(frozen=True)
class Failure:
    """A test whose answer is off: where first, and by how much.

    Parameters
    ----------
    id : str
    flags : tuple of str
    field : str
        Name of the value; a term of the sum is `terms.name`.
    reason : str
        What it is, and what it should be.
    share : float
        Its error over the tolerance; infinite where a number is missing.
    """

    id: str
    flags: tuple[str, ...]
    field: str
    reason: str
    share: float


def compared(test: dict[str, Any], answer: dict[str, Any], precision: str) -> tuple[Failure | None, float]:
    """Compare an answer with what is expected.

    Parameters
    ----------
    test : dict
    answer : dict
        Values by the names that they have in `expected`.
    precision : {"float64", "float32"}

    Returns
    -------
    failure : Failure or None
        The first value that is off.
    used : float
        Largest share of the tolerance that an error takes; infinite where a number is missing.

    Raises
    ------
    VectorsError
        If the answer has a value that the test does not know.
    """
    expected, atol = dict(values_of(test["expected"])), test["atol"][precision]
    needed = "gradient" if "gradient" in expected else "mean"
    given = dict(values_of(answer))
    unknown = [name for name in given if name not in expected]
    if unknown:
        raise VectorsError(f"{test['id']} needs values of {', '.join(expected)}, but answers {unknown[0]!r}")
    found, used = None, 0.0
    for name, right in expected.items():
        if name not in given and name != needed:
            continue
        reason, share = _off(given.get(name), right, atol)
        used = max(used, share)
        if reason and found is None:
            found = Failure(test["id"], tuple(test["flags"]), name, reason, share)
    return found, used


def values_of(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values; a term of the sum is `terms.name`, and a name with a dot is none.

    Raises
    ------
    VectorsError
        If a name has a dot, or the terms have no names.
    """
    for name, value in values.items():
        if "." in name:
            raise VectorsError(f"a term stands in terms, but a value is called {name!r}")
        if name != "terms":
            yield name, value
        elif not isinstance(value, dict):
            raise VectorsError(f"terms need a name each, but they are {value!r}")
        else:
            yield from ((f"terms.{own}", x) for own, x in value.items())


def _off(given: Any, right: Any, atol: float) -> tuple[str, float]:
    """Say what is off, or nothing; and the share of the tolerance that the largest error takes."""
    if given is None:
        return "is missing", np.inf
    if shape_of(given) != shape_of(right):
        return f"has shape {_shape(given)}, not {_shape(right)}", np.inf
    flat, exact = _flat(given), _flat(right)
    bad = [x for x in flat if isinstance(x, bool) or not isinstance(x, (int, float)) or not math.isfinite(x)]
    if bad:
        return f"has {len(bad)} of {len(flat)} entries that are no finite number, the first {bad[0]!r}", np.inf
    errors = [abs(x - y) for x, y in zip(flat, exact, strict=True)]
    worst = max(range(len(errors)), key=errors.__getitem__)
    share = errors[worst] / atol
    if share <= 1:
        return "", share
    place = list(map(int, np.unravel_index(worst, shape_of(right) or ()))) if isinstance(right, list) else ""
    few, all_digits = ([f"{x:.{digits}g}" for x in (flat[worst], exact[worst])] for digits in DIGITS)
    is_, should = few if few[0] != few[1] else all_digits
    return f"{place} is {is_}, not {should}; off by {errors[worst]:.2g}, the tolerance is {atol:.2g}".strip(), share


def _flat(value: Any) -> list[Any]:
    return [x for own in value for x in _flat(own)] if isinstance(value, list) else [value]


def _shape(value: Any) -> str:
    shape = shape_of(value)
    return "of no array" if shape is None else str(shape)
