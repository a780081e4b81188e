"""Mean, variance and bias of an estimator, exactly: sum over z, quadrature inside each cell. Derivation 00."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._blocks import run
from refgrad.exact._cells import Plan
from refgrad.exact._factors import check_count, factors
from refgrad.exact._rules import SHIFTS, Lattice, Rule, gauss, single, trapezoid
from refgrad.exact.enumeration import gradient

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from refgrad.estimators import Estimator

__all__ = ["Moments", "bias", "moments"]

LIMIT = 2**22
BLOCK = 2**14  # nodes shown to the estimator at once
ROUNDING = 64 * np.finfo(float).eps  # of one estimate, in units of the mean of its absolute value
GOAL = 1e-12  # difference of two rules, in the same units, at which no finer one is tried


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact moments of one estimate.

    Parameters
    ----------
    mean, variance : (*event_shape,) ndarray of float64
    covariance : (*event_shape, *event_shape) ndarray of float64
    error : (*event_shape,) ndarray of float64
        Bound on the numerical error of the mean and of the variance, from two rules that agree, and rounding.
    """

    mean: Array
    covariance: Array
    error: Array

    @property
    def variance(self) -> Array:
        """Diagonal of the covariance, in the shape of one z."""
        size = self.mean.size
        return self.covariance.reshape(size, size).diagonal().reshape(self.mean.shape)


