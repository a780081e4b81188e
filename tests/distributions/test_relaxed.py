"""The density of a relaxed sample: against sixty digits, its integrals, its limits, and what it refuses."""

from dataclasses import dataclass
from typing import ClassVar

import mpmath
import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp
from autograd.test_util import check_grads
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad
from scipy.special import expit

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators._base import Claims, Estimator
from refgrad.objectives import Table

EPS = np.finfo(float).eps
quick = settings(max_examples=100, deadline=None, derandomize=True)
TEMPERATURES = [1e-3, 0.1, 0.5, 1.0, 2.0, 30.0]


def binary_digits(logit, y, temperature):
    """Maddison et al. (2017), appendix B, with the digits that a subtraction may lose."""
    with mpmath.workdps(700):
        a, y, t = mpmath.exp(mpmath.mpf(logit)), mpmath.mpf(y), mpmath.mpf(temperature)
        return mpmath.log(t * a * y ** (-t - 1) * (1 - y) ** (-t - 1) / (a * y**-t + (1 - y) ** -t) ** 2)


def digits(logits, y, temperature):
    """Maddison et al. (2017), Eq. 10."""
    with mpmath.workdps(700):
        a, t = [mpmath.exp(mpmath.mpf(x)) for x in logits], mpmath.mpf(temperature)
        y = [mpmath.mpf(x) for x in y]
        factors = [ak * yk ** (-t - 1) for ak, yk in zip(a, y, strict=True)]
        total = mpmath.fsum(ak * yk**-t for ak, yk in zip(a, y, strict=True))
        return mpmath.log(mpmath.gamma(len(y)) * t ** (len(y) - 1) * mpmath.fprod(factors) / total ** len(y))


def off(value, truth):
    return abs(float(mpmath.mpf(float(value)) - truth))


class TestSixtyDigits:
    @pytest.mark.parametrize("temperature", TEMPERATURES)
    @pytest.mark.parametrize("logit", [-800.0, -3.0, 0.0, 0.7, 40.0, 800.0])
    def test_binary(self, logit, temperature):
        for y in (5e-324, 1e-300, 1e-10, 0.3, 0.5, 0.7, 1 - 2**-30, 1 - 2**-53):
            value = Bernoulli([logit]).relaxed_log_prob([y], temperature)
            # Each product, sum and function is rounded once.
            size = 1 + abs(logit) + (1 + temperature) * (abs(np.log(y)) + abs(np.log1p(-y)))
            assert off(value, binary_digits(logit, y, temperature)) <= 4 * EPS * size

    @given(st.data(), st.integers(2, 5), st.sampled_from([*TEMPERATURES, 1 / 2, 1 / 3, 1 / 4]))
    @quick
    def test_several_categories(self, data, categories, temperature):
        numbers = st.lists(st.floats(-700, 700), min_size=categories, max_size=categories)
        logits = np.array(data.draw(numbers))
        x = np.array(data.draw(numbers)) / data.draw(st.sampled_from([2, 10, 1000]))
        y = np.exp(x - x.max())
        y = y / y.sum()
        value = Categorical([logits]).relaxed_log_prob([y], temperature)
        size = 1 + np.abs(logits).sum() + (1 + temperature) * np.abs(np.log(y)).sum()
        assert off(value, digits(logits, y, temperature)) <= 8 * EPS * size

    def test_no_digits_are_lost_where_the_logarithms_cancel(self):
        # At the temperature of the finite limit the density near the facet is of size 1, its terms of size 700.
        for y in (5e-324, 1e-300, 1e-100):
            value = Bernoulli([0.7]).relaxed_log_prob([y], 1.0)
            assert off(value, binary_digits(0.7, y, 1.0)) <= 4 * EPS
            row = [y, 0.5, 0.5]
            value = Categorical([[0.1, 0.4, -0.3]]).relaxed_log_prob([row], 0.5)
            assert off(value, digits([0.1, 0.4, -0.3], row, 0.5)) <= 8 * EPS

    @pytest.mark.parametrize("row", [[1 / 3, 1 / 3, 1 / 3], [0.1, 0.1]])
    def test_no_digits_are_lost_at_a_high_temperature_among_equals(self, row):
        """What is common to all is not multiplied by the temperature; a masked category has no say."""
        for logits, relaxed in (([0.0] * len(row), row), ([0.0] * len(row) + [-np.inf], [*row, 0.0])):
            y = np.array(relaxed) / np.sum(relaxed)
            value = Categorical([logits]).relaxed_log_prob([y], 1e4)
            true = digits([0.0] * len(row), y[: len(row)], 1e4)
            # The logarithm of the temperature, and a few of size one.
            assert off(value, true) <= 8 * EPS * (len(row) - 1) * np.log(1e4)

    def test_each_variable_has_a_level_of_its_own(self):
        logits = np.array([[0.0, 0.0, -np.inf], [0.25, -np.inf, -np.inf], [0.0, 0.0, 0.0]])
        relaxed = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
        together = Categorical(logits).relaxed_log_prob(relaxed, 12345.678)
        pairs = zip(logits, relaxed, strict=True)
        alone = [Categorical(x[None]).relaxed_log_prob(y[None], 12345.678) for x, y in pairs]
        assert together == np.sum(alone)

    def test_a_plain_sum_of_the_terms_would_lose_them(self):
        y, logit = 1e-300, 0.7
        noise = np.log(y) - np.log1p(-y) - logit
        plain = -noise - 2 * np.log1p(np.exp(-noise)) - np.log(y) - np.log1p(-y)
        assert off(plain, binary_digits(logit, y, 1.0)) > 4 * EPS


