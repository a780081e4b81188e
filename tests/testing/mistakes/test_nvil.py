"""Mistakes of NVIL: the numbers of page 05."""

import numpy as np

from refgrad import Bernoulli, exact
from refgrad.estimators import Nvil, OneHiddenLayer
from refgrad.objectives import Quadratic
from refgrad.testing.mistakes import nvil

NAMED = {m.name: m for m in nvil.MISTAKES}
Q, F = Bernoulli([0.6, -1.1]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])


def factor(estimator):
    return exact.moments(estimator, Q, F).mean / exact.gradient(Q, F)


def test_updated_before_used_as_on_page_05():
    for decay in (0.9, 0.5):
        slip = NAMED["nvil-updated-before-use"].like(Nvil([0.5, -1.0], OneHiddenLayer(), decay=decay))
        np.testing.assert_allclose(factor(slip.estimator), decay, rtol=1e-11)


def test_divided_by_a_small_deviation():
    slip = NAMED["nvil-divided-by-a-small-deviation"]
    np.testing.assert_allclose(factor(slip.of), 1.0, rtol=1e-11)
    np.testing.assert_allclose(factor(slip.estimator), 2.0, rtol=1e-11)  # the deviation is a half
    large = slip.like(Nvil([0.5, -1.0], variance=4.0, normalised=True))
    np.testing.assert_allclose(factor(large.estimator), factor(large.of), rtol=1e-11)
