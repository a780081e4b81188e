"""One variable and a target, and beside it two variables that interact: derivation 12, Eq. 12.1."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad import Bernoulli, exact
from refgrad.objectives import Interacting, SquaredError

TARGETS = (0.45, 0.49, 0.499)


@dataclass(frozen=True, eq=False)
class Problem:
    """A loss f of a few bits, to be made small from logits of zero.

    Parameters
    ----------
    name : str
    f : callable
        From z (..., size) to (...).
    size : int
    """

    name: str
    f: Any
    size: int

    @property
    def values(self):
        """f of every z: (2**size,)."""
        return self.f(self.start.support())

    @property
    def start(self):
        """q at logits of zero."""
        return Bernoulli(np.zeros(self.size))

    @property
    def best(self):
        """The least loss that any q has."""
        return float(self.values.min())

    def loss(self, logits):
        """Exact mean of f for rows of logits (..., size): (...)."""
        z = self.start.support()
        return np.exp(Bernoulli(np.asarray(logits)[..., None, :]).log_prob(z)) @ self.values  # Eq. 12.1

    def gradient(self, logits):
        """Exact gradient at one row of logits."""
        return exact.gradient(Bernoulli(logits), self.f)


def toy(target):
    """(z - target)**2 of one bit: it takes the value 0, and how clearly so depends on the target."""
    return Problem(f"t = {target}", SquaredError(target), 1)


def interacting():
    """Two bits, whose best values depend on each other."""
    return Problem("two bits", Interacting(0.0, [1.25, 0.25], [-0.25, 0.75], [-0.25, -1.25], [2.0, -2.0]), 2)


def every():
    """The three targets, and two bits."""
    return [*map(toy, TARGETS), interacting()]
