"""Mistakes of mean substitution: the number of page 07, and closed forms."""

import numpy as np

from refgrad import Bernoulli, exact
from refgrad.objectives import SquaredError
from refgrad.testing.mistakes import mean_substitution

NAMED = {m.name: m.estimator for m in mean_substitution.MISTAKES}


def test_straight_through_has_the_wrong_sign_as_on_page_07():
    p, t = 0.2, 0.45
    q, f = Bernoulli([np.log(p / (1 - p))]), SquaredError(t)
    mean = exact.moments(NAMED["mean-substitution-straight-through"], q, f).mean[0]
    assert f"{mean:+.3f} {exact.gradient(q, f)[0]:+.3f}" == "-0.080 +0.016"
    np.testing.assert_allclose(mean, 2 * (p - t) * p * (1 - p), rtol=1e-12)


def test_softmax_twice_has_two_slopes():
    p = Bernoulli([0.5]).probs[0]
    twice = Bernoulli([p]).probs[0]
    moments = exact.moments(NAMED["mean-substitution-softmax-twice"], Bernoulli([0.5]), SquaredError(0.45))
    np.testing.assert_allclose(moments.mean, 2 * (twice - 0.45) * twice * (1 - twice) * p * (1 - p), rtol=1e-12)
