"""A constant baseline: by hand, its best constant from other samples, and what own samples cost, exactly."""

from itertools import product

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, Reinforce
from refgrad.objectives import Interacting, Quadratic, SquaredError

TOY = Bernoulli([-1.5]), SquaredError(0.45)
PAIR = Bernoulli([0.6, -1.1]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
CATEGORIES = Categorical([[1.0, 2.5, 0.5]]), Interacting(0.5, *np.arange(-6, 6).reshape(4, 1, 3) / 4)
every_problem = pytest.mark.parametrize("problem", [TOY, PAIR, CATEGORIES], ids=["toy", "pair", "categories"])
every_kind = pytest.mark.parametrize("per_component", [False, True], ids=["one", "each"])


def noise_of(q, z):
    """Noise of one draw that leads to z."""
    return q.noise_given(z, 0 * z)[None]


def test_one_estimate_by_hand():
    q, f = Bernoulli([0.0, np.log(3.0)]), SquaredError(0.25)
    noise = np.array([[[1.0, 1.0], [-1.0, -2.0]]])  # z = 11, f = 1.125; z = 00, f = 0.125
    one = ConstantBaseline(0.5)(q, f, noise)
    np.testing.assert_allclose(one, [[0.625 * 0.5, 0.625 * 0.25], [-0.375 * -0.5, -0.375 * -0.75]], rtol=1e-15)
    each = ConstantBaseline([1.0, -1.0])(q, f, noise)
    np.testing.assert_allclose(each, [[0.125 * 0.5, 2.125 * 0.25], [-0.875 * -0.5, 1.125 * -0.75]], rtol=1e-15)


@pytest.mark.parametrize("constant", [0.0, 0.3, -2.0])
def test_the_toy_in_closed_form(constant):
    (q, f), p = TOY, TOY[0].probs[0]
    moments = exact.moments(ConstantBaseline(constant), q, f)
    np.testing.assert_allclose(moments.mean, 0.1 * p * (1 - p), rtol=1e-12)
    distance = (1 - p) * 0.3025 + p * 0.2025 - constant
    np.testing.assert_allclose(moments.variance, p * (1 - p) * distance**2, rtol=1e-12)


@pytest.mark.parametrize("logit", [-700.0, -36.0, -1.5, 0.0, 3.0, 36.0, 700.0])
def test_the_best_constant_of_one_bit_leaves_nothing(logit):
    q, f = Bernoulli([logit]), SquaredError(0.45)
    moments = exact.moments(ConstantBaseline(exact.best_constant(q, f)), q, f)
    np.testing.assert_allclose(moments.mean, exact.gradient(q, f), rtol=1e-13)
    assert moments.variance[0] <= moments.error[0]
    assert moments.variance[0] <= 1e-28 * exact.moments(Reinforce(), q, f).variance[0]


def test_a_huge_constant_in_f_is_taken_off():
    (q, f), noise = PAIR, Reinforce().draw_noise(PAIR[0], 50, np.random.default_rng(0))
    high = ConstantBaseline(2.0**40)(q, lambda z: f(z) + 2.0**40, noise)
    np.testing.assert_allclose(high, Reinforce()(q, f, noise), atol=2.0**40 * 4e-16)


def test_rows_of_a_categorical_sum_to_zero_with_one_constant_only():
    q, f = CATEGORIES
    noise = Reinforce().draw_noise(q, 10, np.random.default_rng(0))
    one, each = ConstantBaseline(1.0), ConstantBaseline([[1.0, 2.0, 3.0]])
    assert one.claims.shift_invariant
    assert not each.claims.shift_invariant
    np.testing.assert_allclose(one(q, f, noise).sum(axis=-1), 0, atol=1e-13)
    assert (np.abs(each(q, f, noise).sum(axis=-1)) > 1e-3).all()
    assert exact.moments(each, q, f).mean.sum() == pytest.approx(0, abs=1e-13)


@every_kind
@pytest.mark.parametrize("q", [Bernoulli([np.log(3), 0]), Categorical([[np.log(2), 0, 0], [0, np.log(2), -np.inf]])])
def test_samples_in_proportion_to_their_probability_give_the_best_constant(q, per_component):
    f = Interacting(0.5, *np.arange(-2 * q.support()[0].size, 2 * q.support()[0].size).reshape(4, *q.event_shape) / 4)
    z = q.support()
    counts = np.rint(48 * np.exp(q.log_prob(z))).astype(int)
    assert counts.sum() == 48
    fit = ConstantBaseline.fit(q, f, noise_of(q, z.repeat(counts, axis=0)), per_component=per_component)
    best = exact.best_constant(q, f, per_component=per_component)
    np.testing.assert_allclose(fit.baseline, best, rtol=1e-13)


@every_kind
def test_the_fit_converges_to_the_best_constant(per_component):
    (q, f), n = PAIR, 100_000
    fit = ConstantBaseline.fit(
        q, f, Reinforce().draw_noise(q, n, np.random.default_rng(3)), per_component=per_component
    )
    best = exact.best_constant(q, f, per_component=per_component)
    z, p = q.support(), np.exp(q.log_prob(q.support()))
    square, off = q.score(z) ** 2, (f(z)[:, None] - best) * q.score(z) ** 2
    if not per_component:
        square, off = square.sum(axis=-1, keepdims=True), off.sum(axis=-1, keepdims=True)
    # A ratio of means has the variance of E[((f - c) s^2)^2] / (E s^2)^2 / n; three of them, 6.4 sd: once in 2e9.
    sd = np.sqrt(p @ off**2 / n) / (p @ square)
    assert (np.abs(np.asarray(fit.baseline) - best) <= 6.4 * sd).all()
    assert (sd < 0.01).all()


@every_kind
@every_problem
def test_constants_of_other_samples_leave_no_bias(problem, per_component):
    (q, f), n = problem, 2
    z, p = q.support(), np.exp(q.log_prob(q.support()))
    mean = np.zeros(q.event_shape)
    for sample in product(range(len(z)), repeat=n):  # every other set; the moments enumerate this one
        fit = ConstantBaseline.fit(q, f, noise_of(q, z[list(sample)]), per_component=per_component)
        mean += np.prod(p[list(sample)]) * exact.moments(fit, q, f).mean
    np.testing.assert_allclose(mean, exact.gradient(q, f), atol=1e-13)


def mean_on_own_samples(q, f, n, per_component):
    """Exact mean of n estimates with the constant that was fitted to the same n samples."""
    z, p = q.support(), np.exp(q.log_prob(q.support()))
    mean = np.zeros(q.event_shape)
    for sample in product(range(len(z)), repeat=n):
        noise = noise_of(q, z[list(sample)])
        fit = ConstantBaseline.fit(q, f, noise, per_component=per_component)
        mean += np.prod(p[list(sample)]) * fit(q, f, noise).mean(axis=0)
    return mean


@pytest.mark.parametrize("logit", [-1.5, 0.0, 2.0])
def test_the_constant_of_its_own_two_samples_costs_half_of_the_gradient_or_more(logit):
    q, f = Bernoulli([logit]), SquaredError(0.45)
    w = q.probs[0] * (1 - q.probs[0])
    mean = mean_on_own_samples(q, f, 2, per_component=False)
    np.testing.assert_allclose(mean, w / (1 - 2 * w) * exact.gradient(q, f), rtol=1e-12)
    assert mean[0] <= exact.gradient(q, f)[0] / 2 * (1 + 1e-12)


@every_kind
@every_problem
def test_the_constant_of_its_own_samples_is_biased(problem, per_component):
    mean, gradient = mean_on_own_samples(*problem, 3, per_component), exact.gradient(*problem)
    assert np.abs(mean - gradient).max() > 0.1 * np.abs(gradient).max()


def test_a_fit_does_not_lose_scores_whose_square_underflows():
    q = Bernoulli([700.0, 0.5])
    z = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])

    def f(z):
        return 0.25 + 0.5 * z[..., 1]

    each = ConstantBaseline.fit(q, f, noise_of(q, z), per_component=True).baseline
    assert each[0] == pytest.approx(np.mean(f(z)), rel=1e-15)  # all scores are equal
    rare = ConstantBaseline.fit(q, f, noise_of(q, np.vstack([z, [[0.0, 0.0]]])), per_component=True).baseline
    assert rare[0] == 0.25  # the rare outcome outweighs all others


