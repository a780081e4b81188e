"""What is looked at beside the mean: finite numbers, the generator, rows that are not independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._sampler import Batch
from refgrad.testing.evidence import OTHER_SHARE, log_scalar_mixture

LARGEST = 1e150  # the square of a larger number may not be finite
COMPARED = 1024  # rows of a call that are compared with those of the call before
STRONG = 16.0  # squares of a sum, in units of its variance, that may be evidence


def usable(rows: Array) -> Any:
    """Whether each row is finite, and so small that its square is: (n,) of bool."""
    with np.errstate(invalid="ignore"):
        return (np.abs(rows) < LARGEST).all(axis=1)


def not_finite(batch: Batch, where: str) -> str | None:
    """Count the estimates that are NaN or infinite, and show the first."""
    flat = batch.rows.ravel(order="K")
    with np.errstate(invalid="ignore", over="ignore"):
        if np.dot(flat, flat) < LARGEST**2:  # no entry is larger, nor a NaN; most often that is all
            return None
    wrong = ~usable(batch.rows)
    if not wrong.any():
        return None
    first = int(np.argmax(wrong))
    large = "" if (~np.isfinite(batch.rows)).any() else f", or beyond {LARGEST:g}"
    share = f"{np.sum(wrong):,} of {len(wrong):,} estimates ({np.mean(wrong):.2%}) are not finite{large}"
    return f"{share} in {where}; the first, row {first}, is {batch.rows[first].tolist()}"


def generator_fault(first: Batch, second: Batch, again: Batch, rounding: Array, alpha: float) -> str | None:
    """Say what is wrong with the use of the generator: `first` and `again` had the same one, `second` another."""
    rows = np.concatenate([first.rows, second.rows])
    if (np.ptp(rows, axis=0) <= rounding).all():  # nothing is random
        return None
    same = np.array_equal(first.rows, second.rows)
    if same and _log_chance(first.rows) <= np.log(OTHER_SHARE * alpha):
        return "two calls with different generators return the same rows: seeded inside the call, or sorted"
    if first.used or second.used:
        return None
    if np.array_equal(first.rows, again.rows):
        return "the generator is not drawn from, only copied: the next call with it would repeat the same rows"
    return "the generator is ignored: rows vary, but nothing was drawn from it, so that no seed repeats this"


def repeated_rows(first: Batch, second: Batch, log_most: float, alpha: float) -> str | None:
    """Say whether every row of a call is the same, though calls differ, and honest rows would vary.

    The chance of it is at most 2 / 4**n for n independent rows, and `log_most` times n in logs for rows that tell one z
    from another and share a baseline.
    """
    n, limit = len(first.rows), np.log(OTHER_SHARE * alpha)
    alike = all((batch.rows == batch.rows[0]).all() for batch in (first, second))
    if alike and (first.rows[0] != second.rows[0]).any() and max(np.log(2) - n * np.log(4), n * log_most) <= limit:
        return "all rows of a call are the same: a mean over the rows? then say rows=M (--rows M), and return it once"
    return None


def lag_evidence(x: Array) -> tuple[float, int]:
    """Log of the evidence that whitened rows (n, d), of mean zero, depend on earlier ones; and the lag.

    Products of a number with itself, k rows before, have mean zero given the past and a variance that is known:
    the same test as that of the mean, for all k at once. Eq. 11.6.
    """
    found = [_strong_lags(column) for column in np.ascontiguousarray(x.T)]
    lags, total, used = (np.concatenate(own) for own in zip(*found, strict=True))
    if not len(lags):
        return -np.inf, 0
    logs = log_scalar_mixture(total, used)
    return float(np.logaddexp.reduce(logs) - np.log((len(x) - 1) * x.shape[1])), int(lags[np.argmax(logs)])


def _strong_lags(x: Array) -> tuple[Any, Array, Array]:
    """Lags at which numbers (n,) may depend on earlier ones, with S and U of each; others are not worth a logarithm."""
    n, powers = len(x), x**2
    known = np.cumsum(powers)[-2::-1]  # of the first n - 1, n - 2, ...
    # A mean that is off is judged elsewhere: what it explains is taken away.
    total = _correlation(x)[1:] - np.arange(n - 1, 0, -1) * x.mean() ** 2
    before = np.flatnonzero((total > 0) & (total**2 > STRONG * 2 / 3 * known))  # whatever their squares are
    squares = [np.einsum("i,i", powers[: -k - 1], powers[k + 1 :]) for k in before]
    total, used = total[before], (np.array(squares) + 2 * known[before]) / 3
    strong = total**2 > STRONG * used
    return before[strong] + 1, total[strong], used[strong]


@dataclass(frozen=True, eq=False)
class Products:
    """Sums of products of numbers whose mean is zero given the past, and that should have mean zero themselves.

    Parameters
    ----------
    total, squares, known : (d,) ndarray of float64
        Of the products; of their squares; of the variance that they have given the past, if rows are independent.
    pairs : float
        How many pairs of rows these products hold.
    """

    total: Array | float = 0.0
    squares: Array | float = 0.0
    known: Array | float = 0.0
    pairs: float = 0.0

    def within_a_call(self, sums: Array, sizes: Array, whiten: Array) -> Products:
        """Add one more call, by its `chunk_sums`: the sum of each part times that of those before. Eq. 11.7."""
        now = whiten.T @ sums.T
        before = np.cumsum(now, axis=1) - now
        return self._add(now * before, before**2 @ sizes, float(sizes.sum() ** 2 - sizes @ sizes) / 2)

    def between_calls(self, rows: Array, earlier: Array, whiten: Array) -> Products:
        """Add one more call: its first rows times those of the call before. Eq. 11.7."""
        n = min(len(rows), len(earlier), COMPARED)
        now, then = (whiten.T @ own[:n].T for own in (rows, earlier))
        return self._add(now * then, (then**2).sum(axis=1), n)

    def _add(self, products: Array, known: Array, pairs: float) -> Products:
        """Add products (d, parts), and the sum (d,) of their variances."""
        return Products(
            self.total + products.sum(axis=1),
            self.squares + (products**2).sum(axis=1),
            self.known + known,
            self.pairs + pairs,
        )

    def log_evidence(self, mean: Array) -> float:
        """Log of the evidence that the products are positive, beyond what a whitened mean explains."""
        logs = log_scalar_mixture(*self._beyond(mean))
        return float(np.logaddexp.reduce(np.atleast_1d(logs)) - np.log(np.size(logs)))

    def convicts(self, mean: Array, log_limit: float) -> bool:
        """Whether that evidence reaches a limit: never where log e <= S**2 / (2 U) does not."""
        total, used = self._beyond(mean)
        return bool((total**2 >= 2 * log_limit * used).any()) and self.log_evidence(mean) >= log_limit

    def _beyond(self, mean: Array) -> tuple[Array, Array]:
        """Sums S of the products, less what a whitened mean explains, and their U: (d,) and (d,)."""
        used = (np.asarray(self.squares) + 2 * np.asarray(self.known)) / 3
        return np.maximum(self.total - self.pairs * mean**2, 0.0), used


def _correlation(x: Array) -> Array:
    """Sums of products of numbers (n,) with those k before: (n,)."""
    size = 1 << (2 * len(x) - 1).bit_length()
    waves = np.fft.rfft(x, size)
    return np.asarray(np.fft.irfft(waves.real**2 + waves.imag**2, size)[: len(x)])


def _log_chance(rows: Array) -> float:
    """Log of the probability that a shuffle of the rows leaves their order as it is."""
    from scipy.special import gammaln  # noqa: PLC0415  (loaded when needed)

    _, counts = np.unique(rows, axis=0, return_counts=True)
    return float(gammaln(counts + 1).sum() - gammaln(len(rows) + 1))
