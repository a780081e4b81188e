"""Named objectives: gradients by hand, rational values, other libraries' arrays."""

from fractions import Fraction

import numpy as np
import pytest
from autograd import elementwise_grad, grad
from hypothesis import given, settings
from hypothesis import strategies as st

from refgrad import Bernoulli, Categorical
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table, like

SHAPES = [(1,), (3,), (1, 2), (2, 3)]
EPS = np.finfo(float).eps


def every(shape, seed=0):
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    count = (2 if len(shape) == 1 else shape[1]) ** shape[0]
    return [
        SquaredError(rng.normal(size=shape)),
        Quadratic(0.3, rng.normal(size=shape), rng.normal(size=(size, size))),
        Interacting(0.5, *rng.normal(size=(4, *shape))),
        Table(rng.normal(size=count), event_shape=shape),
    ]


CASES = [(shape, f) for shape in SHAPES for f in every(shape)]
every_case = pytest.mark.parametrize(("shape", "f"), CASES, ids=lambda x: str(x)[:20])


def binary(name):
    def method(self, other):
        return Foreign(getattr(self.data, name)(other.data if isinstance(other, Foreign) else other))

    return method


class Foreign:
    """An array of another library: plain operators, `new_tensor`, and nothing of NumPy's protocols."""

    __array_ufunc__ = None

    def __init__(self, data):
        self.data = np.asarray(data, dtype=float)

    shape = property(lambda self: self.data.shape)

    def new_tensor(self, c):
        assert not isinstance(c, Foreign)
        return Foreign(c)

    def sum(self, axis):
        return Foreign(self.data.sum(axis))

    def reshape(self, *shape):
        return Foreign(self.data.reshape(*shape))

    def __getitem__(self, index):
        return Foreign(self.data[index])

    def __neg__(self):
        return Foreign(-self.data)

    __add__, __radd__, __sub__, __rsub__ = map(binary, ("__add__", "__radd__", "__sub__", "__rsub__"))
    __mul__, __rmul__, __truediv__, __rtruediv__ = map(binary, ("__mul__", "__rmul__", "__truediv__", "__rtruediv__"))
    __pow__, __matmul__ = map(binary, ("__pow__", "__matmul__"))


