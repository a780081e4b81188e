"""The functions under every formula: right on both sides, and traced with the same bits."""

import numpy as np
import pytest
from autograd import grad, hessian
from autograd import numpy as anp
from autograd.test_util import check_grads

from refgrad import Bernoulli
from refgrad.distributions._array import abbreviated, as_float, namespace, traced, untraced
from refgrad.distributions._densities import binary_density, density_of_race
from refgrad.distributions._functions import (
    centred,
    chosen,
    complement,
    log_softmax,
    log_softmax_slope,
    logaddexp,
    sigmoid,
    sigmoid_and_slope,
    smaller_and_slope,
    softmax,
    softplus,
    softplus_and_sigmoid,
)
from refgrad.distributions._given import noise_above
from refgrad.distributions._planes import planes, rows

EPS = np.finfo(float).eps
X = np.array([-800.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0])


def test_a_sigmoid_has_digits_on_both_sides():
    np.testing.assert_allclose(sigmoid(X[:-1]) / sigmoid(-X[:-1]), np.exp(X[:-1]), rtol=1e-13)
    assert sigmoid(0.0) == 0.5
    assert sigmoid(-800.0) == 0


def test_its_derivative_at_zero_is_a_quarter():
    assert grad(sigmoid)(0.0) == 0.25
    check_grads(sigmoid, modes=["rev"], order=2)(X[2:5])


def test_tracing_changes_no_bits():
    seen = []
    grad(lambda x: (seen.append(untraced(sigmoid(x))), softplus(x).sum())[1])(X)
    np.testing.assert_array_equal(seen[0], sigmoid(X))


def test_softmax_and_its_log():
    x, keep = np.array([[1.0, 2.0, 900.0], [1.0, 2.0, 3.0]]), np.array([[True, True, False], [True, True, True]])
    probs = softmax(x.T, keep.T).T
    assert probs[0, 2] == 0
    np.testing.assert_allclose(np.exp(log_softmax(x, keep)), probs, rtol=1e-15)


def test_what_is_traced():
    def fn(x):
        assert traced(x)
        assert not traced(untraced(x))
        assert namespace(x) is not np
        assert as_float(x, "x") is x
        return x * 2

    assert grad(fn)(1.0) == 2
    assert not traced(1.0, X)
    assert namespace(X) is np


def test_the_layout_in_memory_is_that_of_rows():
    """Sums take the same order then, and have the same bits."""
    for kind in (np.float64, np.float32):
        assert as_float(np.asfortranarray(np.ones((3, 2), kind)), "x").flags.c_contiguous


def test_an_array_in_a_message_is_short():
    assert abbreviated(np.array([1 / 3, 0.5])) == "[0.3333, 0.5 ]"
    assert abbreviated(np.arange(12.0)) == "[ 0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11.]"
    assert abbreviated(np.arange(13.0)) == "[ 0., 1., ..., 11., 12.]"


def test_a_traced_array_is_shown_by_its_shape():
    def fn(x):
        seen.append(repr(Bernoulli(x)))
        return x.sum()

    seen = []
    grad(fn)(np.zeros((3, 2)))
    assert seen == ["Bernoulli(logits=<traced, shape (3, 2)>)"]


FAR = np.r_[-700.3, -300.7, -36.3, -1.0, 0.3, np.linspace(16, 33, 100), 36.3, 700.3]


@pytest.mark.parametrize(
    ("fn", "slope"),
    [
        (softplus, sigmoid),
        (lambda x: logaddexp(x, 0 * FAR), sigmoid),
        (lambda x: logaddexp(0 * FAR, x), sigmoid),
        (lambda x: logaddexp(x, -x), lambda x: sigmoid(2 * x) - sigmoid(-2 * x)),
    ],
    ids=["softplus", "first", "second", "both"],
)
def test_derivatives_have_all_their_digits(fn, slope):
    """An exponential of the difference to the rounded value would lose some: as many as that has before the point."""
    np.testing.assert_allclose(grad(lambda x: anp.sum(fn(x)))(FAR), slope(FAR), rtol=4 * EPS)