def half(q, point, t):
    """Integral from 0 to 1/2 by `quad`, and its error: y = x**(1 / t) smooths a density that is like y**(t - 1)."""

    def smooth(x):
        return np.exp(q.relaxed_log_prob(point(x ** (1 / t)), t)) * x ** (1 / t - 1) / t

    return quad(smooth, 1e-20, 0.5**t)  # the integrand is bounded


def triangle(fn):
    """Integral over the simplex of three entries, by `dblquad`, and its error."""

    def inside(b, a):
        return fn(np.array([[a, b, 1 - a - b]])) if a + b < 1 else 0.0

    return dblquad(inside, 0, 1, 0, lambda a: 1 - a, epsabs=1e-5, epsrel=1e-5)


def stick(fn, temperature):
    """The same after `a = sigmoid(x), b = (1 - a) sigmoid(y)`: a trapezoid, whose error falls exponentially."""
    step, reach = 0.25 / max(1, temperature), 45 / temperature  # exp(-45) is left out
    x = np.arange(-reach, reach + step, step)
    x, y = x[:, None], x[None, :]
    low, high = expit(-x), expit(x)
    points = np.stack(np.broadcast_arrays(high, low * expit(y), low * expit(-y)), axis=-1)[..., None, :]
    return float(np.sum(fn(points) * high * low**2 * expit(y) * expit(-y)) * step**2)


