"""What a verdict rests on: the exact answer, how an honest sampler scatters around it, and the rules of decision."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator, Reinforce
from refgrad.exact._factors import check_count, configurations, count, factors
from refgrad.testing.evidence import Evidence
from refgrad.testing.problems import Problem
from refgrad.testing.verdict import Verdict

LARGEST = 2**16  # configurations of a problem


@dataclass(frozen=True, eq=False)
class Batch:
    """What one call returned: rows (n, d) in float64, and the precision that they came in."""

    rows: Array
    precision: float


@dataclass
class Seen:
    """Least and largest value of each component."""

    low: Array
    high: Array

    @classmethod
    def of(cls, size: int) -> "Seen":
        return cls(np.full(size, np.inf), np.full(size, -np.inf))

    def add(self, rows: Array) -> None:
        if len(rows):
            self.low, self.high = np.minimum(self.low, rows.min(axis=0)), np.maximum(self.high, rows.max(axis=0))


@dataclass(frozen=True, eq=False)
class Court:
    """What is known of a problem before the first sample: the answer, and how an honest sampler scatters."""

    problem: Problem
    exact: Array  # (d,)
    covariance: Array  # (d, d), positive definite
    alpha: float
    tolerance: float  # in units of the gradient
    rounding: float  # of a component that never varies
    patience: int  # no verdict before
    complete: int  # samples after which no configuration is still to be seen
    assumes: str

    @classmethod
    def open(
        cls, problem: Problem, pilot: Batch, tolerance: float, alpha: float, estimator: Estimator | None
    ) -> "Court":
        q, f = problem.q, problem.f
        answer = problem.gradient.ravel()
        parts = factors(q)
        check_count(count(parts), LARGEST, "a problem for a black box")
        z, log_prob = configurations(parts, np.arange(count(parts)))
        probs, values = np.exp(log_prob), np.asarray(f(z), float)
        moments = exact.moments(estimator or Reinforce(), q, f)
        reference = moments.covariance.reshape(answer.size, answer.size)
        # Cauchy-Schwarz: no gradient exceeds the spread of f times that of the score, whose square is p (1 - p).
        spread = np.sqrt(probs @ (values - probs @ values) ** 2)
        widest = max(np.sqrt(part.probs * -np.expm1(part.log_probs)).max() for part in parts)
        allowed = tolerance * max(np.abs(answer).max(), 0.1 * spread * widest)
        scale = np.abs(answer).max() + np.sqrt(probs @ values**2)
        finite = pilot.rows[np.isfinite(pilot.rows).all(axis=1)]
        scatter = np.cov(finite, rowvar=False).reshape(reference.shape) if finite.shape[0] > 1 else 0 * reference
        # Where f is zero everywhere its scale is that of the estimates.
        floor = max(0.01 * allowed, 64 * pilot.precision * scale) ** 2 or scatter.trace() or 1.0
        log_limit = -np.log(alpha)
        if estimator is None:
            covariance = _larger(reference + floor * np.eye(answer.size), scatter)
            patience = int(np.ceil(8 * log_limit / _rarest(z, probs, values, q)))
            assumes = f"the larger of REINFORCE's exact covariance and that of a pilot of {len(pilot.rows):,} samples"
        else:
            covariance = _with_null(reference, scatter) + floor * np.eye(answer.size)
            patience, assumes = 0, f"the exact covariance of {estimator!r}"
        return cls(
            problem=problem,
            exact=answer,
            covariance=covariance,
            alpha=alpha,
            tolerance=allowed or floor**0.5,
            rounding=64 * pilot.precision * scale,
            patience=patience,
            complete=int(np.ceil(log_limit / probs[probs > 0].min())),
            assumes=assumes,
        )

    @staticmethod
    def not_finite(batch: Batch) -> tuple[str | None, str]:
        """Say "wrong" if any estimate is a NaN or an infinity."""
        wrong: Any = ~np.isfinite(batch.rows).all(axis=1)
        if not wrong.any():
            return None, ""
        first = int(np.argmax(wrong))
        share = f"{np.sum(wrong):,} of {len(wrong):,} estimates ({np.mean(wrong):.2%})"
        return "wrong", f"{share} are not finite; the first is {batch.rows[first].tolist()}"

    def judge(self, evidence: Evidence, seen: Seen) -> tuple[str | None, str]:
        """Decide, or say None to go on."""
        log_limit = -np.log(self.alpha)
        if evidence.n < self.patience:
            return None, f"{self.patience:,} samples are needed before a verdict: rare outcomes carry the variance"
        constant = (seen.low == seen.high) & (evidence.n >= self.complete)
        off = constant & (np.abs(seen.low - self.exact) > self.rounding)
        if off.any():
            index = self._index(int(np.argmax(off)))
            return "wrong", f"component {index} never varies, and is not the exact gradient"
        if evidence.log_against_zero() >= log_limit:
            return "wrong", "the mean is not the exact gradient"
        if all(constant[j] or evidence.within(self.tolerance, j, log_limit) for j in range(len(self.exact))):
            return "right", "the bias of every component is within the tolerance"
        return None, "the samples are spent: neither a bias is shown, nor is every component within the tolerance"

    def verdict(self, outcome: str, reason: str, evidence: Evidence, seen: Seen, seed: int) -> Verdict:
        """Write down what was decided, and how far the evidence reaches."""
        n, shape = evidence.n, self.problem.gradient.shape
        if not n:
            mean = error = np.full(self.exact.shape, np.nan)
            hidden, furthest, against = np.inf, 0, 0.0
        else:
            mean = np.asarray(evidence.total) / n
            error = np.sqrt(np.maximum(np.asarray(evidence.squares).diagonal() / n - mean**2, 0) / n)
            error[seen.low == seen.high] = 0.0
            hidden = max(self._hidden(evidence, seen, j) for j in range(len(mean)))
            furthest = int(np.argmax(np.abs(mean) / np.sqrt(self.covariance.diagonal())))
            against = evidence.log_against_zero() / np.log(10)
        return Verdict(
            outcome=outcome,
            problem=str(self.problem),
            reason=reason or "no samples were left after the pilot",
            alpha=self.alpha,
            tolerance=self.tolerance,
            n=n,
            exact=self.problem.gradient,
            estimate=(self.exact + mean).reshape(shape),
            standard_error=error.reshape(shape),
            worst=self._index(furthest),
            certified=float(hidden),
            evidence=float(against),
            assumes=self.assumes,
            seed=seed,
        )

    def _hidden(self, evidence: Evidence, seen: Seen, component: int) -> float:
        """Largest bias of a component that the evidence leaves standing."""
        if seen.low[component] == seen.high[component] and evidence.n >= self.complete:
            return float(abs(seen.low[component] - self.exact[component]))
        return max(map(abs, evidence.interval(component, -np.log(self.alpha))))

    def _index(self, component: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(component, self.problem.gradient.shape)))


def _larger(first: Array, second: Array) -> Array:
    """The least matrix above `first` that is above `second` in every direction where they differ."""
    root = np.linalg.cholesky(first)
    inverse = np.linalg.inv(root)
    roots, axes = np.linalg.eigh(inverse @ second @ inverse.T)
    turned = root @ axes
    return turned * np.maximum(roots, 1) @ turned.T


def _with_null(reference: Array, scatter: Array) -> Array:
    """Where the reference does not vary a correct sampler may: there the pilot's covariance stands in."""
    roots, axes = np.linalg.eigh(reference)
    null = axes[:, roots <= 1e-12 * max(roots.max(), 0)]
    onto = null @ null.T
    return reference + onto @ scatter @ onto


def _rarest(z: Array, probs: Array, values: Array, q: Any) -> float:
    """Least probability of an outcome that carries 1 % of the variance of REINFORCE in some component."""
    weights = probs[:, None] * (values[:, None] * q.score(z).reshape(len(z), -1)) ** 2
    total = weights.sum(axis=0)
    heavy = (weights >= 0.01 * total) & (total > 0)
    return float(min(probs[heavy.any(axis=1)], default=1.0))