def test_second_derivatives_where_one_of_the_two_is_followed():
    """Of a linear function of the logs, where autograd starts from plain numbers; and of its weights."""

    def last(x, keep):
        return softmax(x.T, keep.T).T

    x, keep, c = np.array([[0.5, -1.0, 2.0]]), np.array([[True, True, True]]), np.array([[1.0, -2.0, 0.5]])
    p = softmax(x[0], keep[0])
    curvature = np.diag(p) - np.outer(p, p)
    for fn, expected in (
        (lambda x: anp.sum(c * log_softmax(x, keep)), -c.sum() * curvature),
        (lambda x: anp.sum(c * last(x, keep)), None),
    ):
        found = hessian(fn)(x)[0, :, 0]
        if expected is not None:
            np.testing.assert_allclose(found, expected, atol=8 * EPS)
        np.testing.assert_allclose(found, found.T, atol=8 * EPS)

    def slope_of(fn):
        return lambda w: anp.sum(c * grad(lambda x: anp.sum(w * fn(x, keep)))(x))

    w = np.array([[0.25, 3.0, -1.0]])
    # Of `sum c_k (w_k - p_k sum w)` in w_j, and of `sum c_k p_k (w_k - p . w)`.
    np.testing.assert_allclose(grad(slope_of(log_softmax))(w)[0], c[0] - p @ c[0], atol=8 * EPS)
    np.testing.assert_allclose(grad(slope_of(last))(w)[0], p * (c[0] - p @ c[0]), atol=8 * EPS)


ROW, COLUMN, TABLE = np.array([0.5, -1.0, 2.0]), np.array([[0.25], [-3.0]]), np.arange(6.0).reshape(2, 3) / 4


@pytest.mark.parametrize("fn", [logaddexp, noise_above], ids=["logaddexp", "noise_above"])
@pytest.mark.parametrize(
    ("x", "y"), [(ROW, COLUMN), (COLUMN, ROW), (TABLE, ROW), (ROW, TABLE), (TABLE, TABLE), (ROW, 0.5)]
)
def test_functions_of_two_have_gradients_of_the_shapes_of_both(fn, x, y):
    """Followed in one argument, in the other, and in both; twice; with the bits of plain arrays."""
    plain, seen = fn(x, y), []

    def total(x, y):
        value = fn(x, y)
        seen.append(untraced(value))
        return anp.sum(anp.sin(value))

    for argument in (0, 1):
        assert np.shape(grad(total, argument)(x, y)) == np.shape((x, y)[argument])
    check_grads(total, modes=["rev"], order=2)(x, y)
    check_grads(lambda x: total(x, y), modes=["rev"], order=2)(x)
    check_grads(lambda y: total(x, y), modes=["rev"], order=2)(y)
    for value in seen[:2]:
        np.testing.assert_array_equal(value, plain)


def test_densities_have_gradients_of_the_shapes_of_their_arguments():
    keep, zero = np.array([[True, True, True], [True, False, True]]), np.zeros((2, 3), bool)
    logits, log_y = np.array([[0.5, -1.0, 0.25], [0.75, 0.0, -0.5]]), np.log([[0.2, 0.3, 0.5], [0.4, 1.0, 0.6]])
    many = np.stack([log_y, log_y - 0.125 * keep])

    def race(logits, log_y, temperature):
        return anp.sum(anp.sin(density_of_race(logits * keep, log_y * keep, temperature, keep, zero)))

    def binary(logits, relaxed, temperature):
        return anp.sum(anp.sin(binary_density(logits, relaxed, temperature)))

    for fn, values in (
        (race, (logits, log_y, 0.7)),
        (race, (logits, many, 0.7)),
        (binary, (ROW, np.array([0.2, 0.5, 0.9]), 0.7)),
        (binary, (ROW, 1 / (1 + np.exp(-COLUMN)), 0.7)),
        (binary, (COLUMN, 1 / (1 + np.exp(-ROW)), 1.5)),
    ):
        for argument, value in enumerate(values):
            assert np.shape(grad(fn, argument)(*values)) == np.shape(value)

            def alone(x, argument=argument, fn=fn, values=values):
                return fn(*values[:argument], x, *values[argument + 1 :])

            check_grads(alone, modes=["rev"], order=2)(value)
        check_grads(fn, modes=["rev"], order=2)(*values)


def along_rows(fn):
    return lambda *values: rows(fn(*map(planes, values)))


@pytest.mark.parametrize(
    "fn", [along_rows(centred), along_rows(lambda y, g: y * g + complement(y))], ids=["centred", "complement"]
)
def test_rows_do_not_touch_each_other(fn):
    """Rows with an entry above a half, with one of a half, and without, in a batch of matrices."""
    y = np.array(
        [
            [[0.75, 0.125, 0.125], [0.25, 0.25, 0.5]],
            [[0.5, 0.25, 0.25], [0.375, 0.375, 0.25]],
            [[0.25, 0.5, 0.25], [0.0, 1.0, 0.0]],
        ]
    )
    g = np.random.default_rng(0).normal(size=y.shape)
    together = fn(y, g)
    for index in np.ndindex(3, 2):
        np.testing.assert_array_equal(together[index], fn(y[index], g[index]))


