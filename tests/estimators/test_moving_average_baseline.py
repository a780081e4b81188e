"""A moving average: before its update it is unbiased, after it the factor is `decay`, exactly."""

from dataclasses import replace
from functools import reduce
from itertools import product

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, MovingAverageBaseline
from refgrad.objectives import Interacting, SquaredError

TOY = Bernoulli([-1.5]), SquaredError(0.45)
PAIR = Bernoulli([0.6, -1.1]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
CATEGORIES = Categorical([[1.0, 2.5, 0.5]]), Interacting(0.5, *np.arange(-6, 6).reshape(4, 1, 3) / 4)
every_problem = pytest.mark.parametrize("problem", [TOY, PAIR, CATEGORIES], ids=["toy", "pair", "categories"])


def noise_of(q, z):
    """Noise of one draw that leads to z."""
    return q.noise_given(z, 0 * z)[None]


def outcomes(q):
    """Every z with its probability."""
    z = q.support()
    return list(zip(z, np.exp(q.log_prob(z)), strict=True))


def test_one_estimate_and_one_update_by_hand():
    q, f = Bernoulli([0.0, np.log(3.0)]), SquaredError(0.25)
    noise = np.array([[[1.0, 1.0], [-1.0, -2.0]]])  # z = 11, f = 1.125; z = 00, f = 0.125
    estimator = MovingAverageBaseline(average=0.5, decay=0.75)
    values = estimator(q, f, noise)
    np.testing.assert_allclose(values, [[0.625 * 0.5, 0.625 * 0.25], [-0.375 * -0.5, -0.375 * -0.75]], rtol=1e-15)
    assert estimator.update(q, f, noise) == MovingAverageBaseline(average=0.75 * 0.5 + 0.25 * 0.625, decay=0.75)


class Early(MovingAverageBaseline):
    """The mistake: the average has the current value in it."""

    def __call__(self, q, f, noise):
        z = q.sample(noise[0])
        average = self.decay * self.average + (1 - self.decay) * f(z)
        return q.expand(f(z) - average) * q.score(z)


@every_problem
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
def test_updated_too_early_the_mean_is_decay_times_the_gradient(problem, decay):
    gradient = exact.gradient(*problem)
    right = exact.moments(MovingAverageBaseline(average=0.3, decay=decay), *problem)
    wrong = exact.moments(Early(average=0.3, decay=decay), *problem)
    assert (np.abs(right.mean - gradient) <= right.error).all()
    assert (np.abs(wrong.mean - decay * gradient) <= wrong.error + right.error).all()
    assert (np.abs(wrong.mean - gradient) > 100 * wrong.error).any()


@every_problem
def test_every_step_of_a_run_is_unbiased_and_the_average_forgets_its_start(problem):
    q, f = problem
    start, gradient, mean = MovingAverageBaseline(average=2.0, decay=0.75), exact.gradient(q, f), exact.value(q, f)
    steps = 3
    means, averages = np.zeros((steps, *q.event_shape)), np.zeros(steps)
    for run in product(outcomes(q), repeat=steps):  # every run, with its probability
        weight, estimator = np.prod([p for _, p in run]), start
        for step, (z, _) in enumerate(run):
            averages[step] += weight * estimator.average
            means[step] += weight * estimator(q, f, noise_of(q, z))
            estimator = estimator.update(q, f, noise_of(q, z))
    np.testing.assert_allclose(means, np.broadcast_to(gradient, means.shape), atol=1e-13)
    kept = 0.75 ** np.arange(steps)
    np.testing.assert_allclose(averages, kept * 2.0 + (1 - kept) * mean, rtol=1e-13)


def test_steps_of_a_run_are_uncorrelated_and_not_independent():
    q, f = PAIR
    start, gradient = MovingAverageBaseline(average=2.0, decay=0.25), exact.gradient(q, f)
    cross = square = 0.0
    for (one, p), (two, r) in product(outcomes(q), repeat=2):
        first, then = start(q, f, noise_of(q, one)), start.update(q, f, noise_of(q, one))(q, f, noise_of(q, two))
        cross += p * r * (first - gradient) * (then - gradient)
        square += p * r * (first - gradient) ** 2 * (then - gradient) ** 2
    apart = exact.moments(start, q, f).variance
    later = sum(p * exact.moments(start.update(q, f, noise_of(q, z)), q, f).variance for z, p in outcomes(q))
    np.testing.assert_allclose(cross, 0, atol=1e-13)
    assert (np.abs(square / (apart * later) - 1) > 1e-3).all()


def test_a_call_is_a_constant_baseline_and_changes_nothing():
    q, f = PAIR
    estimator = MovingAverageBaseline(average=0.7, decay=0.9)
    noise = estimator.draw_noise(q, 20, np.random.default_rng(0))
    first = estimator(q, f, noise)
    np.testing.assert_array_equal(first, ConstantBaseline(0.7)(q, f, noise))
    updated = estimator.update(q, f, noise)
    assert estimator == MovingAverageBaseline(average=0.7, decay=0.9)
    assert updated != estimator
    assert updated.decay == 0.9
    np.testing.assert_array_equal(first, estimator(q, f, noise))


def test_an_update_averages_all_repetitions_and_all_rows():
    rng = np.random.default_rng(0)
    q, f = Categorical(rng.normal(size=(4, 2, 3))), Interacting(0.5, *rng.normal(size=(4, 2, 3)))
    start = MovingAverageBaseline(average=-1.0, decay=0.5)
    noise = start.draw_noise(q, 6, rng)
    mean = f(q.sample(noise[0])).mean()
    assert start.update(q, f, noise).average == pytest.approx(-0.5 + 0.5 * mean, rel=1e-14)
    for row in range(4):
        alone = start.update(Categorical(q.logits[row]), f, noise[:, :, row]).average
        assert alone == pytest.approx(-0.5 + 0.5 * f(q.sample(noise[0]))[:, row].mean(), rel=1e-14)


def test_a_constant_f_is_reached_and_decay_zero_keeps_the_last_value_only():
    q, noise = Bernoulli([0.5]), np.zeros((1, 3, 1))
    steps = [noise] * 200
    reached = reduce(lambda e, noise: e.update(q, lambda z: 7.0 + 0 * z[..., 0], noise), steps, MovingAverageBaseline())
    assert reached.average == pytest.approx(7.0, rel=1e-8)
    assert MovingAverageBaseline(average=3.0, decay=0.0).update(q, lambda z: 7.0 + 0 * z[..., 0], noise).average == 7.0


def test_float32_integers_and_a_huge_constant():
    q, f = Bernoulli(np.array([0.5, -1.0], np.float32)), Interacting(0, *np.arange(-4, 4).reshape(4, 2) / 4)
    noise = MovingAverageBaseline().draw_noise(q, 5, np.random.default_rng(0)).astype(np.float32)
    estimates = MovingAverageBaseline(average=1)(q, f, noise)
    assert estimates.dtype == np.float64
    high = MovingAverageBaseline(average=2.0**40 + 1)(q, lambda z: f(z) + 2.0**40, noise)
    np.testing.assert_allclose(high, estimates, atol=2.0**40 * 4e-16)


@pytest.mark.parametrize("average", [np.nan, np.inf, [0.5], [0.5, 1.0]])
def test_an_average_that_is_not_a_finite_number(average):
    with pytest.raises(ValueError, match="MovingAverageBaseline needs a finite number as average, but it is"):
        MovingAverageBaseline(average=average)


@pytest.mark.parametrize("decay", [np.nan, [0.5]])
def test_a_decay_that_is_no_number(decay):
    with pytest.raises(ValueError, match="MovingAverageBaseline needs a finite number as decay, but it is"):
        MovingAverageBaseline(decay=decay)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_a_decay_out_of_range(decay):
    with pytest.raises(ValueError, match="MovingAverageBaseline needs 0 <= decay < 1, but it is"):
        MovingAverageBaseline(decay=decay)


def test_fields_that_are_no_numbers():
    with pytest.raises(TypeError, match="average needs real numbers, but has dtype <U1"):
        MovingAverageBaseline(average="a")
    with pytest.raises(TypeError, match="decay needs real numbers, but has dtype object"):
        replace(MovingAverageBaseline(), decay=None)


def test_an_update_without_finite_values():
    q = Bernoulli([0.5, -1.0])
    with pytest.raises(ValueError, match=r"MovingAverageBaseline needs a sample, but noise has shape \(1, 0, 2\)"):
        MovingAverageBaseline().update(q, SquaredError(0.5), np.zeros((1, 0, 2)))
    with pytest.raises(ValueError, match="f needs to return finite values, but 3 of 3 are not"):
        MovingAverageBaseline().update(q, lambda z: np.full(z.shape[:-1], np.nan), np.zeros((1, 3, 2)))
    with pytest.raises(ValueError, match=r"f needs to return one value for each z, shape \(3,\), but returned"):
        MovingAverageBaseline().update(q, lambda z: z, np.zeros((1, 3, 2)))
