"""Where a relaxed sample changes: half way between the points of the plane at which it has its poles."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax
from refgrad.exact._factors import factors
from refgrad.exact._layers import layers
from refgrad.objectives import SquaredError


def layers_of(q, temperature, **most):
    z = np.array([row for row in q.support() if q.log_prob(row) > -np.inf])
    return z, layers(factors(q), z, temperature, **most)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("logit", [-6.0, 0.25, 8.0])
def test_above_and_below_the_layer_of_one_bernoulli_variable_the_sample_has_a_pole(logit, temperature):
    """For z = 1 it is `1 / (1 + exp(-softplus(v - log P(z = 0)) / t))`, for z = 0 its mirror image."""
    z, found = layers_of(Bernoulli([logit]), temperature)
    assert z.ravel().tolist() == [0.0, 1.0]
    for side, layer, other in ((-1, found[0, 0], logit), (1, found[1, 0], -logit)):  # other: the log odds of the rest
        pole = side * layer + 1j * np.pi / 2 * (1 + temperature)
        depth = np.log1p(np.exp(pole + np.logaddexp(0.0, -other)))
        assert np.exp(depth / temperature) == pytest.approx(-1.0, abs=1e-12 / temperature)


def test_beyond_temperature_one_it_stays_where_it_is():
    for q in (Bernoulli([0.5, -2.0]), Categorical([[0.5, -1.0, 0.25]])):
        np.testing.assert_array_equal(layers_of(q, 3.0)[1], layers_of(q, 1.0)[1])


def test_bernoulli_variables_have_one_each():
    q = Bernoulli([0.5, -2.0])
    z, found = layers_of(q, 0.1)
    for d, logit in enumerate([0.5, -2.0]):
        alone = dict(zip((0.0, 1.0), layers_of(Bernoulli([logit]), 0.1)[1][:, 0], strict=True))
        np.testing.assert_array_equal(found[:, d], [alone[value] for value in z[:, d]])


def test_two_categories_are_a_bernoulli_variable_seen_from_z():
    _, bits = layers_of(Bernoulli([0.75]), 0.3)
    _, pair = layers_of(Categorical([[0.0, 0.75]]), 0.3)
    np.testing.assert_allclose(pair[:, 0], -np.abs(bits[:, 0]), rtol=1e-14)


def test_each_value_that_z_does_not_have_has_its_layer_later_ones_farther_out():
    """Of a variable with a masked value, beside another variable."""
    q = Categorical([[0.5, -1.0, 0.25, -0.5], [0.0, -np.inf, 2.0, 1.0]])
    z, found = layers_of(q, 0.2)
    depth = np.log(2 * np.sin(np.pi / 10))
    assert found.shape == (12, 5)
    for row, at in zip(z, found, strict=True):
        expected = []
        for d, count in enumerate((4, 3)):
            others = [k for k in range(4) if row[d, k] == 0 and q.logits[d, k] > -np.inf]
            assert len(others) == count - 1
            expected += [depth + np.log(q.probs[d, k] / turn) for turn, k in enumerate(others, start=1)]
        np.testing.assert_allclose(at, expected, rtol=1e-13)


def test_far_layers_are_shortened_alike():
    q = Bernoulli([30.0, -10.0])
    z, free = layers_of(q, 0.5)
    _, near = layers_of(q, 0.5, most=20.0)
    distances = np.abs(free).sum(axis=1)
    assert (distances < 20).any()
    assert (distances > 20).any()
    for row in range(len(z)):
        share = min(1.0, 20 / distances[row])
        np.testing.assert_allclose(near[row], share * free[row], rtol=1e-14)


def test_a_layer_may_lie_at_the_origin():
    _, found = layers_of(Bernoulli([0.0]), 1.0, most=0.0)
    np.testing.assert_allclose(found, 0.0, atol=1e-15)
    assert np.isfinite(exact.moments(GumbelSoftmax(1.0), Bernoulli([0.0]), SquaredError(0.45)).error).all()
