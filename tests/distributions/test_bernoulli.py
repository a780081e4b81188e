"""Bernoulli: every verb against fifty digits, its identities, and what it refuses."""

import pickle
from dataclasses import FrozenInstanceError

import mpmath
import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp
from autograd.test_util import check_grads
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from refgrad import Bernoulli
from refgrad.distributions._array import untraced

EPS = np.finfo(float).eps
quick = settings(max_examples=100, deadline=None, derandomize=True)
logits = st.lists(st.floats(-700, 700), min_size=1, max_size=4)
EXTREMES = [-700.0, -36.0, -1.5, -1e-8, 0.0, 0.3, 36.0, 40.0, 700.0]


def digits(fn, *values):
    with mpmath.workdps(400):
        return fn(*map(mpmath.mpf, values))


def assert_ulps(value, exact, ulps):
    assert abs(mpmath.mpf(float(value)) - exact) <= ulps * EPS * abs(exact)


@pytest.mark.parametrize("logit", EXTREMES)
class TestFiftyDigits:
    def test_probs(self, logit):
        assert_ulps(Bernoulli([logit]).probs[0], digits(lambda x: 1 / (1 + mpmath.exp(-x)), logit), 4)

    def test_log_prob(self, logit):
        for z, side in ((1.0, -1), (0.0, 1)):
            exact = digits(lambda x, side=side: -mpmath.log1p(mpmath.exp(side * x)), logit)
            assert_ulps(Bernoulli([logit]).log_prob([z]), exact, 4)

    def test_score(self, logit):
        for z in (0.0, 1.0):
            exact = digits(lambda x, z=z: z - 1 / (1 + mpmath.exp(-x)), logit)
            assert_ulps(Bernoulli([logit]).score([z])[0], exact, 4)

    @pytest.mark.parametrize("temperature", [1e-3, 0.5, 1e3])
    def test_relax(self, logit, temperature):
        noise = 0.25
        exact = digits(lambda x: 1 / (1 + mpmath.exp(-(x + noise) / mpmath.mpf(temperature))), logit)
        # The argument is rounded three times; a sigmoid multiplies its relative error by at most its size.
        argument = abs((logit + noise) / temperature)
        assert abs(mpmath.mpf(float(Bernoulli([logit]).relax([noise], temperature)[0])) - exact) <= (
            4 * EPS * (1 + argument) * abs(exact) + 5e-324
        )

    @pytest.mark.parametrize("v", [-700.0, -40.0, -0.5, 0.0, 3.0, 40.0, 700.0])
    def test_noise_given(self, logit, v):
        q = Bernoulli([logit])
        for z, side in ((1.0, 1), (0.0, -1)):

            def exact(x, v, side=side):
                x, v = side * x, side * v
                return side * (mpmath.log1p(mpmath.exp(v)) + mpmath.log(mpmath.exp(-x) + 1 / (1 + mpmath.exp(-v))))

            noise = q.noise_given([z], [v])[0]
            off = abs(mpmath.mpf(float(noise)) - digits(exact, logit, v))
            assert off <= 8 * EPS * max(abs(logit), abs(v), 1.0)
            assert q.sample([noise])[0] == z


