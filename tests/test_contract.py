"""Every claim of every estimator, attacked exactly: the oracle is the judge, Hypothesis draws the problem."""

import pickle
import sys
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refgrad import Bernoulli, Categorical, exact
from refgrad import estimators as package
from refgrad.objectives import Interacting, Quadratic
from refgrad.testing import built_in

EPS = np.finfo(float).eps
INSTANCES = built_in.instances()
PER_SAMPLE = settings(max_examples=25, deadline=None, derandomize=True)
MOMENTS = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
every_estimator = pytest.mark.parametrize("estimator", INSTANCES, ids=repr)

eighths = st.integers(-8, 8).map(lambda k: k / 8)


@st.composite
def settings_of(draw, estimator, small=False):
    """A q, and coefficients of an f with interactions of every order; small enough for two axes of quadrature."""
    family = draw(st.sampled_from(estimator.claims.families))
    enumerated = all(word == "z" for word in estimator.claims.reads)
    most = 3 if enumerated or not small else 2
    if family == "bernoulli":
        shape = (draw(st.integers(1, most)),)
    else:
        shape = draw(st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 3)] + [(2, 3), (3, 2)] * (most == 3)))
    size = int(np.prod(shape))
    logits = np.reshape(draw(st.lists(st.integers(-24, 24), min_size=size, max_size=size)), shape) / 8
    parts = [np.reshape(draw(st.lists(eighths, min_size=size, max_size=size)), shape) for _ in range(4)]
    q = (Bernoulli if family == "bernoulli" else Categorical)(logits)
    return q, Interacting(draw(eighths), *parts)


def close(one, other, scale):
    """Equal to rounding: a few hundred operations on numbers of this size."""
    np.testing.assert_array_less(np.abs(one - other), 2000 * EPS * (1 + np.max(np.abs(scale), initial=0.0)))


def noise_for(estimator, q, n=5, seed=0):
    noise = estimator.draw_noise(q, n, np.random.default_rng(seed))
    noise.flags.writeable = False
    return noise


def permuted(f, order):
    """f of a z whose entries along the last axis come in another order."""
    return lambda z: f(z[..., order])


@every_estimator
class TestClaims:
    @given(data=st.data())
    @MOMENTS
    def test_where_unbiased_is_claimed_the_mean_is_the_gradient(self, estimator, data):
        q, f = data.draw(settings_of(estimator, small=True))
        moments = exact.moments(estimator, q, f)
        assert (moments.error <= 1e-10).all()
        if estimator.claims.unbiased:
            assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()

    def test_a_bias_that_is_claimed_is_visible(self, estimator):
        pairs = [pair for pair in built_in.pairs() if pair[0] == estimator]
        assert pairs
        if not estimator.claims.unbiased:
            rows = [built_in.row(*pair) for pair in pairs]
            assert any((np.abs(row.bias) > 100 * row.error).any() for row in rows)

    @given(data=st.data())
    @MOMENTS
    def test_a_constant_added_to_f_leaves_the_mean(self, estimator, data):
        q, f = data.draw(settings_of(estimator, small=True))
        higher = Interacting(f.constant + 3, f.squares, f.pairs, f.triples, f.bounded)
        one, other = exact.moments(estimator, q, f), exact.moments(estimator, q, higher)
        if estimator.claims.unbiased or estimator.claims.differentiates_f:
            assert (np.abs(one.mean - other.mean) <= one.error + other.error).all()

    def test_draws_read_through_z_alone_do_not_feel_the_rest_of_the_noise(self, estimator):
        for q in (Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, 0.0]])):
            if q.family not in estimator.claims.families:
                continue
            f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
            noise = noise_for(estimator, q)
            moved = noise.copy()
            for draw, word in enumerate(estimator.claims.reads):
                if word == "z":
                    fresh = q.draw_noise(len(noise[draw]), np.random.default_rng(1))
                    moved[draw] = q.noise_given(q.sample(noise[draw]), fresh)
            np.testing.assert_array_equal(estimator(q, f, noise), estimator(q, f, moved))

    def test_f_is_shown_what_the_claims_say(self, estimator):
        shown = []

        def spy(z):
            shown.append(z)
            return (z * z).sum(axis=tuple(range(-q.event_ndim, 0)))

        for q in (Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, 0.0]])):
            if q.family in estimator.claims.families:
                estimator(q, spy, noise_for(estimator, q))
        if not estimator.claims.differentiates_f:
            assert all(isinstance(z, np.ndarray) and np.isin(z, (0.0, 1.0)).all() for z in shown)

    @given(data=st.data())
    @MOMENTS
    def test_where_f_is_of_the_class_that_is_claimed_nothing_varies(self, estimator, data):
        q, _ = data.draw(settings_of(estimator, small=True))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        size = int(np.prod(q.event_shape))
        linear = rng.integers(-8, 9, q.event_shape) / 8
        matrix = rng.integers(-8, 9, (size, size)) / 8
        classes = {"linear": Quadratic(0.5, linear, 0 * matrix), "quadratic": Quadratic(0.5, linear, matrix)}
        if estimator.claims.exact_for is not None:
            simple = classes[estimator.claims.exact_for]
            estimates = estimator(q, simple, noise_for(estimator, q))
            close(estimates, np.broadcast_to(exact.gradient(q, simple), estimates.shape), size * size)

    def test_the_claims_are_complete(self, estimator):
        claims = estimator.claims
        assert len(claims.reads) == estimator.draws
        assert set(claims.reads) <= {"z", "cell", "smooth"}
        assert set(claims.families) <= {"bernoulli", "categorical"}
        assert claims.derivation


