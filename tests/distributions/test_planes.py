"""The last axis as planes, and sums over them."""

from math import fsum

import numpy as np
import pytest
from autograd import numpy as anp
from autograd.test_util import check_grads

from refgrad.distributions._planes import first_maximum, planes, rows, total

EPS = np.finfo(float).eps


def test_the_first_of_equals():
    assert first_maximum(np.array([1.0, 3.0, 3.0])).tolist() == [False, True, False]


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 15, 16, 100, 301])
def test_a_sum_by_halves(size):
    """All of it, few roundings, and the same for a row alone as among many."""
    whole = np.arange(float(3 * size)).reshape(size, 3)
    np.testing.assert_array_equal(total(whole), whole.sum(axis=0))
    x = np.random.default_rng(0).normal(size=(size, 50))
    np.testing.assert_array_equal(total(x)[17:18], total(x[:, 17:18]))
    np.testing.assert_array_equal(total(x)[17], total(x[:, 17]))
    exact = np.array([fsum(column) for column in x.T])
    steps = max(1, 2 * np.log2(size) + 4)
    assert (np.abs(total(x) - exact) <= steps * EPS / 2 * np.abs(x).sum(axis=0)).all()


@pytest.mark.parametrize("shape", [(4,), (2, 4), (3, 2, 4), (0, 2, 4), (3, 1)])
def test_planes_and_rows_undo_each_other(shape):
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(planes(x), np.moveaxis(x, -1, 0))
    np.testing.assert_array_equal(rows(planes(x)), x)
    assert planes(x, 5).shape == (shape[-1], *(1,) * (5 - len(shape)), *shape[:-1])
    for copied in (planes(x), planes(x, 5), rows(planes(x))):
        assert copied.flags.c_contiguous
        assert not np.shares_memory(copied, x)
    check_grads(lambda x: rows(anp.sin(planes(x, 5))), modes=["rev"], order=1)(np.ones((2, 3)))
