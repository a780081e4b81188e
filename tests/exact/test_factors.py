"""The oracle's own view of q: values, probabilities and columns, and configurations by their number."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.exact._factors import check_count, configurations, count, factors

MASKED = Categorical([[np.log(3.0), -np.inf, 0.0], [-np.inf, 2.0, -np.inf]])


def test_a_bernoulli_is_zero_or_one():
    for part, one in zip(factors(Bernoulli([np.log(3.0), -np.log(3.0)])), (0.75, 0.25), strict=True):
        assert part.values.tolist() == [0.0, 1.0]
        assert part.columns.tolist() == [0, 1]
        assert len(part) == 2
        np.testing.assert_allclose(part.probs, [1 - one, one], rtol=1e-14)
        np.testing.assert_allclose(part.log_probs, np.log([1 - one, one]), rtol=1e-14)


def test_a_category_that_is_masked_is_left_out():
    first, second = factors(MASKED)
    assert (first.values.tolist(), second.values.tolist()) == ([[1, 0, 0], [0, 0, 1]], [[0, 1, 0]])
    assert (first.columns.tolist(), second.columns.tolist()) == ([0, 2], [1])
    np.testing.assert_allclose(first.probs, [0.75, 0.25], rtol=1e-14)
    np.testing.assert_allclose(first.log_probs, np.log([0.75, 0.25]), rtol=1e-14)
    assert (second.probs, second.log_probs) == (1.0, 0.0)


def test_configurations_are_counted_in_lexicographic_order():
    q = Categorical([[0.0, 1.0], [0.5, -1.0], [2.0, 0.0]])
    parts = factors(q)
    z, log_prob = configurations(parts, np.arange(8))
    np.testing.assert_array_equal(z, q.support())
    np.testing.assert_allclose(log_prob, q.log_prob(z), rtol=1e-14)
    assert count(parts) == 8
    assert count(factors(MASKED)) == 2
    assert count([]) == 1


def test_work_is_refused_beyond_the_limit_and_not_at_it():
    check_count(1000, 1000, "this")
    with pytest.raises(
        ValueError, match=r"^this needs 1,001 evaluations, more than the limit of 1,000; pass limit=1001"
    ):
        check_count(1001, 1000, "this")
