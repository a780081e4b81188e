"""Distributions and functions of refgrad from the numbers that peers are given too."""

from typing import Any

import numpy as np

from refgrad import Bernoulli, Categorical
from refgrad.objectives import Interacting, SquaredError, Table
from speed import inputs

Shape = tuple[int, ...]


def q_of(shape: Shape, seed: int) -> Bernoulli | Categorical:
    """D bits, or D variables of K categories."""
    return (Bernoulli if len(shape) == 1 else Categorical)(inputs.logits(shape, seed))


def count(shape: Shape) -> int:
    """Number of configurations."""
    return (2 if len(shape) == 1 else shape[1]) ** shape[0]


def table(shape: Shape, seed: int) -> Table:
    """Any f."""
    return Table(inputs.table(count(shape), seed), event_shape=shape)


def squared_error(shape: Shape, seed: int) -> SquaredError:
    """The toy, of many variables."""
    return SquaredError(inputs.target(shape, seed))


def interacting(shape: Shape, seed: int) -> Interacting:
    """Squares, pairs, triples, and a term of no finite degree."""
    weights: Any = np.random.default_rng([seed, 4]).uniform(-1, 1, (4, *shape))
    return Interacting(1.0, *weights)


def named(shape: Shape) -> str:
    """A size in words."""
    return f"D = {shape[0]}" if len(shape) == 1 else f"D = {shape[0]}, K = {shape[1]}"
