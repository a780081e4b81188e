"""Gumbel-Softmax: per sample by hand, its two families against each other, and its two limits."""

import autograd.numpy as anp
import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax
from refgrad.objectives import Quadratic, SquaredError, Table


def test_one_estimate_by_hand():
    q, noise, temperature = Bernoulli([0.5]), np.array([[[0.25]]]), 0.5
    relaxed = 1 / (1 + np.exp(-1.5))
    by_hand = 2 * (relaxed - 0.45) * relaxed * (1 - relaxed) / temperature
    np.testing.assert_allclose(GumbelSoftmax(temperature)(q, SquaredError(0.45), noise), [[by_hand]], rtol=1e-14)


def test_one_categorical_estimate_by_hand():
    logits, noise, temperature = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.7, -0.3]), 0.7
    weights = np.exp((logits + noise) / temperature)
    y = weights / weights.sum()
    c = np.array([1.0, -2.0, 4.0])
    by_hand = (np.diag(y) - np.outer(y, y)) @ c / temperature
    f = Quadratic(0.0, c[None], np.zeros((3, 3)))
    estimate = GumbelSoftmax(temperature)(Categorical(logits[None]), f, noise[None, None])
    np.testing.assert_allclose(estimate, [by_hand], rtol=1e-13)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0])
def test_two_categories_are_a_bernoulli(temperature):
    estimator, values = GumbelSoftmax(temperature), [0.3, 2.0]
    binary = exact.moments(estimator, Bernoulli([0.8]), Table(values))
    pair = exact.moments(estimator, Categorical([[-0.3, 0.5]]), Table(values, event_shape=(1, 2)))
    bound = binary.error[0] + pair.error.max()
    assert np.abs(pair.mean - [[-binary.mean[0], binary.mean[0]]]).max() <= bound
    assert np.abs(pair.variance - binary.variance[0]).max() <= bound


def test_the_bias_vanishes_and_the_variance_grows_with_falling_temperature():
    q, f = Bernoulli([0.4, -0.7]), Table([0.0, 1.0, -1.0, 3.0])
    moments = [exact.moments(GumbelSoftmax(t), q, f) for t in (1.0, 0.3, 0.1, 0.03)]
    gradient = exact.gradient(q, f)
    bias = [np.abs(m.mean - gradient).max() for m in moments]
    assert bias == sorted(bias, reverse=True)
    assert bias[-1] < 0.01 * bias[0]
    variance = [m.variance.max() for m in moments]
    assert variance == sorted(variance)
    assert variance[-1] > 10 * variance[0]


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_a_temperature_that_is_none(temperature):
    with pytest.raises(ValueError, match="needs a positive and finite temperature, but it is"):
        GumbelSoftmax(temperature)


def test_there_is_no_default_temperature():
    with pytest.raises(TypeError, match="temperature"):
        GumbelSoftmax()


def test_f_in_autograd_numpy_and_f_with_a_gradient_by_hand_agree():
    q, noise = Bernoulli([0.5, -1.0]), np.random.default_rng(0).logistic(size=(1, 20, 2))

    class ByHand:
        def __call__(self, z):
            return np.sin(z).sum(axis=-1)

        def grad(self, z):
            return np.cos(z)

    followed = GumbelSoftmax(0.5)(q, lambda z: anp.sum(anp.sin(z), axis=-1), noise)
    np.testing.assert_array_equal(followed, GumbelSoftmax(0.5)(q, ByHand(), noise))


@pytest.mark.parametrize(
    "f",
    [
        lambda z: np.dot(z, np.array([1.0, 2.0])),
        lambda z: np.where(z > 0.5, z, -z).sum(axis=-1),
        lambda z: np.array([np.sum(row) for row in z]),
    ],
)
def test_an_f_that_autograd_cannot_follow_is_an_error(f):
    with pytest.raises(TypeError, match=r"autograd cannot follow .*autograd.numpy .* grad\(z\)"):
        GumbelSoftmax(0.5)(Bernoulli([0.5, -1.0]), f, np.zeros((1, 3, 2)))


def test_a_fault_of_f_itself_is_not_laid_on_autograd():
    def faulty(z):
        return z.no_such_method()

    with pytest.raises(AttributeError, match="no_such_method"):
        GumbelSoftmax(0.5)(Bernoulli([0.5, -1.0]), faulty, np.zeros((1, 3, 2)))


def test_plain_numpy_functions_give_the_gradient_or_an_error_and_never_zero():
    q, noise = Bernoulli([0.5, -1.0]), np.random.default_rng(0).logistic(size=(1, 20, 2))
    followed = GumbelSoftmax(0.5)(q, lambda z: anp.sum(anp.exp(z), axis=-1), noise)
    try:
        plain = GumbelSoftmax(0.5)(q, lambda z: np.sum(np.exp(z), axis=-1), noise)
    except TypeError as error:
        assert "autograd cannot follow" in str(error)  # noqa: PT017  (either is right; autograd decides)
    else:
        np.testing.assert_array_equal(plain, followed)
