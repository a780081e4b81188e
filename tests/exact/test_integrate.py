"""Sums over nodes: by hand, by enumeration, in blocks of any size; and what is confirmed before it is used."""

import pickle
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib import import_module
from typing import ClassVar

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.estimators import Claims, Estimator, GumbelSoftmax, Rebar, Reinforce
from refgrad.exact._cells import Plan
from refgrad.exact._factors import factors
from refgrad.exact._integrate import (
    Sums,
    _added,
    _adds,
    _ignores_shift,
    _same,
    _total,
    integrate,
    plan_for,
    sensitivity,
)
from refgrad.exact._rules import Trapezoid, single
from refgrad.objectives import Interacting, Table

MODULE = import_module("refgrad.exact._integrate")
TINY = np.finfo(float).tiny
RULE = Trapezoid(0.5, 20.0, 1, 3.0)


@dataclass(frozen=True)
class OfNoise(Estimator):
    """Some function of the noise of two variables of two categories, which is no gradient."""

    fn: object
    claims: ClassVar[Claims] = Claims(unbiased=False, reads=("cell",))

    def __call__(self, q, f, noise):  # noqa: ARG002
        return self.fn(noise[0])


@pytest.mark.parametrize(
    ("fn", "ignores"),
    [
        (lambda noise: noise - noise[..., :1], True),
        (lambda noise: noise, False),
        (lambda noise: noise - noise[..., :1, :1], False),  # a shift of one variable, and not of the other, is seen
        (lambda noise: noise - noise.mean(axis=0), False),  # so is one of a single repetition
    ],
    ids=["within a variable", "as it is", "between variables", "between repetitions"],
)
def test_a_shift_of_every_variable_and_repetition_is_tried(fn, ignores):
    q = Categorical([[0.5, -1.0], [0.0, 0.25]])
    assert _ignores_shift(OfNoise(fn), q, Table(np.zeros(4), event_shape=(2, 2))) == ignores


@dataclass(frozen=True)
class OfTwo(Estimator):
    """Some function of z and of two draws of noise, which is no gradient."""

    fn: object
    draws: ClassVar[int] = 2
    claims: ClassVar[Claims] = Claims(unbiased=False, reads=("cell", "smooth"), additive=True)

    def __call__(self, q, f, noise):  # noqa: ARG002
        return self.fn(q.sample(noise[0]), *noise)


@pytest.mark.parametrize(
    ("fn", "adds"),
    [
        (lambda z, u, v: np.tanh(u) + (1 + z) * np.exp(-np.abs(v)), True),
        (lambda z, u, v: z + np.tanh(u) * np.tanh(v), False),
        (lambda z, u, v: z[..., :1] * np.tanh(u) * np.tanh(v), False),  # in some cells
        (lambda z, u, v: z + u * v * 1e-7, False),
        (lambda z, u, v: z + u * v * 1e-13, True),  # below the digits that a confirmation needs
    ],
    ids=["a sum", "a product", "a product in some cells", "a small product", "rounding"],
)
def test_additive_is_what_has_no_mixed_difference_given_z(fn, adds):
    q = Bernoulli([0.5, -1.0])
    plan = Plan(q, factors(q), ("cell", "smooth"), reduced=False)
    assert _adds(OfTwo(fn), Table(np.zeros(4)), plan) == adds
    assert (plan_for(OfTwo(fn), q, Table(np.zeros(4))).vary == 0) == adds


def test_a_plan_takes_what_was_claimed_and_confirmed():
    q, f = Categorical([[0.5, -1.0, 0.0]]), Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 1, 3)))
    for estimator, reduced, vary in (
        (GumbelSoftmax(0.5), True, None),
        (Rebar(0.5), True, 0),
        (Rebar(0.5, coupled=True), True, None),
        (Reinforce(), False, None),  # nothing to integrate
    ):
        plan = plan_for(estimator, q, f)
        assert (plan.reduced, plan.vary, plan.reads) == (reduced, vary, estimator.claims.reads)
    assert not plan_for(Rebar(0.5), Bernoulli([0.5]), Table([0.0, 1.0])).reduced


def test_equal_is_equal_to_nine_digits_of_an_entry_or_of_the_largest():
    one = np.array([1.0, 1e6, 0.0])
    assert _same(one, one * (1 + 0.9e-9))
    assert not _same(np.array([1.0]), np.array([1.0 + 2.1e-9]))
    assert _same(one, one + np.array([0.0, 0.0, 0.9e-3]))
    assert not _same(one, one + np.array([0.0, 0.0, 1.1e-3]))
    assert not _same(one, one + np.array([0.0, 2.1e-3, 0.0]))
    assert not _same(np.array([1e-12, 0.0]), np.array([1e-12, 1e-15]))
    assert _same(np.zeros((0, 2)), np.zeros((0, 2)))
    assert type(_same(one, one)) is bool


