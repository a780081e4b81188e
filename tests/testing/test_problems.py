"""The standard problems hide none of the places where mistakes vanish."""

import numpy as np
import pytest

from refgrad import Bernoulli, exact
from refgrad.objectives import SquaredError
from refgrad.testing import Problem, exact_problems, standard_problems


@pytest.mark.parametrize("listed", [standard_problems, exact_problems])
def test_lists(listed):
    problems = listed()
    assert {p.family for p in problems} == {"bernoulli", "categorical"}
    assert [str(p) for p in problems] == [str(p) for f in ("bernoulli", "categorical") for p in listed(f)]
    assert len({str(p) for p in problems}) == len(problems)
    with pytest.raises(ValueError, match="family needs to be 'bernoulli' or 'categorical', but is 'gauss'"):
        listed("gauss")


@pytest.mark.parametrize("problem", standard_problems() + exact_problems(), ids=str)
def test_the_gradient_is_the_oracles_and_read_only(problem):
    np.testing.assert_array_equal(problem.gradient, exact.gradient(problem.q, problem.f))
    assert not problem.gradient.flags.writeable
    assert problem.gradient is problem.gradient
    assert problem.logits is problem.q.logits


def test_together_they_see_what_blinds_a_test():
    problems = standard_problems()
    binary = [p for p in problems if p.family == "bernoulli"]
    categorical = [p for p in problems if p.family == "categorical"]
    assert max(len(p.logits) for p in binary) >= 3  # not only D = 1
    assert any((p.logits > 0).any() and (p.logits < 0).any() for p in binary)  # signs of both kinds
    assert any(p.q.event_shape[1] > 2 for p in categorical)  # not only two categories
    assert all(abs(np.log(np.exp(p.logits).sum(-1))).min() > 0.1 for p in categorical)  # raw logits
    for p in problems:
        z = p.q.support()
        values = p.f(z)
        assert np.ptp(values) > 0.05  # f is not constant
        assert abs(exact.value(p.q, p.f)) > 1e-3  # nor centred
        inside = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
        if p.family == "categorical" and p.q.event_shape == (1, 3):
            assert np.ptp(p.f(inside[:, None])) > 0.05  # nor constant on the simplex


def test_text():
    assert str(Problem(Bernoulli([0.0, 1.0]), SquaredError(0.5), "mine")) == "mine (bernoulli, D = 2)"
    assert str(standard_problems("categorical")[0]) == "three categories (categorical, D = 1, K = 3)"
