"""Relaxed samples: derivatives by hand in every argument, once and twice, whatever is broadcast."""

import numpy as np
import pytest
from autograd.test_util import check_grads

from refgrad import Bernoulli, Categorical

EPS = np.finfo(float).eps
RNG = np.random.default_rng(0)
MANY = RNG.normal(size=(1, 9))  # more categories than are added one by one
LOGITS = {
    "bernoulli": RNG.normal(size=3),
    "categorical": RNG.normal(size=(2, 3)),
    "masked": np.array([[0.5, -np.inf, 1.0]]),
    "many categories": MANY,
    "one near certain": 4 * np.eye(9)[:1] + MANY / 4,
}


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("argument", ["logits", "noise", "temperature", "all"])
@pytest.mark.parametrize("verb", ["relax", "relax_given"])
def test_derivatives(verb, argument, kind):
    logits = LOGITS[kind]
    family = Bernoulli if kind == "bernoulli" else Categorical
    q, rng = family(logits), np.random.default_rng(1)
    noise, fresh = q.draw_noise((2, 4), rng)
    first = () if verb == "relax" else (q.sample(noise),)
    masked = ~np.isfinite(logits)

    def value(shift, noise, temperature):
        return getattr(family(np.where(masked, -np.inf, 0.0) + (q_logits + shift)), verb)(*first, noise, temperature)

    q_logits, at = np.where(masked, 0.0, logits), (np.zeros(logits.shape), fresh, 0.7)
    if argument == "all":
        check_grads(value, modes=["rev"], order=2)(*at)
    else:
        own = ("logits", "noise", "temperature").index(argument)
        check_grads(lambda x: value(*at[:own], x, *at[own + 1 :]), modes=["rev"], order=2)(at[own])


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("kind", LOGITS)
def test_given_z_it_is_the_relaxation_of_the_noise_that_yields_z(kind, temperature):
    """But for the roundings of that noise, which lies within 40 of zero, as numbers of the exponent."""
    logits = LOGITS[kind]
    q, rng = (Bernoulli if kind == "bernoulli" else Categorical)(logits), np.random.default_rng(1)
    noise, fresh = q.draw_noise((2, 50), rng)
    z = q.sample(noise)
    by_noise = q.relax(q.noise_given(z, fresh), temperature)
    np.testing.assert_allclose(q.relax_given(z, fresh, temperature), by_noise, rtol=2 * 40 * EPS / temperature)
