"""REBAR: one estimate by hand, its special cases, its structure, and what is refused."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Adam, Rebar, Reinforce, Relax
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


PAIR = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
THREE = Categorical([[1.0, 2.5, 0.5]]), Table([1.0, -0.5, 2.0], event_shape=(1, 3))


def logit(x):
    return np.log(x) - np.log1p(-x)


@pytest.mark.parametrize(("z", "u", "v"), [(1.0, 0.9, 0.3), (0.0, 0.2, 0.6)])
def test_one_estimate_by_hand_on_the_uniform_variables_of_the_paper(z, u, v):
    """Tucker et al., section 3: u and v uniform; given z = 1 the noise has the uniform variable 1 - p + p v."""
    phi, t, c, target, h = 0.4, 0.7, 0.8, 0.45, 1e-6

    def f(y):
        return (y - target) ** 2

    def relaxed(x):
        return f(sigmoid((x + logit(u)) / t))

    def relaxed_given_z(x):
        p = sigmoid(x)
        return f(sigmoid((x + logit(1 - p + p * v if z else (1 - p) * v)) / t))

    slope, slope_z = ((fn(phi + h) - fn(phi - h)) / (2 * h) for fn in (relaxed, relaxed_given_z))
    by_hand = (f(z) - c * relaxed_given_z(phi)) * (z - sigmoid(phi)) + c * (slope - slope_z)
    noise = np.array([[[logit(u)]], [[logit(v)]]])
    estimate = Rebar(t, c)(Bernoulli([phi]), SquaredError(target), noise)
    np.testing.assert_allclose(estimate, [[by_hand]], rtol=1e-8)  # h**2 and EPS / h


def test_one_categorical_estimate_by_hand():
    """Exponential waits and arrival times, written out; the derivatives by central differences."""
    logits, t, c = np.array([0.5, -1.0, 2.0]), 0.6, 1.3
    gumbel, fresh = np.array([0.1, 0.7, -2.3]), np.array([0.2, -0.5, 1.1])
    values, winner = np.array([1.0, -2.0, 4.0]), 0

    def f(y):
        return values @ y + 0.5 * (y @ y)

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    def relaxed(x):
        return f(softmax((x + gumbel) / t))

    def relaxed_given_z(x):
        p, waits = softmax(x), np.exp(-fresh)
        times = waits / p + waits[winner]  # what is left after the first arrival
        times[winner] = waits[winner]
        return f(softmax((x - np.log(times) - np.log(p)) / t))

    def slope(fn):
        return np.array([(fn(logits + h) - fn(logits - h)) / 2e-6 for h in 1e-6 * np.eye(3)])

    # With the first arrival at total rate 1, noise_k = -log(time_k) - log p_k.
    assert np.argmax(logits + gumbel) == winner
    z = np.eye(3)[winner]
    by_hand = (f(z) - c * relaxed_given_z(logits)) * (z - softmax(logits)) + c * (
        slope(relaxed) - slope(relaxed_given_z)
    )
    objective = Quadratic(0.0, values[None], 0.5 * np.eye(3))
    estimate = Rebar(t, c)(Categorical(logits[None]), objective, np.array([[[gumbel]], [[fresh]]]))
    np.testing.assert_allclose(estimate, [[by_hand]], atol=1e-8)


@pytest.mark.parametrize("problem", [PAIR, THREE], ids=["bernoulli", "categorical"])
@pytest.mark.parametrize("coupled", [False, True])
class TestMoments:
    @pytest.mark.parametrize(("temperature", "coefficient"), [(0.1, 1.0), (0.5, -0.7), (2.0, 1.5), (1e3, 1.0)])
    def test_unbiased_for_every_temperature_and_coefficient(self, problem, coupled, temperature, coefficient):
        moments = exact.moments(Rebar(temperature, coefficient, coupled=coupled), *problem)
        assert (np.abs(moments.mean - exact.gradient(*problem)) <= moments.error).all()
        assert (moments.error <= 1e-10).all()

    def test_coefficient_zero_is_reinforce(self, problem, coupled):
        rebar = Rebar(coefficient=0.0, coupled=coupled)
        noise = rebar.draw_noise(problem[0], 50, np.random.default_rng(0))
        np.testing.assert_array_equal(rebar(*problem, noise), Reinforce()(*problem, noise[:1]))

    def test_the_variance_is_a_parabola_in_the_coefficient(self, problem, coupled):
        at = [exact.moments(Rebar(0.5, c, coupled=coupled), *problem).variance for c in (-1.0, 0.0, 1.0, 2.0)]
        np.testing.assert_allclose(at[3] - 3 * at[2] + 3 * at[1] - at[0], 0, atol=1e-10)
        best = exact.best_coefficient(Rebar(0.5, coupled=coupled), *problem)
        least = exact.moments(Rebar(0.5, best, coupled=coupled), *problem).variance.sum()
        for step in (-0.01, 0.01):
            assert exact.moments(Rebar(0.5, best + step, coupled=coupled), *problem).variance.sum() > least


def test_the_additive_structure_is_used_and_changes_nothing(monkeypatch):
    """With the mixed differences denied, the oracle integrates both draws together."""
    from importlib import import_module  # noqa: PLC0415

    integrate = import_module("refgrad.exact._integrate")
    q, f = Bernoulli([0.7]), SquaredError(0.3)
    plan = integrate.plan_for(Rebar(), q, f)
    assert (plan.vary, plan.axes) == (0, 1)
    halved = exact.moments(Rebar(), q, f)
    monkeypatch.setattr(integrate, "_adds", lambda *_: False)
    assert integrate.plan_for(Rebar(), q, f).axes == 2
    whole = exact.moments(Rebar(), q, f)
    assert (np.abs(whole.mean - halved.mean) <= whole.error + halved.error).all()
    assert (np.abs(whole.variance - halved.variance) <= whole.error + halved.error).all()


def test_an_estimator_that_is_not_additive_is_not_taken_for_one():
    from importlib import import_module  # noqa: PLC0415

    class Mixed(Rebar):
        def __call__(self, q, f, noise):
            return super().__call__(q, f, noise) * (1 + np.tanh(noise[0] * noise[1]))

    integrate = import_module("refgrad.exact._integrate")
    assert integrate.plan_for(Mixed(), Bernoulli([0.7]), SquaredError(0.3)).vary is None


@pytest.mark.parametrize("coupled", [False, True])
def test_two_categories_are_one_bit(coupled):
    rebar, values = Rebar(0.5, 0.75, coupled=coupled), [0.3, 2.0]
    bit = exact.moments(rebar, Bernoulli([0.8]), Table(values))
    two = exact.moments(rebar, Categorical([[-0.3, 0.5]]), Table(values, event_shape=(1, 2)))
    bound = bit.error[0] + two.error.max()
    assert np.abs(two.mean - [[-bit.mean[0], bit.mean[0]]]).max() <= bound
    assert np.abs(two.variance - bit.variance[0]).max() <= bound


def test_coupled_relaxed_samples_are_the_same():
    for q in (PAIR[0], THREE[0]):
        noise = q.draw_noise(100, np.random.default_rng(0))
        given_z = q.noise_given(q.sample(noise), q.fresh_given(noise))
        np.testing.assert_allclose(q.relax(given_z, 0.3), q.relax(noise, 0.3), atol=1e-13)


def test_worse_than_reinforce_on_the_toy():
    """A fact of the field, up to temperature 2: a constant is a perfect control variate there."""
    toy = Bernoulli([0.0]), SquaredError(0.45)
    plain = exact.moments(Reinforce(), *toy).variance[0]
    assert all(exact.moments(Rebar(t), *toy).variance[0] > plain for t in (0.1, 0.5, 1.0, 2.0))


def test_extreme_logits_and_masks_stay_finite():
    for logits in ([[700.0, -700.0, 0.0]], [[-np.inf, 30.0, -30.0]]):
        q = Categorical(logits)
        f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 1, 3)))
        for coupled in (False, True):
            assert np.isfinite(Rebar(0.05, coupled=coupled).sample(q, f, 1000, np.random.default_rng(0))).all()
    q, f = Bernoulli([700.0, -700.0]), SquaredError(0.45)
    for coupled in (False, True):
        assert np.isfinite(Rebar(0.05, coupled=coupled).sample(q, f, 1000, np.random.default_rng(0))).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_a_temperature_that_is_none(temperature):
    with pytest.raises(ValueError, match="Rebar needs a positive and finite temperature, but it is"):
        Rebar(temperature)


@pytest.mark.parametrize("temperature", ["low", 1j, None])
def test_a_temperature_of_the_wrong_kind(temperature):
    with pytest.raises(TypeError, match="temperature needs real numbers, but has dtype"):
        Rebar(temperature)


def test_a_temperature_for_each_row():
    with pytest.raises(ValueError, match=r"Rebar needs a positive and finite temperature, but it is \[0\.5, 1\.0\]"):
        Rebar([0.5, 1.0])


@pytest.mark.parametrize("coefficient", [np.inf, -np.inf, np.nan])
def test_a_coefficient_that_is_none(coefficient):
    with pytest.raises(ValueError, match="Rebar needs a finite number as coefficient, but it is"):
        Rebar(coefficient=coefficient)


@pytest.mark.parametrize("cls", [Rebar, Relax])
def test_a_choice_and_an_optimizer_of_the_wrong_kind(cls):
    with pytest.raises(TypeError, match=rf"{cls.__name__} needs a bool as coupled, but it is Adam\(\)"):
        cls(coupled=Adam())
    with pytest.raises(TypeError, match=f"{cls.__name__} needs a Adam as optimizer, but it is None"):
        cls(optimizer=None)


def test_how_often_f_is_evaluated():
    shown = []

    class Counted(SquaredError):  # noqa: N818  (it is a square, not an exception)
        def __call__(self, z):
            shown.append(np.isin(z, (0.0, 1.0)).all())
            return super().__call__(z)

    for coupled, needed in ((False, [False, False, True]), (True, [False, True])):
        shown.clear()
        Rebar(coupled=coupled).sample(PAIR[0], Counted(0.3), 3, np.random.default_rng(0))
        assert shown == needed


def test_an_f_that_autograd_cannot_follow():
    with pytest.raises(TypeError, match=r"f needs to be differentiable, but autograd cannot follow .*autograd\.numpy"):
        Rebar().sample(PAIR[0], lambda z: np.where(z > 0.5, z, -z).sum(axis=-1), 3, np.random.default_rng(0))


def test_a_gradient_by_hand_of_a_wrong_shape():
    class Halved(SquaredError):  # noqa: N818  (it is a square, not an exception)
        def grad(self, z):
            return super().grad(z)[..., :1]

    with pytest.raises(ValueError, match=r"f\.grad needs to return shape \(3, 2\), but returned shape \(3, 1\)"):
        Rebar().sample(PAIR[0], Halved(0.3), 3, np.random.default_rng(0))


def test_the_optimiser_is_no_part_of_the_name():
    assert repr(Rebar()) == "Rebar(temperature=0.5, coefficient=1.0, coupled=False)"
    assert Rebar(optimizer=Adam(rate=0.1)) != Rebar()
