"""The gradient of the variance from one sample, and what is learned by it."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Adam, OneHiddenLayer, Rebar, Relax
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

ONE = Bernoulli([1.2]), Table([0.25, 1.5])
TWO = Categorical([[0.4, -0.6]]), Table([1.0, -0.5], event_shape=(1, 2))
PAIR = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
ESTIMATORS = [
    Rebar(0.5, 0.8, coupled=True),
    Rebar(1.5, -0.3, coupled=True),
    Relax(OneHiddenLayer(units=2), 0.7, 0.9, coupled=True),
]


def total(estimator, problem):
    return exact.moments(estimator, *problem).variance.sum()


def exact_slope(estimator, problem, h=1e-4):
    """Central differences of the exact total variance; the error is of order h**2 and 1e-14 / h."""
    q = problem[0]
    own = estimator.parameters(q)
    return np.array(
        [
            (total(estimator.at(own + h * e, q), problem) - total(estimator.at(own - h * e, q), problem)) / (2 * h)
            for e in np.eye(len(own))
        ]
    )


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("problem", [ONE, TWO], ids=["bernoulli", "categorical"])
def test_one_sample_is_unbiased_for_the_gradient_of_the_exact_variance(estimator, problem):
    q, f = problem
    design = exact.design(estimator, q)
    gradient = estimator.variance_gradient(q, f, design.noise, weights=design.weights)
    np.testing.assert_allclose(gradient, exact_slope(estimator, problem), atol=1e-7)
    wrong = estimator.variance_gradient(q, f, design.noise, weights=np.full_like(design.weights, 1 / len(design.noise)))
    assert np.abs(wrong - gradient).max() > 1e-3


def test_of_two_draws_too():
    estimator = Rebar(0.9, 0.8)
    design = exact.design(estimator, ONE[0])
    gradient = estimator.variance_gradient(*ONE, design.noise, weights=design.weights)
    np.testing.assert_allclose(gradient, exact_slope(estimator, ONE), atol=1e-7)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_pairs_have_the_same_mean(estimator):
    q, f = ONE
    design = exact.design(estimator, q)
    keep = design.weights > 1e-14
    noise, weights = design.noise[:, keep], design.weights[keep]
    first, second = np.divmod(np.arange(len(weights) ** 2), len(weights))
    couples = np.stack([noise[:, first], noise[:, second]], axis=2).reshape(1, -1, 1)
    pairs = estimator.variance_gradient(q, f, couples, weights=weights[first] * weights[second], pairs=True)
    one = estimator.variance_gradient(q, f, noise, weights=weights)
    np.testing.assert_allclose(pairs, one, atol=1e-10)


@pytest.mark.parametrize(
    "estimator", [Rebar(0.5, 0.8), Rebar(0.3, coupled=True), Relax(), Relax(coupled=True)], ids=repr
)
@pytest.mark.parametrize("q", [Bernoulli([0.6, -1.1]), Categorical([[1.0, 2.5, 0.5]])], ids=lambda q: q.family)
def test_the_gradient_on_given_noise_is_a_finite_difference(estimator, q):
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
    noise = estimator.draw_noise(q, 8, np.random.default_rng(0))
    own, h = estimator.parameters(q), 1e-5

    def mean_square(parameters):
        return (estimator.at(parameters, q)(q, f, noise) ** 2).sum() / 8

    differences = [(mean_square(own + h * e) - mean_square(own - h * e)) / (2 * h) for e in np.eye(len(own))]
    np.testing.assert_allclose(estimator.variance_gradient(q, f, noise), differences, rtol=1e-6, atol=1e-7)


def test_an_update_is_a_new_estimator_and_a_step_of_its_optimiser():
    estimator = Rebar(0.5, 0.8, optimizer=Adam(rate=0.1))
    noise = estimator.draw_noise(ONE[0], 4, np.random.default_rng(0))
    moved = estimator.update(*ONE, noise)
    assert (estimator.temperature, estimator.coefficient, estimator.optimizer.steps) == (0.5, 0.8, 0)
    assert moved.optimizer.steps == 1
    # The first step of Adam has the length of its rate in every parameter, against the gradient.
    step = moved.parameters(ONE[0]) - estimator.parameters(ONE[0])
    np.testing.assert_allclose(step, -0.1 * np.sign(estimator.variance_gradient(*ONE, noise)), rtol=1e-5)
    assert moved == estimator.update(*ONE, noise)
    assert isinstance(moved.temperature, float)


def test_tuning_is_a_function_of_the_generator_and_comes_near_the_optimum():
    one, other = (Rebar().tune(*PAIR, np.random.default_rng(3), steps=300, n=20) for _ in range(2))
    assert one == other
    best = total(exact.tuned(Rebar(), *PAIR), PAIR)
    assert total(one, PAIR) < 1.02 * best < 0.9 * total(Rebar(), PAIR)  # a function of the seed
    moments = exact.moments(one, *PAIR)
    assert (np.abs(moments.mean - exact.gradient(*PAIR)) <= moments.error).all()


def test_a_pair_of_equal_estimates_has_no_variance():
    q, f = Bernoulli([0.5, -1.0]), SquaredError(0.2)
    one, other = Rebar().draw_noise(q, 2, np.random.default_rng(0)).swapaxes(0, 1)
    same, both = (np.stack(pair, axis=1) for pair in ([one, one], [one, other]))
    assert not Rebar().variance_gradient(q, f, same, pairs=True).any()
    weighted = Rebar().variance_gradient(q, f, np.concatenate([same, both], axis=1), pairs=True, weights=[5.0, 0.5])
    np.testing.assert_allclose(weighted, 0.5 * Rebar().variance_gradient(q, f, both, pairs=True), rtol=1e-13)


@dataclass(frozen=True)
class Scaled:
    """A control variate of one parameter."""

    parameters: Any

    def __call__(self, relaxed):
        return self.parameters[0] * relaxed.sum(axis=-1)


def test_an_estimator_at_a_vector_has_its_numbers():
    q = Bernoulli([0.5, -1.0])
    changed = Rebar(coupled=True, optimizer=Adam(0.5)).at(np.array([np.log(0.25), 0.75]), q)
    assert changed == Rebar(0.25, 0.75, coupled=True, optimizer=Adam(0.5))
    np.testing.assert_allclose(changed.parameters(q), [np.log(0.25), 0.75], rtol=1e-15)
    relax = Relax(Scaled([3.0]), coupled=True).at(np.array([np.log(0.25), 0.75, -2.0]), q)
    np.testing.assert_allclose(relax.parameters(q), [np.log(0.25), 0.75, -2.0], rtol=1e-15)
    assert (relax.temperature, relax.coefficient, relax.coupled) == (0.25, 0.75, True)
    hidden = Relax(OneHiddenLayer(units=2))
    vector = np.arange(1.0, 12.0)  # two of the relaxation, and 2 (2 + 2) + 1 of the layer
    np.testing.assert_allclose(hidden.at(vector, q).parameters(q), vector, rtol=1e-15)
    assert hidden.at(vector, q).control_variate == OneHiddenLayer(vector[2:], units=2)
    plain = Relax(np.sum).at(np.array([0.0, 0.5]), q)
    assert (plain.control_variate, plain.temperature, plain.coefficient) == (np.sum, 1.0, 0.5)


def test_tuning_is_a_thousand_steps_of_one_repetition_unless_asked(monkeypatch):
    asked, q, f = [], Bernoulli([0.5]), SquaredError(0.45)
    module = import_module("refgrad.estimators._variance")
    monkeypatch.setattr(module, "learn", lambda *_, **options: asked.append(options))
    Rebar().tune(q, f, np.random.default_rng(0))
    Rebar().tune(q, f, np.random.default_rng(0), steps=3, n=2, progress=True)
    assert asked == [{"steps": 1000, "n": 1, "progress": False}, {"steps": 3, "n": 2, "progress": True}]


def test_no_steps_are_none():
    assert Rebar().tune(*ONE, np.random.default_rng(0), steps=0) == Rebar()


def test_a_bar(capsys):
    Rebar().tune(*ONE, np.random.default_rng(0), steps=3, progress=True)
    assert "0/3" in capsys.readouterr().err


class TestErrors:
    def test_no_repetitions(self):
        with pytest.raises(ValueError, match="needs noise with an axis of repetitions after the draws, but"):
            Rebar().variance_gradient(*ONE, np.zeros((2, 1)))

    def test_a_batch_is_not_taken_for_repetitions(self):
        q = Bernoulli([[1.2], [0.5]])
        for pairs in (False, True):
            with pytest.raises(ValueError, match=r"of repetitions after the draws, but it has shape \(2, 2, 1\)"):
                Rebar().variance_gradient(q, ONE[1], np.zeros((2, 2, 1)), pairs=pairs)

    def test_no_repetition(self):
        with pytest.raises(ValueError, match=r"an axis of repetitions after the draws, but it has shape \(2, 0, 1\)"):
            Rebar().update(*ONE, np.zeros((2, 0, 1)))

    def test_weights_that_are_none(self):
        with pytest.raises(ValueError, match="weights needs finite entries"):
            Rebar().variance_gradient(*ONE, np.zeros((2, 2, 1)), weights=[np.nan, 1.0])
        with pytest.raises(TypeError, match="weights needs real numbers"):
            Rebar().variance_gradient(*ONE, np.zeros((2, 2, 1)), weights=["a", "b"])

    def test_an_odd_number_of_pairs(self):
        with pytest.raises(ValueError, match=r"an even number of repetitions after the draws, but .* \(2, 3, 1\)"):
            Rebar().variance_gradient(*ONE, np.zeros((2, 3, 1)), pairs=True)

    def test_weights_of_another_number(self):
        with pytest.raises(ValueError, match=r"needs weights of shape \(4,\), but they have shape \(3,\)"):
            Rebar().variance_gradient(*ONE, np.zeros((2, 4, 1)), weights=np.ones(3))

    def test_steps_and_samples_that_are_none(self):
        for options in ({"steps": -1}, {"steps": 1, "n": 0}):
            with pytest.raises(ValueError, match="learning needs steps >= 0 and n >= 1, but they are"):
                Rebar().tune(*ONE, np.random.default_rng(0), **options)

    def test_an_f_whose_second_derivative_nobody_can_follow(self):
        class Plain(SquaredError):  # noqa: N818  (it is a square, not an exception)
            def grad(self, z):
                return np.where(z > 0.5, z, -z)

        noise = Rebar().draw_noise(ONE[0], 4, np.random.default_rng(0))
        with pytest.raises(TypeError, match=r"f\.grad needs to be differentiable, but autograd cannot follow"):
            Rebar().variance_gradient(ONE[0], Plain(0.3), noise)
