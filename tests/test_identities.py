"""What unbiasedness cannot see: identities of every relaxed estimator on the same noise, and of the noise given z."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gumbel_r, kstest, logistic

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Claims, Estimator, GumbelSoftmax, Rebar, Relax
from refgrad.estimators._relaxed import control_paths
from refgrad.objectives import Interacting
from refgrad.testing import built_in

EPS = np.finfo(float).eps
MANY = settings(max_examples=60, deadline=None, derandomize=True)
QS = {
    "bernoulli": Bernoulli([0.6, -1.1]),
    "categorical": Categorical([[1.0, 2.5, 0.5]]),
    "masked": Categorical([[1.0, -np.inf, 0.5]]),
    "saturated": Bernoulli([36.0, -700.0]),
}
RELAXED = [e for e in built_in.instances() if isinstance(e, (GumbelSoftmax, Rebar, Relax))]
relaxed_estimators = pytest.mark.parametrize("estimator", RELAXED, ids=repr)


@st.composite
def cases(draw):
    """A q with logits up to 30, masks among them, and a seed."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    scale = draw(st.sampled_from([0.0, 1.0, 8.0, 30.0]))
    if draw(st.booleans()):
        return Bernoulli(scale * rng.normal(size=draw(st.integers(1, 4)))), rng
    logits = scale * rng.normal(size=(draw(st.integers(1, 3)), draw(st.integers(1, 5))))
    if draw(st.booleans()):
        logits[:, 1:] = np.where(rng.random(logits[:, 1:].shape) < 0.3, -np.inf, logits[:, 1:])
    return Categorical(logits), rng


def zero(z):
    return np.zeros(len(z))


def hard(q, relaxed):
    """The vertex that a relaxed sample is nearest to."""
    if q.event_ndim == 1:
        return (relaxed > 0.5).astype(float)
    return (np.argmax(relaxed, axis=-1)[..., None] == np.arange(q.event_shape[1])).astype(float)


def settled(q, relaxed):
    """Where rounding left no tie."""
    if q.event_ndim == 1:
        return np.abs(relaxed - 0.5) > 4 * EPS
    top = np.sort(relaxed, axis=-1)
    return (top[..., -1] - top[..., -2] > 4 * EPS)[..., None] if q.event_shape[1] > 1 else np.ones((1, 1), bool)


@given(case=cases(), temperature=st.sampled_from([0.05, 0.5, 1.0, 3.0]))
@MANY
def test_the_hard_form_of_the_relaxed_sample_given_z_is_z(case, temperature):
    q, rng = case
    noise = q.draw_noise(200, rng)
    z = q.sample(noise)
    for own in (noise, q.noise_given(z, q.draw_noise(200, rng))):
        relaxed = q.relax(own, temperature)
        same = hard(q, relaxed) == z
        assert np.all(same | ~settled(q, relaxed))


@given(case=cases())
@MANY
def test_fresh_noise_is_what_noise_given_z_undoes(case):
    q, rng = case
    noise = q.draw_noise(200, rng)
    z, fresh = q.sample(noise), q.fresh_given(noise)
    assert np.isfinite(fresh).all()
    back = q.noise_given(z, fresh)
    # Near the edge of the cell the noise is the logits, and they are what its rounding is measured by.
    size = np.abs(noise) + np.where(np.isfinite(q.logits), np.abs(q.logits), 0.0).max() + np.abs(fresh) + 1
    assert np.all(np.abs(back - noise) <= 16 * EPS * size)
    np.testing.assert_array_equal(q.sample(back), z)


@given(case=cases())
@MANY
def test_noise_on_the_edge_of_a_cell_has_fresh_noise_too(case):
    q, _ = case
    edge = -np.where(np.isfinite(q.logits), q.logits, 0.0)
    fresh = q.fresh_given(edge)
    assert np.isfinite(fresh).all()
    np.testing.assert_array_equal(q.sample(q.noise_given(q.sample(edge), fresh)), q.sample(edge))


@dataclass(frozen=True)
class Power(Estimator):
    """A power of the noise given z, so that the oracle takes its mean over z and fresh noise."""

    power: int
    widened: float = 1.0
    draws: ClassVar[int] = 2
    claims: ClassVar[Claims] = Claims(unbiased=False, reads=("z", "smooth"))

    def __call__(self, q, f, noise):  # noqa: ARG002
        return q.noise_given(q.sample(noise[0]), self.widened * noise[1]) ** self.power


@pytest.mark.parametrize("q", [Bernoulli([0.6, -1.1]), Bernoulli([8.0]), Categorical([[1.0, 2.5]])], ids=repr)
def test_the_noise_given_z_averaged_over_z_has_the_moments_of_the_noise(q):
    law = logistic if q.event_ndim == 1 else gumbel_r
    for power, moment in ((1, law.mean()), (2, law.var() + law.mean() ** 2), (3, law.moment(3))):
        right = exact.moments(Power(power), q, zero)
        assert (np.abs(right.mean - moment) <= right.error + 64 * EPS * moment).all()
        wrong = exact.moments(Power(power, widened=1.01), q, zero)
        assert (np.abs(wrong.mean - moment) > 100 * wrong.error).any()


