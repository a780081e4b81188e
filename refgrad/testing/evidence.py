"""A test of a mean that holds for any tails, in all directions at once, whenever one stops.

With X_i the estimates less the exact gradient, and Sigma the covariance that a correct estimator has,

    S = sum X_i,    V = sum X_i X_i',    U = (V + 2 n Sigma) / 3,
    e(c) = |I + U / c|**(-1/2) exp(S' (c I + U)**-1 S / 2),

is below 1/alpha for ever with probability 1 - alpha, and so is the mean over several c: Delyon (2009), Howard et al.
(2020), Robbins' mixture, Ville's inequality. Derivation 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from refgrad.distributions._array import Array

__all__ = ["MEAN_SHARE", "OTHER_SHARE", "Evidence", "chunk_sums", "log_mixture", "log_scalar_mixture"]

MIXTURE = 10.0 ** np.arange(1, 9)
CHUNKS = 64  # parts of a call whose sums are taken
LEAST = 1e-12  # root of a correlation matrix
DOUBLINGS = 40  # of the distance to the end of an interval
ROUNDS, SECTIONS = 6, np.linspace(0, 1, 17).reshape(-1, 1, 1)  # that then narrow it down to 2**-24
SMALL = 2**17  # multiplications in one matrix product
FEW, SHORT = 8, 2**13  # so many rows of a matrix are no few; its entries, where it is multiplied by a vector
# Of alpha: for the mean; and for each of seven others: rows that depend on earlier ones, in the pilot and in two large
# calls; rows of a call that share something; calls that repeat each other; a generator that is seeded; rows that are
# all the same; a feature that never varies. Eq. 11.10.
MEAN_SHARE, OTHER_SHARE = 0.9, 0.014


@dataclass(frozen=True, eq=False)
class Evidence:
    """Sums over n rows of d numbers, whose mean should vanish.

    Parameters
    ----------
    covariance : (d, d) ndarray of float64
        Positive definite: of a row, if the mean vanishes.
    n : int
    total : (d,) ndarray of float64
    squares : (d, d) ndarray of float64
    whiten : (d, d) ndarray of float64, optional
        Makes the covariance the identity; computed from it.
    """

    covariance: Array
    n: int = 0
    total: Array | float = 0.0
    squares: Array | float = 0.0
    whiten: Any = None

    def __post_init__(self) -> None:
        if self.whiten is None:
            scale = np.sqrt(self.covariance.diagonal())
            roots, axes = np.linalg.eigh(self.covariance / np.multiply.outer(scale, scale))
            # A root below this is rounding; to overstate a variance is safe.
            object.__setattr__(self, "whiten", axes / np.sqrt(np.maximum(roots, LEAST)) / scale[:, None])

    def add(self, rows: Array, sums: Array | None = None) -> Evidence:
        """Return the evidence with more rows (m, d); `sums` are those of `chunk_sums`, where they are known."""
        total = (chunk_sums(rows)[0] if sums is None else sums).sum(axis=0)
        squares = self.squares + _products(rows)
        return Evidence(self.covariance, self.n + len(rows), self.total + total, squares, self.whiten)

    def part(self, chosen: Any) -> Evidence:
        """The same of some components: a mask or an index (d,)."""
        if not self.n:
            return Evidence(self.covariance[np.ix_(chosen, chosen)])
        total, squares = np.asarray(self.total)[chosen], np.asarray(self.squares)[np.ix_(chosen, chosen)]
        return Evidence(self.covariance[np.ix_(chosen, chosen)], self.n, total, squares)

    def log_against_zero(self) -> float:
        """Log of the evidence that the mean is not zero; at least log(1/alpha) with probability alpha if it is."""
        if not self.n:
            return 0.0
        return log_mixture(self.n, self.whiten.T @ self.total, self.whiten.T @ self.squares @ self.whiten)

    def log_against(self, means: Any) -> Array:
        """Log of the evidence that each component of the mean, alone, is not that of `means`: (..., d)."""
        means = np.asarray(means, float)
        variance, n = self.covariance.diagonal(), max(self.n, 1)
        size = len(variance)
        total = np.broadcast_to(self.total, size)
        # Around their own mean first: the sum of squares around another is larger, whatever rounding says.
        own = np.maximum(np.broadcast_to(self.squares, (size, size)).diagonal() - total**2 / n, 0.0)
        shifted = own + self.n * (means - total / n) ** 2
        used = (shifted / variance + 2 * self.n) / 3
        return log_scalar_mixture((total - self.n * means) / np.sqrt(variance), used)

    def within(self, allowed: Any, log_limit: float) -> Any:
        """Whether the confidence sequence of each component of the mean lies within what is allowed: (d,) of bool."""
        allowed = np.asarray(allowed, float)
        inside = np.abs(np.broadcast_to(self.total, allowed.shape)) < self.n * allowed
        return inside & (self.log_against(np.stack([-allowed, allowed])) >= log_limit).all(axis=0)

    def interval(self, log_limit: float) -> tuple[Array, Array]:
        """Ends of the confidence sequence of each component of the mean: (d,) and (d,)."""
        center = np.broadcast_to(self.total, len(self.covariance)) / max(self.n, 1)
        step = np.sqrt(self.covariance.diagonal() / max(self.n, 1))
        sides = np.array([[-1.0], [1.0]])
        inner, outer = np.zeros((2, len(step))), np.stack([step, step])
        for _ in range(DOUBLINGS):
            short = self.log_against(center + sides * outer) < log_limit
            inner, outer = np.where(short, outer, inner), np.where(short, 2 * outer, outer)
            if not short.any():
                break
        endless = short
        for _ in range(ROUNDS):
            between = inner + (outer - inner) * SECTIONS
            short = self.log_against(center + sides * between[1:-1]) < log_limit
            last = np.logical_and.accumulate(short).sum(axis=0, keepdims=True)  # before the first that is long enough
            inner, outer = (np.take_along_axis(between, at, axis=0)[0] for at in (last, last + 1))
        low, high = center + sides * np.where(endless, np.inf, outer)
        return low, high


def chunk_sums(rows: Array) -> tuple[Array, Array]:
    """Sums of at most 64 parts of the rows (n, d), and how many rows each has; NumPy sums along short rows slowly."""
    begins, sizes = _parts(len(rows))
    return np.add.reduceat(rows, begins), sizes


@lru_cache(maxsize=1024)
def _parts(n: int) -> tuple[Any, Any]:
    """Where each part of n rows begins, and its size; calls come in few sizes."""
    begins = np.unique(np.linspace(0, n, CHUNKS, endpoint=False).astype(int))
    return begins, np.diff(begins, append=n)


def _products(rows: Array) -> Array:
    """Sum of row row', in blocks so small that BLAS starts no threads: they cost more, and might change the bits."""
    columns = np.ascontiguousarray(rows.T)
    d, n = columns.shape
    size = max(1, SHORT // d if d < FEW else SMALL // d**2)
    whole = n // size * size
    blocks, rest = columns[:, :whole].reshape(d, -1, size).swapaxes(0, 1), columns[:, whole:]
    if d < FEW:  # BLAS multiplies them by one column faster than by all
        squares = np.matmul(blocks[:, None], blocks[..., None])[..., 0]
    else:
        squares = np.matmul(blocks, blocks.swapaxes(1, 2))
    return squares.sum(axis=0) + rest @ rest.T


def log_mixture(n: int, total: Array, squares: Array) -> float:
    """Log of the mean of e(c), for rows whose covariance is the identity: Eq. 11.3."""
    roots, axes = np.linalg.eigh((squares + 2 * n * np.eye(len(total))) / 3)
    roots = np.maximum(roots, 0.0)  # negative by rounding alone
    along = (axes.T @ total) ** 2
    c = MIXTURE[:, None]
    logs = (along / (c + roots) - np.log1p(roots / c)).sum(axis=1) / 2
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


def log_scalar_mixture(total: Any, used: Any) -> Array:
    """The same of one number: its sum S and U of shape (...), for rows of variance one."""
    c = MIXTURE.reshape(-1, *np.ones(np.ndim(used), int))
    logs = (np.square(total) / (c + used) - np.log1p(used / c)) / 2
    return np.logaddexp.reduce(logs, axis=0) - np.log(len(MIXTURE))