def test_the_mean_over_the_cells_of_z():
    q = Bernoulli([np.log(3.0)])  # P(0), P(1) = 1 / 4, 3 / 4
    plan = Plan(q, factors(q), ("cell",), reduced=False)
    given = Sums(np.array([[4.0], [8.0]]), np.array([[2e300], [4e300]]), np.array([[[16.0]], [[32.0]]]), 7.0, 0.125)
    found = _total(plan, given)
    assert found.first[0] == pytest.approx(7.0, rel=1e-15)
    assert found.second[0, 0] == pytest.approx(28.0, rel=1e-15)
    assert found.absolute[0] == pytest.approx(3.5e300, rel=1e-15)
    assert (found.largest, found.missing) == (7.0, 0.125)
    far = Plan(Bernoulli([-1e6]), factors(Bernoulli([-1e6])), ("cell",), reduced=False)
    assert _total(far, given).absolute[0] == pytest.approx(2e300, rel=1e-15)
    # A probability that underflows has the rounding of the least normal number.
    alone = replace(given, absolute=np.array([[0.0], [4e300]]))
    assert _total(far, alone).absolute[0] == pytest.approx(TINY * 4e300, rel=1e-12)


def test_moments_of_a_sum_of_two_independent_terms():
    """Two points for each of two terms, in two cells and two components, against the four points of their sum."""
    rng = np.random.default_rng(0)
    anchor, a, b = rng.normal(size=(2, 2)), rng.normal(size=(2, 2, 2)), rng.normal(size=(2, 2, 2))  # (point, cell, d)

    def moments(points):
        second = np.mean(points[..., :, None] * points[..., None, :], axis=0)
        return Sums(points.mean(axis=0), np.abs(points).mean(axis=0), second, np.abs(points).max(), points[0, 0, 0])

    one, other, both = (
        moments(a + anchor),
        moments(b + anchor),
        moments((a[:, None] + b[None]).reshape(4, 2, 2) + anchor),
    )
    found = _added(anchor, one, other)
    np.testing.assert_allclose(found.first, both.first, rtol=1e-13)
    np.testing.assert_allclose(found.second, both.second, rtol=1e-12)
    np.testing.assert_array_equal(found.absolute, one.absolute + other.absolute)
    assert found.largest == one.largest + other.largest
    assert found.missing == one.missing + other.missing


CASES = [
    (GumbelSoftmax(0.5), Bernoulli([0.5])),
    (Rebar(0.5), Bernoulli([0.5])),
    (GumbelSoftmax(0.5), Categorical([[0.5, -1.0]])),
    (Reinforce(), Bernoulli([0.5, -1.0])),
]