class TestIntegrals:
    @pytest.mark.parametrize("t", [0.1, 0.5, 1.0, 2.0, 10.0])
    @pytest.mark.parametrize("logit", [-2.0, 0.0, 1.3])
    def test_one_for_two_categories(self, logit, t):
        pair, masked = Categorical([[0.25, 0.25 + logit]]), Categorical([[0.25, -np.inf, 0.25 + logit]])
        for halves in (
            (half(Bernoulli([logit]), lambda y: [y], t), half(Bernoulli([-logit]), lambda y: [y], t)),
            (half(pair, lambda y: [[1 - y, y]], t), half(pair, lambda y: [[y, 1 - y]], t)),
            (half(masked, lambda y: [[1 - y, 0, y]], t), half(masked, lambda y: [[y, 0, 1 - y]], t)),
        ):
            (low, e1), (high, e2) = halves
            assert abs(low + high - 1) <= e1 + e2 + 100 * EPS

    @pytest.mark.exhaustive
    @pytest.mark.parametrize("temperature", [1.0, 1.5])
    def test_one_for_three_categories(self, temperature):
        q = Categorical([[0.5, -1.0, 0.2]])
        value, error = triangle(lambda y: float(np.exp(q.relaxed_log_prob(y, temperature))))
        assert abs(value - 1) <= error

    @pytest.mark.parametrize("temperature", [0.3, 0.5, 0.75, 1.0, 3.0])
    def test_one_for_three_categories_along_sticks(self, temperature):
        q = Categorical([[0.5, -1.0, 0.2]])
        assert abs(stick(lambda y: np.exp(q.relaxed_log_prob(y, temperature)), temperature) - 1) <= 1000 * EPS

    def test_other_densities_do_not_integrate_to_one(self):
        q, t = Categorical([[0.5, -1.0, 0.2]]), 0.75
        for wrong in (
            lambda y: np.exp(q.relaxed_log_prob(y, t)) / 2,  # without (K - 1)!
            lambda y: np.exp(q.relaxed_log_prob(y, t)) / t,  # a power of the temperature less
            lambda y: np.exp(q.relaxed_log_prob(y, t)) * np.prod(y, axis=(-2, -1)),  # without the + 1 of its exponent
        ):
            assert abs(stick(wrong, t) - 1) > 0.1

    @pytest.mark.parametrize("temperature", [0.3, 0.75, 2.0])
    def test_moments_of_the_samples(self, temperature):
        @dataclass(frozen=True)
        class Squares(Estimator):
            """Not a gradient: the squares of the relaxed sample, for its exact mean."""

            claims: ClassVar[Claims] = Claims(unbiased=False, shift_invariant=False, reads=("cell",))

            def __call__(self, q, f, noise):
                assert callable(f)
                return q.relax(noise[0], temperature) ** 2

        c, b = Categorical([[0.5, -1.0, 0.2]]), Bernoulli([-0.8])
        m = exact.moments(Squares(), c, Table([0.0, 0.0, 0.0], event_shape=(1, 3)))
        for k in range(3):

            def weighted(y, k=k):
                return np.exp(c.relaxed_log_prob(y, temperature)) * y[..., 0, k] ** 2

            assert abs(stick(weighted, temperature) - m.mean[0, k]) <= m.error[0, k] + 1000 * EPS
        x = np.arange(-160, 160, 0.125)
        binary = np.exp(b.relaxed_log_prob(expit(x)[:, None], temperature)[abs(x) < 36])
        x = x[abs(x) < 36]
        m = exact.moments(Squares(), b, Table([0.0, 0.0]))
        # What is cut off has less than exp(-36 temperature) of the mass.
        total = np.sum(binary * expit(x) ** 3 * expit(-x)) * 0.125
        assert abs(total - m.mean[0]) <= m.error[0] + 1000 * EPS + 2 * np.exp(0.8 - 36 * temperature)

    def test_two_categories_are_a_bernoulli(self):
        y = np.linspace(0.05, 0.95, 19)
        for t in TEMPERATURES:
            pair = Categorical([[0.25, 1.5]]).relaxed_log_prob(np.stack([1 - y, y], axis=-1)[:, None], t)
            one = Bernoulli([1.25]).relaxed_log_prob(y[:, None], t)
            np.testing.assert_allclose(pair, one, atol=16 * EPS * (1 + t) * 6)

    def test_variables_add_up_and_a_common_shift_changes_nothing(self):
        logits = np.array([[0.5, -1.0, 0.25], [2.0, 0.0, -0.5]])
        y = np.random.default_rng(0).dirichlet([1, 1, 1], size=(10, 2))
        both = Categorical(logits).relaxed_log_prob(y, 0.75)
        each = [Categorical(logits[d : d + 1] + 8).relaxed_log_prob(y[:, d : d + 1], 0.75) for d in range(2)]
        np.testing.assert_allclose(both, sum(each), rtol=1e-13)
        assert both.shape == (10,)
        assert Categorical(np.stack([logits, logits])).relaxed_log_prob(y[:, None], 0.75).shape == (10, 2)
        assert Bernoulli(np.zeros((2, 3))).relaxed_log_prob(np.full((5, 1, 3), 0.5), 0.75).shape == (5, 2)


