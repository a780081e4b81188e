"""MuProp: by hand, in closed form, exact where the expansion is, and what moving the point of expansion costs."""

import tracemalloc
from functools import partial

import autograd
import numpy as np
import pytest
from autograd import numpy as anp

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import MuProp, Reinforce, pathwise
from refgrad.estimators._derivatives import checked, derivative, hessian
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

EPS = np.finfo(float).eps
ORDERS = [1, 2]
LOGITS = {
    "one bit": Bernoulli([0.5]),
    "four bits": Bernoulli([0.5, -0.25, 2.0, -1.0]),
    "saturated bits": Bernoulli([36.0, -23.0, 0.5]),
    "extreme bits": Bernoulli([700.0, -700.0, 0.5]),
    "one category": Categorical([[0.5], [1.0]]),
    "one row of four": Categorical([[0.5, -1.0, 0.0, 2.0]]),
    "categories": Categorical([[0.5, 1.0, -0.5], [2.0, 1.25, 2.5]]),
    "four rows": Categorical([[0.5, 1.0], [2.0, 1.25], [0.0, -1.0], [0.25, 0.5]]),
    "masked categories": Categorical([[0.5, -np.inf, 0.0], [-np.inf, 36.0, 2.0]]),
    "an extreme category": Categorical([[700.0, 0.0, -700.0]]),
}
every_q = pytest.mark.parametrize("q", LOGITS.values(), ids=LOGITS)
every_order = pytest.mark.parametrize("order", ORDERS)


def objective(q, seed=0):
    return Interacting(0.5, *np.random.default_rng(seed).integers(-8, 9, size=(4, *q.event_shape)) / 8)


def polynomial(q, order, seed=0):
    rng, size = np.random.default_rng(seed), int(np.prod(q.event_shape))
    matrix = rng.integers(-8, 9, (size, size)) / 8
    return Quadratic(0.5, rng.integers(-8, 9, q.event_shape) / 8, matrix if order == 2 else 0 * matrix)


class ByHand:
    """Any f with any gradient, right or wrong."""

    def __init__(self, f, grad):
        self.f, self.grad = f, grad

    def __call__(self, z):
        return self.f(z)


def cubes(z):
    return (z * z * z).sum(-1)


def constant(event_ndim, z):
    return np.full(z.shape[:-event_ndim], 3.3)


def wavy(z):
    return (anp.cos(2 * z + 0.3) + z * z * z).sum(-1)


def test_what_it_claims_to_be_exact_for():
    assert [MuProp(order).claims.exact_for for order in (1, 2)] == ["linear", "quadratic"]


def test_one_estimate_by_hand():
    """At p = 1/2, t = 1/4: f(p) = 1/16, f' = 1/2, f'' = 2; f(1) = 9/16, f(0) = 1/16; b(1) = 5/16, b(0) = -3/16."""
    q, f, noise = Bernoulli([0.0]), SquaredError(0.25), np.array([[[1.0], [-1.0]]])
    np.testing.assert_array_equal(MuProp()(q, f, noise), [[0.25 * 0.5 + 0.125], [0.25 * -0.5 + 0.125]])
    np.testing.assert_array_equal(MuProp(order=2)(q, f, noise), [[0.125], [0.125]])


@pytest.mark.parametrize("target", [0.45, 0.1, 0.499])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.5])
def test_the_toy_in_closed_form(target, logit):
    q, f = Bernoulli([logit]), SquaredError(target)
    p = q.probs[0]
    moments = exact.moments(MuProp(), q, f)
    variance = p * (1 - p) ** 6 + (1 - p) * p**6 - (p * (1 - p) * (1 - 2 * p)) ** 2
    np.testing.assert_allclose(moments.mean, (1 - 2 * target) * p * (1 - p), rtol=1e-11)
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-12)