def test_where_no_score_varies_a_fit_is_the_mean_of_f():
    q = Categorical([[0.0], [1.0]])
    assert ConstantBaseline.fit(q, lambda z: 3.0 + 0 * z.sum((-2, -1)), np.zeros((1, 4, 2, 1))).baseline == 3.0
    q, f = Categorical([[0.0, -np.inf, 1.0]]), Quadratic(0.0, [[1.0, 50.0, 3.0]], np.zeros((3, 3)))
    fit = ConstantBaseline.fit(q, f, noise_of(q, q.support()[[0, 2, 2, 2]]), per_component=True)
    assert fit.baseline[0][1] == pytest.approx(2.5, rel=1e-15)


@every_kind
def test_rows_of_a_batch_share_the_constants_of_a_fit(per_component):
    rng = np.random.default_rng(0)
    q, f = Bernoulli(rng.normal(size=(3, 2))), PAIR[1]
    noise = Reinforce().draw_noise(q, 5, rng)
    z = q.sample(noise[0])
    square = q.score(z) ** 2
    over = (0, 1) if per_component else (0, 1, 2)
    expected = (f(z)[..., None] * square).sum(axis=over) / square.sum(axis=over)
    fit = ConstantBaseline.fit(q, f, noise, per_component=per_component)
    np.testing.assert_allclose(fit.baseline, expected, rtol=1e-13)
    assert fit(q, f, noise).shape == (5, 3, 2)


