"""Value and gradient by enumeration, against four proofs that share no line with them."""

import re
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from importlib import import_module
from itertools import product
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp
from hypothesis import given, settings
from hypothesis import strategies as st

from refgrad import Bernoulli, Categorical, exact
from refgrad._workers import WINDOW, run
from refgrad.exact._factors import factors
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

MODULE = import_module("refgrad.exact.enumeration")
EPS = np.finfo(float).eps


@st.composite
def cases(draw):
    shape = draw(st.sampled_from([(1,), (2,), (3,), (5,), (1, 1), (1, 3), (2, 2), (3, 2), (2, 4)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.0, 1.0, 5.0]))
    q = (Bernoulli if len(shape) == 1 else Categorical)(scale * rng.normal(size=shape))
    return q, Interacting(0.5, *rng.normal(size=(4, *shape)))


def summed(q, f):
    """The expectation as a function of the logits, written without refgrad."""
    shape = q.event_shape
    if len(shape) == 1:
        z = np.array(list(product([0.0, 1.0], repeat=shape[0])))
    else:
        z = np.array([np.eye(shape[1])[list(i)] for i in product(range(shape[1]), repeat=shape[0])])
    values = f(z)

    def expectation(logits):
        if len(shape) == 1:
            p = 1 / (1 + anp.exp(-logits))
            return anp.sum(anp.prod(z * p + (1 - z) * (1 - p), axis=1) * values)
        p = anp.exp(logits) / anp.sum(anp.exp(logits), axis=1, keepdims=True)
        return anp.sum(anp.prod(anp.sum(z * p, axis=2), axis=1) * values)

    return expectation, np.abs(values).max()


@given(cases())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_against_autograd_of_the_sum(case):
    q, f = case
    expectation, size = summed(q, f)
    bound = 200 * EPS * size
    assert abs(exact.value(q, f) - expectation(q.logits)) <= bound
    assert np.abs(exact.gradient(q, f) - grad(expectation)(q.logits)).max() <= bound


@given(cases())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_against_central_differences(case):
    q, f = case
    h, gradient = 1e-4, exact.gradient(q, f)
    size = summed(q, f)[1]
    for index in np.ndindex(*q.event_shape):
        step = np.zeros(q.event_shape)
        step[index] = h
        ends = [exact.value(type(q)(q.logits + side * step), f) for side in (1, -1)]
        # Third derivatives of a softmax are below 1: truncation h**2 size / 6, and rounding of the ends.
        assert abs((ends[0] - ends[1]) / (2 * h) - gradient[index]) <= size * (h**2 / 6 + 200 * EPS / h)


def test_against_rational_arithmetic():
    odds = [Fraction(3), Fraction(1, 7)]  # logits log 3 and -log 7
    probs = [o / (1 + o) for o in odds]
    values = {z: Fraction(n) for z, n in zip(product((0, 1), repeat=2), (1, -2, 4, 9), strict=True)}

    def weight(z, d):
        return probs[d] if z[d] else 1 - probs[d]

    value = sum(weight(z, 0) * weight(z, 1) * v for z, v in values.items())
    slopes = [
        sum((1 if z[d] else -1) * probs[d] * (1 - probs[d]) * weight(z, 1 - d) * v for z, v in values.items())
        for d in range(2)
    ]
    q, f = Bernoulli(np.log([3.0, 1 / 7])), Table([1.0, -2.0, 4.0, 9.0])
    assert abs(Fraction(exact.value(q, f)) - value) < 20 * Fraction(EPS)
    for slope, truth in zip(exact.gradient(q, f), slopes, strict=True):
        assert abs(Fraction(float(slope)) - truth) < 20 * Fraction(EPS)


def test_against_rational_arithmetic_categorical():
    weights = [[Fraction(1), Fraction(2), Fraction(5)], [Fraction(3), Fraction(1), Fraction(4)]]
    probs = [[w / sum(row) for w in row] for row in weights]
    values = {z: Fraction(n * n - 3 * n) for n, z in enumerate(product(range(3), repeat=2))}
    q = Categorical(np.log(np.array(weights, dtype=float)))
    gradient = exact.gradient(q, Table([float(v) for v in values.values()], event_shape=(2, 3)))
    for d, k in product(range(2), range(3)):
        truth = sum(
            probs[0][z[0]] * probs[1][z[1]] * ((1 if z[d] == k else 0) - probs[d][k]) * v for z, v in values.items()
        )
        assert abs(Fraction(float(gradient[d, k])) - truth) < 200 * Fraction(EPS)


