"""Means of f given the left half of the variables, and given the right half: one pass over f, Eq. 00.4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor, columns_of, factors, joints
from refgrad.exact._rectangles import Rectangle, evaluated, rectangles, split_for
from refgrad.objectives import Table

if TYPE_CHECKING:
    from concurrent.futures import Executor

READ = 2**20  # values of a table in one product, at least, where there are as many: BLAS takes its threads then


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


def halves(
    q: Distribution, probs: Sequence[Array], f: Callable[[Any], Any], progress: bool, executor: Executor | None
) -> Halves:
    """Go through f once: a table where it is, in memory; any other function wherever the executor calls it."""
    values = f.in_order(q.event_shape) if type(f) is Table else None
    parts = factors(q) if values is None else []
    split = split_for(parts) if values is None else (len(probs) + 1) // 2
    lefts, rights = joints(probs[:split]), joints(probs[split:])
    left, right = lefts[-1], rights[-1]
    if values is None:
        given = _called(f, parts, split, left, right, progress, executor)
    else:
        given = _read(_possible(values, q, split, (len(left), len(right))), left, right, progress)
    return Halves(split, lefts, rights, *given)


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
    return _added(places, run(evaluated, tasks, progress=progress, executor=executor), len(left), len(right))


def _read(table: Array, left: Array, right: Array, progress: bool) -> tuple[Array, Array]:
    """Means of a table: at once, or some rows at a time."""
    pieces = table.size // READ
    if pieces < 2:
        return _products((table, left, right))
    step = -(-len(left) // pieces)
    places = [(slice(at, at + step), slice(None)) for at in range(0, len(left), step)]
    tasks = [(table[rows], left[rows], right) for rows, _ in places]
    return _added(places, run(_products, tasks, progress=progress, executor=None), len(left), len(right))


def _products(task: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Both products of some rows of the table."""
    table, left, right = task
    return table.dot(right), left.dot(table)


def _added(
    places: Sequence[tuple[slice, slice]], sums: Iterable[tuple[Array, Array]], rows: int, columns: int
) -> tuple[Array, Array]:
    """What is found at some places, added up in order."""
    given_left, given_right = np.zeros(rows), np.zeros(columns)
    for (own_rows, own_columns), (by_left, by_right) in zip(places, sums, strict=True):
        given_left[own_rows] += by_left
        given_right[own_columns] += by_right
    return given_left, given_right


def _possible(values: Array, q: Distribution, split: int, shape: tuple[int, int]) -> Array:
    """The table as a matrix of the two halves; where categories are masked, a copy of what is possible."""
    if len(values) == shape[0] * shape[1]:
        return values.reshape(shape)
    base, columns = q.event_shape[-1], columns_of(q)
    places = (
        reduce(lambda number, own: np.add.outer(base * number, own).ravel(), half, np.zeros(1, dtype=int))
        for half in (columns[:split], columns[split:])
    )
    return values.reshape(base**split, -1)[np.ix_(*places)]
