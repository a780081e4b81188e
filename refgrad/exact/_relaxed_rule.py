"""A rule for many Bernoulli variables that follows the relaxed sample: derivation 00, Eq. 00.13."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor
from refgrad.exact._rules import _density

COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 16)  # nodes on each axis of a cell
STEP, REACH = 0.0625, 42.0  # of the grid of v on which the distribution of a relaxed sample is summed up
FAINT = 1e-100  # deviation of a distribution, below which it is a point


@dataclass(frozen=True)
class RelaxedGauss:
    """On every axis the Gauss rule of the relaxed sample given its z; a product over the axes.

    nodes, weights : (D, 2, count), by variable and by its z; nodes are coordinates v.
    """

    nodes: Array
    weights: Array

    def __len__(self) -> int:
        return int(self.nodes.shape[2] ** self.nodes.shape[0])

    def points_given(self, z: Array, index: Any) -> tuple[Array, Array]:
        """Points (n, D) by their number, in the cells of z (n, D), and their weights (n,)."""
        axes, _, count = self.nodes.shape
        digits = index[:, None] // count ** np.arange(axes)[::-1] % count
        place = (np.arange(axes), z.astype(int), digits)
        return self.nodes[place], self.weights[place].prod(axis=1)


def relaxed_rules(parts: Sequence[Factor], temperature: float) -> Iterator[RelaxedGauss]:
    """Rules of growing accuracy."""
    for count in COUNTS:
        rules = [[_one_axis(-other, temperature, count) for other in part.log_probs[::-1]] for part in parts]
        nodes, weights = np.moveaxis(np.array(rules), 2, 0)  # (D, z, count) each
        nodes[:, 0] = -nodes[:, 0]  # z = 0 is the mirror of z = 1
        yield RelaxedGauss(nodes, weights)


def _one_axis(rest: float, temperature: float, count: int) -> tuple[Array, Array]:
    """Coordinates v and weights for z = 1, with `rest = -log P(z = 0)`.

    There `logit + noise` is softplus(v + rest), and the nodes are those of s, one less the relaxed sample.
    """
    from scipy.special import log_expit  # noqa: PLC0415  (loaded when needed)

    reach = REACH + rest
    v = np.arange(-reach, reach, STEP)
    s = np.exp(log_expit(log_expit(-v - rest) / temperature))
    weights = STEP * _density(v)
    nodes, weights = _gauss(s, weights / weights.sum(), count)
    odds = np.maximum(nodes, s[s > 0].min())
    margin = -temperature * (np.log(odds) - np.log1p(-odds))  # logit + noise
    return margin + np.log(-np.expm1(-margin)) - rest, weights


def _gauss(x: Array, weights: Array, count: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss rule of a distribution on points x, by Lanczos and the Jacobi matrix."""
    from scipy.linalg import eigh_tridiagonal  # noqa: PLC0415  (loaded when needed)

    diagonal, off = np.zeros(count), np.zeros(count)
    before, now = np.zeros_like(x), np.ones_like(x)
    for k in range(count):
        diagonal[k] = weights @ (x * now**2)
        new = (x - diagonal[k]) * now - off[k - 1] * before
        off[k] = np.sqrt(weights @ new**2)
        off[k] *= off[k] > FAINT
        before, now = now, new / off[k] if off[k] else new
    nodes, vectors = eigh_tridiagonal(diagonal, off[:-1])
    return nodes, vectors[0] ** 2
