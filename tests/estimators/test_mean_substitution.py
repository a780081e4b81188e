"""Mean substitution: no noise, the gradient of f at the mean, and its exact bias."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import MeanSubstitution
from refgrad.objectives import Quadratic, SquaredError, Table

EPS = np.finfo(float).eps
quick = settings(max_examples=100, deadline=None, derandomize=True)
number = st.floats(-3, 3).map(lambda x: round(x, 3))


@st.composite
def problems(draw):
    """Distributions, and a quadratic f with squares and pairs on their shape."""
    shape = draw(st.sampled_from([(1,), (2,), (3,), (1, 3), (2, 2), (2, 3)]))
    size = int(np.prod(shape))
    logits = np.reshape(draw(st.lists(number, min_size=size, max_size=size)), shape)
    linear = np.reshape(draw(st.lists(number, min_size=size, max_size=size)), shape)
    matrix = np.reshape(draw(st.lists(number, min_size=size**2, max_size=size**2)), (size, size))
    return (Bernoulli if len(shape) == 1 else Categorical)(logits), Quadratic(0.5, linear, matrix)


def estimate(q, f):
    return MeanSubstitution()(q, f, np.zeros((0, *q.event_shape)))


@given(problems())
@quick
def test_the_bias_is_that_of_the_value_at_the_mean(problem):
    q, f = problem

    def gap(logits):
        """f(p) - E f, whose derivative is the bias."""
        own = type(q)(logits)
        return f(own.probs[None])[0] - anp.sum(anp.exp(own.log_prob(q.support())) * f(q.support()))

    size = 1 + np.abs(f.linear).sum() + 2 * np.abs(f.matrix).sum()
    np.testing.assert_allclose(exact.bias(MeanSubstitution(), q, f), grad(gap)(q.logits), atol=64 * EPS * size, rtol=0)


@given(problems())
@quick
def test_a_quadratic_errs_by_its_squares_alone(problem):
    q, f = problem
    if q.event_ndim == 1:
        p = q.probs
        # Eq. 07.6: z**2 = z where f(p) has p**2, so the bias is the derivative of m_dd (p**2 - p).
        bias = np.diag(f.matrix) * (2 * p - 1) * p * (1 - p)
        size = 1 + np.abs(f.linear).sum() + 2 * np.abs(f.matrix).sum()
        np.testing.assert_allclose(exact.bias(MeanSubstitution(), q, f), bias, atol=64 * EPS * size, rtol=0)


@pytest.mark.parametrize(
    ("q", "values"),
    [(Bernoulli([0.7, -1.2, 0.1]), np.arange(8.0) ** 2), (Categorical([[0.3, 1.0, -2.0]] * 2), np.arange(9) ** 2)],
)
def test_a_multilinear_f_has_no_bias(q, values):
    f = Table(values, event_shape=q.event_shape)
    assert np.abs(exact.bias(MeanSubstitution(), q, f)).max() <= 64 * EPS * values.max()


@given(st.floats(-5, 5), st.floats(-2, 2))
@quick
def test_on_the_toy_the_target_does_not_matter(logit, target):
    q = Bernoulli([logit])
    p = q.probs
    bias = exact.bias(MeanSubstitution(), q, SquaredError(target))
    np.testing.assert_allclose(bias, -(1 - 2 * p) * p * (1 - p), atol=64 * EPS, rtol=0)


def test_the_bias_of_the_toy_is_no_other():
    q = Bernoulli([-1.5])
    p = q.probs
    bias = exact.bias(MeanSubstitution(), q, SquaredError(0.45))
    assert np.abs(bias + (1 - 2 * p) * p).max() > 1e-3  # without the derivative of the mean
    assert np.abs(bias - (1 - 2 * p) * p * (1 - p)).max() > 1e-3  # with the other sign


def test_one_estimate_by_hand():
    q, f = Categorical([[0.5, -1.0, 2.0]]), Quadratic(0.0, np.zeros((1, 3)), np.diag([1.0, -2.0, 4.0]))
    p = np.exp([0.5, -1.0, 2.0])
    p = p / p.sum()
    by_hand = (np.diag(p) - np.outer(p, p)) @ (2 * np.array([1.0, -2.0, 4.0]) * p)
    np.testing.assert_allclose(estimate(q, f), [by_hand], atol=16 * EPS)


def test_no_noise_and_the_same_every_time():
    q, f = Bernoulli([0.5, -1.0]), SquaredError(0.45)
    estimates = MeanSubstitution().sample(q, f, 5, np.random.default_rng(0))
    assert estimates.shape == (5, 2)
    assert (estimates == estimates[0]).all()
    assert MeanSubstitution().draw_noise(q, 5, np.random.default_rng(0)).shape == (0, 5, 2)
    moments = exact.moments(MeanSubstitution(), q, f)
    assert (moments.variance <= moments.error).all()


def test_a_batch_has_a_mean_for_each_row():
    logits = np.array([[0.5, -1.0], [2.0, 0.0], [-3.0, 1.0]])
    f = Quadratic(0.5, [1.0, -0.75], [[0.3, 1.5], [0.0, -0.6]])
    together = MeanSubstitution()(Bernoulli(logits), f, np.zeros((0, 4, 3, 2)))
    assert together.shape == (4, 3, 2)
    for row, x in zip(together[0], logits, strict=True):
        np.testing.assert_array_equal(row, estimate(Bernoulli(x), f))


def test_noise_that_it_does_not_take():
    with pytest.raises(
        ValueError, match=r"MeanSubstitution needs noise of shape \(0, \.\.\., 2\), but it has shape \(1, 2\)"
    ):
        MeanSubstitution()(Bernoulli([0.5, -1.0]), SquaredError(0.45), np.zeros((1, 2)))