@pytest.mark.parametrize("target", [0.45, 0.49, 0.499])
@pytest.mark.parametrize("logit", [-36.0, -2.0, 0.0, 1.5, 36.0, 700.0])
def test_the_toy_in_closed_form(target, logit):
    with mpmath.workdps(700):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(logit)))
        truth = float((1 - 2 * mpmath.mpf(target)) * p * (1 - p))
    gradient = exact.gradient(Bernoulli([logit]), SquaredError(target))[0]
    assert gradient == pytest.approx(truth, rel=1e-12)  # f1 - f0 cancels two digits at t = .499


@pytest.mark.parametrize("logit", [36.0, -36.0, 300.0])
def test_saturated_categories_keep_their_digits(logit):
    values = [1.0, 2.0, 4.0]
    with mpmath.workdps(400):
        weights = [mpmath.exp(mpmath.mpf(x)) for x in (logit, 0.5, 0)]
        p = [w / sum(weights) for w in weights]
        mean = sum(a * b for a, b in zip(p, values, strict=True))
        truth = [float(a * (b - mean)) for a, b in zip(p, values, strict=True)]
    gradient = exact.gradient(Categorical([[logit, 0.5, 0.0]]), Table(values, event_shape=(1, 3)))[0]
    np.testing.assert_allclose(gradient, truth, rtol=1e-12)


def test_a_constant_in_f_costs_no_digits_where_nothing_is_near_certain():
    p, values = np.array([0.3, 0.2, 0.1, 0.4]), np.arange(4.0) / 8
    gradient = exact.gradient(Categorical([np.log(p)]), Table(2.0**45 + values, event_shape=(1, 4)))
    np.testing.assert_allclose(gradient[0], p * (values - p @ values), atol=8 * EPS)


class TestMasks:
    q = Categorical([[0.5, -np.inf, 1.0], [-np.inf, 0.0, -np.inf]])

    def test_masked_configurations_are_never_shown(self):
        shown = []

        def f(z):
            shown.append(z)
            assert (z[:, [0, 1, 1], [1, 0, 2]] == 0).all()
            return z[:, 0, 0]

        gradient = exact.gradient(self.q, f)
        assert sum(map(len, shown)) == 2
        p = 1 / (1 + np.exp(0.5))
        np.testing.assert_allclose(gradient[0], [p * (1 - p), 0, -p * (1 - p)], rtol=1e-14)
        assert (gradient[[0, 1, 1, 1], [1, 0, 1, 2]] == 0).all()