def on_the_way(logits, exponents, temperature):
    """Log-density at `y_k = x**exponent_k` (the first entries; the rest share what is left) for x = 1e-200, 1e-400."""
    values = []
    for power in (-200, -400):
        with mpmath.workdps(60):
            y = [mpmath.mpf(10) ** (power * e) for e in exponents]
            rest = len(logits) - len(y)
            y += [(1 - mpmath.fsum(y)) / rest] * rest
            values.append(digits_of(logits, y, temperature))
    return values


def digits_of(logits, y, temperature):
    t = mpmath.mpf(temperature)
    w = [mpmath.mpf(x) - t * mpmath.log(a) for x, a in zip(logits, y, strict=True)]
    top = max(w)
    total = top + mpmath.log(mpmath.fsum(mpmath.exp(x - top) for x in w))
    rest = mpmath.log(mpmath.gamma(len(y))) + (len(y) - 1) * mpmath.log(t)
    return rest + mpmath.fsum(w) - len(y) * total - mpmath.fsum(map(mpmath.log, y))


class TestBoundary:
    def test_bernoulli(self):
        q = Bernoulli([0.5])
        for y, side in ((0.0, -1), (1.0, 1)):
            assert q.relaxed_log_prob([y], 0.75) == np.inf
            assert q.relaxed_log_prob([y], 1.0) == side * 0.5
            assert q.relaxed_log_prob([y], 1.25) == -np.inf
        assert q.relaxed_log_prob([5e-324], 1.0) == pytest.approx(-0.5, abs=4 * EPS)

    @pytest.mark.parametrize("categories", [2, 3, 4, 5, 50])
    def test_one_zero(self, categories):
        logits = np.linspace(-1, 1, categories)
        q, y = Categorical([logits]), np.r_[0.0, np.full(categories - 1, 1 / (categories - 1))]
        near, bound = np.r_[1e-300, y[1:]], 1 / (categories - 1)
        assert q.relaxed_log_prob([y], np.nextafter(bound, 0)) == np.inf
        assert q.relaxed_log_prob([y], np.nextafter(bound, 9)) == -np.inf
        limit = q.relaxed_log_prob([y], bound)
        # Near the facet the weight of the others is a power of y: 1e-300 ** (1 / 49) = 8e-7 for 50 categories.
        rest = 2 * categories**3 * 1e-300**bound
        assert abs(limit - q.relaxed_log_prob([near], bound)) <= rest + 1000 * categories * EPS

    @pytest.mark.parametrize("zeros", [2, 3])
    def test_several_zeros(self, zeros):
        logits, rest = [0.5, -1.0, 0.25, 0.0], 4 - zeros
        q, y = Categorical([logits]), np.r_[np.zeros(zeros), np.full(rest, 1 / rest)]
        low, high = 1 / 3, zeros / rest
        ways = [[1] * zeros, [1] + [0.01] * (zeros - 1), [0.01] * (zeros - 1) + [1]]
        for t in (low / 2, low, high * 1.1):
            sign = 1 if t <= low else -1
            assert q.relaxed_log_prob([y], t) == sign * np.inf
            for way in ways:
                first, second = on_the_way(logits, way, t)
                assert sign * (second - first) > 0
        for t in (low * 1.1, (low + high) / 2, high):
            with pytest.raises(ValueError, match=rf"above 0\.3333 and up to {high:.4g}, where .* {zeros} of 4 entries"):
                q.relaxed_log_prob([y], t)
            slopes = [np.subtract(*on_the_way(logits, way, t)[::-1]) for way in ways]
            # To infinity or a constant one way, to minus infinity another.
            assert min(slopes) < -1
            assert max(slopes) > -1e-3

    def test_masks(self):
        q = Categorical([[0.5, -np.inf, 0.2], [0.0, 0.0, 0.0]])
        pair, three = Bernoulli([-0.3]), Categorical([[0.0, 0.0, 0.0]])
        inside = np.array([[0.25, 0.0, 0.75], [0.5, 0.25, 0.25]])
        expected = pair.relaxed_log_prob([0.75], 0.7) + three.relaxed_log_prob(inside[1:], 0.7)
        assert q.relaxed_log_prob(inside, 0.7) == pytest.approx(float(expected), abs=16 * EPS)
        for masked in ([0.25, 0.25, 0.5], [0.0, 1.0, 0.0]):
            for other in ([0.5, 0.25, 0.25], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]):
                for t in (0.3, 0.7, 1.0):
                    assert q.relaxed_log_prob([masked, other], t) == -np.inf
        slope = grad(lambda x: Categorical(x).relaxed_log_prob(inside, 0.7))(q.logits)
        assert np.isfinite(slope).all()
        assert slope[0, 1] == 0

    def test_a_row_may_grow_where_another_vanishes(self):
        # One zero at temperature 0.7: of two entries the limit is inf (0.7 < 1), of three -inf (0.7 > 1 / 2).
        q = Categorical([[[0.5, -np.inf, 0.2]], [[0.0, 0.0, 0.0]]])
        assert q.relaxed_log_prob([[[0.0, 0.0, 1.0]], [[0.5, 0.5, 0.0]]], 0.7).tolist() == [np.inf, -np.inf]

    def test_rows_of_a_batch_do_not_touch_each_other(self):
        q, t = Categorical([[0.5, -np.inf, 0.2, 0.0], [0.0, 0.0, 1.0, -1.0]]), 0.3
        inside, plain = [0.25, 0.0, 0.5, 0.25], [0.25, 0.25, 0.25, 0.25]
        rows = np.array(
            [
                [inside, plain],
                [inside, [0.5, 0.5, 0.0, 0.0]],  # grows
                [inside, [0.125, 0.125, 0.25, 0.5]],
                [[0.25, 0.25, 0.25, 0.25], plain],  # weight on a masked category
                [[0.5, 0.0, 0.5, 0.0], plain],
            ]
        )
        together, alone = q.relaxed_log_prob(rows, t), [float(q.relaxed_log_prob(row, t)) for row in rows]
        assert together.tolist() == alone
        assert (together == np.inf).tolist() == [False, True, False, False, True]
        assert (together == -np.inf).tolist() == [False, False, False, True, False]
        # At the temperature of the finite limit a row with a zero, and one without.
        three = Categorical([[0.5, 0.2, 0.0], [0.0, 1.0, -1.0]])
        rows = np.array([[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]], [[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]]])
        together, alone = three.relaxed_log_prob(rows, 0.5), [float(three.relaxed_log_prob(r, 0.5)) for r in rows]
        assert together.tolist() == alone
        each = sum(Categorical(three.logits[d : d + 1]).relaxed_log_prob(rows[:, d : d + 1], 0.5) for d in range(2))
        np.testing.assert_allclose(together, each, rtol=8 * EPS)

    def test_one_category(self):
        q = Categorical([[3.0, -np.inf], [-np.inf, 0.0]])
        assert q.relaxed_log_prob(np.eye(2), 0.3) == 0
        assert q.relaxed_log_prob([[1 - EPS, 0.0], [0.0, 1.0]], 0.3) == 0
        assert q.relaxed_log_prob([[0.0, 1.0], [0.0, 1.0]], 0.3) == -np.inf
        assert Categorical([[3.0]]).relaxed_log_prob([[1.0]], 5.0) == 0

    def test_samples_that_underflow_have_a_value(self):
        rng = np.random.default_rng(0)
        b, c = Bernoulli([0.5, -2.0]), Categorical([[0.5, -2.0, 1.0], [0.0, -np.inf, 1.0]])
        relaxed = b.relax(b.draw_noise(1000, rng), 1e-3)
        edge = ((relaxed == 0) | (relaxed == 1)).any(axis=-1)
        np.testing.assert_array_equal(b.relaxed_log_prob(relaxed, 1e-3) == np.inf, edge)
        assert edge.sum() > 900
        relaxed = c.relax(c.draw_noise(1000, rng), 1e-3)
        edge = ((relaxed == 0) & (c.logits > -np.inf)).any(axis=(-2, -1))
        np.testing.assert_array_equal(c.relaxed_log_prob(relaxed, 1e-3) == np.inf, edge)
        assert edge.sum() > 900


