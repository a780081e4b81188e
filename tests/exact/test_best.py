"""The best constants and coefficients against a search over exact variances, and where they could go wrong."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, ControlVariate, Rebar, Reinforce
from refgrad.estimators._agreement import Agreement
from refgrad.objectives import Interacting, Quadratic, SquaredError

PROBLEMS = {
    "one bit": Bernoulli([-1.5]),
    "three bits": Bernoulli([0.6, -1.1, 0.3]),
    "a saturated bit": Bernoulli([9.0, -0.5]),
    "four bits": Bernoulli([0.5, -0.25, 2.0, -1.0]),
    "categories": Categorical([[0.5, 1.0, -0.5], [2.0, 1.25, 2.5]]),
    "a masked category": Categorical([[0.5, -np.inf, 0.0], [-1.0, 1.0, 2.0]]),
    "a single category left": Categorical([[0.5, -np.inf], [-1.0, 1.0]]),
    "four categories": Categorical([[3.0, -1.0, 0.0, 2.5]]),
}
every_problem = pytest.mark.parametrize("q", PROBLEMS.values(), ids=PROBLEMS)


def objective(q, seed=0):
    return Interacting(0.5, *np.random.default_rng(seed).integers(-8, 9, size=(4, *q.event_shape)) / 8)


def variance(q, f, baseline):
    return exact.moments(ConstantBaseline(baseline), q, f).variance


@every_problem
def test_one_constant_is_what_a_search_finds(q):
    f = objective(q)
    best = exact.best_constant(q, f)
    found = minimize_scalar(lambda c: variance(q, f, c).sum(), bracket=(best - 3, best + 2), tol=1e-9)
    # At the minimum of a parabola a search sees the square root of the rounding.
    assert best == pytest.approx(found.x, abs=1e-6)
    assert variance(q, f, best).sum() <= found.fun * (1 + 1e-12) + 1e-30
    for step in (-1e-3, 1e-3):
        assert variance(q, f, best + step).sum() > variance(q, f, best).sum()


@every_problem
def test_a_constant_for_each_component_is_what_a_search_finds(q):
    f = objective(q)
    best = exact.best_constant(q, f, per_component=True)
    found = minimize(lambda c: variance(q, f, c.reshape(q.event_shape)).sum(), np.zeros(best.size), method="BFGS")
    assert variance(q, f, best).sum() <= found.fun * (1 + 1e-12) + 1e-30
    matters = variance(q, f, best + 1) > 1e-4
    np.testing.assert_allclose(best[matters], found.x.reshape(q.event_shape)[matters], atol=1e-2)
    assert (variance(q, f, best) <= variance(q, f, exact.best_constant(q, f)) + 1e-15).all()


@every_problem
def test_the_constants_are_the_covariances_of_the_source(q):
    f, z = objective(q), q.support()
    z = z[q.log_prob(z) > -np.inf]
    weights, score = np.exp(q.log_prob(z)), q.score(z)
    square = np.tensordot(weights, score**2, axes=1)
    signal = np.tensordot(weights * f(z), score**2, axes=1)
    each, varies = exact.best_constant(q, f, per_component=True), square > 0
    np.testing.assert_allclose(each[varies], signal[varies] / square[varies], rtol=1e-12)
    np.testing.assert_allclose(each[~varies], exact.value(q, f), rtol=1e-14)
    assert exact.best_constant(q, f) == pytest.approx(signal.sum() / square.sum(), rel=1e-12)


@pytest.mark.parametrize("logit", [36.0, 700.0, 740.0, 746.0, 1e6])
def test_the_best_constant_of_a_saturated_bit_is_the_value_of_the_rarer_outcome(logit):
    f = SquaredError(0.45)  # .3025 at 1, .2025 at 0
    assert exact.best_constant(Bernoulli([logit]), f) == pytest.approx(0.2025, rel=1e-14)
    assert exact.best_constant(Bernoulli([-logit]), f) == pytest.approx(0.3025, rel=1e-14)
    assert exact.best_constant(Bernoulli([logit, logit]), f) == pytest.approx(0.505, rel=1e-14)
    each = exact.best_constant(Bernoulli([logit, 0.0]), f, per_component=True)
    np.testing.assert_allclose(each, [0.2025 + 0.2525, 0.3025 + 0.2525], rtol=1e-14)
    c = exact.best_constant(Categorical([[logit, 0.0]]), Quadratic(0.0, [[1.0, 3.0]], np.zeros((2, 2))))
    assert c == pytest.approx(3.0, rel=1e-14)


def test_where_no_score_varies_the_constant_is_the_mean_of_f():
    f = objective(Categorical([[0.0], [1.0]]))
    q = Categorical([[0.0], [1.0]])
    assert exact.best_constant(q, f) == pytest.approx(exact.value(q, f), rel=1e-15)
    np.testing.assert_allclose(exact.best_constant(q, f, per_component=True), exact.value(q, f), rtol=1e-15)


def test_a_huge_constant_in_f_moves_the_best_constant_by_itself():
    q = PROBLEMS["categories"]
    f = objective(q)
    best = exact.best_constant(q, f)
    assert exact.best_constant(q, lambda z: f(z) + 2.0**40) - 2.0**40 == pytest.approx(best, abs=2.0**40 * 8e-16)


def test_float32_and_integers():
    f = SquaredError(0.25)
    for logits in (np.array([0, 1]), np.array([0.0, 1.0], np.float32)):
        one, other = exact.best_constant(Bernoulli(logits), f), exact.best_constant(Bernoulli([0.0, 1.0]), f)
        assert type(one) is float
        assert one == other
    assert exact.best_constant(Bernoulli([0, 1]), lambda z: z.sum(-1).astype(np.int64)) == pytest.approx(
        exact.best_constant(Bernoulli([0, 1]), lambda z: z.sum(-1)), rel=1e-15
    )


def test_the_value_coefficient_is_covariance_over_variance():
    q, f, b = PROBLEMS["three bits"], objective(PROBLEMS["three bits"]), Agreement(1)
    z, weights = q.support(), np.exp(q.log_prob(q.support()))
    covariance = np.cov(f(z), b(z), aweights=weights, ddof=0)
    best = exact.best_value_coefficient(q, f, b)
    assert best == pytest.approx(covariance[0, 1] / covariance[1, 1], rel=1e-12)
    assert exact.best_value_coefficient(q, b, b) == pytest.approx(1.0, rel=1e-14)
    assert exact.best_value_coefficient(q, lambda z: -2 * b(z) + 5, lambda z: 1e-9 * b(z)) == pytest.approx(-2e9)


@pytest.mark.parametrize("level", [0.0, 1.0, 3.3, -1e9, 0.1])
def test_a_control_variate_that_never_varies_has_coefficient_zero(level):
    for q in PROBLEMS.values():
        assert exact.best_value_coefficient(q, objective(q), lambda z: np.full(len(z), level)) == 0
        assert exact.best_value_coefficient(q, lambda z: np.full(len(z), level), objective(q)) == pytest.approx(0)


def test_what_varies_at_masked_categories_only_never_varies():
    q = PROBLEMS["a masked category"]
    assert exact.best_value_coefficient(q, objective(q), lambda z: 3.3 + z[..., 0, 1]) == 0


@pytest.mark.parametrize("logit", [36.0, 300.0])
def test_the_value_coefficient_keeps_its_digits_at_a_saturated_bit(logit):
    q = Bernoulli([logit])
    best = exact.best_value_coefficient(q, lambda z: 7.3 - 4 * z[..., 0], lambda z: 2.1 + 8 * z[..., 0])
    assert best == pytest.approx(-0.5, rel=1e-12)


def test_a_huge_value_that_never_comes_hides_nothing():
    """It has probability exp(-300): its square times that is nothing beside the variance of the second bit."""
    q = Bernoulli([300.0, 0.5])
    best = exact.best_value_coefficient(q, lambda z: 3 * z[..., 1], lambda z: 1e20 * (1 - z[..., 0]) + z[..., 1])
    assert best == pytest.approx(3.0, rel=1e-12)


def test_functions_of_the_wrong_shape_or_kind_are_named():
    q = Bernoulli([0.5, -1.0])
    with pytest.raises(
        ValueError, match=r"the control variate needs to return one value for each z, but returned.*2\)"
    ):
        exact.best_value_coefficient(q, SquaredError(0.5), lambda z: z)
    with pytest.raises(ValueError, match=r"^f needs to return one value for each z, but returned shape \(1, 1\)"):
        exact.best_value_coefficient(q, lambda z: z[..., :1], SquaredError(0.5))
    with pytest.raises(TypeError, match="the value of the control variate needs real numbers, but has dtype <U1"):
        exact.best_value_coefficient(q, SquaredError(0.5), lambda z: np.full(len(z), "a"))
    with pytest.raises(ValueError, match="f needs to return one value for each z"):
        exact.best_constant(q, lambda z: z)
    with pytest.raises(ValueError, match=r"one row of logits, but the batch shape is \(2,\)"):
        exact.best_constant(Bernoulli([[0.5], [1.0]]), SquaredError(0.5))


@pytest.mark.parametrize("estimator", [ControlVariate(Agreement(1)), Rebar(0.5)], ids=repr)
@pytest.mark.parametrize("weights", [None, [1.0, 0.0], [0.25, 3.0]])
def test_the_coefficient_is_what_a_search_finds(estimator, weights):
    q, f = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
    share = np.ones(2) if weights is None else np.array(weights)

    def total(c):
        changed = {**vars(estimator), "coefficient": c}
        return (share * exact.moments(type(estimator)(**changed), q, f).variance).sum()

    best = exact.best_coefficient(estimator, q, f, weights=weights)
    found = minimize_scalar(total, bracket=(best - 1, best + 0.7), tol=1e-9)
    assert best == pytest.approx(found.x, abs=1e-6)
    assert total(best) <= found.fun * (1 + 1e-11)
    assert total(best) < total(best + 0.01)


def test_the_coefficient_does_not_depend_on_where_one_starts():
    q, f = Bernoulli([1.2, -0.4]), objective(Bernoulli([1.2, -0.4]))
    coefficients = [exact.best_coefficient(ControlVariate(Agreement(1), coefficient=c), q, f) for c in (-3.0, 0.0, 1.0)]
    assert len(set(coefficients)) == 1


def test_a_perfect_control_variate_has_coefficient_one():
    for q in (Bernoulli([1.2, -0.4, 0.3]), Categorical([[0.5, 1.0], [2.0, 1.2]])):
        b = Agreement(q.event_ndim)
        assert exact.best_coefficient(ControlVariate(b), q, b) == pytest.approx(1.0, rel=1e-12)
        assert exact.moments(ControlVariate(b), q, b).variance.max() < 1e-30


def test_a_coefficient_that_changes_nothing_is_refused():
    q = Bernoulli([0.5])
    nothing = ControlVariate(Agreement(1))  # no pairs in one variable
    with pytest.raises(ValueError, match=r"the variance of ControlVariate\(.*\) needs to depend on its coefficient"):
        exact.best_coefficient(nothing, q, SquaredError(0.45))
    with pytest.raises(ValueError, match="needs to depend on its coefficient"):
        exact.best_coefficient(ControlVariate(Agreement(1)), Bernoulli([0.5, 1.0]), SquaredError(0.5), weights=[0, 0])


@pytest.mark.parametrize(("scale", "ulps", "coefficient"), [(1.0, 254, None), (1.0, 258, 0.0), (2.0**30, 254, None)])
def test_a_curvature_within_64_ulps_of_the_variances_is_none(scale, ulps, coefficient, monkeypatch):
    """The variance at -1 and at 1 has half of it more than that at 0; four variances are compared."""

    def moments(estimator, *_):
        more = ulps / 2 * np.finfo(float).eps if estimator.coefficient else 0.0
        return SimpleNamespace(variance=np.array([scale * (1 + more)]))

    monkeypatch.setattr(import_module("refgrad.exact.best"), "moments", moments)
    q, f = Bernoulli([0.5]), SquaredError(0.45)
    if coefficient is None:
        with pytest.raises(ValueError, match="needs to depend on its coefficient"):
            exact.best_coefficient(Rebar(), q, f)
    else:
        assert exact.best_coefficient(Rebar(), q, f) == coefficient


@pytest.mark.parametrize("name", ["best_constant", "best_value_coefficient"])
def test_options_are_those_of_the_value(name):
    """What is shown to workers can be sent to processes."""
    q, rest = Bernoulli([0.5, -0.25]), [] if name == "best_constant" else [SquaredError([0.5, 0.25])]
    f, answer = Interacting(0.5, *np.ones((4, 2))), getattr(exact, name)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        assert answer(q, f, *rest, executor=executor) == answer(q, f, *rest)
    with pytest.raises(ValueError, match="limit of 3;"):
        answer(q, f, *rest, limit=3)


class Counting(ThreadPoolExecutor):
    """Threads that count what they are given."""

    count = 0

    def submit(self, fn, /, *args, **kwargs):
        self.count += 1
        return super().submit(fn, *args, **kwargs)


def test_each_pass_over_f_goes_to_the_workers(capsys):
    """One for the means of a constant; for a coefficient one for each mean, the covariance and the variance."""
    q, f, other = Bernoulli([0.5, -0.25]), Interacting(0.5, *np.ones((4, 2))), SquaredError([0.5, 0.25])
    with Counting(1) as executor:
        exact.best_constant(q, f, executor=executor)
        assert executor.count == 1
        exact.best_value_coefficient(q, f, other, executor=executor)
        assert executor.count == 1 + 4
    assert capsys.readouterr() == ("", "")


def test_options_are_those_of_the_moments():
    with pytest.raises(ValueError, match="more than the limit of 10;"):
        exact.best_coefficient(Rebar(), Bernoulli([0.5]), SquaredError(0.45), limit=10)


def test_estimators_and_weights_that_are_refused():
    q, f = Bernoulli([0.5, 1.0]), SquaredError(0.45)
    with pytest.raises(TypeError, match=r"needs an estimator with a coefficient, but it is Reinforce\(\)"):
        exact.best_coefficient(Reinforce(), q, f)
    for weights, shape in (([1.0], r"\(1,\)"), (1.0, r"\(\)"), ([1.0, np.nan], r"\(2,\)"), ([1.0, -1.0], r"\(2,\)")):
        with pytest.raises(ValueError, match=rf"weights need shape \(2,\), finite and not negative, but have.*{shape}"):
            exact.best_coefficient(ControlVariate(Agreement(1)), q, f, weights=weights)
    with pytest.raises(TypeError, match="weights needs real numbers"):
        exact.best_coefficient(ControlVariate(Agreement(1)), q, f, weights=["a", "b"])
