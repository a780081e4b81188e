"""The lines between `Subprocess` and a program, as the package describes them: a request, and the answer to it."""

from __future__ import annotations

import json
from collections import Counter
from types import NoneType
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._wire import to_wire
from refgrad.testing.adapters._printable import printable, quoted
from refgrad.testing.problem import Problem

__all__ = ["ProtocolError", "RefusedError", "answer_limit", "described", "read_answer", "request"]

VERSION = 1
SPARE = 2**16  # bytes of an answer beside its numbers
WIDTH = 64  # bytes of a number, generously


class ProtocolError(Exception):
    """What is wrong with an answer."""


class RefusedError(Exception):
    """What the program says that it cannot do."""


def described(problem: Problem) -> dict[str, Any]:
    """The part of a request that is the problem."""
    logits = problem.logits.astype(object)
    logits[~np.isfinite(problem.logits)] = None
    return {
        "family": problem.family,
        "shape": list(problem.q.event_shape),
        "logits": logits.tolist(),
        "objective": to_wire(problem.f, problem.q),
    }


def request(number: int, problem: str, given: dict[str, Any]) -> bytes:
    """One line: the number of the request, the described problem as JSON, and `n` with a seed or noise."""
    head = json.dumps({"refgrad": VERSION, "id": number, **given}, separators=(",", ":"), allow_nan=False)
    return f"{head[:-1]},{problem[1:]}\n".encode()


def answer_limit(shape: tuple[int, ...]) -> int:
    """Most bytes of an answer with rows of a shape (n, *event_shape)."""
    return SPARE + WIDTH * int(np.prod(shape))


def read_answer(line: bytes, number: int, shape: tuple[int, ...]) -> Array:
    """Read the rows (n, *event_shape) of an answer.

    Raises
    ------
    RefusedError
        If the answer is an error; the message is what it says.
    ProtocolError
        If it is no answer to this request.
    """
    try:
        answer = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        start = max(0, getattr(error, "pos", 0) - 40)  # what is wrong may stand far behind
        behind = f", at byte {start:,} of it {quoted(line[start:])}" if start else ""
        raise ProtocolError(f"needs to answer in JSON, but wrote {quoted(line)}{behind} ({error})") from error
    if not isinstance(answer, dict):
        raise ProtocolError(f"needs to answer with an object, but wrote {quoted(line)}")
    if type(answer.get("id")) is not int or answer["id"] != number:  # false == 0 == 0.0
        raise ProtocolError(f'needs to answer with "id": {number}, but wrote {quoted(line)}')
    if answer.get("error") is not None:
        raise RefusedError(printable(str(answer["error"]))[:2000])
    if "rows" not in answer:
        raise ProtocolError(f'needs to answer with "rows" or "error", but wrote {quoted(line)}')
    return _rows(answer["rows"], shape, plain=not (b"true" in line or b"false" in line))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of an answer, in which every key occurs once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ProtocolError(
            f"needs to answer with every key once, but wrote {quoted(json.dumps(twice).encode())} again"
        )
    return found


def _rows(rows: Any, shape: tuple[int, ...], *, plain: bool) -> Array:
    """The rows as numbers; plain if no boolean can be among them, which NumPy would take for a number."""
    n, size = shape[0], int(np.prod(shape[1:]))
    needed = f"{n:,} rows of {size}, nested as {list(shape)} or flat,"
    try:
        numbers = np.array(rows)
        if not plain or numbers.dtype.kind not in "iuf":
            leaves = np.array(rows, dtype=object)
            _expect_numbers(leaves)
            numbers = leaves.astype(float)  # null is NaN
    except ValueError as error:
        raise ProtocolError(f"needs to answer with {needed} but they are not alike: {error}") from error
    except OverflowError as error:
        raise ProtocolError(f"needs to answer with numbers of double precision, but one is larger: {error}") from error
    if numbers.shape not in {shape, (n, size), (n * size,)}:
        raise ProtocolError(f"needs to answer with {needed} but their shape is {numbers.shape}")
    return numbers.astype(float).reshape(shape)


def _expect_numbers(leaves: Any) -> None:
    for leaf in leaves.flat:
        if type(leaf) not in {int, float, NoneType}:
            given = quoted(json.dumps(leaf).encode())
            raise ProtocolError(f"needs to answer with numbers, but has {given} among its rows")
