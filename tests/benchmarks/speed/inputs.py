"""What refgrad and its peers are given: the same numbers on both sides, from a seed, by NumPy alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np


def logits(shape: tuple[int, ...], seed: int) -> Any:
    """Mild logits of both signs."""
    return np.random.default_rng([seed, 0]).uniform(-1.0, 1.0, shape)


def table(size: int, seed: int) -> Any:
    """Values of f in the order of `q.support()`; positive, as a marginal likelihood needs them."""
    return np.random.default_rng([seed, 1]).uniform(0.5, 1.5, size)


def target(shape: tuple[int, ...], seed: int) -> Any:
    """Of a squared error."""
    return np.random.default_rng([seed, 2]).uniform(0.3, 0.7, shape)


def coefficients(size: int, seed: int) -> tuple[float, Any, Any]:
    """Constant, linear and matrix of a quadratic with all interactions, positive on all of the support."""
    rng = np.random.default_rng([seed, 3])
    matrix = rng.normal(size=(size, size)) / size
    linear = rng.normal(size=size) / np.sqrt(size)
    return float(1 + np.abs(matrix).sum() + np.abs(linear).sum()), linear, matrix


@dataclass(frozen=True, eq=False)
class Written:
    """The quadratic as a user writes it, of an importable class, so that workers in other processes know it."""

    constant: float
    linear: Any
    matrix: Any

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., D)."""
        return ((z @ self.matrix) * z).sum(-1) + z @ self.linear + self.constant


@dataclass(frozen=True, eq=False)
class Network:
    """A layer of softplus units, whose cost is that of arithmetic."""

    weights: Any

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., D)."""
        return np.log1p(np.exp(z @ self.weights)).sum(-1)


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear f, whose cost is that of reading z."""

    weights: Any

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., D)."""
        return z @ self.weights


def support(shape: tuple[int, ...], start: int = 0, stop: int | None = None) -> Any:
    """Configurations in lexicographic order: bits (n, D), or one-hot (n, D, K)."""
    size, base = shape[0], 2 if len(shape) == 1 else shape[1]
    index = np.arange(start, base**size if stop is None else stop)
    digits = index[:, None] // base ** np.arange(size)[::-1] % base
    return digits.astype(float) if len(shape) == 1 else np.eye(base)[digits]