@every_estimator
class TestSymmetries:
    @given(data=st.data())
    @PER_SAMPLE
    def test_shifted_logits_give_the_same_estimates(self, estimator, data):
        q, f = data.draw(settings_of(estimator))
        if q.family == "categorical":
            noise, shift = noise_for(estimator, q), np.arange(1.0, 1 + len(q.logits))[:, None]
            here, there = estimator(q, f, noise), estimator(Categorical(q.logits + shift), f, noise)
            close(here, there, here)
            if estimator.claims.shift_invariant:
                close(here.sum(axis=-1), 0.0, here)

    @given(data=st.data())
    @PER_SAMPLE
    def test_variables_in_another_order(self, estimator, data):
        if not estimator.claims.symmetric:
            return
        q, f = data.draw(settings_of(estimator))
        axis = -q.event_ndim
        order = np.array(data.draw(st.permutations(range(q.event_shape[0]))))
        back = np.argsort(order)
        noise = noise_for(estimator, q)
        turned = type(q)(np.take(q.logits, order, axis=axis))

        def same(z):
            return f(z[..., back] if q.event_ndim == 1 else z[..., back, :])

        here = np.take(estimator(q, f, noise), order, axis=axis)
        close(here, estimator(turned, same, np.take(noise, order, axis=axis)), here)

    @given(data=st.data())
    @PER_SAMPLE
    def test_categories_in_another_order(self, estimator, data):
        q, f = data.draw(settings_of(estimator))
        if q.family == "categorical" and estimator.claims.symmetric:
            order = np.array(data.draw(st.permutations(range(q.event_shape[1]))))
            noise = noise_for(estimator, q)
            here = estimator(q, f, noise)[..., order]
            turned = estimator(Categorical(q.logits[:, order]), permuted(f, np.argsort(order)), noise[..., order])
            close(here, turned, here)

    @given(data=st.data())
    @PER_SAMPLE
    def test_linear_in_f(self, estimator, data):
        q, f = data.draw(settings_of(estimator))
        g = Interacting(1.0, f.pairs, f.squares, f.bounded, f.triples)
        noise = noise_for(estimator, q)
        # A baseline or a control variate that is not made of f is what an estimate of zero shows.
        size = int(np.prod(q.event_shape))
        offset = estimator(q, Quadratic(0.0, np.zeros(q.event_shape), np.zeros((size, size))), noise)
        one, other = estimator(q, f, noise) - offset, estimator(q, g, noise) - offset
        both = estimator(q, lambda z: 2 * f(z) - 3 * g(z), noise) - offset
        # The derivative of a relaxed path is magnified by the temperature, and so is its rounding.
        size = np.max(np.abs(f(q.support())) + np.abs(g(q.support()))) / getattr(estimator, "temperature", 1.0)
        close(both, 2 * one - 3 * other, np.abs(one).max() + np.abs(other).max() + np.abs(offset).max() + size)


