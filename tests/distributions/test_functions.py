"""The functions under every formula: right on both sides, and traced with the same bits."""

import numpy as np
from autograd import grad
from autograd.test_util import check_grads

from refgrad.distributions._array import as_float, namespace, traced, untraced
from refgrad.distributions._functions import first_maximum, log_softmax, sigmoid, softmax, softplus

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
    assert softmax(x, keep)[0, 2] == 0
    np.testing.assert_allclose(np.exp(log_softmax(x, keep)), softmax(x, keep), rtol=1e-15)


def test_the_first_of_equals():
    assert first_maximum(np.array([1.0, 3.0, 3.0])).tolist() == [False, True, False]


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
