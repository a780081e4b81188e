"""Means of f given the left half of the variables, and given the right half: one pass over f, Eq. 00.4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor, event_shape
from refgrad.exact._joint import Joint, joint
from refgrad.exact._rectangles import Rectangle, evaluated, rectangles, split_for
from refgrad.objectives import Table

if TYPE_CHECKING:
    from concurrent.futures import Executor

READ = 2**19  # values of a table in one product, at least, where there are as many: BLAS takes its threads then


@dataclass(frozen=True, eq=False)
class Halves:
    """Means of f given each configuration of the left half of the variables, and of the right half; these halves."""

    left: Joint
    right: Joint
    given_left: Array
    given_right: Array


def halves(parts: Sequence[Factor], f: Callable[[Any], Any], progress: bool, executor: Executor | None) -> Halves:
    """Go through f once: a table where it is, in memory; any other function wherever the executor calls it."""
    values = f.in_order(event_shape(parts)) if type(f) is Table else None
    split = split_for(parts) if values is None else (len(parts) + 1) // 2
    probs = [part.probs for part in parts]
    left, right = joint(probs[:split]), joint(probs[split:])
    if values is None:
        return Halves(left, right, *_called(f, parts, split, left.probs, right.probs, progress, executor))
    table = _possible(values, parts, split, (len(left.probs), len(right.probs)))
    return Halves(left, right, *_read(table, left.probs, right.probs, progress))


def _called(
    f: Callable[[Any], Any],
    parts: Sequence[Factor],
    split: int,
    left: Array,
    right: Array,
    progress: bool,
    executor: Executor | None,
) -> tuple[Array, Array]:
    """Means of a function, by rectangles of its table."""
    places = list(rectangles(parts, split))
    tasks = [Rectangle(f, parts, split, *place, left[place[0]], right[place[1]]) for place in places]
    given_left, given_right = np.zeros(len(left)), np.zeros(len(right))
    for (rows, columns), (by_left, by_right) in zip(
        places, run(evaluated, tasks, progress=progress, executor=executor), strict=True
    ):
        given_left[rows] += by_left
        given_right[columns] += by_right
    return given_left, given_right


def _read(table: Array, left: Array, right: Array, progress: bool) -> tuple[Array, Array]:
    """Means of a table, some rows at a time."""
    step = -(-len(left) // max(1, table.size // READ))
    tasks = [(table[at : at + step], left[at : at + step], right) for at in range(0, len(left), step)]
    given_left, given_right = zip(*run(_products, tasks, progress=progress, executor=None), strict=True)
    return np.concatenate(given_left), reduce(np.add, given_right)


def _products(task: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Both products of some rows of the table."""
    table, left, right = task
    return table.dot(right), left.dot(table)


def _possible(values: Array, parts: Sequence[Factor], split: int, shape: tuple[int, int]) -> Array:
    """The table as a matrix of the two halves; where categories are masked, a copy of what is possible."""
    if len(values) == shape[0] * shape[1]:
        return values.reshape(shape)
    base = event_shape(parts)[-1]
    rows, columns = (
        reduce(lambda number, part: np.add.outer(base * number, part.columns).ravel(), half, np.zeros(1, dtype=int))
        for half in (parts[:split], parts[split:])
    )
    return values.reshape(base**split, -1)[np.ix_(rows, columns)]