class TestIdentities:
    @given(logits, st.integers(0, 2**32))
    @quick
    def test_noise_given_z_gives_z_back(self, logits, seed):
        q, rng = Bernoulli(logits), np.random.default_rng(seed)
        z = (rng.random((20, len(logits))) < 0.5).astype(float)
        v = q.draw_noise(20, rng) * rng.choice([1.0, 10.0, 30.0])
        np.testing.assert_array_equal(q.sample(q.noise_given(z, v)), z)

    @given(st.floats(-30, 30))
    @quick
    def test_noise_given_z_increases_in_v(self, logit):
        q, v = Bernoulli([logit]), np.linspace(-50, 50, 401)[:, None]
        for z in (0.0, 1.0):
            assert (np.diff(q.noise_given(np.full_like(v, z), v)[:, 0]) >= 0).all()

    @given(st.floats(-8, 8))
    @quick
    def test_noise_given_z_averaged_over_z_is_logistic(self, logit):
        q, v = Bernoulli([logit]), np.linspace(-20, 20, 81)[:, None]
        p = q.probs[0]
        # P(noise <= noise_given(z, v) | z) = sigmoid(v), so the marginal is known at these points.
        above = q.noise_given(np.ones_like(v), v)
        np.testing.assert_allclose(expit(above), 1 - p + p * expit(v), rtol=1e-12, atol=1e-15)
        below = q.noise_given(np.zeros_like(v), v)
        np.testing.assert_allclose(expit(below), (1 - p) * expit(v), rtol=1e-12, atol=1e-15)

    @given(logits, st.floats(0.05, 20), st.integers(0, 2**32))
    @quick
    def test_the_relaxation_rounds_to_the_sample(self, logits, temperature, seed):
        q = Bernoulli(logits)
        noise = q.draw_noise(50, np.random.default_rng(seed))
        apart = np.abs(q.logits + noise) > 1e-9
        relaxed = q.relax(noise, temperature)
        np.testing.assert_array_equal((relaxed > 0.5)[apart], (q.sample(noise) == 1)[apart])
        assert ((relaxed >= 0) & (relaxed <= 1)).all()

    def test_on_the_threshold_v_is_that_of_the_nearest_noise_inside(self):
        # Two neighbours of the threshold, one and two ulps inside: at small depth v changes by the log of the depth.
        q = Bernoulli([0.3, -0.7, 36.0])
        one = np.nextafter(-q.logits, -np.inf)
        on, first, second = (q.fresh_given(noise) for noise in (-q.logits, one, np.nextafter(one, -np.inf)))
        assert (q.sample(-q.logits) == 0).all()
        rounding = 8 * EPS * np.abs(on)
        assert (first - np.log(2) - rounding <= on).all()
        assert (on <= second + np.log(2) + rounding).all()

    def test_the_score_is_the_gradient_of_log_prob(self):
        z, x = np.array([1.0, 0.0, 1.0]), np.array([0.5, -2.0, 3.0])
        np.testing.assert_allclose(grad(lambda x: Bernoulli(x).log_prob(z))(x), Bernoulli(x).score(z), rtol=1e-14)

    def test_the_score_has_mean_zero(self):
        q = Bernoulli([0.5, -2.0, 3.0])
        z = q.support()
        np.testing.assert_allclose(np.exp(q.log_prob(z)) @ q.score(z), 0, atol=10 * EPS)
        assert np.exp(q.log_prob(z)).sum() == pytest.approx(1, abs=10 * EPS)

    def test_the_score_of_a_relaxed_z_is_z_less_probs(self):
        q, z = Bernoulli([0.5, -2.0]), np.array([0.25, 0.75])
        np.testing.assert_allclose(q.score(z), z - q.probs, rtol=4 * EPS)


