"""Means of f given the left half of the variables, and given the right half: one pass over f, Eq. 00.4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor, count, event_shape, joints
from refgrad.exact._rectangles import Rectangle, evaluated, rectangles, split_for
from refgrad.objectives import Table

if TYPE_CHECKING:
    from concurrent.futures import Executor

READ = 2**19  # values of a table in one product, at least, where there are as many: BLAS takes its threads then


@dataclass(frozen=True, eq=False)
class Halves:
    """Means of f given each configuration of the variables before `split`, and of those from there on.

    `left` and `right` have the probabilities of these, and of those of fewer variables.
    """

    split: int
    left: list[Array]
    right: list[Array]
    given_left: Array
    given_right: Array


def halves(parts: Sequence[Factor], f: Callable[[Any], Any], progress: bool, executor: Executor | None) -> Halves:
    """Go through f once: a table where it is, in memory; any other function wherever the executor calls it."""
    values = f.in_order(event_shape(parts)) if type(f) is Table else None
    split = split_for(parts) if values is None else (len(parts) + 1) // 2
    lefts, rights = joints(parts[:split]), joints(parts[split:])
    left, right = lefts[-1], rights[-1]
    given_left, given_right = np.zeros(len(left)), np.zeros(len(right))
    work: Callable[[Any], tuple[Array, Array]]
    tasks: Sequence[Any]
    if values is None:
        work, places = evaluated, list(rectangles(parts, split))
        tasks = [Rectangle(f, parts, split, *place, left[place[0]], right[place[1]]) for place in places]
    else:
        table, step = _possible(values, parts, split), -(-len(left) // max(1, count(parts) // READ))
        work, places = _read, [(slice(at, at + step), slice(None)) for at in range(0, len(left), step)]
        tasks, executor = [(table[rows], left[rows], right) for rows, _ in places], None
    for (rows, columns), (by_left, by_right) in zip(
        places, run(work, tasks, progress=progress, executor=executor), strict=True
    ):
        given_left[rows] += by_left
        given_right[columns] += by_right
    return Halves(split, lefts, rights, given_left, given_right)


def _read(task: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Both products of some rows of the table."""
    table, left, right = task
    return table @ right, left @ table


def _possible(values: Array, parts: Sequence[Factor], split: int) -> Array:
    """The table as a matrix of the two halves; where categories are masked, a copy of what is possible."""
    if len(values) == count(parts):
        return values.reshape(count(parts[:split]), -1)
    base = event_shape(parts)[-1]
    rows, columns = (
        reduce(lambda number, part: np.add.outer(base * number, part.columns).ravel(), half, np.zeros(1, dtype=int))
        for half in (parts[:split], parts[split:])
    )
    return values.reshape(base**split, -1)[np.ix_(rows, columns)]