@pytest.mark.parametrize("name", ["bernoulli", "categorical"])
def test_the_noise_given_z_of_drawn_z_has_the_law_of_the_noise(name):
    """Kolmogorov's distance of 50,000 draws: exceeded by chance once in 10**9 for each component."""
    q, rng = QS[name], np.random.default_rng(0)
    z = q.sample(q.draw_noise(50_000, rng))
    given = q.noise_given(z, q.draw_noise(50_000, rng)).reshape(50_000, -1)
    wrong = q.noise_given(z[::-1], q.draw_noise(50_000, rng)).reshape(50_000, -1) * 1.05
    law = logistic if q.event_ndim == 1 else gumbel_r
    assert min(kstest(column, law.cdf).pvalue for column in given.T) > 1e-9
    assert min(kstest(column, law.cdf).pvalue for column in wrong.T) < 1e-9  # the control: five per cent too wide


@pytest.mark.parametrize("name", ["bernoulli", "categorical"])
def test_fresh_noise_is_independent_of_z(name):
    """Given each z the fresh noise of the noise is standard again: Kolmogorov, once in 10**9 by chance."""
    q, rng = QS[name], np.random.default_rng(1)
    noise = q.draw_noise(50_000, rng)
    z, fresh = q.sample(noise), q.fresh_given(noise)
    law = logistic if q.event_ndim == 1 else gumbel_r
    for config in q.support():
        own = (z == config).reshape(len(z), -1).all(axis=1)
        assert all(kstest(column, law.cdf).pvalue > 1e-9 for column in fresh[own].reshape(own.sum(), -1).T)
        assert any(kstest(column, law.cdf).pvalue < 1e-9 for column in noise[own].reshape(own.sum(), -1).T)


def terms(estimator, q, f, noise):
    """The two relaxed values of an estimator, as functions of the logits at fixed noise and z."""
    control_variate = f if isinstance(estimator, (GumbelSoftmax, Rebar)) else estimator._at(q)
    noise_z = noise[0]
    z = q.sample(noise_z)
    fresh = noise[1] if estimator.draws == 2 else q.fresh_given(noise_z)

    def relaxed(logits):
        return control_variate(type(q)(logits).relax(noise_z, estimator.temperature))

    def relaxed_given_z(logits):
        own = type(q)(logits)
        return control_variate(own.relax(own.noise_given(z, fresh), estimator.temperature))

    return control_variate, z, relaxed, relaxed_given_z


def central(fn, logits, h=1e-5):
    """Central differences in each logit: (n, *event_shape)."""
    flat = logits.ravel()
    steps = [h * e.reshape(logits.shape) for e in np.eye(flat.size)]
    columns = [(fn(logits + s) - fn(logits - s)) / (2 * h) for s in steps]
    return np.stack(columns, axis=-1).reshape((-1, *logits.shape))


@relaxed_estimators
@pytest.mark.parametrize("name", ["bernoulli", "categorical"])
def test_the_pathwise_derivative_is_a_finite_difference_on_the_same_noise_and_z(estimator, name):
    q, rng = QS[name], np.random.default_rng(0)
    f = Interacting(0.5, *rng.normal(size=(4, *q.event_shape)))
    noise = estimator.draw_noise(q, 50, rng)
    control_variate, z, relaxed, relaxed_given_z = terms(estimator, q, f, noise)
    differences = central(relaxed, q.logits)
    if isinstance(estimator, GumbelSoftmax):
        slope = estimator(q, f, noise)
    else:
        own_z, value_z, slope = control_paths(control_variate, q, noise, estimator.temperature, estimator.coupled)
        np.testing.assert_array_equal(own_z, z)
        np.testing.assert_allclose(value_z, relaxed_given_z(q.logits), rtol=1e-12)
        differences = differences - central(relaxed_given_z, q.logits)
    # Central differences: h**2 times a third derivative, at most of order 1 / temperature**3, beside rounding over h.
    allowed = 1e-10 * (1 + estimator.temperature**-3) * 50 * (1 + np.abs(differences).max()) + 1e-9
    assert np.abs(slope - differences).max() <= allowed


@dataclass(frozen=True)
class RelaxedValue(Estimator):
    """f at a relaxed sample, or at the relaxed sample given z, in every component."""

    given_z: bool
    coupled: bool = False
    widened: float = 1.0
    temperature: float = 0.7

    @property
    def draws(self):
        return 2 if self.given_z and not self.coupled else 1

    @property
    def claims(self):
        return Claims(unbiased=False, differentiates_f=True, reads=("z", "smooth") if self.draws == 2 else ("cell",))

    def __call__(self, q, f, noise):
        own = noise[0]
        if self.given_z:
            fresh = q.fresh_given(own) if self.coupled else noise[1]
            own = q.noise_given(q.sample(own), self.widened * fresh)
        value = f(q.relax(own, self.temperature))
        return np.broadcast_to(q.expand(value), np.shape(noise)[1:])


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("q", [Bernoulli([0.6, -1.1]), Categorical([[1.0, 2.5, 0.5]])], ids=lambda q: q.family)
def test_both_relaxed_terms_have_the_same_mean(q, coupled):
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, *q.event_shape)))
    free = exact.moments(RelaxedValue(given_z=False), q, f)
    given_z = exact.moments(RelaxedValue(given_z=True, coupled=coupled), q, f)
    assert (np.abs(free.mean - given_z.mean) <= free.error + given_z.error).all()
    wrong = exact.moments(RelaxedValue(given_z=True, coupled=coupled, widened=1.01), q, f)
    assert (np.abs(free.mean - wrong.mean) > 100 * (free.error + wrong.error)).all()
