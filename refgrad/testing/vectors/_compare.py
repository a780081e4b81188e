"""One answer against one test: the first value that is off, in the order in which they are worked out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.testing.vectors._format import VectorsError, shape_of

__all__ = ["Failure", "compared"]


@dataclass(frozen=True)
class Failure:
    """A test whose answer is off: where first, and by how much."""

    id: str
    flags: tuple[str, ...]
    field: str
    reason: str


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
    expected, atol = test["expected"], test["atol"][precision]
    last = list(expected)[-1]
    _check_names(test["id"], expected, answer)
    found, used = None, 0.0
    for name, right in _values(expected):
        given = _value(answer, name)
        if given is None and name != last:
            continue
        reason, share = _off(given, right, atol)
        used = max(used, share)
        if reason and found is None:
            found = Failure(test["id"], tuple(test["flags"]), name, reason)
    return found, used


def _values(expected: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values; a term of the sum is `terms.name`."""
    for name, value in expected.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{own}", x) for own, x in value.items())
        else:
            yield name, value


def _value(answer: dict[str, Any], name: str) -> Any:
    first, _, rest = name.partition(".")
    return (answer.get(first) or {}).get(rest) if rest else answer.get(first)


def _check_names(where: str, expected: dict[str, Any], answer: dict[str, Any]) -> None:
    known = [name for name, _ in _values(expected)]
    given = [name for name, _ in _values(answer)]
    for name in given:
        if name not in known and not (name == "terms" and not answer["terms"]):
            raise VectorsError(f"{where} needs values of {', '.join(known)}, but answers {name!r}")


def _off(given: Any, right: Any, atol: float) -> tuple[str, float]:
    """Say what is off, or nothing; and the share of the tolerance that the largest error takes."""
    if given is None:
        return "is missing", np.inf
    if shape_of(given) != shape_of(right):
        return f"has shape {_shape(given)}, not {_shape(right)}", np.inf
    flat, exact = _flat(given), _flat(right)
    bad = [x for x in flat if isinstance(x, bool) or not isinstance(x, (int, float)) or not np.isfinite(x)]
    if bad:
        return f"has {len(bad)} of {len(flat)} entries that are no finite number, the first {bad[0]!r}", np.inf
    errors = [abs(x - y) for x, y in zip(flat, exact, strict=True)]
    worst = int(np.argmax(errors))
    place = list(map(int, np.unravel_index(worst, shape_of(right) or ()))) if isinstance(right, list) else ""
    share = float(errors[worst] / atol)
    if share <= 1:
        return "", share
    text = (
        f"is {flat[worst]:.9g}, not {exact[worst]:.9g}; off by {errors[worst]:.2g}, where rounding explains {atol:.2g}"
    )
    return f"{place} {text}".strip(), share


def _flat(value: Any) -> list[Any]:
    return [x for own in value for x in _flat(own)] if isinstance(value, list) else [value]


def _shape(value: Any) -> str:
    shape = shape_of(value)
    return "of no array" if shape is None else str(shape)