def test_the_published_number():
    assert exact.moments(MuProp(), Bernoulli([0.0]), SquaredError(0.45)).variance[0] == pytest.approx(
        1.5625e-2, rel=1e-13
    )


@every_order
@every_q
def test_unbiased_wherever_the_logits_are(q, order):
    f = objective(q)
    moments = exact.moments(MuProp(order), q, f)
    assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()
    if q.family == "categorical":
        assert (moments.mean[q.logits == -np.inf] == 0).all()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@every_order
def test_of_its_own_class_nothing_varies(order, number):
    rng = np.random.default_rng(number)
    for q in (Bernoulli(rng.normal(size=number)), *(Categorical(rng.normal(size=(number, k))) for k in (1, 2, 3))):
        f = polynomial(q, order, number)
        gradient = exact.gradient(q, f)
        estimates = MuProp(order)(q, f, q.draw_noise((1, 200), rng))
        size = int(np.prod(q.event_shape))
        assert (np.abs(estimates - gradient) <= 20 * size**2 * EPS).all()
        assert exact.moments(MuProp(order), q, f).variance.max() <= (20 * size**2 * EPS) ** 2


def test_of_another_class_something_varies():
    for q in (Bernoulli([0.5, -1.0]), Categorical([[0.5, 1.0, -0.5]])):
        assert exact.moments(MuProp(1), q, polynomial(q, 2)).variance.max() > 1e-3
        assert exact.moments(MuProp(2), q, objective(q)).variance.max() > 1e-5


def test_the_same_table_with_another_inside_has_the_same_mean_and_another_variance():
    q, square = Bernoulli([0.5]), SquaredError(0.25)
    inside = exact.moments(MuProp(), q, square)
    multilinear = exact.moments(MuProp(), q, Table(square(q.support())))
    np.testing.assert_allclose(inside.mean, multilinear.mean, rtol=1e-13)
    assert multilinear.variance[0] < 1e-30
    assert inside.variance[0] > 1e-3


class Moving(MuProp):
    """The mistake: the point of expansion moves while the mean of b is differentiated. One variable, f = wavy."""

    def __call__(self, q, f, noise):
        z, p = q.sample(noise[0]), q.probs
        slope, curvature = -2 * np.sin(2 * p + 0.3) + 3 * p**2, self.second(p)
        expansion = wavy(p) + (slope * (z - p) + (self.order - 1) * curvature * (z - p) ** 2 / 2).sum(-1)

        def mean(q):
            p = q.probs
            return wavy(p) + (self.order - 1) * (self.second(p) * p * (1 - p)).sum(-1) / 2

        return q.expand(f(z) - expansion) * q.score(z) + pathwise(mean, q, q.logits)[1]

    @staticmethod
    def second(p):
        return -4 * anp.cos(2 * p + 0.3) + 6 * p


def test_a_moving_point_of_expansion_is_harmless_at_first_order_and_a_bias_at_second():
    p = 0.3
    q = Bernoulli([np.log(p / (1 - p))])
    gradient = exact.gradient(q, wavy)
    bias = 0.5 * (8 * np.sin(2 * p + 0.3) + 6) * (p * (1 - p)) ** 2
    first, second = exact.moments(Moving(1), q, wavy), exact.moments(Moving(2), q, wavy)
    assert np.abs(first.mean - gradient) <= first.error
    np.testing.assert_allclose(second.mean - gradient, bias, rtol=1e-12)
    assert f"{abs(bias / gradient[0]):.0%}" == "207%"
    for order in ORDERS:  # and with the point held fixed there is none
        right = exact.moments(MuProp(order), q, wavy)
        assert np.abs(right.mean - gradient) <= right.error
        noise = q.draw_noise((1, 50), np.random.default_rng(0))
        moved = MuProp(order)(q, wavy, noise) - Moving(order)(q, wavy, noise)
        np.testing.assert_allclose(moved, (1 - order) * bias, atol=1e-14)


