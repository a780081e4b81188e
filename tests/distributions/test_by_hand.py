"""Derivatives by hand: of every argument's shape, twice, and once computed."""

import numpy as np
import pytest
from autograd import core, grad
from autograd import numpy as anp
from autograd.test_util import check_grads

from refgrad import Bernoulli, Categorical
from refgrad.distributions import _by_hand
from refgrad.distributions._by_hand import by_hand, distinct, summed
from refgrad.estimators import GumbelSoftmax, Rebar
from refgrad.objectives import SquaredError

ROW, COLUMN = np.array([0.5, -1.0, 2.0]), np.array([[0.25], [-3.0]])


def product(x, y):
    calls.append(type(x))
    return lambda: np.sin(x) * y, (lambda g: g * anp.cos(x) * y, lambda g: g * anp.sin(x))


calls = []


def test_plain_values_have_no_derivatives():
    np.testing.assert_array_equal(by_hand(product, ROW, 2.0), np.sin(ROW) * 2)


def test_each_argument_has_a_gradient_of_its_shape():
    def total(x, y):
        return anp.sum(anp.exp(by_hand(product, x, y)))

    for values in ((ROW, COLUMN), (COLUMN, ROW), (ROW, 0.5), (np.ones((1, 3)), np.ones((2, 3)))):
        check_grads(total, modes=["rev"], order=2)(*values)
        for own in (0, 1):
            assert np.shape(grad(total, own)(*values)) == np.shape(values[own])


def test_the_rule_is_asked_once_where_nothing_is_differentiated_twice():
    calls.clear()
    grad(lambda x: anp.sum(by_hand(product, x, 2.0)))(ROW)
    assert calls == [np.ndarray]


def test_a_gradient_is_summed_over_what_was_broadcast():
    g = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(summed(g, (1, 4)), g.sum((0, 1)).reshape(1, 4))
    np.testing.assert_array_equal(summed(g, (3, 1)), g.sum((0, 2)).reshape(3, 1))
    assert summed(g, ()) == g.sum()
    assert summed(g, g.shape) is g


def test_what_was_broadcast_has_few_rows():
    x = np.arange(6.0).reshape(2, 3)
    assert distinct(np.broadcast_to(x, (5, 2, 3))).shape == (1, 2, 3)
    assert distinct(x).shape == (2, 3)
    assert distinct(np.broadcast_to(x[:, :1], (2, 3))).shape == (2, 1)
    seen = []
    grad(lambda x: (seen.append(distinct(x) is x), x.sum())[1])(np.broadcast_to(x, (5, 2, 3)))
    assert seen == [True]


@pytest.mark.parametrize("q", [Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, -np.inf], [0.0, 3.0, 1.0]])], ids=repr)
@pytest.mark.parametrize("verb", ["relax", "relax_given"])
def test_the_logits_of_one_row_or_of_many_give_the_same_bits(q, verb):
    """A row alone, broadcast, or written out; and values, once and twice followed."""
    rng = np.random.default_rng(0)
    noise, v = q.draw_noise((2, 5), rng)
    z = q.sample(noise)
    first = (noise,) if verb == "relax" else (z, v)
    plain = getattr(q, verb)(*first, 0.5)
    many = type(q)(np.broadcast_to(q.logits, noise.shape))
    np.testing.assert_array_equal(plain, getattr(many, verb)(*first, 0.5))
    np.testing.assert_array_equal(plain[3], getattr(q, verb)(*(own[3] for own in first), 0.5))
    weights = rng.normal(size=plain.shape)

    def value(logits):
        return anp.sum(weights * getattr(type(q)(logits), verb)(*first, 0.5))

    slopes = [grad(value)(own) for own in (np.broadcast_to(q.logits, noise.shape), many.logits)]
    np.testing.assert_array_equal(*slopes)


@pytest.mark.parametrize("estimator", [GumbelSoftmax(0.5), Rebar()], ids=repr)
def test_autograd_remembers_no_call(estimator):
    """Its table of rules is for good: one for each call would keep every q and f."""
    if not hasattr(_by_hand._primitive, "cache_info"):
        pytest.skip("needs the caches, which undecorated.py removes")
    q, f, rng = Bernoulli([0.5, -1.0]), SquaredError(0.5), np.random.default_rng(0)
    estimator.sample(q, f, 3, rng)
    before = len(core.primitive_vjps)
    estimator.sample(q, f, 3, rng)
    assert len(core.primitive_vjps) == before