class TestSecondOrder:
    x, z = np.array([0.0, 2.0, -3.0]), np.array([1.0, 0.0, 1.0])
    noise, weight = np.array([0.3, -0.2, 0.0]), np.array([1.0, 2.0, 3.0])

    @pytest.mark.parametrize(
        "fn",
        [
            lambda q, noise, t: q.relax(noise, t) ** 2,
            lambda q, noise, t: q.relax(q.noise_given(TestSecondOrder.z, noise), t) ** 2,
            lambda q, noise, t: q.noise_given(TestSecondOrder.z, noise) * t,
            lambda q, noise, t: q.score(TestSecondOrder.z) * q.probs * t + noise,
            lambda q, noise, t: q.log_prob(TestSecondOrder.z) ** 2 * t + noise,
        ],
    )
    def test_autograd(self, fn):
        def total(x, noise, t):
            return anp.sum(self.weight * fn(Bernoulli(x), noise, t))

        check_grads(total, modes=["rev"], order=2)(self.x, self.noise, 0.5)

    def test_broadcasting(self):
        rng = np.random.default_rng(0)
        noise, z = rng.logistic(size=(5, 2, 3)), rng.integers(0, 2, size=(5, 1, 3)).astype(float)

        def total(x, noise, t):
            q = Bernoulli(x)
            return anp.sum(q.relax(q.noise_given(z, noise), t) ** 2)

        check_grads(total, modes=["rev"], order=2)(rng.normal(size=(2, 3)), noise, 0.7)

    def test_followed_or_not_it_moves_to_the_same_bits(self):
        q, seen, v = Bernoulli([36.0, -36.0, 700.0, 0.3]), [], np.full((3, 4), [[-100.0], [0.5], [100.0]])
        for z in (np.zeros((3, 4)), np.ones((3, 4))):
            grad(lambda x, z=z: (seen.append(untraced(own := Bernoulli(x).noise_given(z, v))), anp.sum(own))[1])(
                q.logits
            )
            np.testing.assert_array_equal(seen[-1], q.noise_given(z, v))

    def test_the_move_by_ulps_is_a_constant(self):
        slope = grad(lambda x: Bernoulli(x).noise_given(np.ones(1), np.array([-100.0]))[0])(np.array([36.0]))
        np.testing.assert_allclose(slope, -1.0, rtol=1e-12)


class TestShapes:
    def test_batches(self):
        q = Bernoulli(np.zeros((4, 2, 3)))
        assert q.event_shape == (3,)
        assert q.batch_shape == (4, 2)
        noise = q.draw_noise((5, 4, 2), np.random.default_rng(0))
        assert noise.shape == (5, 4, 2, 3)
        z = q.sample(noise)
        assert z.shape == noise.shape
        assert q.log_prob(z).shape == (5, 4, 2)
        assert q.expand(q.log_prob(z)).shape == (5, 4, 2, 1)
        assert (q.expand(q.log_prob(z)) * q.score(z)).shape == (5, 4, 2, 3)

    def test_support_is_in_lexicographic_order(self):
        q = Bernoulli(np.zeros(3))
        z = q.support()
        assert z.tolist() == [[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
        np.testing.assert_array_equal(q.support(2, 5), z[2:5])
        assert Bernoulli(np.zeros(60)).support(2**59, 2**59 + 1)[0].tolist() == [1.0] + [0.0] * 59
        assert Bernoulli(np.zeros(62)).support(2**62 - 1).tolist() == [[1.0] * 62]

    def test_no_configurations_have_a_shape(self):
        assert Bernoulli(np.zeros(3)).support(2, 2).shape == (0, 3)

    def test_one_row_alone_or_among_many(self):
        q = Bernoulli(np.linspace(-3, 3, 11))
        noise = q.draw_noise(9, np.random.default_rng(0))
        z = q.sample(noise)
        for verb in (q.score, q.log_prob, lambda z: q.noise_given(z, noise[0]), lambda z: q.relax(z, 0.5)):
            np.testing.assert_array_equal(verb(z)[3], verb(z[3]))


class TestValue:
    def test_copied_read_only_and_frozen(self):
        mine = np.array([1.0, 2.0])
        q = Bernoulli(mine)
        mine[0] = 5.0
        assert q.logits.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="read-only"):
            q.logits[0] = 3.0
        with pytest.raises(FrozenInstanceError):
            q.logits = mine
        assert q != Bernoulli(q.logits)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(q)).logits, q.logits)

    def test_repr_is_short(self):
        assert repr(Bernoulli([0.5, -1.0])) == "Bernoulli(logits=[ 0.5, -1. ])"
        assert len(repr(Bernoulli(np.zeros((50, 1000))))) < 120

    @pytest.mark.parametrize("kind", [np.float32, np.int64, bool, list])
    def test_other_real_numbers_become_float64(self, kind):
        q = Bernoulli([1, 0] if kind is list else np.array([1, 0]).astype(kind))
        assert q.logits.dtype == q.probs.dtype == q.sample([0.5, 0.5]).dtype == np.float64


