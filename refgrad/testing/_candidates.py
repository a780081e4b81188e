"""What a diagnosis tries: known mistakes, right estimators, relaxations; and what is known of their estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from refgrad import exact
from refgrad.distributions import Bernoulli, Categorical
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator, GumbelSoftmax, Reinforce
from refgrad.objectives import Interacting
from refgrad.testing._kept import kept
from refgrad.testing._names import short_name
from refgrad.testing.built_in import instances
from refgrad.testing.mistakes import Mistake, mistakes
from refgrad.testing.problem import Problem, of_family

__all__ = ["Candidate", "Rehearsal", "candidates", "diagnosis_problems", "known", "rehearsal"]

LIMIT = 2**17  # evaluations of one rule of the oracle
REHEARSED = 2**12  # rows that show how products of components scatter
STRATIFIED = 2**12  # configurations, at most, of which none is left to chance
STRAIGHT = "gumbel-softmax-straight-through"
TEMPERATURES = (0.1, 0.2, 0.25, 0.5, 2 / 3, 0.75, 1.0, 1.5, 2.0, 5.0)


@dataclass(frozen=True, eq=False)
class Candidate:
    """An estimator that a sampler may be, whether it is a mistake, and what to say if it fits."""

    name: str
    estimator: Estimator
    bug: str = ""
    named: bool = False

    @property
    def unbiased(self) -> bool:
        """Its mean is the exact gradient."""
        return self.estimator.claims.unbiased

    @property
    def by_design(self) -> bool:
        """Right, and biased."""
        return not self.bug and not self.unbiased

    @property
    def text(self) -> str:
        """One line."""
        if self.bug and self.unbiased:
            return f"{self.name}: no bias seen, but {self.bug}"
        if self.by_design:
            return f"{self.name}: a bias by design, taken for none"
        return f"{self.name}: {self.bug or 'no bias seen'}"


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Rows (m, d) of a candidate, weighted so that no configuration is rare."""

    rows: Array
    weights: Array

    @property
    def mean(self) -> Array:
        """Estimate of the mean of a row: (d,)."""
        return self.weights @ self.rows

    @property
    def covariance(self) -> Array:
        """Estimate of the covariance of a row: (d, d)."""
        rest = self.rows - self.mean
        return (self.weights[:, None] * rest).T @ rest


def candidates(estimator: Estimator | None = None) -> tuple[Candidate, ...]:
    """Everything that is tried; of the class of a named estimator also what has its settings."""
    named = () if estimator is None else _with_settings_of(estimator)
    taken = {candidate.name for candidate in named}
    return named + tuple(candidate for candidate in _catalogue() if candidate.name not in taken)


@cache
def _catalogue() -> tuple[Candidate, ...]:
    right = [Reinforce(), *instances(), *map(GumbelSoftmax, TEMPERATURES)]
    straight = next(m for m in mistakes() if m.name == STRAIGHT)
    others = [at_temperature(straight, t) for t in TEMPERATURES if t != straight.of.temperature]  # type: ignore[attr-defined]
    named = {short_name(e): Candidate(short_name(e), e) for e in right}
    return (*named.values(), *map(_of, mistakes()), *others)


def at_temperature(mistake: Mistake, temperature: float) -> Candidate:
    """A mistake of Gumbel-Softmax at another temperature."""
    slip = mistake.like(GumbelSoftmax(temperature))
    return replace(_of(slip), name=f"{slip.name}(temperature={temperature:.3g})")


def _of(mistake: Mistake) -> Candidate:
    return Candidate(mistake.name, mistake.estimator, mistake.bug)


def _with_settings_of(estimator: Estimator) -> tuple[Candidate, ...]:
    slips = [_like(m, estimator) for m in mistakes() if type(m.of) is type(estimator)]
    own = [replace(_of(slip), named=True) for slip in slips if slip is not None]
    return (Candidate(short_name(estimator), estimator, named=True), *own)


def _like(mistake: Mistake, right: Estimator) -> Mistake | None:
    try:
        return mistake.like(right)
    except (TypeError, ValueError):
        return None


