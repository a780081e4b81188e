"""A test of a mean that holds for any tails, in all directions at once, whenever one stops.

With X_i the estimates less the exact gradient, and Sigma the covariance that a correct estimator has,

    S = sum X_i,    V = sum X_i X_i',    U = (V + 2 n Sigma) / 3,
    e(c) = |I + U / c|**(-1/2) exp(S' (c I + U)**-1 S / 2),

is below 1/alpha for ever with probability 1 - alpha, and so is the mean over several c: Delyon (2009), Howard et al.
(2020), Robbins' mixture, Ville's inequality.
"""

from dataclasses import dataclass, replace

import numpy as np

from refgrad.distributions._array import Array

__all__ = ["Evidence"]

MIXTURE = 10.0 ** np.arange(1, 9)


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
    """

    covariance: Array
    n: int = 0
    total: Array | float = 0.0
    squares: Array | float = 0.0

    def add(self, rows: Array) -> "Evidence":
        """Return the evidence with more rows (m, d)."""
        return replace(
            self, n=self.n + len(rows), total=self.total + rows.sum(axis=0), squares=self.squares + rows.T @ rows
        )

    def log_against_zero(self) -> float:
        """Log of the evidence that the mean is not zero; at least log(1/alpha) with probability alpha if it is."""
        roots, axes = np.linalg.eigh(_correlation(self.covariance))
        whiten = axes / np.sqrt(roots) / np.sqrt(self.covariance.diagonal())[:, None]
        total, squares = np.broadcast_to(self.total, len(roots)), np.broadcast_to(self.squares, axes.shape)
        return _log_mixture(self.n, whiten.T @ total, whiten.T @ squares @ whiten)

    def log_against(self, mean: float, component: int) -> float:
        """Log of the evidence that one component of the mean is not `mean`."""
        scale = np.sqrt(self.covariance[component, component])
        total, square = np.asarray(self.total)[component], np.asarray(self.squares)[component, component]
        # Around their own mean first: the sum of squares around another is larger, whatever rounding says.
        shifted = max(square - total**2 / max(self.n, 1), 0.0) + self.n * (mean - total / max(self.n, 1)) ** 2
        return _log_mixture(self.n, np.array([(total - self.n * mean) / scale]), np.array([[shifted / scale**2]]))

    def within(self, tolerance: float, component: int, log_limit: float) -> bool:
        """Whether the confidence sequence of one component of the mean lies within the tolerance."""
        if abs(np.asarray(self.total)[component]) >= self.n * tolerance:
            return False
        return all(self.log_against(side * tolerance, component) >= log_limit for side in (-1, 1))

    def interval(self, component: int, log_limit: float) -> tuple[float, float]:
        """Values of one component of the mean that the evidence leaves standing, from the confidence sequence."""
        from scipy.optimize import brentq  # noqa: PLC0415  (loaded when needed)

        center = float(np.asarray(self.total)[component] / self.n)
        step = float(np.sqrt(self.covariance[component, component] / self.n))

        def excess(mean: float) -> float:
            return self.log_against(mean, component) - log_limit

        ends = []
        for side in (-1, 1):
            reach = step
            while excess(center + side * reach) < 0:
                reach *= 2
                if reach > step * 1e6:
                    ends.append(side * np.inf)
                    break
            else:
                ends.append(float(brentq(excess, center, center + side * reach, xtol=1e-4 * step)))
        return ends[0], ends[1]


def _correlation(covariance: Array) -> Array:
    scale = np.sqrt(covariance.diagonal())
    return covariance / np.multiply.outer(scale, scale)


def _log_mixture(n: int, total: Array, squares: Array) -> float:
    """Log of the mean of e(c), for rows whose covariance is the identity."""
    roots, axes = np.linalg.eigh((squares + 2 * n * np.eye(len(total))) / 3)
    along = (axes.T @ total) ** 2
    c = MIXTURE[:, None]
    logs = (along / (c + roots) - np.log1p(roots / c)).sum(axis=1) / 2
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))