class TestErrors:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_logits_that_are_not_finite(self, bad):
        with pytest.raises(ValueError, match=rf"needs finite logits, but has {bad} at \(1,\)"):
            Bernoulli([0.0, bad])

    @pytest.mark.parametrize("bad", [0.5, [], np.zeros((3, 0))])
    def test_no_variables(self, bad):
        with pytest.raises(ValueError, match=r"needs logits of shape \(\.\.\., D\), none of these zero, but"):
            Bernoulli(bad)

    @pytest.mark.parametrize("bad", [["a"], [1j], [None]])
    def test_logits_that_are_no_numbers(self, bad):
        with pytest.raises(TypeError, match="Bernoulli logits needs real numbers, but has dtype"):
            Bernoulli(bad)

    def test_a_wrong_last_axis(self):
        q = Bernoulli([0.0, 1.0])
        for verb, name in ((q.sample, "noise"), (q.score, "z"), (q.log_prob, "z"), (lambda x: q.relax(x, 1), "noise")):
            with pytest.raises(ValueError, match=rf"{name} needs shape \(\.\.\., 2\), but has shape \(4, 3\)"):
                verb(np.zeros((4, 3)))

    def test_the_argument_that_is_wrong_is_named(self):
        q, wrong = Bernoulli([0.0, 1.0]), np.zeros(3)
        for verb, name in (
            (lambda x: q.noise_given(x, np.zeros(2)), "z"),
            (lambda x: q.noise_given(np.zeros(2), x), "v"),
            (q.fresh_given, "noise"),
            (lambda x: q.relax_given(x, np.zeros(2), 0.5), "z"),
            (lambda x: q.relax_given(np.zeros(2), x, 0.5), "v"),
        ):
            with pytest.raises(ValueError, match=rf"^{name} needs shape \(\.\.\., 2\), but has shape \(3,\)"):
                verb(wrong)
        with pytest.raises(TypeError, match=r"^value needs real numbers, but has dtype"):
            q.expand("a")

    def test_a_z_that_is_not_hard(self):
        q = Bernoulli([0.0, 1.0])
        for verb in (q.log_prob, lambda z: q.noise_given(z, np.zeros(2))):
            with pytest.raises(ValueError, match=r"z needs entries 0 and 1, but has 0\.5 at \(1,\)"):
                verb([1.0, 0.5])

    @pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
    def test_a_temperature_that_is_none(self, bad):
        with pytest.raises(ValueError, match="temperature needs to be positive and finite, but is"):
            Bernoulli([0.0]).relax([0.0], bad)

    def test_a_temperature_that_is_no_number(self):
        with pytest.raises(ValueError, match=r"temperature needs to be positive and finite, but is \[0\.5\]"):
            Bernoulli([0.0]).relax([0.0], np.array([0.5]))
        with pytest.raises(TypeError, match=r"^temperature needs real numbers, but has dtype <U1"):
            Bernoulli([0.0]).relax([0.0], "a")

    @pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 5)])
    def test_a_wrong_part_of_the_support(self, start, stop):
        with pytest.raises(ValueError, match=rf"0 <= start <= stop <= 4, but start = {start} and stop = {stop}"):
            Bernoulli([0.0, 1.0]).support(start, stop)

    def test_a_support_without_numbers(self):
        with pytest.raises(ValueError, match=r"at most 2\*\*62 configurations, but there are"):
            Bernoulli(np.zeros(63)).support(0, 1)

    def test_a_generator_that_is_none(self):
        with pytest.raises(TypeError, match=r"rng needs a numpy\.random\.Generator, but is RandomState"):
            Bernoulli([0.0]).draw_noise(3, np.random.RandomState(0))
