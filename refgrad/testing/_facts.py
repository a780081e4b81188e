"""What enumeration tells of a problem: the answer, how f spreads, which outcomes are rare. By the oracle alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.exact._factors import check_count, configurations, count, factors
from refgrad.testing.problem import Problem

MOST = 2**16  # configurations of a problem
HEAVY = 0.01  # share of the variance that makes an outcome worth waiting for
UNSEEN = 1e-4  # an outcome that is expected less often than this in a whole check is not waited for
DEMAND = 8.0  # times log(1/alpha): how often an outcome is expected before it counts
SELDOM = 20  # an outcome that is expected less often in a pilot may be missing there
EXTREME = 1e60  # size of f: its fourth power is finite


@dataclass(frozen=True, eq=False)
class Facts:
    """Sums over all configurations, by the oracle alone."""

    answer: Array  # (d,)
    rest: Array  # (configurations,): f less its mean
    scores: Array  # (configurations, d)
    spread: float  # standard deviation of f
    size: float  # of an estimate
    widths: Array  # (d,): standard deviations of the score
    probs: Array  # (configurations,)
    weights: Array  # (configurations, d): what each adds to E |(f - b) s|**2, b = 0 or E f, whichever is more

    @classmethod
    def of(cls, problem: Problem) -> Facts:
        q, f = problem.q, problem.f
        parts = factors(q)
        check_count(count(parts), MOST, "a problem for a black box")
        z, log_prob = configurations(parts, np.arange(count(parts)))
        probs, values = np.exp(log_prob), np.asarray(f(z), float)
        p, rest = np.zeros((2, *q.event_shape))
        for d, part in enumerate(parts):
            if q.event_ndim == 1:
                rest[d], p[d] = part.probs
            else:
                p[d, part.columns], rest[d, part.columns] = part.probs, -np.expm1(part.log_probs)
        scores = np.where(z == 1, rest, -p).reshape(len(z), -1)
        answer = problem.gradient.flatten()
        size = float(
            np.abs(answer).max() + np.sqrt(probs @ (values / (np.abs(values).max() or 1)) ** 2) * np.abs(values).max()
        )
        if size and not 1 / EXTREME < size < EXTREME:
            raise ValueError(
                f"a black box needs f of a size between {1 / EXTREME:g} and {EXTREME:g}, but on {problem} it is "
                f"{size:g}"
            )
        spread = float(np.sqrt(probs @ (values - probs @ values) ** 2))
        return cls(
            answer=answer,
            spread=spread,
            size=size,
            widths=np.sqrt(p * rest).ravel(),
            probs=probs,
            weights=np.maximum(*((probs * (values - b) ** 2)[:, None] * scores**2 for b in (0.0, probs @ values))),
            scores=scores,
            rest=values - probs @ values,
        )

    def allowed(self, tolerance: float) -> Array:
        """Bias of each component that is still right, relative to the largest component: (d,).

        Cauchy-Schwarz: no gradient exceeds the spread of f times that of the score; a tenth of it stands in for a
        gradient that happens to be small. Where the score varies less than a tenth of the widest, in proportion.
        """
        widest = self.widths.max() or 1.0
        largest = max(float(np.abs(self.answer).max()), 0.1 * self.spread * widest)
        share = np.minimum(10 * self.widths / widest, 1)
        return tolerance * np.maximum(np.abs(self.answer), largest * share)

    def seen(self, samples: int) -> Any:
        """Whether an outcome is worth waiting for in a check of so many samples: (configurations,)."""
        return (self.probs > 0) & (samples * self.probs > UNSEEN)

    def ready(self, samples: int, log_limit: float) -> Array:
        """Samples after which every outcome that carries the variance of a component has been seen often: (d,)."""
        total = self.weights.sum(axis=0)
        heavy = (self.weights >= HEAVY * total) & (total > 0) & self.seen(samples)[:, None]
        rarest = np.where(heavy, self.probs[:, None], 1.0).min(axis=0)
        wait = DEMAND * log_limit / rarest
        # In steps of two, so that there are few of them.
        return np.asarray(2.0 ** np.ceil(np.log2(wait)))

    def seldom(self, samples: int) -> Array:
        """Covariance that outcomes too rare for a pilot give to REINFORCE with E f as its baseline: (d, d)."""
        rows = (self.rest * np.sqrt(self.probs) * (samples * self.probs < SELDOM))[:, None] * self.scores
        return rows.T @ rows

    def notes(self) -> tuple[str, ...]:
        """What this problem cannot show."""
        if not self.spread:
            return ("f is constant here: the exact gradient is 0 for every distribution, and most mistakes vanish",)
        if not self.answer.any():
            return ("the exact gradient is 0 here: a wrong factor or a wrong sign cannot show",)
        return ()


@lru_cache(maxsize=256)
def facts_of(problem: Problem) -> Facts:
    """The facts of a problem, kept."""
    return Facts.of(problem)