class TestDerivatives:
    rng = np.random.default_rng(0)

    def test_categorical(self):
        def total(x, y, t):
            y = y / anp.sum(y, axis=-1, keepdims=True)
            return anp.sum(anp.sin(Categorical(x).relaxed_log_prob(y, t)))

        y = self.rng.dirichlet([1, 1, 1], size=(5, 1, 2))
        check_grads(total, modes=["rev"], order=2)(self.rng.normal(size=(2, 2, 3)), y, 0.7)

    def test_bernoulli(self):
        def total(x, y, t):
            return anp.sum(anp.sin(Bernoulli(x).relaxed_log_prob(y, t)))

        check_grads(total, modes=["rev"], order=2)(self.rng.normal(size=(2, 3)), self.rng.random((5, 1, 3)), 0.7)

    def test_shapes_of_gradients_are_those_of_the_arguments(self):
        x, y = self.rng.normal(size=(4, 1, 3)), self.rng.dirichlet([1, 1, 1], size=(5, 1, 1))
        assert grad(lambda x: anp.sum(Categorical(x).relaxed_log_prob(y, 0.5)))(x).shape == x.shape
        assert grad(lambda y: anp.sum(Categorical(x).relaxed_log_prob(y, 0.5)))(y).shape == y.shape
        assert np.shape(grad(lambda t: anp.sum(Categorical(x).relaxed_log_prob(y, t)))(0.5)) == ()
        assert grad(lambda y: anp.sum(Bernoulli(x[..., 0, :]).relaxed_log_prob(y, 0.5)))(np.full(3, 0.4)).shape == (3,)

    def test_of_one_category_it_is_zero_in_everything(self):
        """Beside a variable of two, in the same row and in a batch."""
        y, alone = np.array([[0.25, 0.75]]), np.array([[1.0, 0.0]])
        for logits, rows in (
            (np.array([[3.0, -np.inf], [0.5, 1.0]]), np.concatenate([alone, y])),
            (np.array([[[3.0, -np.inf]], [[0.5, 1.0]]]), np.stack([alone, y])),
        ):
            one, other = (0, 1) if logits.ndim == 2 else ((0, 0), (1, 0))
            for t in (0.7, 1.6):
                of_logits = grad(lambda x, rows=rows, t=t: anp.sum(Categorical(x).relaxed_log_prob(rows, t)))(logits)
                of_rows = grad(lambda r, x=logits, t=t: anp.sum(Categorical(x).relaxed_log_prob(r, t)))(rows)
                of_t = grad(lambda t, x=logits, rows=rows: anp.sum(Categorical(x).relaxed_log_prob(rows, t)))(t)
                assert not of_logits[one].any()
                assert not of_rows[one].any()
                pair = Categorical(logits[other][None])
                single = grad(lambda x, t=t: Categorical(x).relaxed_log_prob(y, t))(pair.logits)[0]
                np.testing.assert_array_equal(of_logits[other], single)
                single = grad(lambda r, q=pair, t=t: q.relaxed_log_prob(r, t))(y)[0]
                np.testing.assert_array_equal(of_rows[other], single)
                assert of_t == grad(lambda t, q=pair: q.relaxed_log_prob(y, t))(t)
        lone = Categorical([[3.0]])
        assert grad(lambda t: lone.relaxed_log_prob([[1.0]], t))(0.7) == 0
        assert grad(lambda r: lone.relaxed_log_prob(r, 0.7))(np.array([[1.0]])).tolist() == [[0.0]]

    @pytest.mark.parametrize("leader", [0, 1, 2])
    def test_whichever_category_leads_by_far(self, leader):
        """The derivative in the logits is `1 - K softmax`: 1, and 1 - K where one leads; masked ones have none."""
        logits, y = np.zeros((1, 4)), np.array([[0.25, 0.25, 0.5, 0.0]])
        logits[0, leader], logits[0, 3] = 900.0, -np.inf
        slope = grad(lambda x: Categorical(x).relaxed_log_prob(y, 0.5))(logits)[0]
        expected = np.array([1.0, 1.0, 1.0, 0.0])
        expected[leader] = -2.0
        np.testing.assert_allclose(slope, expected, rtol=1e-15)

    def test_on_either_side_and_at_the_tie_of_the_two_forms(self):
        # At y = 1/2 and logit 0 the two sides meet; the slope in the logits there is zero.
        assert grad(lambda x: Bernoulli(x).relaxed_log_prob([0.5], 1.7))(np.array([0.0])) == 0
        slope = grad(lambda x: Categorical(x).relaxed_log_prob([[0.25, 0.25, 0.25, 0.25]], 1.7))(np.zeros((1, 4)))
        assert np.abs(slope).max() <= 4 * EPS

    def test_the_mean_of_the_score_is_zero(self):
        # E d log p / d logits = 0 under the density itself.
        x = np.arange(-100, 100, 0.25)
        x, y = np.meshgrid(x, x)
        points = np.stack([expit(x), expit(-x) * expit(y), expit(-x) * expit(-y)], axis=-1).reshape(-1, 1, 3)
        weight = (expit(x) * expit(-x) ** 2 * expit(y) * expit(-y)).ravel()
        logits = np.broadcast_to([[0.5, -1.0, 0.25]], points.shape)
        slope = grad(lambda x: anp.sum(Categorical(x).relaxed_log_prob(points, 0.75)))(logits)
        density = np.exp(Categorical(logits).relaxed_log_prob(points, 0.75))
        total = np.tensordot(weight * density, slope, 1) * 0.25**2
        assert np.abs(total).max() <= 1000 * EPS


