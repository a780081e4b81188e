"""Sums of an estimator over the nodes of a rule: derivation 00, Eq. 00.6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._cells import Plan
from refgrad.exact._factors import configurations, count, factors
from refgrad.exact._relaxed_rule import RelaxedGauss
from refgrad.exact._rules import Rule, single

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from refgrad.estimators import Estimator

BLOCK = 2**14  # nodes shown to the estimator at once


@dataclass(frozen=True)
class Sums:
    """Weighted sums of the estimates less a center: first (d,), absolute (d,) and second (d, d); the largest entry."""

    first: Any = 0.0
    absolute: Any = 0.0
    second: Any = 0.0
    largest: float = 0.0


def plan_for(estimator: Estimator, q: Distribution, f: Callable[[Any], Any]) -> Plan:
    """How to integrate an estimator; what halves the dimension is used after it was confirmed on a few draws."""
    plan = Plan(q, factors(q), estimator.claims.reads, reduced=False, vary=None)
    if q.event_ndim == 2 and plan.axes and _ignores_shift(estimator, q, f):
        plan = replace(plan, reduced=True)
    if estimator.claims.additive and plan.integrates_both and _adds(estimator, f, plan):
        plan = replace(plan, vary=0)
    return plan


def integrate(
    estimator: Estimator,
    f: Callable[[Any], Any],
    plan: Plan,
    rule: Rule | RelaxedGauss,
    center: Array,
    *,
    progress: bool,
    executor: Executor | None,
) -> Sums:
    """Sum the estimates less `center` over the cells of z and the nodes of a rule."""
    if plan.vary is None:
        job = _Job(estimator, f, plan, rule, center.ravel())
        return _total(plan, _by_cell(job, progress, executor))
    # Given z the estimate is a(u) + b(v) + rest: Eq. 00.11.
    anchor = _by_cell(_Job(estimator, f, plan, single(), center.ravel()), progress, executor).first
    parts = [
        _by_cell(_Job(estimator, f, replace(plan, vary=draw), rule, center.ravel()), progress, executor)
        for draw in (0, 1)
    ]
    return _total(plan, _added(anchor, *parts))


def sensitivity(
    estimator: Estimator, f: Callable[[Any], Any], plan: Plan, rule: Rule | RelaxedGauss, center: Array
) -> Sums:
    """Mean change of an estimate, and of its square, when all noise moves by one unit in the last place."""
    changes = [np.zeros(center.size), np.zeros(center.size)]
    for draw in (None,) if plan.vary is None else (0, 1):
        moving = replace(plan, vary=draw)
        probs, size = plan.cell_probs(), plan.cells * len(rule)
        for start in range(0, size, BLOCK):
            index = np.arange(start, min(start + BLOCK, size))
            noise, weights, _ = moving.nodes(rule, index)
            weights = weights * probs[index // len(rule)]
            here, there = (
                rows_of(estimator, plan.q, f, moved) - center.ravel() for moved in (noise, np.nextafter(noise, np.inf))
            )
            changes[0] += weights @ np.abs(there - here)
            changes[1] += weights @ np.abs(there**2 - here**2)
    return Sums(first=changes[0], second=np.diag(changes[1]))


@dataclass(frozen=True)
class _Job:
    """Everything about a sum but which of its nodes."""

    estimator: Estimator
    f: Callable[[Any], Any]
    plan: Plan
    rule: Rule | RelaxedGauss
    center: Array


def _by_cell(job: _Job, progress: bool, executor: Executor | None) -> Sums:
    """Means given each cell: first (cells, d), absolute (cells, d), second (cells, d, d)."""
    size, d = job.plan.cells * len(job.rule), job.center.size
    first, absolute = np.zeros((2, job.plan.cells, d))
    second, largest = np.zeros((job.plan.cells, d, d)), 0.0
    tasks = [(job, start, min(start + BLOCK, size)) for start in range(0, size, BLOCK)]
    for cells, sums in run(_one_block, tasks, progress=progress, executor=executor):
        first[cells] += sums.first
        absolute[cells] += sums.absolute
        second[cells] += sums.second
        largest = max(largest, sums.largest)
    return Sums(first, absolute, second, largest)


def _one_block(task: tuple[_Job, int, int]) -> tuple[slice, Sums]:
    """Sums over the nodes `start` up to `stop`, which lie in consecutive cells."""
    job, start, stop = task
    index = np.arange(start, stop)
    noise, weights, zs = job.plan.nodes(job.rule, index)
    rows = rows_of(job.estimator, job.plan.q, job.f, noise)
    wrong: Any = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        bad = int(np.argmax(wrong))
        where = [z[bad].astype(int).tolist() for z in zs]
        raise ValueError(f"{job.estimator!r} needs to be finite, but returned {rows[bad].tolist()} at z = {where}")
    cell = index // len(job.rule)
    begins = np.flatnonzero(np.diff(cell, prepend=-1))
    rest = rows - job.center
    weighted = weights[:, None] * rest
    if len(begins) == 1:
        second = (weighted.T @ rest)[None]
    else:
        second = np.add.reduceat(weighted[:, :, None] * rest[:, None, :], begins)
    absolute = np.add.reduceat(weights[:, None] * np.abs(rows), begins)
    sums = Sums(np.add.reduceat(weighted, begins), absolute, second, float(np.abs(rest).max()))
    return slice(int(cell[0]), int(cell[-1]) + 1), sums


def rows_of(estimator: Estimator, q: Distribution, f: Callable[[Any], Any], noise: Array) -> Array:
    """Call an estimator, check the shape of what it returns, and flatten each estimate."""
    estimates = np.asarray(estimator(q, f, noise))
    shape = (noise.shape[1], *q.event_shape)
    if estimates.shape != shape:
        raise ValueError(f"{estimator!r} needs to return shape {shape}, but returned {estimates.shape}")
    return estimates.reshape(len(estimates), -1)


def _total(plan: Plan, given: Sums) -> Sums:
    """Average the means given z over z; below the least normal number a probability has an absolute rounding."""
    probs = plan.cell_probs()
    first, second = (np.tensordot(probs, part, axes=1) for part in (given.first, given.second))
    return Sums(first, (probs + np.finfo(float).tiny) @ given.absolute, second, given.largest)


def _added(anchor: Array, one: Sums, other: Sums) -> Sums:
    """Moments given z of `a + b + anchor`, from those of `a + anchor` and of `b + anchor`, a and b independent."""
    a, b = one.first - anchor, other.first - anchor
    cross = a[:, :, None] * b[:, None, :]
    within = anchor[:, :, None] * anchor[:, None, :]
    second = one.second + other.second + cross + cross.swapaxes(1, 2) - within
    return Sums(one.first + b, one.absolute + other.absolute, second, one.largest + other.largest)


def _ignores_shift(estimator: Estimator, q: Distribution, f: Callable[[Any], Any]) -> bool:
    """Whether adding one number to all noise of a variable changes nothing."""
    rng = np.random.default_rng(0)
    noise = estimator.draw_noise(q, 16, rng)
    shifted = noise + rng.normal(size=(*noise.shape[:-1], 1))
    return _same(estimator(q, f, noise), estimator(q, f, shifted))


def _adds(estimator: Estimator, f: Callable[[Any], Any], plan: Plan) -> bool:
    """Whether, given z, the mixed differences in the two draws vanish."""
    q, rng = plan.q, np.random.default_rng(0)
    z, _ = configurations(plan.parts, np.arange(16) % count(plan.parts))
    fresh = q.draw_noise((2, 16), rng)
    firsts = [plan.noise_of(z, v) for v in rng.logistic(size=(2, 16, sum(plan.widths)))]
    corners = [estimator(q, f, np.stack([first, second])) for first in firsts for second in fresh]
    return _same(corners[0] + corners[3], corners[1] + corners[2])


def _same(one: Array, other: Array) -> bool:
    """Equal to the digits that a confirmation needs."""
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(one).max(initial=0.0)))
