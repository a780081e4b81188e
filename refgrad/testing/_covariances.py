"""Covariances that are put together: the larger of two, one with a null space, that of a mean of several samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing.evidence import LEAST


def larger(first: Array, second: Array) -> Array:
    """The least matrix above `first` that is above `second` in every direction where they differ."""
    # In coordinates where the sum of both is the identity they have the same axes, and shares that add up to one.
    scale = np.sqrt((first + second).diagonal())
    roots, axes = np.linalg.eigh((first + second) / np.multiply.outer(scale, scale))
    roots = np.maximum(roots, LEAST)
    inverse = axes / np.sqrt(roots) / scale[:, None]
    shares, turn = np.linalg.eigh(inverse.T @ first @ inverse)
    turned = scale[:, None] * axes * np.sqrt(roots) @ turn
    return turned * np.maximum(shares, 1 - shares) @ turned.T


def with_null(reference: Array, scatter: Array) -> Array:
    """Where the reference does not vary a correct sampler may: there the pilot's covariance stands in.

    What varies there may be correlated with the rest: a covariance [[A, B], [B', C]] is at most (1.1 A, 11 C).
    """
    roots, axes = np.linalg.eigh(reference)
    null = axes[:, roots <= 1e-12 * max(roots.max(), 0)]
    onto = null @ null.T
    beside = onto @ scatter @ onto
    varies = beside.trace() > 1e-12 * reference.trace()
    return 1.1 * reference + 11 * beside if varies else reference + beside


def of_a_mean(features: Array, covariance: Array, pairs: Any, k: float) -> Array:
    """Covariance of (components, products of pairs) of the mean of k samples: (d + p, d + p).

    Parameters
    ----------
    features : (d + p, d + p) ndarray of float64
        The same of one sample, its components centred.
    covariance : (d, d) ndarray of float64
        Of its components.
    pairs : tuple of two (p,) arrays of int
        Which components each product is of.
    k : float
        Third cumulants fall with its square, fourth ones with its cube: Eq. 11.9.
    """
    (one, other), size = pairs, len(covariance)
    gauss = covariance[np.ix_(one, one)] * covariance[np.ix_(other, other)]
    gauss += covariance[np.ix_(one, other)] * covariance[np.ix_(other, one)]
    power = np.concatenate([np.full(size, 0.5), np.full(len(one), 1.5)])
    together = features / k ** np.add.outer(power, power)
    together[size:, size:] += (k - 1) / k**3 * gauss
    return np.asarray(together)
