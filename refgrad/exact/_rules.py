"""Quadrature rules for smooth functions of independent standard logistic variables: derivation 00, Eq. 00.7 to 00.9."""

from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from math import factorial
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.exact._reach import Rows, rows_within

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
    large is never made; a copy in another process finds its points anew.

    every : bool
        Take all indices: for integrands that are analytic in one coordinate at a time.
    temperature : float
        Positive: v is counted from the layers of a sample relaxed at this temperature, in each cell its own: Eq. 00.16.
    farthest : float
        Most that the distances of the layers from the origin add up to.
    """

    step: float
    reach: float
    axes: int
    scale: float
    every: bool = False
    temperature: float = 0.0
    farthest: float = 0.0

    def __len__(self) -> int:
        return int(_rows(self).ends[-1])

    def points(self, index: Any) -> tuple[Array, Array]:
        """Points (n, axes) by their number, and their weights (n,), without the density if there are layers."""
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        grids = _grids(self)
        points, weights = _rows(self).points(index, *map(np.concatenate, zip(*grids, strict=True)))
        return points, len(grids) ** (self.axes - 1) * weights

    def points_around(self, layers: Array, index: Any) -> tuple[Array, Array]:
        """Points counted from layers (n, axes) or (1, axes), and their weights with the density there."""
        points, weights = self.points(index)
        points += layers
        return points, weights * _density(points).prod(axis=1)

    def beyond(self) -> float:
        """Bound on the probability beyond the reach."""
        # The density is at most that of `2**axes` times a sum of exponentials, a Gamma.
        reach = self.reach - self.farthest
        tail = sum(reach**k / factorial(k) for k in range(self.axes))
        return float(2.0**self.axes * np.exp(-reach) * tail)


def _grids(rule: Trapezoid) -> list[tuple[Array, Array]]:
    """Nodes and weights on one axis: of all indices, or of the even and of the odd ones."""
    last = np.ceil(rule.scale * np.arcsinh(rule.reach / rule.scale) / rule.step)
    index: Array = np.arange(-last, last + 1)
    x = rule.step * index / rule.scale
    v, weights = rule.scale * np.sinh(x), rule.step * np.cosh(x)
    if not rule.temperature:
        weights *= _density(v)
    own: list[Any] = [slice(None)] if rule.every or rule.axes == 1 else [index % 2 == 0, index % 2 == 1]
    return [(v[half], weights[half]) for half in own]


@lru_cache(maxsize=8)
def _rows(rule: Trapezoid) -> Rows:
    """Rows of the points within reach."""
    return rows_within([v for v, _ in _grids(rule)], rule.axes, rule.reach)


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
