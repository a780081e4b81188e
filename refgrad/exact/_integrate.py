"""Sums of an estimator over the nodes of a rule: derivation 00, Eq. 00.6."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
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

BLOCK = 2**13  # nodes shown to the estimator at once
FEW = 32  # nodes in a cell, below which its sums are taken along with those of others


@dataclass(frozen=True)
class Sums:
    """Weighted sums of the estimates less a center: first (d,), absolute (d,) and second (d, d).

    Beside them the largest entry, and the most that the weights given a cell lack of one.
    """

    first: Any = 0.0
    absolute: Any = 0.0
    second: Any = 0.0
    largest: Any = 0.0
    missing: Any = 0.0


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
    rules: Sequence[Rule | RelaxedGauss],
    center: Array,
    *,
    progress: bool = False,
    executor: Executor | None = None,
) -> list[Sums]:
    """Sum the estimates less `center` over the cells of z and the nodes of each rule, of all rules in one go."""
    pieces = tuple(piece for rule in rules for piece in _pieces(plan, rule))
    job = _Job(estimator, f, pieces, center.ravel())
    given = _by_cell(job, plan.cells, progress, executor)
    if plan.vary is None:
        return [_total(plan, one) for one in given]
    # Given z the estimate is a(u) + b(v) + rest: Eq. 00.11.
    return [
        _total(plan, _added(anchor.first, one, other))
        for anchor, one, other in zip(given[::3], given[1::3], given[2::3], strict=True)
    ]


def sensitivity(
    estimator: Estimator,
    f: Callable[[Any], Any],
    plan: Plan,
    rule: Rule | RelaxedGauss,
    center: Array,
    *,
    executor: Executor | None = None,
) -> Sums:
    """Mean change of an estimate, and of products of its entries, when all noise moves by its last place."""
    job = _Job(estimator, f, tuple(_pieces(plan, rule)[-2:]), center.ravel())
    changes = np.zeros((1 + center.size, center.size))
    for change in run(_one_change, job.tasks(max(1, BLOCK // 2)), progress=False, executor=executor):
        changes += change
    return Sums(first=changes[0], second=changes[1:])


Piece = tuple[Plan, Rule | RelaxedGauss]


def _pieces(plan: Plan, rule: Rule | RelaxedGauss) -> list[Piece]:
    """What is summed for one rule: all draws together, or none and then each alone."""
    if plan.vary is None:
        return [(plan, rule)]
    return [(plan, single()), *((replace(plan, vary=draw), rule) for draw in (0, 1))]


@dataclass(frozen=True)
class _Job:
    """Everything about sums but which of the nodes; these are numbered through all pieces, and so are cells."""

    estimator: Estimator
    f: Callable[[Any], Any]
    pieces: tuple[Piece, ...]
    center: Array

    def tasks(self, size: int) -> list[tuple[_Job, int, int]]:
        """Blocks of so many nodes."""
        total = sum(plan.cells * len(rule) for plan, rule in self.pieces)
        return [(self, start, min(start + size, total)) for start in range(0, total, size)]

    def nodes(self, start: int, stop: int) -> tuple[Array, Array, Any, list[Array]]:
        """Noise, weights given the cell, cells, and the z of each draw that has one."""
        found: list[tuple[Array, Array, Any, list[Array]]] = []
        node = cell = 0
        for plan, rule in self.pieces:
            size = plan.cells * len(rule)
            index = np.arange(max(start - node, 0), min(stop - node, size))
            if len(index):
                noise, weights, zs = plan.nodes(rule, index)
                found.append((noise, weights, index // len(rule) + cell, zs))
            node, cell = node + size, cell + plan.cells
        if len(found) == 1:
            return found[0]
        noises, all_weights, cells, all_zs = zip(*found, strict=True)
        together = [np.concatenate(z) for z in zip(*all_zs, strict=True)]
        return np.concatenate(noises, axis=1), np.concatenate(all_weights), np.concatenate(cells), together


def _by_cell(job: _Job, cells: int, progress: bool, executor: Executor | None) -> list[Sums]:
    """Means given each cell, of each piece: first (cells, d), absolute (cells, d), second (cells, d, d)."""
    shape = (len(job.pieces) * cells, job.center.size)
    first, absolute, second = np.zeros(shape), np.zeros(shape), np.zeros(shape + shape[1:])
    largest, missing = np.zeros(shape[0]), np.ones(shape[0])
    for where, sums in run(_one_block, job.tasks(BLOCK), progress=progress, executor=executor):
        first[where] += sums.first
        absolute[where] += sums.absolute
        second[where] += sums.second
        largest[where] = np.maximum(largest[where], sums.largest)
        missing[where] += sums.missing
    missing = np.abs(missing)
    own = [slice(begin, begin + cells) for begin in range(0, shape[0], cells)]
    return [Sums(first[p], absolute[p], second[p], float(largest[p].max()), float(missing[p].max())) for p in own]


def _one_block(task: tuple[_Job, int, int]) -> tuple[slice, Sums]:
    """Sums over the nodes `start` up to `stop`, which lie in consecutive cells; those lack so much less."""
    job, start, stop = task
    noise, weights, cells, zs = job.nodes(start, stop)
    plan = job.pieces[0][0]
    rows = rows_of(job.estimator, plan.q, job.f, noise)
    if not np.isfinite(rows).all():
        bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
        where = [z[bad].astype(int).tolist() for z in zs]
        raise ValueError(f"{job.estimator!r} needs to be finite, but returned {rows[bad].tolist()} at z = {where}")
    begins = np.flatnonzero(np.diff(cells, prepend=-1))
    rest = rows - job.center
    weighted, magnitude = weights[:, None] * rest, np.abs(rows)
    if len(begins) * FEW > len(rows):
        second = np.add.reduceat(weighted[:, :, None] * rest[:, None, :], begins)
    else:
        own = [slice(*ends) for ends in pairwise([*begins, len(rows)])]
        second = np.array([weighted[cell].T @ rest[cell] for cell in own])
    absolute = np.add.reduceat(weights[:, None] * magnitude, begins)
    largest = np.maximum.reduceat(np.abs(rest).max(axis=1), begins)
    sums = Sums(np.add.reduceat(weighted, begins), absolute, second, largest, -np.add.reduceat(weights, begins))
    return slice(int(cells[0]), int(cells[-1]) + 1), sums


def _one_change(task: tuple[_Job, int, int]) -> Array:
    """Changes (1 + d, d), summed over the nodes `start` up to `stop`: of entries, and of their products."""
    job, start, stop = task
    noise, weights, cells, _ = job.nodes(start, stop)
    plan = job.pieces[0][0]
    weights = weights * plan.cell_probs()[cells % plan.cells]
    rows = rows_of(job.estimator, plan.q, job.f, np.concatenate([noise, np.nextafter(noise, np.inf)], axis=1))
    here, there = np.split(rows - job.center, 2)
    moved = weights[:, None] * np.abs(there - here)
    products = np.abs(there).T @ moved + moved.T @ np.abs(here)
    return np.vstack([moved.sum(axis=0), products])


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
    return Sums(first, (probs + np.finfo(float).tiny) @ given.absolute, second, given.largest, given.missing)


def _added(anchor: Array, one: Sums, other: Sums) -> Sums:
    """Moments given z of `a + b + anchor`, from those of `a + anchor` and of `b + anchor`, a and b independent."""
    a, b = one.first - anchor, other.first - anchor
    cross = a[:, :, None] * b[:, None, :]
    within = anchor[:, :, None] * anchor[:, None, :]
    second = one.second + other.second + cross + cross.swapaxes(1, 2) - within
    largest, missing = one.largest + other.largest, one.missing + other.missing
    return Sums(one.first + b, one.absolute + other.absolute, second, largest, missing)


def _ignores_shift(estimator: Estimator, q: Distribution, f: Callable[[Any], Any]) -> bool:
    """Whether adding one number to all noise of a variable changes nothing."""
    rng = np.random.default_rng(0)
    noise = estimator.draw_noise(q, 16, rng)
    shifted = noise + rng.normal(size=(*noise.shape[:-1], 1))
    return _same(*np.split(estimator(q, f, np.concatenate([noise, shifted], axis=1)), 2))


def _adds(estimator: Estimator, f: Callable[[Any], Any], plan: Plan) -> bool:
    """Whether, given z, the mixed differences in the two draws vanish."""
    q, rng = plan.q, np.random.default_rng(0)
    z, _ = configurations(plan.parts, np.arange(16) % count(plan.parts))
    fresh = q.draw_noise((2, 16), rng)
    firsts = [plan.noise_of(z, v) for v in rng.logistic(size=(2, 16, sum(plan.widths)))]
    noise = np.concatenate([np.stack(corner) for corner in product(firsts, fresh)], axis=1)
    corners = np.split(estimator(q, f, noise), 4)
    return _same(corners[0] + corners[3], corners[1] + corners[2])


def _same(one: Array, other: Array) -> bool:
    """Equal to the digits that a confirmation needs."""
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(one).max(initial=0.0)))
