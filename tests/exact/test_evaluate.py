"""Values of f at configurations, and which one is named."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.exact._evaluate import evaluate

Z = Bernoulli(np.zeros(3)).support()


def test_values_are_those_of_f_in_float64():
    values = evaluate(lambda z: (z @ [1, 2, 4]).astype(np.float32), Z)
    np.testing.assert_array_equal(values, [0, 4, 2, 6, 1, 5, 3, 7])
    assert values.dtype == np.float64


def test_the_first_value_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"needs to return finite values, but f\(z\) = inf at z = \[0, 1, 1\]$"):
        evaluate(lambda z: np.where(z.sum(axis=1) >= 2, np.inf, 0.0), Z)
    with pytest.raises(ValueError, match=r"finite values, but f\(z\) = nan at z = \[\[0, 1\], \[0, 1\]\]$"):
        evaluate(lambda z: np.where(z[:, :, 1].all(axis=1), np.nan, 0.0), Categorical(np.zeros((2, 2))).support())


def test_what_f_returns_is_checked_first():
    with pytest.raises(ValueError, match=r"returned shape \(8, 3\) for z of shape \(8, 3\), which begins with \[0, 0"):
        evaluate(lambda z: np.full(z.shape, np.nan), Z)