class TestBlocks:
    def test_f_never_sees_all_rows(self):
        sizes = []

        def f(z):
            sizes.append(len(z))
            return z.sum(axis=1)

        assert exact.value(Bernoulli(np.zeros(18)), f) == pytest.approx(9)
        assert sum(sizes) == 2**18
        assert max(sizes) <= 2**14

    @pytest.mark.parametrize("block", [1, 3, 8, 20])
    def test_a_block_is_no_seam_and_holds_a_row_at_least(self, block, monkeypatch):
        sizes, q = [], Bernoulli([0.5, -1.0, 0.25, 2.0, -0.75])
        coefficients = np.random.default_rng(0).normal(size=(4, 5))

        def f(z):
            sizes.append(len(z))
            return Interacting(0.5, *coefficients)(z)

        whole = exact.value(q, f), exact.gradient(q, f)
        monkeypatch.setattr(MODULE, "BLOCK", block)
        sizes.clear()
        assert exact.value(q, f) == pytest.approx(whole[0], rel=1e-14)
        assert sizes == [max(4, block // 4 * 4)] * len(sizes[:-1]) + sizes[-1:]  # four columns a row
        assert sum(sizes) == 2**5
        np.testing.assert_allclose(exact.gradient(q, f), whole[1], rtol=1e-13)

    @pytest.mark.parametrize(("size", "rows"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
    def test_memory_is_that_of_half_of_the_variables(self, size, rows):
        by_left, by_right, split = MODULE._halves(
            factors(Bernoulli(np.zeros(size))), lambda z: z[:, 0], 2**9, False, None
        )
        assert (len(by_left), len(by_right), split) == (2**rows, 2 ** (size - rows), rows)

    @pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
    def test_workers_do_not_change_the_bits(self, pool):
        q, f = Bernoulli(np.linspace(-1, 1, 17)), Quadratic(0.5, np.linspace(-1, 1, 17), np.eye(17)[::-1])
        with pool(2) as executor:
            np.testing.assert_array_equal(exact.gradient(q, f, executor=executor), exact.gradient(q, f))
            assert exact.value(q, f, executor=executor) == exact.value(q, f)

    def test_a_bar(self, capsys):
        exact.value(Bernoulli(np.zeros(16)), lambda z: z[:, 0], progress=True)
        shown = capsys.readouterr().err
        assert "/4 " in shown
        assert re.search(r"[ ?]block/s|s/block\]", shown)
        assert shown.split("\r")[-2].isspace()  # it is wiped at the end
        assert shown.endswith("\r")
        exact.gradient(Bernoulli(np.zeros(16)), lambda z: z[:, 0], progress=True)
        assert "/4 " in capsys.readouterr().err

    def test_blocks_are_submitted_in_a_window(self):
        class Lazy:
            submitted = 0

            def submit(self, work, task):
                self.submitted += 1
                return SimpleNamespace(result=lambda: work(task), cancel=lambda: cancelled.append(task))

        executor, cancelled = Lazy(), []
        results = run(lambda task: 2 * task, range(100), progress=False, executor=executor)
        assert [next(results) for _ in range(3)] == [0, 2, 4]
        assert executor.submitted == WINDOW + 2
        results.close()
        assert cancelled == list(range(3, WINDOW + 2))

    def test_a_bar_without_tqdm(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "tqdm", None)
        with pytest.raises(ImportError, match=r"progress=True needs tqdm: pip install 'refgrad\[cli\]'"):
            exact.value(Bernoulli([0.0]), lambda z: z[:, 0], progress=True)


class TestErrors:
    def test_too_large(self):
        with pytest.raises(ValueError, match=r"needs 134,217,728 evaluations, more than the limit of 67,108,864; pass"):
            exact.gradient(Bernoulli(np.zeros(27)), np.sum)
        with pytest.raises(
            ValueError, match=r"^enumeration needs 9 evaluations, more than the limit of 8; pass limit=9"
        ):
            exact.value(Categorical(np.zeros((2, 3))), np.sum, limit=8)
        with pytest.raises(
            ValueError, match=r"^enumeration needs 9 evaluations, more than the limit of 8; pass limit=9"
        ):
            exact.gradient(Categorical(np.zeros((2, 3))), np.sum, limit=8)
        assert exact.value(Bernoulli(np.zeros(2)), lambda z: z[:, 0], limit=4) == 0.5

    def test_a_batch(self):
        with pytest.raises(ValueError, match=r"needs one row of logits, but the batch shape is \(4,\)"):
            exact.value(Bernoulli(np.zeros((4, 2))), np.sum)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_value_that_is_not_finite_names_the_configuration(self, bad):
        def f(z):
            return np.where((z == [1.0, 0.0, 1.0]).all(axis=1), bad, 1.0)

        with pytest.raises(ValueError, match=rf"finite values, but f\(z\) = {bad} at z = \[1, 0, 1\]"):
            exact.gradient(Bernoulli(np.zeros(3)), f)

    def test_a_wrong_shape_names_the_configuration(self):
        with pytest.raises(
            ValueError, match=r"returned shape \(4, 2\) for z of shape \(4, 2\), which begins with \[0, 0\]"
        ):
            exact.value(Bernoulli(np.zeros(2)), lambda z: z)
        with pytest.raises(ValueError, match=r"returned shape \(\)"):
            exact.value(Bernoulli(np.zeros(2)), np.sum)

    @pytest.mark.parametrize("kind", [complex, object, str])
    def test_values_that_are_no_numbers(self, kind):
        with pytest.raises(TypeError, match="f needs to return real numbers, but returned dtype"):
            exact.value(Bernoulli(np.zeros(2)), lambda z: z[:, 0].astype(kind))

    def test_whole_and_single_precision_numbers_are_numbers(self):
        for kind in (bool, np.int8, np.float32):
            assert exact.value(Bernoulli(np.zeros(2)), lambda z, kind=kind: z[:, 0].astype(kind)) == 0.5