@every_order
def test_a_gradient_by_hand_and_by_autograd_agree(order):
    for q in (LOGITS["four bits"], LOGITS["categories"], LOGITS["masked categories"]):
        f = objective(q)
        noise = q.draw_noise((1, 30), np.random.default_rng(0))
        np.testing.assert_allclose(MuProp(order)(q, f, noise), MuProp(order)(q, f.__call__, noise), atol=1e-13)


def test_derivatives_against_those_of_autograd():
    rng = np.random.default_rng(0)
    for q in (Bernoulli(rng.normal(size=(2, 3))), Categorical(rng.normal(size=(2, 2, 3)))):
        f = objective(q)
        for fn in (f, f.__call__):  # the second has no gradient by hand
            value, slope = derivative(checked(fn, q), q.probs)
            square = hessian(checked(fn, q), q.probs, q.event_ndim)
            for row, p in enumerate(q.probs):
                assert value[row] == f(p)
                np.testing.assert_allclose(slope[row], f.grad(p), atol=1e-14)
                np.testing.assert_allclose(square[row], autograd.jacobian(f.grad)(p), atol=1e-13)


def lopsided(z):
    """Not the gradient of anything: its derivative is not symmetric, within a variable and between two."""
    flat = z.reshape((*z.shape[:-2], -1)) if z.shape[-1] == 3 else z
    turned = anp.concatenate([flat[..., 1:] ** 2, flat[..., :1]], axis=-1)
    return turned.reshape(z.shape)


@every_order
@pytest.mark.parametrize("q", [LOGITS["four bits"], LOGITS["categories"]], ids=["bits", "categories"])
def test_a_wrong_gradient_costs_variance_and_never_the_mean(q, order, monkeypatch):
    f = ByHand(objective(q), lopsided)
    moments = exact.moments(MuProp(order), q, f)
    assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()
    assert moments.variance.sum() > exact.moments(MuProp(order), q, objective(q)).variance.sum()

    def one_sided(_, z, event_ndim):
        rows = autograd.jacobian(lopsided)(z)
        assert not np.allclose(rows, np.transpose(rows, [2, 3, 0, 1] if event_ndim == 2 else [1, 0]))
        return rows

    monkeypatch.setattr("refgrad.estimators.mu_prop.hessian", one_sided)
    broken = exact.moments(MuProp(order), q, f)
    wrong = (np.abs(broken.mean - exact.gradient(q, f)) > 100 * broken.error).any()
    assert wrong == (order == 2 and q.family == "categorical")  # a bit has no pairs within


def test_without_a_second_derivative_order_two_is_order_one():
    q = LOGITS["four bits"]
    f = ByHand(lambda z: np.abs(z - 0.3).sum(-1), lambda z: anp.sign(z - 0.3) + 0 * z)
    noise = q.draw_noise((1, 20), np.random.default_rng(0))
    np.testing.assert_array_equal(MuProp(2)(q, f, noise), MuProp(1)(q, f, noise))
    linear = ByHand(lambda z: z.sum(-1), lambda z: np.ones(np.shape(z)))
    np.testing.assert_array_equal(MuProp(2)(q, linear, noise), MuProp(1)(q, linear, noise))


@every_order
def test_a_constant_is_estimated_without_variance(order):
    for q in (LOGITS["four bits"], LOGITS["categories"]):
        f, noise = partial(constant, q.event_ndim), q.draw_noise((1, 20), np.random.default_rng(0))
        np.testing.assert_array_equal(MuProp(order)(q, f, noise), 0)


@every_order
def test_a_huge_constant_in_f_cancels(order):
    q = LOGITS["four bits"]
    f, noise = objective(q), q.draw_noise((1, 50), np.random.default_rng(0))
    high = MuProp(order)(q, ByHand(lambda z: f(z) + 2.0**40, f.grad), noise)
    np.testing.assert_allclose(high, MuProp(order)(q, f, noise), atol=2.0**40 * 4 * EPS)