def moments(
    estimator: Estimator,
    q: Distribution,
    f: Callable[[Any], Any],
    *,
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> Moments:
    """Integrate an estimator and its square over its noise.

    Parameters
    ----------
    estimator : Estimator
        Its claim `reads` says how: draws that are read through z alone are enumerated, the others integrated inside
        the cell of z.
    q : Distribution
        One row of logits.
    f : callable
        From (n, *event_shape) to (n,).
    limit : int
        Most evaluations of the estimator in one rule.
    progress, executor
        As in `exact.value`.

    Returns
    -------
    Moments
        Derivation 00, Eq. 00.6.

    Raises
    ------
    ValueError
        If q has a batch, more than `limit` evaluations are needed, or the estimator returns a wrong shape or a value
        that is not finite (with the z).

    Examples
    --------
    >>> from refgrad import Bernoulli, estimators, objectives
    >>> m = moments(estimators.Reinforce(), Bernoulli([0.0]), objectives.SquaredError(0.5))
    >>> print(m.mean, m.variance)
    [0.] [0.015625]
    """
    parts = factors(q)
    reads = estimator.claims.reads
    center = gradient(q, f)
    plan = Plan(q, parts, reads, reduced=q.event_ndim == 2 and _ignores_shift(estimator, q, f))
    stretch = max(-part.log_probs.min() for part in parts)
    rungs = _ladder(plan.axes, stretch, plan.cells, limit)
    check_count(plan.cells * len(rungs[0]), limit, f"quadrature of {estimator!r}")
    totals: list[_Sums] = []
    for rule in rungs:
        size = plan.cells * len(rule)
        tasks = [_Block(estimator, f, plan, rule, center, i, min(i + BLOCK, size)) for i in range(0, size, BLOCK)]
        totals.append(sum(run(_one_block, tasks, progress=progress, executor=executor), _Sums()))
        if not isinstance(rule, Lattice) and len(totals) > 1 and _agree(*totals[-2:]):
            break
    return _finish(totals, rungs, center)


def bias(estimator: Estimator, q: Distribution, f: Callable[[Any], Any], **options: Any) -> Array:
    """Exact mean of an estimator less the exact gradient.

    Parameters
    ----------
    estimator, q, f, **options
        As in `moments`.

    Returns
    -------
    (*event_shape,) ndarray of float64
        Zero, to `moments(...).error`, for an unbiased estimator.
    """
    return moments(estimator, q, f, **options).mean - gradient(q, f)


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over nodes of the estimates less the center: first, absolute, and second."""

    first: Any = 0.0
    absolute: Any = 0.0
    second: Any = 0.0

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.first + other.first, self.absolute + other.absolute, self.second + other.second)


@dataclass(frozen=True)
class _Block:
    """Nodes `start` up to `stop` of one rule."""

    estimator: Estimator
    f: Callable[[Any], Any]
    plan: Plan
    rule: Rule
    center: Array
    start: int
    stop: int


def _one_block(block: _Block) -> _Sums:
    noise, weights, zs = block.plan.nodes(block.rule, np.arange(block.start, block.stop))
    estimates = np.asarray(block.estimator(block.plan.q, block.f, noise))
    shape = (block.stop - block.start, *block.plan.q.event_shape)
    if estimates.shape != shape:
        raise ValueError(f"{block.estimator!r} needs to return shape {shape}, but returned {estimates.shape}")
    rows = estimates.reshape(len(estimates), -1)
    wrong = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        where = [z[first].astype(int).tolist() for z in zs]
        raise ValueError(f"{block.estimator!r} needs to be finite, but returned {rows[first].tolist()} at z = {where}")
    rest = rows - block.center.ravel()
    weighted = weights[:, None] * rest
    return _Sums(weighted.sum(axis=0), weights @ np.abs(rows), weighted.T @ rest)


def _ladder(axes: int, stretch: float, cells: int, limit: int) -> list[Rule]:
    """Rules of growing accuracy, as far as the limit allows; for many axes, one lattice with several shifts."""
    reach = 37 + stretch  # beyond it lies less than 1e-16 of the least likely value
    rungs: list[Rule]
    if axes == 0:
        return [single()]
    if axes <= 2:
        rungs = [trapezoid(step, reach, axes) for step in (0.7, 0.35, 0.25, 0.15, 0.1)]
    elif axes == 3:
        rungs = [gauss(count, axes, max(1.0, stretch / 6)) for count in (16, 32, 64, 128)]
    else:
        return [Lattice(2**13, axes, shift, max(1.0, stretch / 6)) for shift in range(SHIFTS)]
    return rungs[:2] + [rule for rule in rungs[2:] if cells * len(rule) <= limit]


def _agree(coarse: _Sums, fine: _Sums) -> bool:
    """Whether two rules agree as closely as anybody needs."""
    first = np.abs(fine.first - coarse.first) <= GOAL * fine.absolute
    second = np.abs(fine.second - coarse.second).diagonal() <= GOAL * fine.second.diagonal()
    return bool(first.all() and second.all())


def _finish(totals: list[_Sums], rungs: list[Rule], center: Array) -> Moments:
    if isinstance(rungs[0], Lattice):
        first, absolute, second = (
            np.mean([getattr(t, name) for t in totals], axis=0) for name in ("first", "absolute", "second")
        )
        # 5.4 standard errors of 8 shifts: Student's t with 7 degrees of freedom exceeds it once in a thousand.
        spread = [np.std([t.first for t in totals], axis=0), np.std([t.second.diagonal() for t in totals], axis=0)]
        errors = [5.4 / np.sqrt(len(totals) - 1) * s for s in spread]
    else:
        first, absolute, second = totals[-1].first, totals[-1].absolute, totals[-1].second
        coarse = totals[-2] if len(totals) > 1 else totals[-1]
        errors = [np.abs(first - coarse.first), np.abs(second - coarse.second).diagonal()]
    error = np.maximum(errors[0] + ROUNDING * absolute, errors[1] + ROUNDING * second.diagonal())
    shape = center.shape
    return Moments(
        mean=center + first.reshape(shape),
        covariance=(second - np.outer(first, first)).reshape(shape + shape),
        error=error.reshape(shape),
    )


def _ignores_shift(estimator: Estimator, q: Distribution, f: Callable[[Any], Any]) -> bool:
    """Whether adding one number to all noise of a variable changes nothing, tried on a few draws."""
    rng = np.random.default_rng(0)
    noise = estimator.draw_noise(q, 16, rng)
    shifted = noise + rng.normal(size=(*noise.shape[:-1], 1))
    here, there = estimator(q, f, noise), estimator(q, f, shifted)
    return bool(np.allclose(here, there, rtol=1e-9, atol=1e-9 * np.abs(here).max(initial=0.0)))