def test_float32_and_integers():
    q, noise = Bernoulli(np.array([0.5, -1.0], np.float32)), np.zeros((1, 3, 2), np.float32)
    for baseline in (1, np.float32(1.0), np.array(1), True):
        estimator = ConstantBaseline(baseline)
        assert estimator == ConstantBaseline(1.0)
        assert estimator(q, lambda z: z.sum(-1).astype(np.float32), noise).dtype == np.float64
    assert ConstantBaseline(np.arange(2)) == ConstantBaseline((0.0, 1.0))
    assert hash(ConstantBaseline(np.arange(2))) == hash(ConstantBaseline([0.0, 1.0]))


@pytest.mark.parametrize("shape", [(5,), (3,), (2,), (2, 1), (1, 3), (3, 2), (5, 2, 3), (1, 2, 3)])
def test_a_baseline_of_another_shape_is_never_broadcast(shape):
    q = Categorical(np.zeros((2, 3)))
    f = Quadratic(0.0, np.zeros((2, 3)), np.zeros((6, 6)))
    noise = np.zeros((1, 5, 2, 3))
    with pytest.raises(ValueError, match=r"needs a number or a baseline of shape \(2, 3\), but it has"):
        ConstantBaseline(np.zeros(shape))(q, f, noise)
    assert ConstantBaseline(np.zeros((2, 3)))(q, f, noise).shape == (5, 2, 3)
    with pytest.raises(ValueError, match=r"needs a number or a baseline of shape \(4,\), but it has"):
        ConstantBaseline(np.zeros(shape))(Bernoulli(np.zeros(4)), SquaredError(0.5), np.zeros((1, 5, 4)))


@pytest.mark.parametrize("baseline", [np.nan, np.inf, [0.5, np.nan]])
def test_a_baseline_that_is_not_finite(baseline):
    with pytest.raises(ValueError, match="ConstantBaseline needs a finite baseline, but it is"):
        ConstantBaseline(baseline)


@pytest.mark.parametrize("baseline", ["a", None, 1j])
def test_a_baseline_that_is_no_number(baseline):
    with pytest.raises(TypeError, match="baseline needs real numbers, but has dtype"):
        ConstantBaseline(baseline)


def test_a_fit_without_finite_samples():
    q = Bernoulli([0.5, -1.0])
    with pytest.raises(ValueError, match=r"ConstantBaseline needs a sample, but noise has shape \(1, 0, 2\)"):
        ConstantBaseline.fit(q, SquaredError(0.5), np.zeros((1, 0, 2)))
    with pytest.raises(ValueError, match="f needs to return finite values, but 2 of 3 are not"):
        ConstantBaseline.fit(q, lambda _: np.array([1.0, np.nan, np.inf]), np.zeros((1, 3, 2)))
    with pytest.raises(ValueError, match=r"f needs to return one value for each z, shape \(3,\), but returned"):
        ConstantBaseline.fit(q, lambda z: z, np.zeros((1, 3, 2)))
    with pytest.raises(ValueError, match=r"ConstantBaseline needs noise of shape \(1, ..., 2\)"):
        ConstantBaseline.fit(q, SquaredError(0.5), np.zeros((3, 2)))
