"""Noise designs: the mean by one weighted sum, and files that hold nothing but numbers."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax, Rebar, Reinforce
from refgrad.exact import Design
from refgrad.exact._cells import Plan
from refgrad.exact._factors import factors
from refgrad.exact._rules import Lattice, Trapezoid, gauss
from refgrad.objectives import Interacting

MODULE = import_module("refgrad.exact.design")
EPS = np.finfo(float).eps

CASES = [
    (Reinforce(), Bernoulli([0.5, -1.0, 2.0])),
    (Reinforce(), Categorical([[0.5, -np.inf, 2.0], [0.0, 1.0, -1.0]])),
    (GumbelSoftmax(0.5), Bernoulli([0.7])),
    (GumbelSoftmax(1.0), Bernoulli([0.7, -1.2])),
    (GumbelSoftmax(1.0), Categorical([[0.7, -1.2]])),
]


@pytest.mark.parametrize(("estimator", "q"), CASES, ids=repr)
def test_the_weighted_sum_is_the_mean(estimator, q):
    design = exact.design(estimator, q)
    assert design.noise.shape == (estimator.draws, len(design.weights), *q.event_shape)
    assert design.weights.sum() == pytest.approx(1, abs=1e-8)
    f = Interacting(0.5, *np.random.default_rng(5).normal(size=(4, *q.event_shape)))
    estimates = estimator(q, f, design.noise)
    summed = np.tensordot(design.weights, estimates, axes=1)
    scale = np.tensordot(design.weights, np.abs(estimates), axes=1).max()
    moments = exact.moments(estimator, q, f)
    assert design.error < 1e-6
    # The error was measured on another f; a factor of 100 between two smooth functions of unit size.
    assert np.abs(summed - moments.mean).max() <= 100 * design.error * scale + moments.error.max()


def test_many_axes_are_a_lattice():
    design = exact.design(GumbelSoftmax(1.0), Bernoulli(np.zeros(4)), limit=2**14)
    assert len(design.weights) <= 2**14
    assert design.weights.sum() == pytest.approx(1, abs=0.05)
    assert design.error < 0.1


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_saved_and_loaded(tmp_path, suffix):
    design = exact.design(GumbelSoftmax(0.5), Bernoulli([0.7]))
    path = tmp_path / f"design{suffix}"
    design.save(path)
    loaded = Design.load(str(path))
    np.testing.assert_array_equal(loaded.noise, design.noise)
    np.testing.assert_array_equal(loaded.weights, design.weights)
    assert loaded.error == design.error


def test_files_that_hold_something_else(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"noise": [1.0]}))
    (tmp_path / "b.json").write_text("no json")
    np.savez(tmp_path / "c.npz", noise=np.array([object()]), weights=np.zeros(1), error=0.0)
    for name in ("a.json", "b.json", "c.npz"):
        with pytest.raises(ValueError, match="needs noise, weights and error of a design, but holds something else"):
            Design.load(tmp_path / name)
    with pytest.raises(ValueError, match=r"saved as \.json or \.npz, but the path is"):
        exact.design(Reinforce(), Bernoulli([0.0])).save(tmp_path / "d.pickle")


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "opened"), "w")

    np.savez(tmp_path / "a.npz", noise=np.array([Trap()]), weights=np.zeros(1), error=0.0)
    with pytest.raises(ValueError, match="holds something else"):
        Design.load(tmp_path / "a.npz")
    assert not (tmp_path / "opened").exists()


def test_whole_numbers_in_a_file_are_read_as_float64(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"noise": [[[1]]], "weights": [1], "error": 0}))
    loaded = Design.load(tmp_path / "a.json")
    assert loaded.noise.dtype == loaded.weights.dtype == np.float64
    assert type(loaded.error) is float


def tried(q, limit=2**18, reads=("cell",)):
    """The rules that a design tries, in their order: a design is data for others, a change belongs in the changelog."""
    return [list(rules) for rules in MODULE._ladders(Plan(q, factors(q), reads, reduced=False), limit)]


@pytest.mark.parametrize(
    ("logits", "limit", "counts"),
    [
        ([0.7], 2**18, [8, 16, 32, 64, 128, 256]),
        ([0.7], 2 * 64, [8, 16, 32, 64]),
        ([0.7, -1.2], 4 * 16**2, [8, 16]),
        ([0.7, -1.2, 0.0], 1, [8]),
    ],
)
def test_gauss_rules_double_their_nodes_as_far_as_the_limit_goes(logits, limit, counts):
    gaussian, trapezoids = tried(Bernoulli(logits), limit)
    for rule, count in zip(gaussian, counts, strict=True):
        np.testing.assert_array_equal(rule.nodes, gauss(count, len(logits), 1.0).nodes)
    assert [(rule.step, rule.axes, rule.scale) for rule in trapezoids] == [(h, len(logits), 3.0) for h in MODULE.STEPS]


@pytest.mark.parametrize(("logit", "stretch"), [(9.0, 1.5), (30.0, 5.0), (60.0, 10.0), (700.0, 10.0)])
def test_rules_reach_for_the_rarest_value(logit, stretch):
    """Gauss nodes are stretched by a sixth of -log p, up to 60; a trapezoid reaches 42 beyond, and bends at half."""
    rare = np.logaddexp(0.0, logit)
    gaussian, trapezoids = tried(Bernoulli([logit]))
    np.testing.assert_allclose(gaussian[0].nodes, gauss(8, 1, stretch).nodes, rtol=1e-4)
    assert trapezoids == [Trapezoid(h, 42.0 + rare, 1, rare / 2) for h in (0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06)]
    (lattices,) = tried(Bernoulli([logit, 0.0, 0.0, 0.0]))
    assert [replace(lattice, stretch=1.0) for lattice in lattices] == [Lattice(2**k, 4, 0, 1.0) for k in range(8, 19)]
    assert {lattice.stretch for lattice in lattices} == {min(rare, 60.0) / 6}


def test_the_error_is_the_difference_of_two_rules_on_an_f_with_interactions_of_every_order():
    estimator, q = GumbelSoftmax(0.5), Bernoulli([0.7])
    f = Interacting(0.5, *np.random.default_rng(0).uniform(-1, 1, size=(4, 1)))
    coarse, fine = (exact.design(estimator, q, limit=limit, goal=0.0) for limit in (2 * 8, 2 * 16))
    assert (len(coarse.weights), len(fine.weights), coarse.error) == (16, 32, np.inf)
    now, before = (d.weights @ estimator(q, f, d.noise) for d in (fine, coarse))
    scale = fine.weights @ np.abs(estimator(q, f, fine.noise))
    missing = abs(fine.weights.sum() - 1)
    assert fine.error == pytest.approx(max(np.abs(now - before).max() / scale.max(), missing) + 64 * EPS, rel=1e-12)
    reached = exact.design(estimator, q, goal=fine.error)
    np.testing.assert_array_equal(reached.noise, fine.noise)


def test_what_is_enumerated_has_the_error_of_rounding():
    assert exact.design(Reinforce(), Bernoulli([0.5, -1.0])).error == 64 * EPS


def test_where_every_estimate_is_zero_the_error_is_what_the_weights_lack():
    found = exact.design(GumbelSoftmax(0.5), Categorical([[0.3]]), limit=16, goal=0.0)
    assert found.error == abs(found.weights.sum() - 1) + 64 * EPS


def test_no_shift_of_the_gumbels_is_assumed_away():
    q = Categorical([[0.7, -1.2, 0.0]])
    assert len(exact.design(GumbelSoftmax(0.5), q, limit=3 * 8**3, goal=0.0).weights) == 3 * 8**3


def test_the_f_that_measures_the_error_stays_what_it_is():
    q = Bernoulli([0.7, 0.0])
    f = Interacting(0.5, *np.random.default_rng(0).uniform(-1, 1, size=(4, 2)))
    np.testing.assert_array_equal(MODULE._probe(q)(q.support()), f(q.support()))


@pytest.mark.parametrize(
    ("errors", "kept"),
    [([0.2, 0.1], 1), ([0.1, 0.2], 0), ([0.1, 0.1], 0), ([1e-3, 0.0], 0), ([1e-4, 0.0], 0), ([0.1, None], 0)],
)
def test_the_better_ladder_is_kept_and_the_second_is_climbed_only_if_needed(monkeypatch, errors, kept):
    made = [error if error is None else Design(np.zeros((1, 1, 1)), np.ones(1), error) for error in errors]
    waiting = iter(made)
    monkeypatch.setattr(MODULE, "_climbed", lambda *_: next(waiting))
    assert exact.design(GumbelSoftmax(0.5), Bernoulli([0.7]), goal=1e-3) is made[kept]
    assert len(list(waiting)) == (errors[0] <= 1e-3)


def test_too_large():
    with pytest.raises(
        ValueError, match=r"a design for Reinforce\(\) needs 1,024 evaluations, more than the limit of 100"
    ):
        exact.design(Reinforce(), Bernoulli(np.zeros(10)), limit=100)


@pytest.mark.parametrize("estimator", [GumbelSoftmax(0.5), Rebar(0.5)], ids=repr)
def test_the_error_bounds_what_the_weights_lack(estimator):
    """Logits hundreds apart: a lattice that reached for the rarest value would have no weight at all."""
    q = Categorical([[380.0, -0.5, -380.0, 0.25], [-700.5, -699.0, -700.0, -701.25]])
    found = exact.design(estimator, q, limit=2**14)
    assert abs(found.weights.sum() - 1) <= found.error
    assert found.error > 0.1  # eight axes are too many for so few nodes, and it says so