class TestErrors:
    b, c = Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, 0.25]])

    @pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan, np.inf, 1 + EPS])
    def test_outside_of_the_cube(self, bad):
        with pytest.raises(ValueError, match=r"relaxed needs entries in \[0, 1\], but has .* at \(1, 0\)"):
            self.b.relaxed_log_prob([[0.5, 0.5], [bad, -1.0]], 0.5)

    @pytest.mark.parametrize("bad", [-0.1, -5e-324, np.nan])
    def test_outside_of_the_simplex(self, bad):
        with pytest.raises(ValueError, match=r"relaxed needs entries of at least 0, but has .* at \(1, 0, 2\)"):
            self.c.relaxed_log_prob([[[0.5, 0.5, 0.0]], [[0.5, 0.5, bad]]], 0.5)

    @pytest.mark.parametrize("bad", [0.25 + 4 * EPS, 0.0, np.inf])
    def test_a_sum_that_is_not_one(self, bad):
        with pytest.raises(ValueError, match=r"relaxed needs rows that sum to 1, but the row at \(0,\) sums to "):
            self.c.relaxed_log_prob([[0.5, 0.25, bad]], 0.5)

    def test_a_sum_may_be_off_by_eps_for_each_entry_and_no_more(self):
        q = Categorical([[0.5, -1.0]])
        assert np.isfinite(q.relaxed_log_prob([[0.5, 0.5 + 2 * EPS]], 0.5))
        with pytest.raises(ValueError, match="sum to 1"):
            q.relaxed_log_prob([[0.5, 0.5 + 3 * EPS]], 0.5)

    def test_rounding_of_a_softmax_is_not_refused(self):
        rng = np.random.default_rng(0)
        for categories in (2, 3, 10, 1000):
            q = Categorical(rng.normal(size=(1, categories)))
            noise = q.draw_noise(1000, rng)
            relaxed = q.relax(noise, 0.5)
            assert not np.isnan(q.relaxed_log_prob(relaxed, 0.5)).any()
            weights = np.exp((q.logits + noise).astype(np.float32))
            single = weights / weights.sum(axis=-1, keepdims=True)
            assert single.dtype == np.float32
            assert q.relaxed_log_prob(single, 0.5).dtype == np.float64
            if categories == 1000:
                with pytest.raises(ValueError, match="sum to 1"):
                    q.relaxed_log_prob(single.astype(float), 0.5)

    def test_wrong_axes_and_kinds(self):
        with pytest.raises(ValueError, match=r"relaxed needs shape \(\.\.\., 1, 3\), but has shape \(3,\)"):
            self.c.relaxed_log_prob([0.5, 0.25, 0.25], 0.5)
        with pytest.raises(TypeError, match="relaxed needs real numbers"):
            self.b.relaxed_log_prob(["0.5", "0.5"], 0.5)

    @pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
    def test_a_temperature_that_is_none(self, bad):
        for q, y in ((self.b, [0.5, 0.5]), (self.c, [[0.5, 0.25, 0.25]])):
            with pytest.raises(ValueError, match="temperature needs to be positive and finite"):
                q.relaxed_log_prob(y, bad)

    def test_a_temperature_without_a_product(self):
        for q, y in ((self.b, [0.5, 5e-324]), (self.c, [[1.0, 5e-324, 5e-324]])):
            assert q.relaxed_log_prob(y, 1e300) < -1e302
            with pytest.raises(ValueError, match=r"needs a temperature up to 1e\+300, but it is 1e\+301"):
                q.relaxed_log_prob(y, 1e301)

    def test_densities_that_grow_and_vanish(self):
        q = Categorical([[0.5, -np.inf, 0.2], [0.0, 0.0, 0.0]])
        with pytest.raises(ValueError, match=r"all grow or all vanish .* row at \(1,\), temperature 0\.7, has both"):
            q.relaxed_log_prob([[[0.5, 0, 0.5], [0.5, 0.25, 0.25]], [[1.0, 0, 0], [0.5, 0.5, 0]]], 0.7)

    def test_no_derivative_on_the_boundary(self):
        message = r"relaxed needs to lie inside to be differentiated, but is on the boundary at \(1,\)"
        with pytest.raises(ValueError, match=message):
            grad(lambda x: Bernoulli(x).relaxed_log_prob([0.5, 1.0], 0.5))(self.b.logits)
        with pytest.raises(ValueError, match=r"on the boundary at \(0, 2\)"):
            grad(lambda t: self.c.relaxed_log_prob([[0.5, 0.5, 0.0]], t))(0.5)

    def test_whichever_argument_is_followed(self):
        y, rows = np.array([0.5, 1.0]), np.array([[0.5, 0.5, 0.0]])
        for fn in (
            lambda x: Bernoulli(self.b.logits * x).relaxed_log_prob(y, 0.5),
            lambda x: self.b.relaxed_log_prob(y * x, 0.5),
            lambda x: self.b.relaxed_log_prob(y, 0.5 * x),
            lambda x: Categorical(self.c.logits * x).relaxed_log_prob(rows, 0.5),
            lambda x: self.c.relaxed_log_prob(rows * x, 0.5),
            lambda x: self.c.relaxed_log_prob(rows, 0.5 * x),
        ):
            with pytest.raises(ValueError, match="needs to lie inside to be differentiated"):
                grad(fn)(1.0)