@every_case
class TestEvery:
    def test_the_gradient_by_hand_is_that_of_autograd(self, shape, f):
        z = np.random.default_rng(1).random((5, *shape))
        by_hand = f.grad(z)
        assert by_hand.shape == z.shape
        np.testing.assert_allclose(by_hand, elementwise_grad(f)(z), rtol=1e-12, atol=1e-13)

    def test_the_gradient_is_a_central_difference(self, shape, f):
        z, h = np.random.default_rng(1).random(shape), 1e-6
        for index in np.ndindex(*shape):
            step = np.zeros(shape)
            step[index] = h
            assert (f(z + step) - f(z - step)) / (2 * h) == pytest.approx(f.grad(z)[index], abs=1e-7)

    def test_another_librarys_arrays(self, shape, f):
        z = np.random.default_rng(1).random((5, *shape))
        assert isinstance(f(Foreign(z)), Foreign)
        np.testing.assert_allclose(f(Foreign(z)).data, f(z), rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(f.grad(Foreign(z)).data, f.grad(z), rtol=1e-14, atol=1e-15)

    def test_one_row_alone_or_among_many(self, shape, f):
        q = (Bernoulli if len(shape) == 1 else Categorical)(np.zeros(shape))
        for z in (q.support(), np.random.default_rng(1).random((40, *shape))):
            many = f(z)
            assert many.shape == z.shape[: -len(shape)]
            np.testing.assert_array_equal(many, [f(row) for row in z])
            np.testing.assert_array_equal(many, f(z[None])[0])

    def test_repr_and_wrong_shape(self, shape, f):
        assert repr(f).startswith(type(f).__name__ + "(")
        assert len(repr(f)) < 400
        with pytest.raises(ValueError, match=f"{type(f).__name__} needs z of shape"):
            f(np.zeros((3, *(n + 7 for n in shape))))


@pytest.mark.parametrize("shape", [(3,), (20,), (2, 3)])
def test_bits_follow_neither_memory_nor_tracing(shape):
    rng, size = np.random.default_rng(0), int(np.prod(shape))
    z = rng.random((40, *shape))
    for f in (
        Quadratic(1.0, rng.normal(size=shape), rng.normal(size=(size, size))),
        Interacting(0.5, *rng.normal(size=(4, *shape))),
    ):
        for other in (np.asfortranarray(z), np.stack([z, z], axis=-1)[..., 0]):
            np.testing.assert_array_equal(f(other), f(z))
            np.testing.assert_array_equal(f.grad(other), f.grad(z))
        followed = []
        grad(lambda z, f=f, followed=followed: followed.append(f(z)._value) or f(z).sum())(z)
        np.testing.assert_array_equal(followed, [f(z)])


def test_like():
    assert like(np.zeros(2), 3.0) == 3.0
    assert like(Foreign([0.0]), 3.0).data == 3.0


def test_the_toy_with_a_number_as_target():
    f = SquaredError(0.25)
    assert f(np.array([[1.0], [0.0]])).tolist() == [0.5625, 0.0625]
    assert f(np.array([1.0, 0.0])) == 0.625
    with pytest.raises(ValueError, match=r"SquaredError needs z of shape"):
        f(1.0)


def test_quadratic_is_its_formula():
    rng = np.random.default_rng(0)
    linear, matrix, z = rng.normal(size=(2, 3)), rng.normal(size=(6, 6)), rng.normal(size=(10, 2, 3))
    flat = z.reshape(10, 6)
    formula = 0.7 + flat @ linear.ravel() + np.einsum("ni,ij,nj->n", flat, matrix, flat)
    np.testing.assert_allclose(Quadratic(0.7, linear, matrix)(z), formula, rtol=1e-12)


@given(st.lists(st.integers(-16, 16), min_size=16, max_size=16))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_interacting_in_exact_arithmetic(numbers):
    parts = np.reshape(numbers, (4, 4)) / 8
    f = Interacting(0.5, *parts)
    for z in Bernoulli(np.zeros(4)).support():
        squares, pairs, triples, bounded = (
            sum(Fraction(int(n), 8) * int(b) for n, b in zip(row * 8, z, strict=True)) for row in parts
        )
        exact = Fraction(1, 2) + squares + pairs**2 + triples**3 + 1 / (1 + bounded**2)
        scale = 1 + abs(squares) + pairs**2 + abs(triples**3)
        assert abs(Fraction(float(f(z))) - exact) <= 8 * Fraction(EPS) * scale


class TestTable:
    def test_values_come_in_the_order_of_the_support(self):
        for q in (Bernoulli(np.zeros(3)), Categorical(np.zeros((2, 3)))):
            values = np.random.default_rng(0).normal(size=q.support_size)
            np.testing.assert_array_equal(Table(values)(q.support()), values)

    def test_inside_it_is_multilinear(self):
        q = Categorical(np.random.default_rng(0).normal(size=(2, 3)))
        f = Table(np.arange(9.0) ** 2, event_shape=(2, 3))
        z = q.support()
        mean = np.exp(q.log_prob(z)) @ f(z)
        assert f(q.probs) == pytest.approx(mean, rel=1e-14)

    def test_nested_values(self):
        f = Table(np.arange(8.0).reshape(2, 2, 2))
        np.testing.assert_array_equal(f(Bernoulli(np.zeros(3)).support()), np.arange(8.0))

    def test_shapes_that_read_both_ways(self):
        q = Categorical(np.zeros((2, 2)))
        np.testing.assert_array_equal(Table(np.arange(4.0), event_shape=(2, 2))(q.support()), np.arange(4.0))
        assert Table(np.arange(4.0))(q.support()).shape == (4, 2)  # read as Bernoulli, which every caller's check sees

    def test_a_large_table_serves_the_support_and_no_more(self):
        q = Bernoulli(np.zeros(14))
        values = np.random.default_rng(0).normal(size=2**14)
        np.testing.assert_array_equal(Table(values)(q.support()), values)
        for z in (np.full((1, 14), 0.5), Foreign(np.zeros((1, 14)))):
            with pytest.raises(ValueError, match=r"up to 4096 values \(raise Table.largest_extension .*has 16384"):
                Table(values)(z)

    @pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 8), (8, 1)])
    def test_the_number_of_values_does_not_fit(self, shape):
        with pytest.raises(ValueError, match="as many values as z has configurations, but there are 7"):
            Table(np.arange(7.0))(np.zeros((4, *shape)))
        with pytest.raises(ValueError, match="as many values as z has configurations, but there are 7"):
            Table(np.arange(7.0), event_shape=shape)


class TestErrors:
    def test_coefficients_that_are_not_finite(self):
        with pytest.raises(ValueError, match="Interacting needs finite pairs, but it is"):
            Interacting(0.5, [1.0], [np.nan], [1.0], [1.0])

    def test_coefficients_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"the shapes are \(\), \(2,\) and \(3, 3\)"):
            Quadratic(1.0, [1.0, 2.0], np.zeros((3, 3)))
        with pytest.raises(ValueError, match=r"Interacting needs a number and four arrays of the shape of one z"):
            Interacting(0.5, [1.0], [1.0, 2.0], [1.0], [1.0])

    def test_constants_are_copied_and_read_only(self):
        mine = np.array([0.5, 0.25])
        f = SquaredError(mine)
        mine[0] = 9.0
        assert f.target.tolist() == [0.5, 0.25]
        assert not f.target.flags.writeable
        with pytest.raises(TypeError, match="target needs real numbers"):
            SquaredError("a")


@pytest.mark.parametrize("f", [Quadratic(0.5, [1.0, 2.0], np.eye(2)), Table([0.0, 1.0, 2.0, 3.0])], ids=repr)
def test_no_samples_have_no_values(f):
    assert f(np.zeros((0, 2))).shape == (0,)
    assert f.grad(np.zeros((0, 2))).shape == (0, 2)
