"""Which points of a grid lie within reach: all coordinates but the last, and between which nodes the last may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array


@dataclass(frozen=True, eq=False)
class Rows:
    """Points that differ in their last coordinate alone stand in one row.

    prefix : (rows, axes - 1), place of the node of every coordinate but the last; shift : (rows,), what leads from the
    number of a point to the place of its last node; ends : (rows,), how many points there are up to the end of the row.
    """

    prefix: Any
    shift: Any
    ends: Any

    def points(self, index: Any, nodes: Array, weights: Array) -> tuple[Array, Array]:
        """Points (n, axes) by their number, and the products of the weights of their nodes (n,)."""
        row = np.searchsorted(self.ends, index, side="right")
        begin, stop = row.min(), row.max() + 1  # what a row shares is looked up once
        prefix, row = self.prefix[begin:stop], row - begin
        last = index + np.take(self.shift[begin:stop], row)
        points = np.empty((len(index), prefix.shape[1] + 1))
        points[:, :-1], points[:, -1] = np.take(nodes[prefix], row, axis=0), np.take(nodes, last)
        return points, np.take(weights[prefix].prod(axis=1), row) * np.take(weights, last)


def rows_within(grids: Sequence[Array], axes: int, reach: float) -> Rows:
    """Rows of the points of products of grids with themselves whose absolute coordinates add up to at most `reach`.

    Parameters
    ----------
    grids : sequence of (nodes,) ndarray of float64
        Each increasing; places go on from one to the next.
    axes : int
    reach : float
    """
    found, begin = [], 0
    for nodes in grids:
        prefix, left = np.zeros((1, 0), np.int64), np.full(1, reach)
        for axis in range(axes):
            first = np.searchsorted(nodes, -left)
            count = np.searchsorted(nodes, left, side="right") - first
            if axis == axes - 1:
                found.append((prefix, first + begin, count))
                break
            row = np.repeat(np.arange(len(left)), count)
            own = np.arange(len(row)) + np.repeat(first + count - np.cumsum(count), count)
            prefix, left = np.column_stack([prefix[row], own + begin]), left[row] - np.abs(nodes[own])
        begin += len(nodes)
    prefixes, firsts, counts = (np.concatenate(part) for part in zip(*found, strict=True))
    ends = np.cumsum(counts)
    return Rows(prefixes, firsts + counts - ends, ends)
