"""Mistakes of Gumbel-Softmax: the noise has the law that its mistake says, and small cases in closed form."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax
from refgrad.objectives import Interacting, SquaredError, Table
from refgrad.testing.mistakes import gumbel_softmax as catalogue

NAMED = {m.name.removeprefix("gumbel-softmax-"): m for m in catalogue.MISTAKES}
U = np.array([0.001, 0.25, 0.5, 0.75, 0.999])
LAWS = {
    "uniform-noise": (U, U),
    "exponential-noise": (-np.log(U), -np.log(U)),
    "uniform-capped": (np.log(0.99 * U) - np.log1p(-0.99 * U), -np.log(-np.log(0.99 * U))),
    "gumbel-for-logistic": (-np.log(-np.log(U)), None),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_noise_behind_a_uniform_number(name):
    """A relaxed sample of temperature 1 is given back by the noise that the formula has for the same uniform number."""
    estimator = NAMED[name].like(GumbelSoftmax(1.0)).estimator
    logistic, gumbel = LAWS[name]
    q = Bernoulli([0.5])
    relaxed = estimator._relaxed(q, (np.log(U) - np.log1p(-U))[:, None])
    np.testing.assert_allclose(relaxed, q.relax(logistic[:, None], 1.0), rtol=1e-13)
    if gumbel is not None:
        q = Categorical([[0.5, -1.0]])
        two = np.stack([U, U[::-1]], axis=-1)[:, None, :]
        relaxed = estimator._relaxed(q, -np.log(-np.log(two)))
        needed = q.relax(np.stack([gumbel, gumbel[::-1]], axis=-1)[:, None, :], 1.0)
        np.testing.assert_allclose(relaxed, needed, rtol=1e-13)


def test_a_missing_temperature_is_a_factor():
    q, f = Bernoulli([0.5, -1.0]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
    for temperature in (0.25, 2.0):
        slip = NAMED["slope-without-temperature"].like(GumbelSoftmax(temperature))
        given, right = exact.moments(slip.estimator, q, f), exact.moments(slip.of, q, f)
        np.testing.assert_allclose(given.mean, temperature * right.mean, rtol=1e-9)


def test_where_they_are_nothing():
    """At temperature 1 nothing is seen of the four mistakes of the temperature; at logit 0 nothing of one bracket."""
    q, f = Bernoulli([0.5, -1.0]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
    right = GumbelSoftmax(1.0)
    noise = right.draw_noise(q, 9, np.random.default_rng(0))
    for name in ("temperature-multiplied", "noise-divided-alone", "logits-divided-alone", "slope-without-temperature"):
        np.testing.assert_array_equal(NAMED[name].like(right).estimator(q, f, noise), right(q, f, noise))
    toy = Bernoulli([0.0]), SquaredError(0.45)
    assert np.abs(exact.bias(NAMED["gumbel-for-logistic"].estimator, *toy)).max() > 1e-2


def test_a_symmetric_noise_does_not_feel_its_sign():
    """Two Gumbels with the sign turned are a logistic too: with two categories the mistake is nothing."""
    two, three = Categorical([[0.5, -1.0]]), Categorical([[0.5, -1.0, 0.25]])
    slip = NAMED["noise-subtracted"]
    for q, f, seen in (
        (two, Table([1.0, 2.0], event_shape=(1, 2)), False),
        (three, Table([1.0, 2.0, -0.5], event_shape=(1, 3)), True),
    ):
        given, right = exact.moments(slip.estimator, q, f), exact.moments(slip.of, q, f)
        assert (np.abs(given.mean - right.mean) > 1e3 * (given.error + right.error)).any() == seen