@every_estimator
class TestNoiseIsAnArgument:
    @given(data=st.data())
    @PER_SAMPLE
    def test_one_row_alone_or_among_many_has_the_same_bits(self, estimator, data):
        q, f = data.draw(settings_of(estimator))
        noise = noise_for(estimator, q, n=9)
        together = estimator(q, f, noise)
        for row in range(9):
            np.testing.assert_array_equal(together[row], estimator(q, f, noise[:, row]))
            np.testing.assert_array_equal(together[row], estimator(q, f, noise[:, row : row + 1])[0])

    def test_a_batch_is_its_rows(self, estimator):
        rng = np.random.default_rng(0)
        for cls, shape in ((Bernoulli, (3,)), (Categorical, (2, 3))):
            if cls.family in estimator.claims.families:
                q = cls(rng.normal(size=(4, *shape)))
                f = Interacting(0.5, *rng.normal(size=(4, *shape)))
                noise = noise_for(estimator, q)
                together = estimator(q, f, noise)
                assert together.shape == (5, 4, *shape)
                for row, logits in enumerate(q.logits):
                    np.testing.assert_array_equal(together[:, row], estimator(cls(logits), f, noise[:, :, row]))

    def test_inputs_are_not_modified_and_nothing_is_remembered(self, estimator):
        for q in (Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, 0.0]])):
            if q.family in estimator.claims.families:
                f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
                noise = noise_for(estimator, q)
                before, logits, state = noise.copy(), q.logits.copy(), repr(estimator)
                first = estimator(q, f, noise)
                np.testing.assert_array_equal(first, estimator(q, f, noise))
                np.testing.assert_array_equal(before, noise)
                np.testing.assert_array_equal(logits, q.logits)
                assert repr(estimator) == state
                assert first.dtype == np.float64

    def test_sample_is_a_function_of_the_generator(self, estimator):
        for q in (Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, 0.0]])):
            if q.family in estimator.claims.families:
                f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
                one, other = (estimator.sample(q, f, 100, np.random.default_rng(7)) for _ in range(2))
                np.testing.assert_array_equal(one, other)
                assert one.shape == (100, *q.event_shape)
                assert np.isfinite(one).all()

    def test_masked_categories_have_no_gradient(self, estimator):
        if "categorical" in estimator.claims.families:
            q = Categorical([[0.5, -np.inf, 0.0], [-np.inf, 1.0, 2.0]])
            f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2, 3)))
            estimates = estimator(q, f, noise_for(estimator, q, n=50))
            assert np.isfinite(estimates).all()
            assert (estimates[:, [0, 1], [1, 0]] == 0).all()


@every_estimator
class TestArguments:
    def test_noise_of_the_wrong_shape(self, estimator):
        q = Bernoulli([0.5, -1.0]) if "bernoulli" in estimator.claims.families else Categorical([[0.5, -1.0]])
        with pytest.raises(ValueError, match=r"needs noise of shape \(\d, ..., .*\), but it has shape \(7, 3, 5\)"):
            estimator(q, np.sum, np.zeros((7, 3, 5)))

    def test_noise_that_is_not_finite(self, estimator):
        q = Bernoulli([0.5, -1.0]) if "bernoulli" in estimator.claims.families else Categorical([[0.5, -1.0]])
        if not estimator.draws:
            return
        noise = noise_for(estimator, q).copy()
        noise[0, 0] = np.nan
        with pytest.raises(ValueError, match="needs finite noise, but 2 entries are not"):
            estimator(q, np.sum, noise)

    def test_f_that_returns_a_wrong_shape(self, estimator):
        q = Bernoulli([0.5, -1.0]) if "bernoulli" in estimator.claims.families else Categorical([[0.5, -1.0]])
        with pytest.raises(ValueError, match=r"f needs to return one value for each z, shape \((5,)?\), but returned"):
            estimator(q, lambda z: z, noise_for(estimator, q))

    def test_q_and_f_of_the_wrong_kind(self, estimator):
        with pytest.raises(TypeError, match="needs q of family"):
            estimator(np.zeros(2), np.sum, np.zeros((1, 2)))
        q = Bernoulli([0.5]) if "bernoulli" in estimator.claims.families else Categorical([[0.5, -1.0]])
        with pytest.raises(TypeError, match="needs a callable f"):
            estimator(q, 3.0, noise_for(estimator, q))

    def test_a_frozen_value(self, estimator):
        assert pickle.loads(pickle.dumps(estimator)) == estimator
        assert eval(repr(estimator), {**vars(package), **vars(sys.modules[type(estimator).__module__])}) == estimator
        with pytest.raises((FrozenInstanceError, AttributeError)):
            estimator.temperature = 3.0
        assert all(field.name in repr(estimator) for field in fields(estimator) if field.repr)


def test_every_class_has_examples():
    assert {type(estimator) for estimator in INSTANCES} == set(built_in.classes())