def summed(estimator, q, f, block, monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK", block)
    plan = plan_for(estimator, q, f)
    rule = RULE if plan.axes else single()
    center = np.full(q.event_shape, 0.25)
    (found,) = integrate(estimator, f, plan, [rule], center)
    return found, sensitivity(estimator, f, plan, rule, center)


@pytest.mark.parametrize(("estimator", "q"), CASES, ids=repr)
@pytest.mark.parametrize("block", [1, 7, 64])
def test_a_block_is_no_seam(estimator, q, block, monkeypatch):
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
    found, whole = (summed(estimator, q, f, size, monkeypatch) for size in (block, 2**14))
    for one, other, least in zip(found, whole, (1e-15, 1e-30), strict=True):  # sums, and changes by an ulp
        for name in ("first", "absolute", "second", "largest"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=least)


@pytest.mark.parametrize(("estimator", "q"), CASES, ids=repr)
def test_sums_over_all_nodes_at_once(estimator, q):
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
    plan = replace(plan_for(estimator, q, f), vary=None)
    rule = (Trapezoid(0.5, 20.0, plan.axes, 3.0)) if plan.axes else single()
    center = np.full(q.event_shape, 0.25)
    index = np.arange(plan.cells * len(rule))
    noise, weights, _ = plan.nodes(rule, index)
    weights = weights * np.repeat(plan.cell_probs(), len(rule))
    rows = estimator(q, f, noise).reshape(len(index), -1)
    moved = estimator(q, f, np.nextafter(noise, np.inf)).reshape(len(index), -1)
    rest, after = rows - center.ravel(), moved - center.ravel()
    (found,) = integrate(estimator, f, plan, [rule], center)
    np.testing.assert_allclose(found.first, weights @ rest, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.absolute, weights @ np.abs(rows), rtol=1e-12)
    np.testing.assert_allclose(found.second, (weights[:, None] * rest).T @ rest, rtol=1e-12, atol=1e-14)
    assert found.largest == np.abs(rest).max()
    change = sensitivity(estimator, f, plan, rule, center)
    np.testing.assert_allclose(change.first, weights @ np.abs(after - rest), rtol=1e-12, atol=1e-30)
    moved = weights[:, None] * np.abs(after - rest)
    products = np.abs(after).T @ moved + moved.T @ np.abs(rest)  # |ab - cd| <= |a| |b - d| + |a - c| |d|
    np.testing.assert_allclose(change.second, products, rtol=1e-12, atol=1e-30)


@pytest.mark.parametrize(("estimator", "q"), CASES, ids=repr)
def test_rules_that_are_summed_in_one_go_do_not_mix(estimator, q):
    """In one block, and in blocks that end anywhere, the sums of each rule are those of the rule alone."""
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
    plan, center = plan_for(estimator, q, f), np.full(q.event_shape, 0.25)
    rules = [replace(RULE, step=step) for step in (0.5, 0.35)] if plan.axes else [single(), single()]
    for one, rule in zip(integrate(estimator, f, plan, rules, center), rules, strict=True):
        (alone,) = integrate(estimator, f, plan, [rule], center)
        for name in ("first", "absolute", "second", "largest"):
            np.testing.assert_allclose(getattr(one, name), getattr(alone, name), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("block", [7, 2**14])
def test_what_the_weights_lack_in_the_worst_cell_is_told(block, monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK", block)
    q, f = Bernoulli([2.0]), Table([0.0, 1.0])
    rule = Trapezoid(0.5, 6.0, 1, 3.0, temperature=0.1, farthest=2.0)  # the layers of the cells are not equally far
    for estimator, times in ((GumbelSoftmax(0.5), 1), (Rebar(0.5), 2)):
        plan = plan_for(estimator, q, f)
        _, weights, _ = replace(plan, vary=None if plan.vary is None else 0).nodes(rule, np.arange(2 * len(rule)))
        lacks = np.abs(1 - weights.reshape(2, -1).sum(axis=1))
        assert lacks.min() < 0.75 * lacks.max()
        (found,) = integrate(estimator, f, plan, [rule], np.zeros(1))
        assert found.missing == pytest.approx(times * lacks.max(), rel=1e-12)


class Counting:
    """An executor that computes at once, and keeps the tasks."""

    def __init__(self):
        self.tasks = []

    def submit(self, work, task):
        self.tasks.append(task)
        future = Future()
        future.set_result(work(pickle.loads(pickle.dumps(task))))
        return future


@pytest.mark.parametrize("estimator", [GumbelSoftmax(0.5), Rebar(0.5)], ids=repr)
def test_blocks_are_computed_where_one_asks_from_small_tasks_and_show_one_bar(estimator, monkeypatch, capsys):
    monkeypatch.setattr(MODULE, "BLOCK", 64)
    q, f = Bernoulli([0.5]), Table([0.0, 1.0])
    plan, rules = plan_for(estimator, q, f), [replace(RULE, step=step) for step in (0.5, 0.01)]
    nodes = sum(2 * len(rule) for rule in rules) if plan.vary is None else sum(2 + 4 * len(rule) for rule in rules)
    executor = Counting()
    together = integrate(estimator, f, plan, rules, np.zeros(1), executor=executor)
    assert len(executor.tasks) == -(-nodes // 64)
    assert max(len(pickle.dumps(task)) for task in executor.tasks) < 4096
    assert capsys.readouterr().err == ""
    alone = integrate(estimator, f, plan, rules, np.zeros(1), progress=True)
    assert capsys.readouterr().err.count(f" 0/{len(executor.tasks)} ") == 1
    for one, other in zip(together, alone, strict=True):
        for name in ("first", "absolute", "second", "largest"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    executor.tasks.clear()
    there = sensitivity(estimator, f, plan, rules[1], np.zeros(1), executor=executor)
    here = sensitivity(estimator, f, plan, rules[1], np.zeros(1))
    assert capsys.readouterr().err == ""
    assert len(executor.tasks) == -(-(2 if plan.vary is None else 4) * len(rules[1]) // 32)
    np.testing.assert_array_equal([there.first, there.second[0]], [here.first, here.second[0]])


def test_sensitivity_of_two_draws_adds_the_change_of_each():
    q, f = Bernoulli([0.5]), Table([0.0, 1.0])
    linear = OfTwo(lambda z, u, v: 2.0**40 * u + 2.0**41 * v + 0 * z)
    plan = plan_for(linear, q, f)
    assert plan.vary == 0
    both = sensitivity(linear, f, plan, RULE, np.zeros(1))
    each = []
    for draw in (0, 1):
        moving = replace(plan, vary=draw)
        index = np.arange(plan.cells * len(RULE))
        noise, weights, _ = moving.nodes(RULE, index)
        weights = weights * np.repeat(plan.cell_probs(), len(RULE))
        here, there = (linear(q, f, moved)[:, 0] for moved in (noise, np.nextafter(noise, np.inf)))
        moved = np.abs(there - here)
        each.append((weights @ moved, weights @ (moved * (np.abs(there) + np.abs(here)))))
    assert both.first[0] == pytest.approx(each[0][0] + each[1][0], rel=1e-13)
    assert both.second[0, 0] == pytest.approx(each[0][1] + each[1][1], rel=1e-13)
