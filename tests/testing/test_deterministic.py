"""How code is called on given noise: every fault has a message, and what is the same is named."""

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.estimators import Rebar, Reinforce
from refgrad.testing import Problem, SamplerError, mistakes, standard_problems
from refgrad.testing._deterministic import Rows, identify, precision_of, wrong_numbers
from refgrad.testing._rounding import FLOAT32, FLOAT64
from refgrad.testing._sampler import Form
from refgrad.testing.expectation import check_expectation
from refgrad.testing.pathwise import cases, check_pathwise

PAIR = next(p for p in standard_problems("bernoulli") if p.q.event_shape == (2,))
NOISE = np.random.default_rng(0).logistic(size=(2, 6, 2))
REBAR = Rebar(0.5, 0.75)


def right(problem, noise):
    return REBAR(problem.q, problem.f, noise)


class Tensor:
    """What the tensors of a framework have in common."""

    def __init__(self, values, requires_grad=False):
        self.values, self.requires_grad = values, requires_grad

    def cpu(self):
        return self.values


class TestRows:
    def test_in_blocks_and_in_any_precision(self):
        sizes = []

        def spy(problem, noise):
            sizes.append(noise.shape[1])
            assert noise.flags.writeable
            return right(problem, noise).astype(np.float32)

        rows = Rows.of(spy, PAIR, NOISE, 4, Form())
        assert sizes == [4, 2]
        assert rows.rows.dtype == np.float64
        assert rows.precision == FLOAT32
        np.testing.assert_allclose(rows.rows, right(PAIR, NOISE), rtol=1e-6)
        whole = Rows.of(lambda problem, noise: Tensor(right(problem, noise)), PAIR, NOISE, None, Form())
        np.testing.assert_array_equal(whole.rows, right(PAIR, NOISE))
        assert whole.precision == FLOAT64

    def test_noise_that_the_code_spoils_is_its_own(self):
        def spoils(problem, noise):
            noise[:] = 0
            return np.zeros((6, 2))

        before = NOISE.copy()
        Rows.of(spoils, PAIR, NOISE, None, Form())
        np.testing.assert_array_equal(NOISE, before)

    def test_a_buffer_that_is_overwritten_is_copied(self):
        gradient, value = np.zeros((2, 2)), np.zeros(2)

        def fills(problem, noise):
            gradient[:], value[:] = noise[0], noise[0, :, 0]
            return {"gradient": gradient, "value": value}

        rows = Rows.of(fills, PAIR, NOISE, 2, Form())
        np.testing.assert_array_equal(rows.rows, NOISE[0])
        np.testing.assert_array_equal(rows.values["value"], NOISE[0, -2:, 0])
        value[:] = 7.0
        np.testing.assert_array_equal(rows.values["value"], NOISE[0, -2:, 0])

    def test_losses_and_probabilities(self):
        expected = right(PAIR, NOISE)
        p = PAIR.q.probs
        rows = Rows.of(lambda q, noise: -right(q, noise), PAIR, NOISE, None, Form(None, "logits", True))
        np.testing.assert_array_equal(rows.rows, expected)
        rows = Rows.of(lambda q, noise: right(q, noise) / (p * (1 - p)), PAIR, NOISE, None, Form(None, "probs"))
        np.testing.assert_allclose(rows.rows, expected, rtol=1e-12)

    @pytest.mark.parametrize(
        ("returned", "error", "message"),
        [
            (np.zeros((2, 6, 2)), ValueError, r"needs to return shape \(6, 2\).*axis of the draws"),
            (np.zeros(2), ValueError, r"shape \(6, 2\), one estimate .* each of 6.*\(2,\); a mean over the repet"),
            (np.zeros((6, 2), complex), TypeError, "needs to return real numbers, but returned dtype complex128"),
            (
                np.zeros((6, 2), object),
                TypeError,
                "needs to return (real )?numbers, but returned (a ndarray of objects|None)",
            ),
            (None, TypeError, "needs to return (real )?numbers, but returned (a ndarray of objects|None)"),
            (Tensor(np.zeros((6, 2)), True), TypeError, "a tensor that requires grad; return it detached"),
        ],
    )
    def test_what_is_no_array_of_estimates(self, returned, error, message):
        def bad(problem, noise):
            return returned

        with pytest.raises(error, match=message) as caught:
            Rows.of(bad, PAIR, NOISE, None, Form())
        assert str(caught.value).startswith(f"bad({PAIR}, noise of shape (2, 6, 2)) needs to return")

    def test_code_that_raises(self):
        def broken(problem, noise):
            raise KeyError("logits")

        for check in (
            lambda: check_expectation(broken, PAIR, Reinforce()),
            lambda: check_pathwise(broken, Reinforce(), [PAIR]),
        ):
            with pytest.raises(SamplerError, match=r"^broken\(.*, noise of shape \(1, .*\) raised KeyError: 'logits'"):
                check()