@every_order
def test_a_batch_is_its_rows_to_the_bit(order):
    rng = np.random.default_rng(0)
    for cls, shape in ((Bernoulli, (5,)), (Categorical, (2, 3))):
        q = cls(rng.normal(size=(2, 3, *shape)))
        f, noise = objective(q), q.draw_noise((1, 7, 2, 3), rng)
        together = MuProp(order)(q, f, noise)
        for at in np.ndindex(2, 3):
            alone = MuProp(order)(cls(q.logits[at]), f, noise[(slice(None), slice(None), *at)])
            np.testing.assert_array_equal(together[(slice(None), *at)], alone)


@every_order
def test_float32_and_integers(order):
    f = SquaredError(0.25)
    for logits in (np.array([0, 1]), np.array([0.0, 1.0], np.float32)):
        noise = np.array([[[0.5, -2.0], [-0.25, 3.0]]], np.float32)
        estimates = MuProp(order)(Bernoulli(logits), f, noise)
        assert estimates.dtype == np.float64
        np.testing.assert_array_equal(estimates, MuProp(order)(Bernoulli([0.0, 1.0]), f, noise.astype(float)))


def test_f_is_shown_the_samples_once_and_the_mean_once():
    q, shown = Bernoulli(np.zeros((4, 3))), []

    def f(z):
        shown.append(np.shape(z))
        return (z * z).sum(-1)

    noise = q.draw_noise((1, 10, 4), np.random.default_rng(0))
    MuProp()(q, f, noise)
    assert sorted(shown) == [(4, 3), (10, 4, 3)]
    shown.clear()
    MuProp(2)(q, f, noise)
    assert sorted(shown) == [(3, 4, 3), (4, 3), (10, 4, 3)]


@pytest.mark.parametrize("q", [Bernoulli(np.linspace(-2, 2, 50)), Categorical(np.linspace(-2, 2, 60).reshape(20, 3))])
def test_the_second_order_takes_no_memory_for_a_matrix_of_each_sample(q):
    n, size = 1000, int(np.prod(q.event_shape))
    f, noise = objective(q), q.draw_noise((1, n), np.random.default_rng(0))
    MuProp(2)(q, f, noise[:, :2])
    tracemalloc.start()
    try:
        MuProp(2)(q, f, noise)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n * size**2 * 8 / 4


FOLLOWED = {
    "square": lambda z: 3 * np.square(z),
    "where": lambda z: np.where(z > -1, 3 * z * z, 0.0),
    "maximum": lambda z: np.maximum(3 * z * z, 0.0),
    "stack": lambda z: np.stack([3 * z[..., 0] ** 2, 3 * z[..., 1] ** 2], axis=-1),
    "dot": lambda z: np.dot(3 * z * z, np.eye(2)),
    "einsum": lambda z: np.einsum("...i,ij->...j", 3 * z * z, np.eye(2)),
    "asarray": lambda z: 3 * np.asarray(z) ** 2,
    "array of float": lambda z: 3 * np.array(z, dtype=np.float64) ** 2,
    "entry by entry": lambda z: filled(np.zeros(np.shape(z)), 3 * z * z),
    "entry by entry into its like": lambda z: filled(np.zeros_like(z), 3 * z * z),
    "exp of log": lambda z: 3 * np.exp(2 * np.log(z)),
}


def filled(out, values):
    for d in range(2):
        out[..., d] = values[..., d]
    return out


