"""Standard noise: its distribution, its ends, and that a block is no seam."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kstest

from refgrad import Bernoulli, Categorical
from refgrad.distributions import _noise
from refgrad.distributions._noise import gumbel, logistic

ALPHA = 1e-6
LAST = 1 - 2.0**-53
FAMILIES = [Bernoulli(np.zeros(3)), Categorical(np.zeros((1, 3)))]


class Ends:
    """A generator of the numbers that one has to fear."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def random(self, out):
        out[:] = self.numbers

    standard_exponential = random


@pytest.mark.parametrize(("draw", "cdf"), [(logistic, expit), (gumbel, lambda x: np.exp(-np.exp(-x)))])
def test_the_distribution(draw, cdf):
    """Of 100,000 numbers, by Kolmogorov and Smirnov; twice, since the seed is fixed and one might be lucky."""
    for seed in (0, 1):
        assert kstest(draw((100_000,), np.random.default_rng(seed)), cdf).pvalue > ALPHA
        assert kstest(1.02 * draw((100_000,), np.random.default_rng(seed)), cdf).pvalue < 0.1


def test_logistic_noise_is_finite_and_symmetric():
    """A number k of the grid stands for the middle of its cell: its odds are those of the one opposite, turned."""
    u = np.array([0.0, 2.0**-53, 0.25, 0.5 - 2.0**-53])
    low, high = logistic((4,), Ends(*u)), logistic((4,), Ends(*(LAST - u)))
    np.testing.assert_allclose(high, -low, rtol=1e-15, atol=2.0**-51)
    np.testing.assert_allclose(low[:3], [-54 * np.log(2), np.log(3) - 54 * np.log(2), -np.log(3)], rtol=1e-15)
    assert np.isfinite(low).all()


def test_a_time_of_zero_stands_for_one_below_the_least_step():
    noise = gumbel((3,), Ends(0.0, 2.0**-53, 800.0))
    np.testing.assert_allclose(noise, [58 * np.log(2), 53 * np.log(2), -np.log(800)], rtol=1e-15)


def test_no_time_that_is_not_zero_is_moved():
    """Every step of the generator is the edge of a layer times 2**-53, and the least edge is far above 2**-5."""
    times = np.random.default_rng(0).standard_exponential(10**6)
    assert times.min() > _noise.SOONEST
    np.testing.assert_array_equal(gumbel((10**6,), np.random.default_rng(0)), -np.log(times))


@pytest.mark.parametrize("q", FAMILIES, ids=repr)
def test_the_stream_does_not_depend_on_how_it_is_cut(q):
    whole = q.draw_noise(20_001, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    cut = np.concatenate([q.draw_noise(n, rng) for n in (1, 7, _noise.BLOCK, 20_001 - 8 - _noise.BLOCK)])
    np.testing.assert_array_equal(whole, cut)


@pytest.mark.parametrize("q", FAMILIES, ids=repr)
def test_shapes(q):
    rng = np.random.default_rng(0)
    assert q.draw_noise((), rng).shape == q.event_shape
    assert q.draw_noise((0, 2), rng).shape == (0, 2, *q.event_shape)
    assert q.draw_noise((2, 3), rng).flags.c_contiguous
