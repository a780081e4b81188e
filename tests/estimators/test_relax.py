"""RELAX: REBAR as a special case, black boxes, what is learned, and what is refused."""

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, OneHiddenLayer, Rebar, Relax
from refgrad.objectives import Interacting, Quadratic, Table

PAIR = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
THREE = Categorical([[1.0, 2.5, 0.5]]), Table([1.0, -0.5, 2.0], event_shape=(1, 3))
problems = pytest.mark.parametrize("problem", [PAIR, THREE], ids=["bernoulli", "categorical"])


def box(z):
    """A table look-up that no derivative survives."""
    index = z.reshape(len(z), -1).astype(int) @ (2 ** np.arange(z[0].size))
    return np.random.default_rng(7).normal(size=2 ** z[0].size)[index]


@problems
@pytest.mark.parametrize("coupled", [False, True])
def test_with_the_relaxed_f_it_is_rebar(problem, coupled):
    rebar, relax = Rebar(0.7, 0.6, coupled=coupled), Relax(problem[1], 0.7, 0.6, coupled=coupled)
    noise = rebar.draw_noise(problem[0], 200, np.random.default_rng(0))
    np.testing.assert_array_equal(relax(*problem, noise), rebar(*problem, noise))


@problems
def test_a_constant_control_variate_is_a_constant_baseline(problem):
    def constant(relaxed):
        return 0.75 + 0 * relaxed.sum(axis=tuple(range(-problem[0].event_ndim, 0)))

    noise = Relax().draw_noise(problem[0], 200, np.random.default_rng(0))
    np.testing.assert_allclose(
        Relax(constant)(*problem, noise), ConstantBaseline(0.75)(*problem, noise[:1]), atol=1e-14
    )


@problems
@pytest.mark.parametrize("coupled", [False, True])
def test_a_black_box_is_served_without_bias_before_and_after_learning(problem, coupled):
    q, _ = problem
    learned = Relax(coupled=coupled).tune(q, box, np.random.default_rng(0), steps=50, n=5)
    for estimator in (Relax(coupled=coupled), learned):
        moments = exact.moments(estimator, q, box)
        assert (np.abs(moments.mean - exact.gradient(q, box)) <= moments.error).all()
        assert (moments.error <= 1e-10).all()


@problems
def test_learning_lowers_the_variance(problem):
    learned = Relax().tune(*problem, np.random.default_rng(0), steps=400, n=10)
    before, after = (exact.moments(e, *problem).variance.sum() for e in (Relax(), learned))
    assert after < 0.5 * before  # seen: a third and a seventh


@dataclass(frozen=True)
class Scaled:
    """f at the relaxed sample and a linear function of it, with parameters of its own."""

    f: Any
    parameters: Any = (0.5, 0.0, 0.0)

    def __call__(self, relaxed):
        return self.parameters[0] * self.f(relaxed) + (relaxed * self.parameters[1:]).sum(-1)


def test_a_control_variate_of_ones_own_is_learned():
    relax = Relax(Scaled(PAIR[1], np.array([0.5, 0.0, 0.0])))
    assert relax.parameters(PAIR[0]).shape == (5,)
    learned = relax.tune(*PAIR, np.random.default_rng(0), steps=100, n=10)
    assert not np.array_equal(learned.control_variate.parameters, relax.control_variate.parameters)
    assert exact.moments(learned, *PAIR).variance.sum() < exact.moments(relax, *PAIR).variance.sum()


def test_what_is_no_field_of_a_dataclass_is_not_learned():
    class Module:
        """Like a module of a framework, whose `parameters` is a method."""

        def parameters(self):
            return []

        def __call__(self, relaxed):
            return (relaxed**2).sum(axis=-1)

    own = Module()
    learned = Relax(own).tune(*PAIR, np.random.default_rng(0), steps=2)
    assert learned.control_variate is own
    assert learned.parameters(PAIR[0]).shape == (2,)


def test_no_repetition_has_no_estimate():
    q = Categorical([[0.5, -1.0, 0.3], [1.0, 0.0, -0.5]])
    assert Relax()(q, lambda z: z.sum(axis=(-2, -1)), np.zeros((2, 0, 2, 3))).shape == (0, 2, 3)


def test_the_network_is_a_function_of_sizes_and_seed_alone():
    q = PAIR[0]
    one, other = Relax().parameters(q), Relax(OneHiddenLayer(seed=1)).parameters(q)
    np.testing.assert_array_equal(one, Relax().parameters(Bernoulli([3.0, 0.0])))
    assert not np.array_equal(one, other)
    assert one.shape == (2 + 8 * (2 + 2) + 1,)


class TestErrors:
    def sample(self, control_variate):
        return Relax(control_variate).sample(*PAIR, 3, np.random.default_rng(0))

    def test_not_callable(self):
        with pytest.raises(TypeError, match=r"Relax needs a callable control variate, but it is 3\.0"):
            Relax(3.0)

    def test_a_control_variate_that_returns_a_vector(self):
        with pytest.raises(
            ValueError,
            match=r"the control variate needs to return one value .*, shape \(3,\), but returned shape \(3, 2\)",
        ):
            self.sample(lambda y: y)

    def test_a_control_variate_that_autograd_cannot_follow(self):
        with pytest.raises(TypeError, match="the control variate needs to be differentiable, but autograd"):
            self.sample(lambda y: np.where(y > 0.5, y, -y).sum(axis=-1))

    def test_a_network_for_another_number_of_inputs(self):
        with pytest.raises(ValueError, match="needs 33 parameters for 2 inputs, but they have shape"):
            self.sample(OneHiddenLayer(np.zeros(5)))

    @pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
    def test_a_temperature_that_is_none(self, temperature):
        with pytest.raises(ValueError, match="Relax needs a positive and finite temperature, but it is"):
            Relax(temperature=temperature)

    def test_a_coefficient_that_is_none(self):
        with pytest.raises(ValueError, match="Relax needs a finite number as coefficient, but it is inf"):
            Relax(coefficient=np.inf)


def test_f_is_never_shown_a_relaxed_sample():
    shown = []

    def spy(z):
        shown.append(z)
        return z.sum(axis=-1)

    Relax(lambda y: anp.sum(y**2, axis=-1)).sample(PAIR[0], spy, 50, np.random.default_rng(0))
    assert all(np.isin(z, (0.0, 1.0)).all() for z in shown)


def test_a_batch_has_one_control_variate_for_all_its_rows():
    q = Bernoulli([[1.2, -0.4], [0.3, 0.9]])
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2)))
    noise = Relax().draw_noise(q, 6, np.random.default_rng(0))
    gradient = Relax().variance_gradient(q, f, noise)
    rows = [Relax().variance_gradient(Bernoulli(row), f, noise[:, :, i]) for i, row in enumerate(q.logits)]
    np.testing.assert_allclose(gradient, np.mean(rows, axis=0), rtol=1e-12, atol=1e-14)
