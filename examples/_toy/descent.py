"""Several runs of stochastic gradient descent in the logits, each with an estimator that learns by itself."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from _shared.training import learned

from refgrad import Bernoulli
from refgrad.estimators import Adam
from refgrad.estimators._variance import VarianceMinimised

RATE = 0.02  # of Adam, in logits a step
TURN = 4  # steps from one update of REBAR or RELAX to the next: it differentiates twice


@dataclass(frozen=True)
class Walk:
    """Logits (rows, size) on their way, the optimiser that moves them, and the estimator with what it has learned."""

    logits: Any
    estimator: Any
    rng: Any
    adam: Any = field(default=Adam(rate=RATE))

    def step(self, f, number):
        """The walk one step on, against one estimate for each row."""
        q, estimator = Bernoulli(self.logits), self.estimator
        noise = estimator.draw_noise(q, 1, self.rng)
        (estimate,) = estimator(q, f, noise)  # used before it learns
        if number % TURN == 0 or not isinstance(estimator, VarianceMinimised):
            estimator = learned(estimator, q, f, noise)
        logits, adam = self.adam.step(self.logits, estimate)
        return replace(self, logits=logits, adam=adam, estimator=estimator)


def walks(problem, estimator, runs, rng):
    """Walks from logits of zero: what learns keeps one state, so every run is a walk; else all are rows of one."""
    if hasattr(estimator, "update"):
        return [Walk(np.zeros((1, problem.size)), estimator, own) for own in rng.spawn(runs)]
    return [Walk(np.zeros((runs, problem.size)), estimator, rng)]


def positions(walked):
    """Logits of all runs: (runs, size)."""
    return np.concatenate([walk.logits for walk in walked])
