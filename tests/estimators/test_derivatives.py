"""What estimators ask of f: where a step that autograd loses is looked for."""

import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp

from refgrad import Bernoulli, Categorical
from refgrad.estimators._derivatives import _varies, checked, derivative

BITS = np.array([[0.25, 0.75], [0.75, 0.0]])
ROWS = np.array([[[0.25, 0.75, 0.0], [0.5, 0.125, 0.375]], [[0.125, 0.25, 0.625], [1.0, 0.0, 0.0]]])
MIDDLES = np.array([[[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]], [[1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]]])


def test_a_function_that_does_not_depend_on_z_has_a_derivative_of_zero():
    for z in (np.zeros((2, 3)), np.ones((2, 3)), -np.eye(3)):
        value, slope = derivative(lambda z: np.full(z.shape[0], 2.5), z)
        np.testing.assert_array_equal(value, np.full(len(z), 2.5))
        np.testing.assert_array_equal(slope, np.zeros(z.shape))


class ByHand:
    """A function with a gradient by hand, which returns what it is told."""

    def __init__(self, value, slope):
        self.value, self.grad = value, slope

    def __call__(self, z):
        return self.value(z)

    def __repr__(self):
        return "mine"


def test_values_and_gradients_by_hand_that_are_no_numbers_or_lose_the_trace_are_named():
    q = Bernoulli([0.5, -1.0])
    words = checked(ByHand(lambda z: np.full(z.shape[:-1], "a"), lambda z: z), q, "this")
    with pytest.raises(TypeError, match=r"^the value of this needs real numbers, but has dtype <U1"):
        derivative(words, BITS)
    lost = checked(
        ByHand(lambda z: (z**2).sum(axis=-1), lambda z: np.array([[2 * x for x in row] for row in z])), q, "this"
    )
    with pytest.raises(TypeError, match=r"^this\.grad needs to be differentiable, but autograd cannot follow mine: "):
        grad(lambda z: anp.sum(derivative(lost, z)[1] ** 2))(BITS)


@pytest.mark.parametrize("q", [Bernoulli([0.5, -1.0]), Bernoulli(np.zeros((2, 2)))], ids=["a row", "a batch"])
def test_a_gradient_by_hand_is_weighted_with_the_gradient_in_the_value(q):
    """Of `sin f` with f the sum of cubes, and so twice."""
    f = checked(ByHand(lambda z: anp.sum(z**3, axis=-1), lambda z: 3 * z**2), q)
    value, slope = derivative(lambda z: anp.sin(f(z)), BITS)
    cubes = (BITS**3).sum(axis=-1)
    np.testing.assert_allclose(value, np.sin(cubes), rtol=1e-15)
    np.testing.assert_allclose(slope, np.cos(cubes)[:, None] * 3 * BITS**2, rtol=1e-15)
    twice = grad(lambda z: anp.sum(derivative(f, z)[1]))(BITS)
    np.testing.assert_allclose(twice, 6 * BITS, rtol=1e-15)


class Untraceable:
    """A function that autograd cannot follow in one way or another."""

    def __init__(self, fn):
        self.fn = fn

    def __call__(self, z):
        return self.fn(z)

    def __repr__(self):
        return "mine"


def arrays_alone(z):
    if not isinstance(z, np.ndarray):
        raise AttributeError("no array")
    return z.sum(axis=-1)


@pytest.mark.parametrize(
    ("fn", "cause"),
    [
        (lambda z: np.array([2 * row[0] for row in z]), type(None)),
        (lambda z: (z > 0.5).sum(axis=-1), type(None)),
        (arrays_alone, AttributeError),
    ],
    ids=["loses the trace", "a step", "takes arrays alone"],
)
def test_what_autograd_cannot_follow_is_named_with_the_cause(fn, cause):
    with pytest.raises(TypeError, match=r"^this needs to be differentiable, but autograd cannot follow mine: ") as seen:
        derivative(checked(Untraceable(fn), Bernoulli([0.5, -1.0]), "this"), BITS)
    assert type(seen.value.__cause__) is cause


def test_an_error_of_f_itself_is_its_own():
    def broken(z):
        raise ValueError(f"{len(z)} rows are too many")

    for call in (lambda f: f(BITS), lambda f: derivative(f, BITS)):
        with pytest.raises(ValueError, match=r"^2 rows are too many$"):
            call(checked(broken, Bernoulli([0.5, -1.0])))


def only_at(place, event_ndim):
    """A function that is 1 at a place, row by row, and 0 elsewhere."""
    return lambda z: (np.asarray(z, float) == place).all(axis=tuple(range(-event_ndim, 0))).astype(float)


@pytest.mark.parametrize(
    "place",
    [np.full((2, 2), 0.5), np.zeros((2, 2)), np.ones((2, 2)), [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]],
    ids=["middle", "zeros", "ones", "nearest", "farthest"],
)
def test_a_step_of_bits_is_seen_in_the_middle_and_at_vertices(place):
    assert _varies(only_at(np.array(place), 1), np.zeros(2), BITS, Bernoulli(np.zeros((2, 2))))


@pytest.mark.parametrize(
    "place",
    [MIDDLES, np.eye(3)[[[1, 0], [2, 0]]], np.eye(3)[[[0, 1], [0, 0]]]],
    ids=["middle", "largest", "least"],
)
def test_a_step_of_categories_is_seen_in_the_middle_and_at_vertices(place):
    """Row by row, and never where a category that is zero would have weight."""
    q = Categorical(np.zeros((2, 2, 3)))
    for row in range(2):
        own = np.where(np.arange(2)[:, None, None] == row, place, -1.0)
        assert _varies(only_at(own, 2), np.zeros(2), ROWS, q)


def test_values_that_are_no_numbers_are_named():
    with pytest.raises(TypeError, match=r"^the value of f needs real numbers"):
        _varies(lambda z: np.full(len(z), "a"), np.zeros(2), BITS, Bernoulli(np.zeros((2, 2))))


def test_the_value_that_was_lost_counts():
    q = Bernoulli(np.zeros((2, 2)))
    for value, varies in (([0.0, 0.0], False), ([0.0, 1.0], True), ([1.0, 1.0], True)):
        assert _varies(lambda z: np.zeros(len(z)), np.array(value), BITS, q) == varies
