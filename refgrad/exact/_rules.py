"""Quadrature rules for smooth functions of independent standard logistic variables: derivation 00, Eq. 00.7 to 00.9."""

from dataclasses import dataclass
from functools import cache, cached_property, reduce
from math import factorial
from typing import Any

import numpy as np

from refgrad.distributions._array import Array

SHIFTS = 8


@dataclass(frozen=True)
class Points:
    """Points (count, axes) and weights (count,) one by one."""

    nodes: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.weights)

    def points(self, index: Any) -> tuple[Array, Array]:
        """Points (n, axes) by their number, and their weights (n,)."""
        return self.nodes[index], self.weights[index]


@dataclass(frozen=True)
class Trapezoid:
    """Equal steps in x, with `v = scale * sinh(x / scale)`, at indices that are all even or all odd: Eq. 00.8, 00.12.

    Left out are points where the density falls below `exp(-reach)`. Counting them is cheap, so that a rule that is too
    large is never made.
    """

    step: float
    reach: float
    axes: int
    scale: float

    @cached_property
    def _halves(self) -> list[tuple[Array, Array]]:
        """Nodes and weights on one axis, of each parity."""
        last = np.ceil(self.scale * np.arcsinh(self.reach / self.scale) / self.step)
        index: Array = np.arange(-last, last + 1)
        x = self.step * index / self.scale
        v, weights = self.scale * np.sinh(x), self.step * np.cosh(x)
        weights *= _density(v)
        own: list[Any] = [slice(None)] if self.axes == 1 else [index % 2 == 0, index % 2 == 1]
        return [(v[half], weights[half]) for half in own]

    @cached_property
    def _size(self) -> int:
        total = 0
        for v, _ in self._halves:
            sums = np.zeros(1)
            for _ in range(self.axes - 1):
                sums = np.add.outer(sums, np.abs(v)).ravel()
            total += int(np.searchsorted(np.sort(sums), self.reach - np.abs(v), side="right").sum())
        return total

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _all(self) -> tuple[Array, Array]:
        nodes, weights = [], []
        for v, own in self._halves:
            rule = _product(v, own, self.axes)
            near = np.abs(rule.nodes).sum(axis=1) <= self.reach
            nodes.append(rule.nodes[near])
            weights.append(2.0 ** (self.axes - 1) * rule.weights[near])
        return np.concatenate(nodes), np.concatenate(weights)

    def points(self, index: Any) -> tuple[Array, Array]:
        """Points (n, axes) by their number, and their weights (n,)."""
        nodes, weights = self._all
        return nodes[index], weights[index]

    def left_out(self) -> tuple[float, float]:
        """Bound on the probability beyond the reach, and the probability that the points do not find."""
        # The density is at most that of `2**axes` times a sum of exponentials, a Gamma.
        tail = sum(self.reach**k / factorial(k) for k in range(self.axes))
        return float(2.0**self.axes * np.exp(-self.reach) * tail), abs(1 - float(self._all[1].sum()))


@dataclass(frozen=True)
class Lattice:
    """A rank-1 lattice of `size` points, shifted at random, clustered at the ends of every axis."""

    size: int
    axes: int
    shift: int
    stretch: float

    def __len__(self) -> int:
        return self.size

    def points(self, index: Any) -> tuple[Array, Array]:
        """Points (n, axes) by their number, and their weights (n,)."""
        offsets = np.random.default_rng(self.shift).random(self.axes)
        y = (np.multiply.outer(index, _generator(self.size, self.axes)) / self.size + offsets) % 1
        points, weights = _clustered(y, 1 - y, self.stretch)
        return points, weights.prod(axis=-1) / self.size


Rule = Points | Trapezoid | Lattice


def single() -> Points:
    """The rule for no axes."""
    return Points(np.zeros((1, 0)), np.ones(1))


def gauss(count: int, axes: int, stretch: float = 1.0) -> Points:
    """Gauss-Legendre nodes in y, clustered at the ends by `x = y**3 (10 - 15 y + 6 y**2)`. Eq. 00.9."""
    rule: tuple[Any, Any] = np.polynomial.legendre.leggauss(count)
    nodes, weights = rule
    points, slopes = _clustered((1 + nodes) / 2, (1 - nodes) / 2, stretch)
    return _product(points, slopes * weights / 2, axes)


def _product(nodes: Array, weights: Array, axes: int) -> Points:
    """The product over the axes of one rule."""
    grid = np.stack(np.meshgrid(*[nodes] * axes, indexing="ij"), axis=-1)
    joint = reduce(np.multiply.outer, [weights] * axes)
    return Points(grid.reshape(-1, axes), joint.ravel())


def _clustered(y: Array, other: Array, stretch: float) -> tuple[Array, Array]:
    """Map y in (0, 1), with `other = 1 - y`, to `v = stretch * logit(x(y))`; the weight is the density times dv/dy."""
    below = y**3 * (10 - 15 * y + 6 * y**2)
    above = other**3 * (10 - 15 * other + 6 * other**2)
    v = stretch * (np.log(below) - np.log(above))
    return v, _density(v) * stretch * 30 * y**2 * other**2 / (below * above)


def _density(v: Array) -> Array:
    """Density of the standard logistic."""
    decay = np.exp(-np.abs(v))
    return decay / (1 + decay) ** 2


@cache
def _generator(size: int, axes: int) -> Any:
    """Powers of the multiplier (Korobov) with the least worst-case error for periodic functions of smoothness 2."""
    candidates = np.unique(np.geomspace(3, size // 2, 96).astype(np.int64) | 1)
    index = np.arange(size)[:, None]
    best = None
    for multiplier in candidates:
        powers = np.array([pow(int(multiplier), k, size) for k in range(axes)])
        x = index * powers % size / size
        # 1 + 2 pi**2 B_2(x) is the kernel; its mean over the points is 1 + the squared worst-case error.
        error = np.prod(1 + 2 * np.pi**2 * (x * x - x + 1 / 6), axis=1).mean()
        if best is None or error < best[0]:
            best = (error, powers)
    assert best is not None
    return best[1]
