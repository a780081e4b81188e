"""The lines between `Subprocess` and a program, as the package describes them: a request, and the answer to it."""

from __future__ import annotations

import json
from types import NoneType
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._wire import to_wire
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
        answer = json.loads(line)
    except (ValueError, RecursionError) as error:
        start = max(0, getattr(error, "pos", 0) - 40)  # what is wrong may stand far behind
        behind = f", at byte {start:,} of it {_quoted(line[start:])}" if start else ""
        raise ProtocolError(f"needs to answer in JSON, but wrote {_quoted(line)}{behind} ({error})") from error
    if not isinstance(answer, dict):
        raise ProtocolError(f"needs to answer with an object, but wrote {_quoted(line)}")
    if answer.get("id") != number:
        raise ProtocolError(f'needs to answer with "id": {number}, but wrote {_quoted(line)}')
    if "error" in answer:
        raise RefusedError(str(answer["error"])[:2000])
    if "rows" not in answer:
        raise ProtocolError(f'needs to answer with "rows" or "error", but wrote {_quoted(line)}')
    return _rows(answer["rows"], shape)


def _rows(rows: Any, shape: tuple[int, ...]) -> Array:
    n, size = shape[0], int(np.prod(shape[1:]))
    needed = f"{n:,} rows of {size}, nested as {list(shape)} or flat,"
    try:
        numbers = np.array(rows)
    except (ValueError, OverflowError) as error:
        raise ProtocolError(f"needs to answer with {needed} but they are not alike: {error}") from error
    if numbers.dtype == object and all(isinstance(x, (int, float, NoneType)) for x in numbers.flat):
        numbers = numbers.astype(float)  # null is NaN
    if numbers.dtype.kind not in "iuf" and numbers.size:
        given = np.array(rows, dtype=object).flat
        other = next(x for x in given if isinstance(x, bool) or not isinstance(x, (int, float, NoneType)))
        raise ProtocolError(
            f"needs to answer with numbers, but has {_quoted(json.dumps(other).encode())} among its rows"
        )
    if numbers.shape not in {shape, (n, size), (n * size,)}:
        raise ProtocolError(f"needs to answer with {needed} but their shape is {numbers.shape}")
    return numbers.astype(float).reshape(shape)


def _quoted(line: bytes) -> str:
    text = line[:80].decode(errors="replace")
    return repr(text) + (f" and {len(line) - 80:,} bytes more" if len(line) > 80 else "")