@pytest.mark.parametrize("grad", FOLLOWED.values(), ids=FOLLOWED)
def test_a_gradient_in_plain_numpy_gives_the_second_derivative_or_an_error_and_never_zero(grad):
    q, f = Bernoulli([0.5, -1.0]), ByHand(cubes, grad)
    noise = q.draw_noise((1, 20), np.random.default_rng(0))
    np.testing.assert_allclose(MuProp(1)(q, f, noise), MuProp(1)(q, cubes, noise), atol=1e-14)
    try:
        estimates = MuProp(2)(q, f, noise)
    except TypeError as error:
        message = "f needs to be differentiable twice, but autograd cannot follow its gradient"
        assert message in str(error)  # noqa: PT017  (either is right; autograd decides)
    else:
        np.testing.assert_allclose(estimates, MuProp(2)(q, cubes, noise), atol=1e-13)
        assert np.abs(estimates - MuProp(1)(q, cubes, noise)).max() > 1e-3


def test_a_gradient_that_autograd_cannot_follow():
    q = Bernoulli([0.5, -1.0])
    f = ByHand(cubes, lambda z: np.array(z, dtype=np.float64))
    message = r"f needs to be differentiable twice, .*: write f, and f\.grad where it has one, with autograd\.numpy"
    with pytest.raises(TypeError, match=message):
        MuProp(2)(q, f, np.zeros((1, 3, 2)))


def test_an_f_that_autograd_cannot_follow():
    q = Bernoulli([0.5, -1.0])
    for order in ORDERS:
        with pytest.raises(TypeError, match="f needs to be differentiable, but autograd cannot follow"):
            MuProp(order)(q, lambda z: np.array(z, dtype=np.float64).sum(-1), np.zeros((1, 3, 2)))


def test_a_fault_of_the_gradient_itself_is_not_laid_on_autograd():
    q = Bernoulli([0.5, -1.0])

    def only_one_row(z):
        if np.ndim(z) > 1:
            raise ValueError("one row only")
        return 3 * z * z

    for grad, kind, message in (
        (lambda z: z.no_such_method(), AttributeError, "no_such_method"),
        (only_one_row, ValueError, "one row only"),
        (lambda z: 3 * z[..., :1], ValueError, r"f\.grad needs to return shape \(2,\), but returned shape \(1,\)"),
    ):
        with pytest.raises(kind, match=message):
            MuProp(2)(q, ByHand(cubes, grad), np.zeros((1, 3, 2)))


def test_an_expansion_that_is_not_finite():
    q, noise = Categorical([[0.5, -np.inf, 0.0]]), np.zeros((1, 4, 1, 3))
    root = ByHand(lambda z: np.sqrt(z).sum((-2, -1)), lambda z: 0.5 * z**-0.5)  # infinite slope at a mean of zero
    message = r"MuProp needs f and its derivatives to be finite at the mean of z, but \d of {} numbers are not"
    with np.errstate(divide="ignore", invalid="ignore"):
        for order in ORDERS:
            with pytest.raises(ValueError, match=message.format(3)):
                MuProp(order)(q, root, noise)
        with pytest.raises(ValueError, match="f needs to return finite values, but 1 of 1 are not"):
            MuProp()(q, ByHand(lambda z: np.log(z).sum((-2, -1)), lambda z: z), noise)
        steep = ByHand(lambda z: (z**1.5).sum((-2, -1)), lambda z: 1.5 * z**0.5)
        assert np.isfinite(MuProp(1)(q, steep, noise)).all()
        with pytest.raises(ValueError, match=message.format(9)):
            MuProp(2)(q, steep, noise)


@pytest.mark.parametrize("order", [0, 3, 1.5, "a", None, [1], np.nan])
def test_another_order(order):
    with pytest.raises(ValueError, match="MuProp needs order 1 or 2, but it is"):
        MuProp(order)


def test_lower_variance_than_reinforce_where_f_is_nearly_linear():
    q = LOGITS["four bits"]
    linear = polynomial(q, 1)

    def f(z):
        return linear(z) + 0.01 * objective(q)(z)

    variances = [exact.moments(e, q, f).variance.sum() for e in (Reinforce(), MuProp(), MuProp(2))]
    assert variances[0] > 100 * variances[1] > 100 * variances[2]
