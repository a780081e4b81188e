"""Rectangles of the table of an f that has to be called: how they are cut, and the sums over one, Eq. 00.4."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import isqrt, prod
from typing import Any

import numpy as np

from refgrad.distributions._array import Array, keep_freed_memory
from refgrad.exact._evaluate import check_finite, returned
from refgrad.exact._factors import Factor, configurations, count, digits_of, event_shape

SHOWN = 2**16  # numbers in the configurations of one call of f: with what f makes of them they stay in a cache
KEPT = 2**15  # values of f that wait for the products
SMALL, LARGE = 2**16, 2**18  # values of f in a task: as many where there are few of them, and where there are many
TASKS = 2**16  # tasks at most, beyond which they grow


@dataclass(frozen=True, eq=False)
class Rectangle:
    """Some configurations of the left half of the variables, with all of some of the right half, and their weights."""

    f: Callable[[Any], Any]
    parts: Sequence[Factor]
    split: int
    rows: slice
    columns: slice
    left: Array
    right: Array


def split_for(parts: Sequence[Factor]) -> int:
    """Where the right half begins: in the middle, or before it while one call of f takes the right half as a whole."""
    split, most = len(parts) // 2, _at_once(parts)
    while split and count(parts[split - 1 :]) <= most:
        split -= 1
    return split


def rectangles(parts: Sequence[Factor], split: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each task: near a square where there are many, so that the sums that come back are short."""
    rows, columns = count(parts[:split]), count(parts[split:])
    size = rows * columns
    area = max(SMALL, min(size // 64, max(LARGE, size // TASKS)))
    step = _step(columns, _at_once(parts))
    width = min(columns, step * max(1, isqrt(area) // step))
    return product(_slices(rows, max(1, area // width)), _slices(columns, width))


def evaluated(task: Rectangle) -> tuple[Array, Array]:
    """Mean of f over the right half for each row, and over the left half for each column, with their weights."""
    by_left, by_right = np.zeros(len(task.left)), np.zeros(len(task.right))
    step = _step(len(task.right), _at_once(task.parts))
    if len(task.left) > 1:
        keep_freed_memory()
    for columns in _slices(len(task.right), step):
        shown = _shown(task, columns)
        for rows in _slices(len(task.left), max(1, KEPT // step)):
            values = np.empty((rows.stop - rows.start, columns.stop - columns.start))
            for row, z in zip(values, shown, strict=False):  # what is shown goes on with the next rows
                row[:] = returned(task.f, z)
            check_finite(values, partial(_named, task, rows.start, columns))
            by_left[rows] += values @ task.right[columns]
            by_right[columns] += task.left[rows] @ values
    return by_left, by_right


def _shown(task: Rectangle, columns: slice) -> Iterator[Array]:
    """Configurations of each row with some columns, in copies of one array.

    From row to row only the variables that change are written: two of the left half in the mean, none of the right.
    """
    left = task.parts[: task.split]
    digits = digits_of(left, np.arange(task.rows.start, task.rows.stop))
    numbers = np.arange(task.columns.start + columns.start, task.columns.start + columns.stop)
    z = np.empty((len(numbers), *event_shape(task.parts)))
    for d, column in enumerate(digits_of(task.parts[task.split :], numbers).T, start=task.split):
        task.parts[d].write(z[:, d], column)
    changed = np.ones(digits.shape, dtype=bool)
    changed[1:] = digits[1:] != digits[:-1]
    for own, moved in zip(digits, changed, strict=True):
        for d in np.flatnonzero(moved).tolist():
            left[d].write(z[:, d], own[d])
        yield z.copy()


def _named(task: Rectangle, row: int, columns: slice, place: int) -> Array:
    """The configuration at a place among the values of some rows, the first of which is given, and columns."""
    below, column = divmod(place, columns.stop - columns.start)
    number = (task.rows.start + row + below) * count(task.parts[task.split :]) + task.columns.start + columns.start
    return configurations(task.parts, np.array([number + column]))[0][0]


def _at_once(parts: Sequence[Factor]) -> int:
    """Configurations in one call of f, at most."""
    return max(1, SHOWN // prod(event_shape(parts)))


def _step(size: int, most: int) -> int:
    """Length of the pieces of equal size that `size` is cut into."""
    return -(-size // -(-size // most))


def _slices(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]
