"""REINFORCE: mean and variance in closed form, per sample by hand."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Reinforce
from refgrad.objectives import Quadratic, SquaredError


def test_one_estimate_by_hand():
    q = Bernoulli([0.0, np.log(3.0)])
    noise = np.array([[[1.0, 1.0], [-1.0, -2.0]]])
    values = Reinforce()(q, SquaredError(0.25), noise)
    np.testing.assert_allclose(values, [[1.125 * 0.5, 1.125 * 0.25], [0.125 * -0.5, 0.125 * -0.75]], rtol=1e-15)


@pytest.mark.parametrize("target", [0.45, 0.49, 0.499])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.5])
def test_the_toy_in_closed_form(target, logit):
    p = 1 / (1 + np.exp(-logit))
    s, f1, f0 = p * (1 - p), (1 - target) ** 2, target**2
    moments = exact.moments(Reinforce(), Bernoulli([logit]), SquaredError(target))
    np.testing.assert_allclose(moments.mean, (1 - 2 * target) * s, rtol=1e-13)
    np.testing.assert_allclose(moments.variance, s * ((1 - p) * f1 + p * f0) ** 2, rtol=1e-13)


def test_the_published_numbers():
    moments = exact.moments(Reinforce(), Bernoulli([0.0]), SquaredError(0.45))
    assert moments.mean[0] == pytest.approx(0.025, rel=1e-14)
    assert moments.variance[0] == pytest.approx(1.5939e-2, abs=5e-7)


@pytest.mark.parametrize("logit", [36.0, -36.0, 100.0])
def test_saturated_logits_keep_their_digits(logit):
    f = Quadratic(0.5, [1.0, -2.0], [[0.0, 3.0], [0.0, 0.0]])
    q = Bernoulli([logit, 0.5])
    np.testing.assert_allclose(exact.moments(Reinforce(), q, f).mean, exact.gradient(q, f), rtol=1e-12)
    f = Quadratic(0.5, [[1.0, -2.0, 4.0]], np.zeros((3, 3)))
    q = Categorical([[logit, 0.5, 0.0]])
    np.testing.assert_allclose(exact.moments(Reinforce(), q, f).mean, exact.gradient(q, f), rtol=1e-12)


def test_a_large_constant_costs_variance_and_not_the_mean():
    q, f = Bernoulli([0.5]), SquaredError(0.45)
    plain, higher = exact.moments(Reinforce(), q, f), exact.moments(Reinforce(), q, lambda z: f(z) + 10)
    np.testing.assert_allclose(plain.mean, higher.mean, atol=(plain.error + higher.error).item())
    assert higher.variance[0] > 100 * plain.variance[0]
