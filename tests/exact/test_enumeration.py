"""Value and gradient by enumeration, against four proofs that share no line with them."""

import re
import sys
import tracemalloc
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp
from hypothesis import given, settings
from hypothesis import strategies as st

from refgrad import Bernoulli, Categorical, exact
from refgrad.exact import _halves
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

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

    def test_a_zero_is_not_negative(self):
        for q in (self.q, Categorical([[0.5, -800.0, -np.inf]]), Bernoulli([-800.0, 800.0, 0.5])):
            for sign in (1, -1):
                gradient = exact.gradient(q, lambda z, sign=sign: sign * z.reshape(len(z), -1).cumsum(axis=1)[:, -2])
                assert (gradient == 0).any()
                assert not np.signbit(gradient[gradient == 0]).any()


class TestTables:
    """A table is read where it is; everything else is called."""

    @pytest.mark.parametrize("shape", [(1,), (2,), (9,), (20,), (1, 5), (7, 3), (3, 8), (4, 1)])
    def test_a_table_is_not_called_and_gives_what_a_function_gives(self, shape, monkeypatch):
        rng = np.random.default_rng(len(shape))
        q = (Bernoulli if len(shape) == 1 else Categorical)(rng.normal(size=shape))
        f = Table(rng.normal(size=q.support_size), event_shape=shape)
        called = exact.value(q, f.__call__), exact.gradient(q, f.__call__)
        monkeypatch.setattr(Table, "__call__", None)
        assert exact.value(q, f) == pytest.approx(called[0], abs=64 * EPS)
        np.testing.assert_allclose(exact.gradient(q, f), called[1], rtol=0, atol=64 * EPS)

    @pytest.mark.parametrize(
        ("shape", "read", "blocks"), [((9,), 512, 1), ((9,), 256, 2), ((7, 3), 100, 21), ((3,), 1, 4)]
    )
    def test_a_large_table_is_read_some_rows_at_a_time(self, shape, read, blocks, monkeypatch, capsys):
        rng = np.random.default_rng(blocks)
        q = (Bernoulli if len(shape) == 1 else Categorical)(rng.normal(size=shape))
        f = Table(rng.normal(size=q.support_size), event_shape=shape)
        at_once = exact.value(q, f), exact.gradient(q, f)
        monkeypatch.setattr(_halves, "READ", read)
        assert exact.value(q, f) == pytest.approx(at_once[0], abs=64 * EPS)
        np.testing.assert_allclose(exact.gradient(q, f, progress=True), at_once[1], rtol=0, atol=64 * EPS)
        assert (f"/{blocks} " in capsys.readouterr().err) == (blocks > 1)

    def test_masked_categories_of_a_table_are_left_out(self):
        logits = np.random.default_rng(0).normal(size=(4, 3))
        logits[[0, 2, 2], [1, 0, 2]] = -np.inf
        q, f = Categorical(logits), Table(np.random.default_rng(1).normal(size=81), event_shape=(4, 3))
        np.testing.assert_allclose(exact.gradient(q, f), exact.gradient(q, f.__call__), rtol=0, atol=16 * EPS)
        moved = f.values.copy()
        moved[q.support()[:, 0, 1] == 1] = 1e300  # impossible
        np.testing.assert_array_equal(exact.gradient(q, Table(moved, event_shape=(4, 3))), exact.gradient(q, f))

    def test_a_table_of_another_shape_is_refused_as_when_called(self):
        with pytest.raises(ValueError, match="Table needs as many values as z has configurations"):
            exact.gradient(Bernoulli([0.0, 1.0]), Table(np.zeros(8)))
        with pytest.raises(ValueError, match="one value for each z"):  # it reads each variable as four of its own
            exact.gradient(Categorical(np.zeros((2, 4))), Table(np.zeros(16)))

    def test_a_subclass_is_called(self):
        class Twice(Table):
            def __call__(self, z):
                return 2 * super().__call__(z)

        q, values = Bernoulli([0.5, -1.0]), [1.0, 5.0, -2.0, 3.0]
        assert exact.value(q, Twice(values)) == pytest.approx(2 * exact.value(q, Table(values)))