class TestArguments:
    @pytest.mark.parametrize("check", [check_expectation, lambda f, p, e, **o: check_pathwise(f, e, [p], **o)])
    @pytest.mark.parametrize(
        ("arguments", "options", "error", "message"),
        [
            ((3, PAIR, REBAR), {}, TypeError, r"fn needs to be callable, as fn\(problem, noise\), but is 3"),
            ((right, PAIR, Rebar), {}, TypeError, "needs to be an instance of an Estimator, but is <class"),
            ((right, PAIR, REBAR), {"block": 0}, ValueError, "block needs to be None or a whole number .* but is 0"),
            ((right, PAIR, REBAR), {"precision": "int8"}, ValueError, "floating type as 'float32', but is 'int8'"),
            ((right, PAIR, REBAR), {"wrt": "weights"}, ValueError, "wrt needs to be"),
        ],
    )
    def test_refused(self, check, arguments, options, error, message):
        with pytest.raises(error, match=message):
            check(*arguments, **options)

    def test_of_one_check(self):
        with pytest.raises(ValueError, match="tolerance needs to be positive and finite, but is 0"):
            check_expectation(right, PAIR, REBAR, tolerance=0)
        with pytest.raises(ValueError, match="n needs to be a whole number of at least 1, but is 0"):
            check_pathwise(right, REBAR, n=0)

    def test_precisions(self):
        assert precision_of(None) is None
        assert precision_of("float32") == precision_of(np.float32) == FLOAT32
        assert precision_of(np.longdouble) == FLOAT64


def test_numbers_that_are_not_finite_are_counted_with_their_noise():
    rows = np.zeros((6, 2))
    assert wrong_numbers(PAIR, NOISE, rows) is None
    rows[[2, 5], 1] = np.nan, np.inf
    text = wrong_numbers(PAIR, NOISE, rows)
    z = PAIR.q.sample(NOISE[0, 2]).astype(int).tolist()
    assert text == (
        f"2 of 6 estimates (33.33%) are not finite; the first is [0.0, nan], at noise = {NOISE[:, 2].tolist()}, z = {z}"
    )


class TestIdentify:
    def test_the_same_rows(self):
        (case,) = cases(REBAR, [PAIR], n=40)
        for name in ("rebar-no-slopes", "rebar-independent-coupling"):
            slip = {m.name: m for m in mistakes()}[name].like(REBAR).estimator
            rows = slip(PAIR.q, PAIR.f, case.noise)
            (cause,) = identify(rows, case.noise, case.expected, REBAR, PAIR, FLOAT64)
            assert cause.startswith(f"{name}: ")
            single = rows.astype(np.float32).astype(float)
            assert identify(single, case.noise, case.expected, REBAR, PAIR, FLOAT64) == ()
            assert identify(single, case.noise, case.expected, REBAR, PAIR, FLOAT32) == (cause,)

    def test_a_multiple(self):
        (case,) = cases(REBAR, [PAIR], n=40)
        causes = identify(-2 * case.expected, case.noise, case.expected, REBAR, PAIR, FLOAT64)
        assert causes == ("-2 times the reference, in every row",)

    def test_nothing_that_is_known(self):
        (case,) = cases(REBAR, [PAIR], n=40)
        assert identify(case.expected + 0.01, case.noise, case.expected, REBAR, PAIR, FLOAT64) == ()
        assert identify(np.nan * case.expected, case.noise, case.expected, REBAR, PAIR, FLOAT64) == ()

    def test_with_an_estimate_of_zero(self):
        flat = Problem(Bernoulli([0.5]), lambda z: 0.0 * z.sum(axis=-1), "flat")
        (case,) = cases(Reinforce(), [flat], n=10)
        assert identify(case.expected + 1, case.noise, case.expected, Reinforce(), flat, FLOAT64) == ()
