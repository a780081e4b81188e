"""A control variate with its mean: by hand, in closed form, and a wrong pairing is caught."""

import numpy as np
import pytest
from autograd import numpy as anp

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, ControlVariate, Reinforce
from refgrad.estimators._agreement import Agreement
from refgrad.exact.moments import ROUNDING
from refgrad.objectives import Interacting, SquaredError

PAIR = Bernoulli([0.5, -1.0])
LOGITS = {
    "one bit": Bernoulli([0.5]),
    "two bits": PAIR,
    "four bits": Bernoulli([0.5, -0.25, 2.0, -1.0]),
    "saturated bits": Bernoulli([36.0, -23.0, 0.5]),
    "extreme bits": Bernoulli([700.0, -700.0]),
    "one category": Categorical([[0.5], [1.0]]),
    "one row": Categorical([[0.5, -1.0, 0.0]]),
    "categories": Categorical([[0.5, 1.0, -0.5], [2.0, 1.25, 2.5]]),
    "three of four": Categorical([[0.5, 1.0, -0.5, 0.0], [2.0, 1.25, 2.5, -3.0], [0.0, 1.0, 2.0, 3.0]]),
    "a masked category": Categorical([[0.5, -np.inf, 0.0], [36.0, 1.0, 2.0]]),
}
every_q = pytest.mark.parametrize("q", LOGITS.values(), ids=LOGITS)


def product_of_two(z):
    return z[..., 0] * z[..., 1]


def mean_of_product(q):
    return q.probs[..., 0] * q.probs[..., 1]


def pair_of(mean=mean_of_product, **fields):
    return ControlVariate(product_of_two, mean=mean, **fields)


def noise_for(q, n=5):
    return q.draw_noise((1, n, *q.batch_shape), np.random.default_rng(0))


def test_one_estimate_by_hand():
    q, f = Bernoulli([0.0, np.log(3.0)]), SquaredError(0.25)
    noise = np.array([[[1.0, 1.0], [-1.0, -2.0]]])  # z = 11, f = 1.125, b = 1; z = 00, f = 0.125, b = 0
    slope = np.array([0.25 * 0.75, 0.5 * 0.1875])  # of p1 p2
    estimates = pair_of(coefficient=0.5)(q, f, noise)
    np.testing.assert_allclose(estimates[0], [0.625 * 0.5, 0.625 * 0.25] + 0.5 * slope, rtol=1e-14)
    np.testing.assert_allclose(estimates[1], [0.125 * -0.5, 0.125 * -0.75] + 0.5 * slope, rtol=1e-14)
    values = pair_of(coefficient=0.5).value(q, f, noise)
    np.testing.assert_allclose(values, [1.125 - 0.5 * (1 - 0.375), 0.125 + 0.5 * 0.375], rtol=1e-15)


@every_q
def test_the_example_counts_pairs_and_is_checked_everywhere(q):
    b, z = Agreement(q.event_ndim), q.support()
    same = (z[:, :, None] * z[:, None]).reshape(len(z), q.event_shape[0], q.event_shape[0], -1).sum(-1)
    counted = np.triu(same, 1).sum((-2, -1))
    np.testing.assert_array_equal(b(z), counted)
    ControlVariate(b).check(q)


@every_q
def test_the_value_is_unbiased_and_its_variance_in_closed_form(q):
    b = Agreement(q.event_ndim)
    f = Interacting(0.5, *np.random.default_rng(0).integers(-8, 9, size=(4, *q.event_shape)) / 8)
    z = q.support()
    z = z[q.log_prob(z) > -np.inf]
    p, noise = np.exp(q.log_prob(z)), q.noise_given(z, 0 * z)[None]
    c = exact.best_value_coefficient(q, f, b)
    scale = 1e-13 * (np.abs(f(z)).max() + np.abs(c) * np.abs(b(z)).max())
    for coefficient in (0.0, 1.0, -0.7, c):
        values = ControlVariate(b, coefficient=coefficient).value(q, f, noise)
        assert p @ values == pytest.approx(exact.value(q, f), abs=scale)
    rest = p @ (values - p @ values) ** 2
    spread, own, both = (p @ (x - p @ x) ** 2 for x in (f(z), b(z), f(z) + b(z)))
    if own > 0:  # (1 - correlation**2) of the variance of f
        covariance = (both - spread - own) / 2
        assert rest == pytest.approx(spread - covariance**2 / own, abs=scale * (1 + np.abs(f(z)).max()))