def known(candidate: Candidate, problem: Problem) -> exact.Moments | None:
    """Exact moments, kept; None where the candidate does not serve, or costs too much."""
    return _moments(candidate.estimator, problem) if _serves(candidate, problem) else None


def rehearsal(candidate: Candidate, problem: Problem) -> Rehearsal | None:
    """Rows of a candidate, kept; None where it does not serve."""
    return _rows(candidate.estimator, problem) if _serves(candidate, problem) else None


def _serves(candidate: Candidate, problem: Problem) -> bool:
    return problem.family in candidate.estimator.claims.families


@kept(4096)
def _moments(estimator: Estimator, problem: Problem) -> exact.Moments | None:
    try:
        return exact.moments(estimator, problem.q, problem.f, limit=LIMIT)
    except (TypeError, ValueError, MemoryError):
        return None


@kept(1024)
def _rows(estimator: Estimator, problem: Problem) -> Rehearsal | None:
    q, rng = problem.q, np.random.default_rng(0)
    noise = estimator.draw_noise(q, REHEARSED, rng)
    weights = np.full(REHEARSED, 1 / REHEARSED)
    if q.support_size <= STRATIFIED and estimator.draws:
        # Half of the z of every draw are uniform over the support.
        support = q.support()
        probs = np.exp(q.log_prob(support))
        mixed = (probs + (probs > 0) / (probs > 0).sum()) / 2
        index = rng.choice(len(support), size=noise.shape[:2], p=mixed / mixed.sum())
        noise = q.noise_given(support[index], noise)
        weights = (probs[index] / mixed[index]).prod(axis=0)
        weights /= weights.sum()
    try:
        with np.errstate(all="ignore"):
            rows = np.asarray(estimator(q, problem.f, noise)).reshape(REHEARSED, -1)
    except (TypeError, ValueError, MemoryError):
        return None
    return Rehearsal(rows, weights) if np.isfinite(rows).all() else None


@cache
def diagnosis_problems(family: str | None = None) -> tuple[Problem, ...]:
    """Small problems on which the known mistakes differ, and are integrated quickly: the cheapest first.

    Parameters
    ----------
    family : {"bernoulli", "categorical"}, optional
        Only these.

    Returns
    -------
    tuple of Problem

    Raises
    ------
    ValueError
        For another family.
    """
    problems = (
        Problem(Bernoulli([-0.75]), _interacting([3, -8, 5, 6], 1), "one variable"),
        Problem(Bernoulli([-5.0]), _interacting([6, 5, -3, 8], 1), "a rare one"),
        Problem(Bernoulli([1.25, -0.375]), _interacting([8, -6, 4, 10, -2, 6, 6, -4], 2), "two variables"),
        Problem(
            Bernoulli([0.625, -1.125, 0.25]),
            _interacting([5, -7, 3, 6, -4, 8, -3, 5, 7, 8, -6, 4], 3),
            "three variables",
        ),
        Problem(Categorical([[0.5, 1.75]]), _interacting([5, -2, -8, 3, 2, 7, 6, -3], 1, 2), "two categories"),
        Problem(Categorical([[0.5, -4.5]]), _interacting([3, 6, 4, -5, -6, 2, 5, 8], 1, 2), "a rare category"),
        Problem(
            Categorical([[1.0, 2.5, 0.5]]),
            _interacting([5, -2, 4, -8, 3, 1, 2, 7, -4, 6, -3, 8], 1, 3),
            "three categories",
        ),
        Problem(
            Categorical([[0.5, 1.0], [2.0, 1.25]]),
            _interacting([3, -8, 5, 1, -2, 6, 7, -4, 4, 2, -6, 8, 1, -5, 8, -7], 2, 2),
            "two pairs",
        ),
    )
    return tuple(of_family(problems, family))


def _interacting(eighths: list[int], *shape: int) -> Interacting:
    """Interactions of every order, in eighths, and a constant that leaves values of both signs, not centred."""
    return Interacting(-1.25, *np.array(eighths).reshape(4, *shape) / 8)


REFERENCE = Candidate("Reinforce()", Reinforce())
