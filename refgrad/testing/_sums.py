"""All that a check keeps of the rows that it has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._battery import Products
from refgrad.testing._expected import Expected
from refgrad.testing.evidence import Evidence, chunk_sums


@dataclass(frozen=True, eq=False)
class Sums:
    """All that is kept of the rows so far; it streams, it adds up, and it can be saved.

    Parameters
    ----------
    evidence : Evidence
        Of the features.
    sharing, echo : Products
        Within each call; between each call and the one before.
    fixed : (m,) ndarray of float64
        Value of a feature that has not varied yet; NaN for one that has.
    """

    evidence: Evidence
    sharing: Products
    echo: Products
    fixed: Array

    @classmethod
    def begin(cls, expected: Expected) -> Sums:
        return cls(Evidence(expected.covariance), Products(), Products(), np.full(len(expected.target), np.inf))

    def add(self, features: Array, before: Array, expected: Expected) -> Sums:
        """Return the sums with the features (n, m) of one more call; those of the call before are compared."""
        size, whiten = len(expected.center), expected.whiten
        sums, sizes = chunk_sums(features)
        return Sums(
            self.evidence.add(features, sums),
            self.sharing.within_a_call(sums[:, :size], sizes, whiten),
            self.echo.between_calls(features[:, :size], before[:, :size], whiten),
            still_fixed(self.fixed, features),
        )


def still_fixed(fixed: Array, features: Array) -> Array:
    """Values of the features that have not varied with these rows either; NaN of the others, infinite before any."""
    still = np.flatnonzero(~np.isnan(fixed))
    if len(still):
        fixed = np.where(np.isinf(fixed), features[0], fixed)
        fixed[still] = np.where((features.T[still] == fixed[still, None]).all(axis=1), fixed[still], np.nan)
    return fixed
