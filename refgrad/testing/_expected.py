"""What is known of a problem before the first sample: the mean, how a right row scatters, what is still right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from refgrad import exact
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator, Reinforce
from refgrad.exact._factors import configurations, count, factors
from refgrad.testing._battery import usable
from refgrad.testing._covariances import larger, of_a_mean, with_null
from refgrad.testing._facts import facts_of
from refgrad.testing._kept import kept
from refgrad.testing._sampler import Batch
from refgrad.testing.evidence import OTHER_SHARE, Evidence
from refgrad.testing.problem import Problem

SLACK = 64  # roundings of an estimate
RAREST = 1e-4  # share of the rows in which a component that varies at all does
NODES = 2**15  # of the design that gives fourth moments
COARSE = 1e-3  # error of a design that is not used for them
STRATIFIED = 2**16  # rows that are then, and the factor that makes up for what they miss
MARGIN = 1.25
SCATTERED = 2.0  # times the variance of the named estimator: worth a note


@dataclass(frozen=True, eq=False)
class Settings:
    """How a check is run; every field is an option of it."""

    tolerance: float = 0.1
    alpha: float = 1e-9
    max_samples: int = 1_000_000
    estimator: Estimator | None = None

    def __post_init__(self) -> None:
        for name in ("tolerance", "alpha", "max_samples"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
                raise TypeError(f"{name} needs to be a number, but is {value!r}")
        if not 0 < self.tolerance < np.inf:
            raise ValueError(f"tolerance needs to be positive and finite, but is {self.tolerance}")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha needs to lie between 0 and 1, but is {self.alpha}")
        if not 10 <= self.max_samples < np.inf or self.max_samples != int(self.max_samples):
            raise ValueError(f"max_samples needs to be a whole number of at least 10, but is {self.max_samples}")
        if self.estimator is not None and not isinstance(self.estimator, Estimator):
            raise TypeError(f"estimator needs to be an instance of an Estimator, but is {self.estimator!r}")

    @property
    def log_limit(self) -> float:
        """Log of 1/alpha."""
        return -float(np.log(self.alpha))


@dataclass(frozen=True, eq=False)
class Expected:
    """What the features of a row should be on average, and how they scatter, if the sampler is right.

    A feature is a component of the row or, if `second`, the product of two centred ones.
    """

    center: Array  # (d,): of a row
    target: Array  # (m,): of the features of a centred row
    covariance: Array  # (m, m), positive definite
    allowed: Array  # (m,): bias that is still right
    rounding: Array  # (m,): of a feature that never varies
    unseen: Array  # (d,): what outcomes too rare to be seen may add to a variance
    ready: Array  # (m,): rows before a feature is judged
    complete: int  # rows after which every configuration that matters was seen
    log_most: float  # log-probability of the likeliest configuration
    second: bool
    assumes: str
    notes: tuple[str, ...] = ()

    @cached_property
    def whiten(self) -> Array:
        """Makes the covariance of a row the identity: (d, d)."""
        size = len(self.center)
        return np.asarray(Evidence(self.covariance[:size, :size]).whiten)

    def features(self, rows: Array) -> Array:
        """Features of rows (n, d), less their expected mean: (n, m), each column together in memory."""
        rest = np.subtract(rows.T, self.center[:, None], order="C")
        if self.second:
            one, other = np.triu_indices(len(self.center))
            rest = np.concatenate([rest, rest[one] * rest[other]]) - self.target[:, None]
        return rest.T


def unbiased(problem: Problem, pilot: Batch, settings: Settings, weight: int = 1) -> Expected:
    """Expect the exact gradient.

    Without a named estimator the covariance is the larger of REINFORCE's and the pilot's, and where the pilot may miss
    an outcome, of REINFORCE's with E f as its baseline. A row may be the mean of `weight` samples.
    """
    facts = facts_of(problem)
    size, notes = len(facts.answer), facts.notes()
    estimator = settings.estimator
    reference = _covariance(estimator or Reinforce(), problem) / weight
    finite = pilot.rows[usable(pilot.rows)]
    scatter = np.cov(finite, rowvar=False).reshape(size, size) if len(finite) > 1 else np.zeros((size, size))
    rounding = SLACK * pilot.precision * facts.size
    if not rounding:  # f is zero everywhere: the estimates themselves set the scale
        rounding = 0.01 * float(np.abs(finite).max(initial=0.0)) or 1.0
    allowed = facts.allowed(settings.tolerance)
    # Of a component that is nearly certain less is allowed than single precision has: it is held to its rounding.
    allowed = np.maximum(allowed, min(rounding, allowed.max() or rounding))
    floor = np.diag(np.maximum(0.01 * allowed, rounding) ** 2)
    if estimator is None:
        seldom = facts.seldom(len(pilot.rows) * weight) / weight
        covariance = larger(larger(reference + floor, seldom), scatter)
        ready = facts.ready(settings.max_samples, settings.log_limit) / weight
        assumes = f"the larger of REINFORCE's exact covariance and that of a pilot of {len(pilot.rows):,} samples"
    else:
        covariance = with_null(reference, scatter) + floor
        ready = np.zeros(size)
        assumes = f"the exact covariance of {estimator!r}"
        notes += _scatter_note(covariance, scatter, estimator)
    seen = facts.seen(settings.max_samples)
    unseen = facts.weights[~seen]
    return Expected(
        center=facts.answer,
        target=np.zeros(size),
        covariance=covariance,
        allowed=allowed,
        rounding=rounding + 100 * np.sqrt(unseen * facts.probs[~seen, None]).sum(axis=0),
        unseen=100 * unseen.sum(axis=0),
        ready=ready,
        complete=_complete(facts.probs[seen], settings, weight),
        log_most=float(np.log(facts.probs.max()) * weight),
        second=False,
        assumes=assumes,
        notes=notes,
    )


def with_moments(problem: Problem, pilot: Batch, settings: Settings, weight: int = 1) -> Expected:
    """Expect mean and covariance of the named estimator, with its fourth moments as the covariance of the products."""
    estimator = settings.estimator
    assert estimator is not None
    first = unbiased(problem, pilot, settings, weight)
    size = len(first.center)
    moments = _moments(estimator, problem)
    covariance = moments.covariance.reshape(size, size)
    if estimator.claims.unbiased and (np.abs(moments.mean - problem.gradient) > moments.error).any():
        raise ValueError(f"{estimator!r} claims to be unbiased, but on {problem} its exact mean is not the gradient")
    rows, weights, share = _nodes(estimator, problem)
    one, other = np.triu_indices(size)
    rest = rows - weights @ rows
    products = rest[:, one] * rest[:, other]
    features = np.concatenate([rest, products - weights @ products], axis=1)
    full = of_a_mean(share * (weights[:, None] * features).T @ features, covariance, (one, other), weight)  # Eq. 11.9
    mean = covariance[one, other]
    deviations = np.sqrt(covariance.diagonal() / weight)
    unit = np.maximum(deviations, first.rounding)
    allowed = settings.tolerance * unit[one] * unit[other]
    rounding = SLACK * pilot.precision * (unit[one] * unit[other]) + first.rounding[one] * first.rounding[other]
    rounding += np.sqrt(first.unseen[one] * first.unseen[other])
    floor = np.concatenate([0.01 * first.allowed, np.maximum(0.01 * allowed, rounding)])
    return replace(
        first,
        center=moments.mean.ravel(),
        target=np.concatenate([np.zeros(size), mean / weight]),
        covariance=full + np.diag(floor**2),
        allowed=np.concatenate([first.allowed, allowed]),
        rounding=np.concatenate([first.rounding, rounding]),
        ready=np.zeros(len(floor)),
        second=True,
        assumes=(
            f"the exact second and fourth moments of {estimator!r}"
            if share == 1
            else f"the exact second moments of {estimator!r}, and its fourth ones over {len(rows):,} rows"
        ),
    )


@kept(16)
def _nodes(estimator: Estimator, problem: Problem) -> tuple[Array, Array, float]:
    """Rows (N, d) and weights for fourth moments, and a factor for what they may miss.

    A design where it is good; beyond three axes of noise it is coarse, and every z has its share of random rows.
    """
    q, size = problem.q, problem.gradient.size
    design = exact.design(estimator, q, limit=NODES)
    if design.error < COARSE:
        return np.asarray(estimator(q, problem.f, design.noise)).reshape(-1, size), design.weights, 1.0
    parts = factors(q)
    z, log_probs = configurations(parts, np.arange(count(parts)))
    probs = np.exp(log_probs)
    many = max(1, STRATIFIED // len(z))
    rng = np.random.default_rng(0)
    noise = estimator.draw_noise(q, many * len(z), rng)
    noise[0] = q.noise_given(np.repeat(z, many, axis=0), noise[0])
    rows = np.asarray(estimator(q, problem.f, noise)).reshape(-1, size)
    return rows, np.repeat(probs / many, many), MARGIN


def _scatter_note(covariance: Array, scatter: Array, estimator: Estimator) -> tuple[str, ...]:
    """Say if the pilot scatters more than the named estimator may."""
    whiten = Evidence(covariance).whiten
    ratio = float(np.linalg.eigvalsh(whiten.T @ scatter @ whiten).max())
    if ratio < SCATTERED:
        return ()
    return (f"in some direction the pilot scatters {ratio:.1f} times as much as {estimator!r} does: is it that one?",)


def _complete(probs: Array, settings: Settings, weight: int) -> int:
    """Rows after which all these configurations were seen, and whatever else happens once in 10,000 rows."""
    limit = settings.log_limit + np.log((len(probs) + 1) / OTHER_SHARE)
    return int(np.ceil(limit / min(probs.min() * weight, RAREST)))


def _covariance(estimator: Estimator, problem: Problem) -> Array:
    size = problem.gradient.size
    return _moments(estimator, problem).covariance.reshape(size, size)


@kept(256)
def _moments(estimator: Estimator, problem: Problem) -> exact.Moments:
    return exact.moments(estimator, problem.q, problem.f)
