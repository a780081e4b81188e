"""Noise designs: the mean by one weighted sum, and files that hold nothing but numbers."""

import json

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax, Rebar, Reinforce
from refgrad.exact import Design
from refgrad.objectives import Interacting

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
