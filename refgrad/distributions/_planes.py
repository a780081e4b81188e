"""Categories as planes: the last axis first, in memory too, since NumPy is slow along a short last axis."""

from typing import Any

import numpy as np

from refgrad.distributions._array import namespace, traced


def first_maximum(x: Any) -> Any:
    """One true entry along the last axis: the first of the largest."""
    x = planes(x)
    largest = x == x.max(axis=0)
    if np.count_nonzero(largest) != x[0].size:  # ties
        largest = np.argmax(x, axis=0) == np.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1))
    return rows(largest)


def kept(keep: Any, x: Any) -> Any:
    """x, and zero where `keep` is false."""
    return x if np.all(keep) else namespace(x).where(keep, x, 0.0)


def planes(x: Any, ndim: int = 0) -> Any:
    """The last of so many axes first. A copy."""
    *lead, size = (1,) * (ndim - np.ndim(x)) + np.shape(x)
    if traced(x):
        xp = namespace(x)
        return xp.moveaxis(xp.reshape(x, (*lead, size)), -1, 0)
    return np.array(np.reshape(x, (-1, size)).T, order="C").reshape(size, *lead)


def rows(x: Any) -> Any:
    """The first axis last again. A copy."""
    if traced(x):
        return namespace(x).moveaxis(x, 0, -1)
    size, *lead = x.shape
    return np.array(x.reshape(size, -1).T, order="C").reshape(*lead, size)


def total(x: Any) -> Any:
    """Sum over the first axis, by halves: few roundings, and the same ones for one row or many."""
    if traced(x):
        return namespace(x).sum(x, axis=0)
    while len(x) >= 8:  # below that NumPy's sum goes one by one, in one row and in many
        half, odd = divmod(len(x), 2)
        last, x = x[-1], x[:half] + x[half : 2 * half]
        if odd:
            x[0] += last
    return x.sum(axis=0)
