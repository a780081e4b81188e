"""Mistakes of REINFORCE: the numbers of page 02, and where each is nothing."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.objectives import Interacting, SquaredError, Table
from refgrad.testing.mistakes import reinforce

NAMED = {m.name: m.estimator for m in reinforce.MISTAKES}
TOY = SquaredError(0.45)


def ratio(name, q, f):
    return exact.moments(NAMED[name], q, f).mean / exact.gradient(q, f)


def test_logits_for_probs_as_on_page_02():
    assert f"{ratio('reinforce-logits-for-probs', Bernoulli([0.25]), TOY)[0]:.2f}" == "4.28"


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("reinforce-wrong-sign", -1),
        ("reinforce-mean-of-2-rows", 1 / 2),
        ("reinforce-mean-of-4-rows", 1 / 4),
        ("reinforce-mean-of-variables", 1 / 2),
    ],
)
def test_factors(name, factor):
    q, f = Bernoulli([0.5, -1.0]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
    np.testing.assert_allclose(ratio(name, q, f), factor, rtol=1e-12)


def test_a_sample_that_is_not_detached_is_nothing_at_equal_logits():
    for q, f in (
        (Bernoulli([0.0]), TOY),
        (Categorical([[2.0, 2.0, 2.0]]), Table([1.0, -0.5, 2.0], event_shape=(1, 3))),
    ):
        moments = exact.moments(NAMED["reinforce-sample-not-detached"], q, f)
        assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()


def test_a_sample_that_is_not_detached_adds_the_slope_of_the_log_prob():
    """For one bit `f(z) logit p (1 - p)` more: its mean, in closed form."""
    q = Bernoulli([-1.5])
    p = q.probs[0]
    needed = exact.value(q, TOY) * -1.5 * p * (1 - p)
    np.testing.assert_allclose(exact.bias(NAMED["reinforce-sample-not-detached"], q, TOY), needed, rtol=1e-12)


def test_a_cap_is_nothing_below_it_and_all_above():
    for name, cap in (("reinforce-uniform-capped", 0.99), ("reinforce-uniform-on-a-grid", 1 - 2.0**-23)):
        edge = np.log1p(-cap) - np.log(cap)
        for logit, honest in ((edge + 0.01, True), (edge - 0.01, False)):
            q = Bernoulli([logit])
            moments = exact.moments(NAMED[name], q, TOY)
            assert (np.abs(moments.mean - exact.gradient(q, TOY)) <= moments.error).all() == honest
            if not honest:  # z is always zero, and the score of zero is -p
                np.testing.assert_allclose(moments.mean, -(0.45**2) * q.probs, rtol=1e-12)