def test_centred_is_less_the_mean_and_complement_is_one_less():
    y = softmax(np.random.default_rng(0).normal(size=(4, 20)) * 3, np.full((4, 1), True))
    g = np.random.default_rng(1).normal(size=y.shape)
    np.testing.assert_allclose(centred(y, g), g - (y * g).sum(0), atol=1e-14)
    np.testing.assert_allclose(complement(y), 1 - y, atol=1e-15)
    certain = np.array([1.0, 1e-40, 0.0])
    np.testing.assert_allclose(centred(certain, np.array([3.0, 5.0, 7.0])), [-2e-40, 2.0, 4.0], rtol=1e-15)
    np.testing.assert_array_equal(complement(certain), [1e-40, 1.0, 1.0])
    near = np.array([1 - 2.0**-33, 2.0**-33, 0.0])
    exact = [-(2.0**-32), 2 - 2.0**-32, 4 - 2.0**-32]
    np.testing.assert_allclose(centred(near, np.array([3.0, 5.0, 7.0])), exact, rtol=4 * EPS)
    np.testing.assert_allclose(centred(near[::-1], np.array([7.0, 5.0, 3.0])), exact[::-1], rtol=4 * EPS)


@pytest.mark.parametrize(
    ("both", "first", "second"),
    [
        (sigmoid_and_slope, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
        (softplus_and_sigmoid, softplus, sigmoid),
        (lambda x: smaller_and_slope(-np.abs(x)), lambda x: sigmoid(-np.abs(x)), lambda x: sigmoid(x) * sigmoid(-x)),
    ],
)
def test_a_function_beside_its_derivative(both, first, second):
    value, slope = both(FAR)
    np.testing.assert_allclose(value, first(FAR), rtol=2 * EPS)
    np.testing.assert_allclose(slope, second(FAR), rtol=4 * EPS)


ONES, ZEROS = np.arange(1.0, 7.0).reshape(2, 3), -np.arange(2.0, 8.0).reshape(2, 3)


def test_chosen_is_one_or_the_other():
    """With a z of fewer rows than both, of as many, and of more."""
    z = np.array([1.0, 0.0, 1.0])
    np.testing.assert_array_equal(chosen(z, ONES, ZEROS), [[1.0, -3.0, 3.0], [4.0, -6.0, 6.0]])
    both = np.stack([z, 1 - z])
    np.testing.assert_array_equal(chosen(both, ONES, ZEROS), [[1.0, -3.0, 3.0], [-5.0, 5.0, -7.0]])
    np.testing.assert_array_equal(chosen(both, ONES[0], ZEROS[0]), [[1.0, -3.0, 3.0], [-2.0, 2.0, -4.0]])
    assert (both, z.tolist()) == (pytest.approx(np.stack([z, 1 - z])), [1.0, 0.0, 1.0])


@pytest.mark.parametrize("far", [1e-300, 1e-20, 0.3, 3.0, 1e20])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_chosen_keeps_the_digits_of_the_smaller(far, sign):
    z, near = np.array([[0.0], [1.0]]), np.array([sign * 0.7])
    np.testing.assert_allclose(chosen(z, near, np.array([far])), [[far], [sign * 0.7]], rtol=2 * EPS)
    np.testing.assert_allclose(chosen(z, np.array([far]), near), [[sign * 0.7], [far]], rtol=2 * EPS)


def test_where_no_probability_is_above_a_half_the_slope_is_the_same():
    probs, g = softmax(np.random.default_rng(0).normal(size=(4, 50)), np.True_), np.arange(200.0).reshape(4, 50)
    mild = probs.max(axis=0) <= 0.5
    assert 0 < mild.sum() < 50
    np.testing.assert_array_equal(log_softmax_slope(probs, g)[:, mild], log_softmax_slope(probs[:, mild], g[:, mild]))


@pytest.mark.parametrize("own", [0, 1, 2])
def test_chosen_may_be_followed_in_any_one_of_its_arguments(own):
    values = [np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), ONES, ZEROS]
    weights = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])

    def total(x):
        return anp.sum(weights * chosen(*values[:own], x, *values[own + 1 :]))

    slopes = ONES - ZEROS, values[0], 1 - values[0]
    np.testing.assert_array_equal(grad(total)(values[own]), weights * slopes[own])