def test_it_serves_what_the_control_variate_serves_and_else_both_families():
    assert pair_of().claims.families == ("bernoulli", "categorical")
    assert [ControlVariate(Agreement(n)).claims.families for n in (1, 2)] == [("bernoulli",), ("categorical",)]


def test_coefficient_zero_is_reinforce_and_a_constant_is_a_constant_baseline():
    q, f = Bernoulli([0.6, -1.1]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
    noise = noise_for(q, 20)
    np.testing.assert_array_equal(pair_of(coefficient=0)(q, f, noise), Reinforce()(q, f, noise))
    constant = ControlVariate(lambda z: np.full(z.shape[:-1], 0.75), mean=lambda _: 0.75, coefficient=2.0)
    np.testing.assert_array_equal(constant(q, f, noise), ConstantBaseline(1.5)(q, f, noise))
    constant.check(q)


def test_a_wrong_mean_costs_exactly_the_difference_of_the_derivatives():
    q, f = PAIR, Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
    p, w = q.probs, q.probs * (1 - q.probs)
    wrong = pair_of(lambda q: q.probs[..., 0] * (1 - q.probs[..., 1]), coefficient=0.5)
    expected = 0.5 * (np.array([w[0] * (1 - p[1]), -p[0] * w[1]]) - [w[0] * p[1], p[0] * w[1]])
    np.testing.assert_allclose(exact.bias(wrong, q, f), expected, rtol=1e-12)
    left_out = pair_of(lambda _: 0.0, coefficient=0.5)
    np.testing.assert_allclose(exact.bias(left_out, q, f), -0.5 * np.array([w[0] * p[1], p[0] * w[1]]), rtol=1e-12)


class TestCheck:
    def test_a_right_pairing_passes_however_it_is_written(self):
        pair_of().check(PAIR)
        pair_of(coefficient=-7.0).check(PAIR)
        pair_of(lambda q: anp.exp(anp.sum(anp.log(q.probs), axis=-1))).check(PAIR)

        def enumerated(q):
            z = q.support()
            return anp.sum(anp.exp(q.log_prob(z)) * product_of_two(z))

        pair_of(enumerated).check(PAIR)

    def test_a_wrong_mean(self):
        message = (
            r"the mean needs to be that of <function product_of_two at .*>, 0\.167405097278, but is 0\.4550542339\d*, "
            r"for q = Bernoulli\(logits=\[ 0\.5, -1\. \]\)"
        )
        with pytest.raises(ValueError, match=message):
            pair_of(lambda q: q.probs[..., 0] * (1 - q.probs[..., 1])).check(PAIR)

    def test_a_right_value_with_a_wrong_derivative(self):
        here = mean_of_product(PAIR)
        message = (
            r"the derivative of the mean needs to be that of <function product_of_two at .*>, 0\.122382932472, but is "
            r"0 at \(1,\), for q"
        )
        with pytest.raises(ValueError, match=message):
            pair_of(lambda q: here + 0 * q.probs.sum(-1)).check(PAIR)

    @pytest.mark.parametrize("off", [1e-12, -1e-9, 1e-3])
    def test_a_small_mistake(self, off):
        with pytest.raises(ValueError, match="the mean needs to be that of"):
            pair_of(lambda q: mean_of_product(q) + off).check(PAIR)
        with pytest.raises(ValueError, match=r"the derivative of the mean needs .* at \(0,\)"):
            pair_of(lambda q: mean_of_product(q) + off * (q.logits[..., 0] - 0.5)).check(PAIR)

    def test_the_bound_is_the_rounding_of_the_largest_value_times_the_number_of_logits(self):
        for scale in (2.0**-60, 1.0, 2.0**60):

            def pair(off, scale=scale):
                return ControlVariate(
                    lambda z: scale * z[..., 0] * z[..., 1], lambda q: scale * (mean_of_product(q) + off * ROUNDING)
                )

            pair(1.75).check(PAIR)
            with pytest.raises(ValueError, match="the mean needs to be that of"):
                pair(2.25).check(PAIR)

    def test_a_mistake_that_another_place_hides(self):
        swapped = pair_of(lambda q: q.probs[..., 0] ** 2)
        pair_of().check(Bernoulli([0.0, 0.0]))
        with pytest.raises(ValueError, match="the derivative of the mean"):
            swapped.check(Bernoulli([0.0, 0.0]))  # the value is right where both are a half
        with pytest.raises(ValueError, match="the mean needs"):
            swapped.check(PAIR)

    def test_a_control_variate_that_moves_with_the_logits(self):
        """Second-order expansion of z1 z2**2 at the mean, whose own derivative is in the derivative of its mean."""
        q = Bernoulli([0.5, -1.0])
        p = q.probs

        def expansion(z):
            return z[..., 0] * p[1] ** 2 + 2 * p[0] * p[1] * (z[..., 1] - p[1]) + p[0] * (z[..., 1] - p[1]) ** 2

        def moving(q):
            p = q.probs
            return p[..., 0] * p[..., 1] ** 2 + p[..., 0] * p[..., 1] * (1 - p[..., 1])

        def fixed(q):
            m = q.probs
            return (
                m[..., 0] * p[1] ** 2
                + 2 * p[0] * p[1] * (m[..., 1] - p[1])
                + p[0] * (m[..., 1] * (1 - m[..., 1]) + (m[..., 1] - p[1]) ** 2)
            )

        ControlVariate(expansion, mean=fixed).check(q)
        with pytest.raises(ValueError, match="the derivative of the mean needs"):
            ControlVariate(expansion, mean=moving).check(q)

    def test_what_it_is_not_made_for(self):
        with pytest.raises(TypeError, match="ControlVariate needs q of family bernoulli, but q is Categorical"):
            ControlVariate(Agreement(1)).check(LOGITS["categories"])
        with pytest.raises(ValueError, match=r"one row of logits, but the batch shape is \(2,\)"):
            pair_of().check(Bernoulli([[0.5, 1.0], [0.0, 1.0]]))
        with pytest.raises(ValueError, match="the control variate needs to return one value for each z"):
            ControlVariate(lambda z: z, mean=mean_of_product).check(PAIR)
        with pytest.raises(ValueError, match="finite values"):
            ControlVariate(lambda z: np.full(z.shape[:-1], np.nan), mean=mean_of_product).check(PAIR)


def test_a_batch_has_a_mean_for_each_row():
    rng = np.random.default_rng(0)
    q, f = Bernoulli(rng.normal(size=(4, 2))), Interacting(0.5, *rng.normal(size=(4, 2)))
    noise = noise_for(q)
    together = pair_of(coefficient=0.5)(q, f, noise)
    values = pair_of(coefficient=0.5).value(q, f, noise)
    assert together.shape == (5, 4, 2)
    assert values.shape == (5, 4)
    for row, logits in enumerate(q.logits):
        alone = Bernoulli(logits), f, noise[:, :, row]
        np.testing.assert_array_equal(together[:, row], pair_of(coefficient=0.5)(*alone))
        np.testing.assert_array_equal(values[:, row], pair_of(coefficient=0.5).value(*alone))
    one_mean = pair_of(lambda q: mean_of_product(q).sum())
    with pytest.raises(ValueError, match=r"the mean needs shape \(4,\), one for each row of logits, but has \(\)"):
        one_mean(q, f, noise)


def test_float32_integers_and_a_huge_constant():
    q, f = Bernoulli(np.array([0.5, -1.0], np.float32)), SquaredError(0.5)
    noise = noise_for(q).astype(np.float32)
    estimates = pair_of(coefficient=1)(q, f, noise)
    assert estimates.dtype == np.float64
    whole = ControlVariate(lambda z: product_of_two(z).astype(np.int64), mean=mean_of_product)
    np.testing.assert_array_equal(whole(q, f, noise), estimates)
    high = ControlVariate(lambda z: product_of_two(z) + 2.0**40, mean=lambda q: mean_of_product(q) + 2.0**40)
    high.check(q)
    off = np.abs(high(q, lambda z: f(z) + 2.0**40, noise) - estimates)
    assert (off <= 2.0**40 * 4e-16).all()


@pytest.mark.parametrize(
    "mean",
    [
        lambda q: np.sqrt(q.probs[..., 0] * q.probs[..., 1]) ** 2,
        lambda q: np.exp(np.log(q.probs).sum(axis=-1)),
        lambda q: np.where(q.probs > 0, q.probs, 0.0).prod(axis=-1),
        lambda q: np.dot(q.probs, [1.0, 0.0]) * np.dot(q.probs, [0.0, 1.0]),
        lambda q: np.stack([q.probs[..., 0], q.probs[..., 1]]).prod(axis=0),
        lambda q: np.asarray(q.probs).prod(-1),
        lambda q: float(q.probs[0]) * float(q.probs[1]),
        lambda q: np.array([float(x) for x in q.probs]).prod(),
    ],
)
def test_a_mean_in_plain_numpy_gives_the_derivative_or_an_error_and_never_zero(mean):
    f, noise = SquaredError(0.25), noise_for(PAIR)
    np.testing.assert_allclose(pair_of(mean).value(PAIR, f, noise), pair_of().value(PAIR, f, noise), rtol=1e-14)
    try:
        estimates = pair_of(mean)(PAIR, f, noise)
    except TypeError as error:
        assert "the mean needs to be differentiable, but autograd cannot follow" in str(error)  # noqa: PT017  (either)
    else:
        np.testing.assert_allclose(estimates, pair_of()(PAIR, f, noise), rtol=1e-13)


def test_a_mean_that_autograd_cannot_follow():
    with pytest.raises(
        TypeError, match=r"the mean needs .* autograd cannot follow <.*>: write it with autograd\.numpy"
    ):
        pair_of(lambda q: float(mean_of_product(q)))(PAIR, SquaredError(0.5), noise_for(PAIR))


def test_a_fault_of_the_mean_itself_is_not_laid_on_autograd():
    with pytest.raises(AttributeError, match="no_such"):
        pair_of(lambda q: q.no_such)(PAIR, SquaredError(0.5), noise_for(PAIR))


@pytest.mark.parametrize(
    ("mean", "kind", "message"),
    [
        (lambda q: q.probs, ValueError, r"the mean needs shape \(\), one for each row of logits, but has \(2,\)"),
        (lambda _: np.nan, ValueError, "the mean needs to be finite, but is nan"),
        (lambda q: np.inf + mean_of_product(q), ValueError, "the mean needs to be finite, but is inf"),
        (lambda _: None, TypeError, "the mean needs real numbers, but has dtype object"),
        (lambda _: 1j, TypeError, "the mean needs real numbers, but has dtype complex128"),
    ],
)
def test_means_that_are_refused(mean, kind, message):
    for call in (pair_of(mean), pair_of(mean).value, lambda q, *_: pair_of(mean).check(q)):
        with pytest.raises(kind, match=message):
            call(PAIR, SquaredError(0.5), noise_for(PAIR))


@pytest.mark.parametrize(
    ("control_variate", "kind", "message"),
    [
        (lambda z: z, ValueError, r"the control variate needs to return one value for each z, shape \(5,\), but.*5, 2"),
        (lambda z: z[..., :1], ValueError, r"the control variate needs to return one value .* returned shape \(5, 1\)"),
        (lambda _: 1.0, ValueError, r"the control variate needs to return one value .* returned shape \(\)"),
        (lambda _: np.full(5, "a"), TypeError, "the value of the control variate needs real numbers"),
    ],
)
def test_control_variates_that_are_refused(control_variate, kind, message):
    estimator = ControlVariate(control_variate, mean=mean_of_product)
    for call in (estimator, estimator.value):
        with pytest.raises(kind, match=message):
            call(PAIR, SquaredError(0.5), noise_for(PAIR))


@pytest.mark.parametrize("coefficient", [np.nan, np.inf, -np.inf, [0.5], [0.5, 1.0]])
def test_a_coefficient_that_is_not_a_finite_number(coefficient):
    with pytest.raises(ValueError, match="ControlVariate needs a finite number as coefficient, but it is"):
        pair_of(coefficient=coefficient)


def test_fields_of_the_wrong_kind():
    with pytest.raises(TypeError, match="ControlVariate needs a callable control_variate, but it is 3"):
        ControlVariate(3, mean=mean_of_product)
    with pytest.raises(TypeError, match="ControlVariate needs a callable mean, but it is None"):
        ControlVariate(product_of_two)
    with pytest.raises(TypeError, match="coefficient needs real numbers, but has dtype object"):
        pair_of(coefficient=None)
    with pytest.raises(TypeError, match="ControlVariate needs q of family categorical, but q is Bernoulli"):
        ControlVariate(Agreement(2))(PAIR, SquaredError(0.5), noise_for(PAIR))