class TestBlocks:
    @pytest.mark.parametrize("size", [18, 19])
    def test_f_never_sees_all_rows(self, size):
        sizes = []

        def f(z):
            sizes.append(len(z))
            return z.sum(axis=1)

        assert exact.value(Bernoulli(np.zeros(size)), f) == pytest.approx(size / 2)
        assert sum(sizes) == 2**size
        assert max(sizes) * size <= 2**16 < 2 * max(sizes) * size

    def test_memory_is_that_of_half_of_the_variables(self):
        peaks = []
        for size in (18, 22):
            q = Bernoulli(np.zeros(size))
            tracemalloc.start()
            exact.gradient(q, lambda z: z[:, 0])
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        # Sixteen megabytes are freed at once, untouched; what f is shown is half a megabyte, halves are 8 KiB to 32.
        assert peaks[1] < 2 * peaks[0] < 2**26

    def test_f_may_answer_in_one_array_again_and_again(self):
        q, out = Bernoulli(np.linspace(-1, 1, 14)), np.empty(2**14)
        assert exact.value(q, lambda z: np.sum(z, axis=1, out=out[: len(z)])) == exact.value(q, lambda z: z.sum(axis=1))

    def test_what_f_does_to_its_rows_is_its_own_affair(self):
        q, kept = Bernoulli(np.linspace(-1, 1, 14)), []

        def careless(z):
            kept.append((z, z.copy()))
            value = z @ np.arange(14.0)
            z[::2] = np.nan
            return value

        assert exact.value(q, careless) == exact.value(q, lambda z: z @ np.arange(14.0))
        assert len(kept) == 4
        assert all(np.array_equal(z[1::2], before[1::2]) for z, before in kept)

    @pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
    def test_workers_do_not_change_the_bits(self, pool):
        q, f = Bernoulli(np.linspace(-1, 1, 17)), Quadratic(0.5, np.linspace(-1, 1, 17), np.eye(17)[::-1])
        with pool(2) as executor:
            np.testing.assert_array_equal(exact.gradient(q, f, executor=executor), exact.gradient(q, f))
            assert exact.value(q, f, executor=executor) == exact.value(q, f)

    @pytest.mark.parametrize("answer", [exact.value, exact.gradient])
    def test_workers_are_given_every_task_and_no_bar_is_shown_unasked(self, answer, capsys):
        class Counting(ThreadPoolExecutor):
            count = 0

            def submit(self, fn, /, *args, **kwargs):
                Counting.count += 1
                return super().submit(fn, *args, **kwargs)

        with Counting(1) as executor:
            answer(Bernoulli(np.zeros(18)), lambda z: z[:, 0], executor=executor)
        assert Counting.count == 4
        assert capsys.readouterr() == ("", "")

    def test_a_bar(self, capsys):
        exact.value(Bernoulli(np.zeros(18)), lambda z: z[:, 0], progress=True)
        shown = capsys.readouterr().err
        assert "/4 " in shown
        assert re.search(r"[ ?]block/s|s/block\]", shown)
        assert shown.split("\r")[-2].isspace()  # it is wiped at the end
        assert shown.endswith("\r")
        exact.gradient(Bernoulli(np.zeros(18)), lambda z: z[:, 0], progress=True)
        assert "/4 " in capsys.readouterr().err

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
    @pytest.mark.parametrize(
        "z", [[1, 0, 1], [0] * 19, [1] * 19, [1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1]]
    )
    def test_a_value_that_is_not_finite_names_the_configuration(self, bad, z):
        def f(shown):
            return np.where((shown == z).all(axis=1), bad, 1.0)

        with pytest.raises(ValueError, match=rf"finite values, but f\(z\) = {bad} at z = {re.escape(str(z))}$"):
            exact.gradient(Bernoulli(np.zeros(len(z))), f)

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
