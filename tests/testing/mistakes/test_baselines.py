"""Mistakes of baselines: the numbers of pages 02 and 04."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, MovingAverageBaseline
from refgrad.objectives import Interacting, SquaredError
from refgrad.testing.mistakes import baselines

NAMED = {m.name: m for m in baselines.MISTAKES}
TOY = Bernoulli([-1.5]), SquaredError(0.45)
PAIR = Bernoulli([0.5, -1.0]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
CHOICE = Categorical([[1.0, 2.5, 0.5]]), Interacting(0.5, *np.arange(-6, 6).reshape(4, 1, 3) / 4)


def off(estimator, q, f):
    return exact.moments(estimator, q, f).mean / exact.gradient(q, f) - 1


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("problem", [TOY, PAIR, CHOICE])
def test_factors(n, problem):
    np.testing.assert_allclose(off(baselines.OwnSampleInTheMean(n), *problem), -1 / n, rtol=1e-11)
    np.testing.assert_allclose(off(baselines.ProductOfMeans(n), *problem), 1 / n - 1, rtol=1e-11)


def test_own_best_constant_as_on_page_04():
    texts = [f"{off(baselines.OwnBestConstant(n), *TOY)[0]:+.1%}" for n in (2, 4, 8)]
    assert texts == ["-78.7%", "-50.8%", "-24.7%"]
    w = TOY[0].probs[0] * (1 - TOY[0].probs[0])
    np.testing.assert_allclose(off(baselines.OwnBestConstant(2), *TOY), w / (1 - 2 * w) - 1, rtol=1e-12)


def test_updated_before_used_as_on_page_04():
    slip = NAMED["moving-average-updated-before-use"].like(MovingAverageBaseline(0.3, 0.95))
    assert f"{off(slip.estimator, *TOY)[0]:+.1%}" == "-5.0%"
    np.testing.assert_allclose(off(slip.estimator, *CHOICE), 0.95 - 1, rtol=1e-11)


def test_the_wrong_axis_is_another_baseline():
    slip = NAMED["constant-baseline-wrong-axis"]
    q = Categorical([[0.5, 1.0], [2.0, 1.25]])
    noise = slip.of.draw_noise(q, 5, np.random.default_rng(0))
    f = Interacting(0.5, *np.arange(-8, 8).reshape(4, 2, 2) / 4)
    np.testing.assert_array_equal(
        slip.estimator(q, f, noise), ConstantBaseline([[0.5, -1.0], [0.5, -1.0]])(q, f, noise)
    )
