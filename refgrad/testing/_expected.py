"""What is known of a problem before the first sample: the mean, how a right row scatters, what is still right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.distributions._array import Array
from refgrad.estimators import ConstantBaseline, Estimator, Reinforce
from refgrad.exact._factors import check_count, configurations, count, factors
from refgrad.testing._battery import usable
from refgrad.testing._sampler import Batch
from refgrad.testing.evidence import LEAST, OTHER_SHARE, Evidence
from refgrad.testing.problems import Problem

LARGEST = 2**16  # configurations of a problem
SLACK = 64  # roundings of an estimate
HEAVY = 0.01  # share of the variance that makes an outcome worth waiting for
UNSEEN = 1e-4  # an outcome that is expected less often than this in a whole check is not waited for
DEMAND = 8.0  # times log(1/alpha): how often an outcome is expected before it counts
RAREST = 1e-4  # share of the rows in which a component that varies at all does
NODES = 2**15  # of the design that gives fourth moments


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
        """Features of rows (n, d), less their expected mean: (n, m)."""
        rest = _less(rows, self.center)
        if not self.second:
            return rest
        one, other = np.triu_indices(len(self.center))
        return np.concatenate([rest, rest[:, one] * rest[:, other]], axis=1) - self.target


@dataclass(frozen=True, eq=False)
class _Facts:
    """Sums over all configurations, by the oracle alone."""

    answer: Array  # (d,)
    mean: float  # of f
    spread: float  # standard deviation of f
    size: float  # of an estimate
    widths: Array  # (d,): standard deviations of the score
    probs: Array  # (configurations,)
    weights: Array  # (configurations, d): what each adds to E |(f - b) s|**2, b = 0 or E f, whichever is more

    @classmethod
    def of(cls, problem: Problem) -> _Facts:
        q, f = problem.q, problem.f
        parts = factors(q)
        check_count(count(parts), LARGEST, "a problem for a black box")
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
        spread = float(np.sqrt(probs @ (values - probs @ values) ** 2))
        return cls(
            answer=answer,
            spread=spread,
            size=float(np.abs(answer).max() + np.sqrt(probs @ values**2)),
            widths=np.sqrt(p * rest).ravel(),
            probs=probs,
            weights=np.maximum(*((probs * (values - b) ** 2)[:, None] * scores**2 for b in (0.0, probs @ values))),
            mean=float(probs @ values),
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

    def ready(self, settings: Settings) -> Array:
        """Samples after which every outcome that carries the variance of a component has been seen often: (d,)."""
        total = self.weights.sum(axis=0)
        heavy = (self.weights >= HEAVY * total) & (total > 0) & self.seen(settings.max_samples)[:, None]
        rarest = np.where(heavy, self.probs[:, None], 1.0).min(axis=0)
        wait = DEMAND * settings.log_limit / rarest
        # In steps of two, so that there are few of them.
        return np.asarray(2.0 ** np.ceil(np.log2(wait)))

    def notes(self) -> tuple[str, ...]:
        """What this problem cannot show."""
        if not self.spread:
            return ("f is constant here: the exact gradient is 0 for every distribution, and most mistakes vanish",)
        if not self.answer.any():
            return ("the exact gradient is 0 here: a wrong factor or a wrong sign cannot show",)
        return ()


@lru_cache(maxsize=256)
def facts_of(problem: Problem) -> _Facts:
    """The facts of a problem, kept."""
    return _Facts.of(problem)


def unbiased(problem: Problem, pilot: Batch, settings: Settings, weight: int = 1) -> Expected:
    """Expect the exact gradient.

    Without a named estimator the covariance is the larger of REINFORCE's, without and with E f as its baseline, and the
    pilot's. A row may be the mean of `weight` samples.
    """
    facts = facts_of(problem)
    size = len(facts.answer)
    estimator = settings.estimator
    reference = _covariance(estimator or Reinforce(), problem) / weight
    finite = pilot.rows[usable(pilot.rows)]
    scatter = np.cov(finite, rowvar=False).reshape(size, size) if len(finite) > 1 else np.zeros((size, size))
    rounding = SLACK * pilot.precision * facts.size
    if not rounding:  # f is zero everywhere: the estimates themselves set the scale
        rounding = 0.01 * float(np.abs(finite).max(initial=0.0)) or 1.0
    allowed = np.maximum(facts.allowed(settings.tolerance), rounding)
    floor = np.diag(np.maximum(0.01 * allowed, rounding) ** 2)
    if estimator is None:
        centred = _covariance(ConstantBaseline(facts.mean), problem) / weight
        covariance = _larger(_larger(reference + floor, centred), scatter)
        ready = facts.ready(settings) / weight
        assumes = (
            "the largest of REINFORCE's exact covariance, with and without E f as baseline, and that of a pilot of "
            f"{len(pilot.rows):,} samples"
        )
    else:
        covariance = _with_null(reference, scatter) + floor
        ready = np.zeros(size)
        assumes = f"the exact covariance of {estimator!r}"
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
        notes=facts.notes(),
    )


def with_moments(problem: Problem, pilot: Batch, settings: Settings, weight: int = 1) -> Expected:
    """Expect mean and covariance of the named estimator, with its fourth moments as the covariance of the products."""
    estimator = settings.estimator
    assert estimator is not None
    first = unbiased(problem, pilot, settings, weight)
    q, size = problem.q, len(first.center)
    moments = _moments(estimator, problem)
    covariance = moments.covariance.reshape(size, size)
    design = exact.design(estimator, q, limit=NODES)
    rest = np.asarray(estimator(q, problem.f, design.noise)).reshape(-1, size) - moments.mean.ravel()
    one, other = np.triu_indices(size)
    products = rest[:, one] * rest[:, other]
    features = np.concatenate([rest, products], axis=1)
    # Of the mean of `weight` samples: third cumulants fall with its square, fourth ones with its cube.
    full = (design.weights[:, None] * features).T @ features
    third, fourth = full[:size, size:] / weight**2, full[size:, size:] / weight**3
    pairs = covariance[np.ix_(one, one)] * covariance[np.ix_(other, other)]
    pairs += covariance[np.ix_(one, other)] * covariance[np.ix_(other, one)]
    mean = covariance[one, other]
    fourth += (weight - 1) / weight**3 * (pairs + np.outer(mean, mean)) - np.outer(mean, mean) / weight**2
    deviations = np.sqrt(covariance.diagonal() / weight)
    unit = np.maximum(deviations, first.rounding)
    allowed = settings.tolerance * unit[one] * unit[other]
    rounding = SLACK * pilot.precision * (unit[one] * unit[other]) + first.rounding[one] * first.rounding[other]
    rounding += np.sqrt(first.unseen[one] * first.unseen[other])
    together = np.block([[covariance / weight, third], [third.T, fourth]])
    floor = np.concatenate([0.01 * first.allowed, np.maximum(0.01 * allowed, rounding)])
    return replace(
        first,
        center=moments.mean.ravel(),
        target=np.concatenate([np.zeros(size), mean / weight]),
        covariance=together + np.diag(floor**2),
        allowed=np.concatenate([first.allowed, allowed]),
        rounding=np.concatenate([first.rounding, rounding]),
        ready=np.zeros(len(floor)),
        second=True,
        assumes=f"the exact second and fourth moments of {estimator!r}",
    )


def _less(rows: Array, center: Array) -> Array:
    """Rows less the center, 64 rows at a time: NumPy is slow on rows of a few numbers."""
    whole, width = len(rows) // 64 * 64, 64 * len(center)
    many = np.ascontiguousarray(rows[:whole]).reshape(-1, width) - np.tile(center, 64)
    return np.concatenate([many.reshape(whole, len(center)), rows[whole:] - center])


def _complete(probs: Array, settings: Settings, weight: int) -> int:
    """Rows after which all these configurations were seen, and whatever else happens once in 10,000 rows."""
    limit = settings.log_limit + np.log((len(probs) + 1) / OTHER_SHARE)
    return int(np.ceil(limit / min(probs.min() * weight, RAREST)))


def _covariance(estimator: Estimator, problem: Problem) -> Array:
    size = problem.gradient.size
    return _moments(estimator, problem).covariance.reshape(size, size)


def _moments(estimator: Estimator, problem: Problem) -> exact.Moments:
    """Exact moments, kept where the estimator can be a key."""
    try:
        return _kept_moments(estimator, problem)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return exact.moments(estimator, problem.q, problem.f)


@lru_cache(maxsize=256)
def _kept_moments(estimator: Estimator, problem: Problem) -> exact.Moments:
    return exact.moments(estimator, problem.q, problem.f)


def _larger(first: Array, second: Array) -> Array:
    """The least matrix above `first` that is above `second` in every direction where they differ."""
    # In coordinates where the sum of both is the identity they have the same axes, and shares that add up to one.
    scale = np.sqrt((first + second).diagonal())
    roots, axes = np.linalg.eigh((first + second) / np.multiply.outer(scale, scale))
    roots = np.maximum(roots, LEAST)
    inverse = axes / np.sqrt(roots) / scale[:, None]
    shares, turn = np.linalg.eigh(inverse.T @ first @ inverse)
    turned = scale[:, None] * axes * np.sqrt(roots) @ turn
    return turned * np.maximum(shares, 1 - shares) @ turned.T


def _with_null(reference: Array, scatter: Array) -> Array:
    """Where the reference does not vary a correct sampler may: there the pilot's covariance stands in.

    What varies there may be correlated with the rest: a covariance [[A, B], [B', C]] is at most (1.1 A, 11 C).
    """
    roots, axes = np.linalg.eigh(reference)
    null = axes[:, roots <= 1e-12 * max(roots.max(), 0)]
    onto = null @ null.T
    beside = onto @ scatter @ onto
    varies = beside.trace() > 1e-12 * reference.trace()
    return 1.1 * reference + 11 * beside if varies else reference + beside
