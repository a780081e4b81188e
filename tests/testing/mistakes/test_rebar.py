"""Mistakes of REBAR: the numbers of page 08, and which of them have the same mean."""

import numpy as np
import pytest

from refgrad import Bernoulli, exact
from refgrad.estimators import Rebar
from refgrad.objectives import Quadratic, SquaredError
from refgrad.testing.mistakes import rebar

NAMED = {m.name.removeprefix("rebar-"): m for m in rebar.MISTAKES}
PAIR = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
TOY = Bernoulli([0.0]), SquaredError(0.45)


def off(name, right, q, f):
    return exact.bias(NAMED[name].like(right).estimator, q, f) / exact.gradient(q, f)


def test_as_on_page_08():
    np.testing.assert_allclose(off("detached-noise-given-z", Rebar(0.5), *PAIR), [-0.722, -0.617], atol=5e-4)
    np.testing.assert_allclose(off("fresh-reused", Rebar(0.5), *PAIR), [-0.159, -0.172], atol=5e-4)


def test_the_slipped_sign_of_the_published_code():
    """At its default settings, temperature and coefficient 1, on the toy: checked by adaptive quadrature."""
    mean = exact.moments(NAMED["slipped-sign"].like(Rebar(1.0, 1.0)).estimator, *TOY).mean
    np.testing.assert_allclose(mean, 0.0549566935, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("slopes-swapped", 2.0), ("slopes-without-coefficient", -1 / 3), ("weight-without-coefficient", 1 / 3)],
)
def test_multiples_of_what_is_paid_back(name, factor):
    """Each is a multiple of the bias without slopes: at coefficient 3/4."""
    q, f = PAIR
    none = exact.bias(NAMED["no-slopes"].estimator, q, f)
    np.testing.assert_allclose(exact.bias(NAMED[name].estimator, q, f), factor * none, rtol=1e-9)


def test_the_two_slopes_make_up_both():
    one, other, both = (
        exact.bias(NAMED[name].estimator, *PAIR) for name in ("no-slope", "no-slope-given-z", "no-slopes")
    )
    np.testing.assert_allclose(one + other, both, rtol=1e-9)


def test_a_detached_path_has_the_mean_of_no_slopes():
    """Relaxed samples have one law, given z or not: detached, the mean slopes cancel, and only the variance differs."""
    one, other = (exact.moments(NAMED[name].estimator, *PAIR) for name in ("detached-noise-given-z", "no-slopes"))
    np.testing.assert_allclose(one.mean, other.mean, rtol=0, atol=1e-12)
    assert (np.abs(one.variance - other.variance) > 1e-2).all()


def test_the_same_as_right_ones_with_other_settings():
    q, f = PAIR
    noise = Rebar().draw_noise(q, 9, np.random.default_rng(0))
    for name, right in (("squared-coefficient", Rebar(0.5, 0.75**2)), ("temperature-inverted", Rebar(2.0, 0.75))):
        np.testing.assert_allclose(NAMED[name].estimator(q, f, noise), right(q, f, noise), rtol=1e-12)
