"""Moments of an estimator: against quadrature written anew, closed forms, and finer rules."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from threading import get_ident
from typing import ClassVar

import numpy as np
import pytest
from autograd import numpy as anp
from scipy.integrate import dblquad, quad

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Claims, Estimator, GumbelSoftmax, Rebar, Reinforce
from refgrad.exact._integrate import Sums, integrate
from refgrad.exact._rules import SHIFTS, Lattice, Trapezoid, gauss
from refgrad.objectives import Interacting, SquaredError, Table

MODULE = import_module("refgrad.exact.moments")
EPS = np.finfo(float).eps


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("logit", [-3.0, 0.0, 1.5])
def test_gumbel_softmax_on_one_bernoulli_by_scipy(logit, temperature):
    def integrand(v, power):
        y = 1 / (1 + np.exp(-(logit + v) / temperature))
        g = 2 * (y - 0.45) * y * (1 - y) / temperature
        return g**power * np.exp(-abs(v)) / (1 + np.exp(-abs(v))) ** 2

    first, second = (
        quad(integrand, -45, 45, args=(k,), points=[-logit, 0.0], epsabs=1e-13, limit=500)[0] for k in (1, 2)
    )
    moments = exact.moments(GumbelSoftmax(temperature), Bernoulli([logit]), SquaredError(0.45))
    assert moments.mean[0] == pytest.approx(first, abs=1e-12)
    assert moments.variance[0] == pytest.approx(second - first**2, abs=1e-12)
    assert moments.error[0] < 1e-12


def test_gumbel_softmax_on_three_categories_by_scipy():
    logits, c, temperature = np.array([0.5, -0.3, 0.0]), np.array([1.0, -2.0, 0.5]), 1.0

    def integrand(b, a, power):
        # Differences of the Gumbels to the last: a logistic, and the second given the first.
        density = 2 * np.exp(-a - b) / (1 + np.exp(-a) + np.exp(-b)) ** 3
        weights = np.exp((logits + np.array([a, b, 0.0])) / temperature)
        y = weights / weights.sum()
        return (y[0] * (c[0] - y @ c) / temperature) ** power * density

    first, second = (dblquad(integrand, -30, 30, -30, 30, args=(k,), epsabs=1e-7)[0] for k in (1, 2))
    moments = exact.moments(GumbelSoftmax(temperature), Categorical([logits]), Table(c, event_shape=(1, 3)))
    assert moments.mean[0, 0] == pytest.approx(first, abs=3e-7)
    assert moments.variance[0, 0] == pytest.approx(second - first**2, abs=3e-7)


def test_the_covariance_of_reinforce_by_enumeration():
    q, f = (
        Categorical([[0.5, -1.0, 0.3], [1.0, 0.0, -0.5]]),
        Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2, 3))),
    )
    z = q.support()
    rows, weights = (f(z)[:, None, None] * (z - q.probs)).reshape(9, 6), np.exp(q.log_prob(z))
    mean = weights @ rows
    covariance = (rows - mean).T @ (weights[:, None] * (rows - mean))
    moments = exact.moments(Reinforce(), q, f)
    assert moments.covariance.shape == moments.covariance_error.shape == (2, 3, 2, 3)
    assert moments.mean.shape == moments.variance.shape == moments.error.shape == moments.mean_error.shape == (2, 3)
    np.testing.assert_allclose(moments.covariance.reshape(6, 6), covariance, atol=1e-13)
    np.testing.assert_allclose(moments.variance.ravel(), covariance.diagonal(), atol=1e-13)
    np.testing.assert_allclose(moments.mean.ravel(), mean, atol=1e-14)


def random_case(seed):
    rng = np.random.default_rng(seed)
    shape = [(1,), (1,), (1, 2), (2,), (1, 3)][rng.choice(5, p=[0.4, 0.2, 0.34, 0.03, 0.03])]
    q = (Bernoulli if len(shape) == 1 else Categorical)(rng.uniform(-6, 6, size=shape))
    f = Interacting(0.5, *rng.normal(size=(4, *shape)))
    temperature = float(np.exp(rng.uniform(np.log(0.05), np.log(4))))
    return (GumbelSoftmax(temperature) if rng.random() < 0.5 else Rebar(temperature, rng.uniform(-1, 2))), q, f


@dataclass
class Finer:
    """Half of the finest step that was used, shorter ones farther out, and a longer reach."""

    steps: list

    def __call__(self, plan, *_):
        return [[Trapezoid(self.steps[-1] / 2, 50, plan.axes, 6.0, plan.in_turn)]]


@pytest.mark.parametrize("block", [1, *(pytest.param(b, marks=pytest.mark.exhaustive) for b in (0, *range(2, 10)))])
def test_the_true_error_stays_under_the_stated_one(block, monkeypatch):
    for seed in range(20 * block, 20 * block + 20):
        estimator, q, f = random_case(seed)
        steps = []

        def recorded(estimator, f, plan, rules, center, **options):
            steps.extend(rule.step for rule in rules)  # noqa: B023  (called in this turn)
            return integrate(estimator, f, plan, rules, center, **options)

        with monkeypatch.context() as patch:
            patch.setattr(MODULE, "integrate", recorded)
            stated = exact.moments(estimator, q, f)
        assert (stated.error <= 1e-10 * (1 + stated.variance.max())).all()
        with monkeypatch.context() as patch:
            patch.setattr(MODULE, "ladder", Finer(steps))
            doubled = exact.moments(estimator, q, f)
        assert (np.abs(stated.mean - doubled.mean) <= stated.error).all()
        assert (np.abs(stated.variance - doubled.variance) <= stated.error).all()


@pytest.mark.parametrize("shape", [(3,), (1, 4)])
def test_three_axes(shape):
    rng = np.random.default_rng(0)
    q = (Bernoulli if len(shape) == 1 else Categorical)(rng.normal(size=shape))
    f = Interacting(0.5, *rng.normal(size=(4, *shape)))
    moments = exact.moments(GumbelSoftmax(2.0), q, f)
    assert (moments.error < 1e-8).all()
    estimates = GumbelSoftmax(2.0).sample(q, f, 100_000, rng)
    standard_error = np.sqrt(moments.variance / 100_000)
    assert (np.abs(estimates.mean(axis=0) - moments.mean) < 7 * standard_error).all()  # rate 3e-12 a component


@pytest.mark.parametrize(
    ("estimator", "shape"),
    [
        (Rebar(1.5), (3,)),
        (Rebar(1.5), (3, 2)),
        (Rebar(1.5, 0.6, coupled=True), (3,)),
        (Rebar(1.5, 0.6, coupled=True), (3, 2)),
        (Rebar(1.5, 0.6, coupled=True), (1, 4)),
    ],
    ids=repr,
)
def test_three_axes_of_what_is_unbiased(estimator, shape):
    rng = np.random.default_rng(0)
    q = (Bernoulli if len(shape) == 1 else Categorical)(rng.normal(size=shape))
    f = Interacting(0.5, *rng.normal(size=(4, *shape)) / 4)
    moments = exact.moments(estimator, q, f)
    assert (moments.error < 1e-8).all()
    assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()


def test_a_rule_is_counted_before_it_is_made():
    rules = (Trapezoid(0.3, 37, 3, 3.0), Trapezoid(0.5, 60, 2, 4.0), Trapezoid(0.2, 37, 1, 12.0))
    for rule in rules:
        assert len(rule) == len(rule.points(slice(None))[0])


def test_three_axes_with_extreme_logits():
    """The limit leaves three rules; of their one fall, from less than 1e-4, the error believes nothing: Eq. 00.15."""
    q, f = Bernoulli([300.0, -250.0, 1.0]), SquaredError(0.45)
    moments = exact.moments(Rebar(coupled=True), q, f)
    assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()
    assert (moments.error < 10 * 1e-4).all()


@pytest.mark.parametrize(
    "logit", [*(pytest.param(x, marks=pytest.mark.exhaustive) for x in (50.0, 90.0, 100.0)), 700.0]
)
def test_what_lies_beyond_the_reach_is_in_the_error(logit):
    """In the cell of probability exp(-logit) the relaxation changes at depth -logit: too far with two axes."""
    q = Bernoulli([logit, -logit])
    f = Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2)))
    moments = exact.moments(Rebar(coupled=True), q, f)
    assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.error).all()
    assert (moments.error < 1e-30).all()


@pytest.mark.parametrize(("axes", "reach"), [(1, 3.0), (2, 4.0), (3, 6.0)])
def test_the_probability_beyond_the_reach_has_a_bound(axes, reach):
    v, weights = Trapezoid(0.1, 60.0, axes, 3.0).points(slice(None))
    beyond = weights[np.abs(v).sum(axis=1) > reach].sum()
    assert beyond < Trapezoid(0.5, reach, axes, 3.0).beyond() < 8 * beyond


def test_a_lattice_is_honest_about_two_axes_done_by_both(monkeypatch):
    q, f = Bernoulli([0.4, -1.0]), Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2)))
    right = exact.moments(GumbelSoftmax(0.7), q, f)
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "ladder", lambda *_: [[Lattice(2**13, 2, shift, 1.0) for shift in range(SHIFTS)]])
        moments = exact.moments(GumbelSoftmax(0.7), q, f)
    assert (np.abs(moments.mean - right.mean) <= moments.error).all()
    assert (np.abs(moments.variance - right.variance) <= moments.error).all()
    assert (moments.error < 1e-3).all()


def test_four_axes_by_lattice():
    q, f = Categorical(np.zeros((2, 3))), Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2, 3)))
    moments = exact.moments(GumbelSoftmax(1.0), q, f)
    assert (moments.error > 1e-13).any()
    assert (moments.error < 1e-3).all()
    estimates = GumbelSoftmax(1.0).sample(q, f, 100_000, np.random.default_rng(0))
    bound = moments.error + 7 * np.sqrt(moments.variance / 100_000)  # rate 3e-12 a component
    assert (np.abs(estimates.mean(axis=0) - moments.mean) < bound).all()


@pytest.mark.parametrize(("logit", "temperature"), [(30.0, 0.5), (-30.0, 0.2), (0.0, 1e-3), (6.0, 0.01), (300.0, 1.0)])
def test_extremes(logit, temperature):
    moments = exact.moments(GumbelSoftmax(temperature), Bernoulli([logit]), SquaredError(0.45))
    assert np.isfinite(moments.mean).all()
    assert (moments.error <= 1e-9 * np.abs(moments.mean)).all()


def test_workers_and_bars_do_not_change_the_bits():
    q, f = Bernoulli([0.4, -1.0]), Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 2)))
    alone = exact.moments(GumbelSoftmax(0.7), q, f)
    with ThreadPoolExecutor(2) as executor:
        together = exact.moments(GumbelSoftmax(0.7), q, f, executor=executor, progress=True)
    for name in ("mean", "covariance", "error"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))


@pytest.mark.parametrize("estimator", [GumbelSoftmax(0.7), Rebar(0.5)], ids=repr)
def test_processes_do_not_change_the_bits(estimator):
    q, f = Categorical([[0.4, -1.0, 0.2]]), Interacting(0.5, *np.random.default_rng(0).normal(size=(4, 1, 3)))
    alone = exact.moments(estimator, q, f)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        together = exact.moments(estimator, q, f, executor=executor)
    for name in ("mean", "covariance", "error", "covariance_error", "mean_error"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))


@dataclass(frozen=True)
class Where(Rebar):
    """Writes down in which thread it is called, and how many rows it sees."""

    calls: ClassVar[list] = []

    def __call__(self, q, f, noise):
        self.calls.append((get_ident(), noise.shape[1]))
        return super().__call__(q, f, noise)


@pytest.mark.parametrize("answer", [exact.moments, exact.bias])
def test_all_but_a_few_rows_are_computed_by_the_workers(answer):
    """Also the sensitivity to rounding, and f for the exact gradient."""
    here, f_calls = get_ident(), []

    def f(z):
        f_calls.append((get_ident(), len(z)))
        return (z**2).sum(axis=-1)

    f.grad = lambda z: 2 * z
    Where.calls.clear()
    with ThreadPoolExecutor(1) as executor:
        answer(Where(0.5), Bernoulli([0.4, -1.0]), f, executor=executor)
    assert sum(rows for thread, rows in Where.calls if thread == here) == 64  # whether it adds
    assert sum(rows for thread, rows in Where.calls if thread != here) > 10_000
    assert {rows for thread, rows in f_calls if thread == here} <= {64, 2, 4}


def test_a_bar_for_every_rule_the_first_ones_together(capsys):
    moments = exact.moments(Rebar(0.1), Bernoulli([0.4]), Table([0.0, 1.0]), progress=True)
    assert np.isfinite(moments.mean).all()
    shown = capsys.readouterr().err
    assert 2 <= shown.count("0%|") <= 6  # the gradient, three rules in one go, and one or more after them


def test_no_bar_unless_asked_and_workers_are_used(capsys):
    executor, submitted = ThreadPoolExecutor(1), []

    def submit(*args):
        submitted.append(args)
        return ThreadPoolExecutor.submit(executor, *args)

    q, f = Bernoulli([0.4, -1.0]), Interacting(0.5, *np.ones((4, 2)))
    with executor:
        executor.submit = submit
        for answer in (exact.value, exact.gradient, lambda *args, **options: exact.moments(Rebar(), *args, **options)):
            before = len(submitted)
            answer(q, f, executor=executor)
            assert len(submitted) > before
    exact.best_constant(q, f)
    assert capsys.readouterr().err == ""


def test_bias():
    q, f = Bernoulli([0.4]), Table([0.0, 1.0])
    bias = exact.bias(GumbelSoftmax(1.0), q, f)
    np.testing.assert_array_equal(bias, exact.moments(GumbelSoftmax(1.0), q, f).mean - exact.gradient(q, f))
    with pytest.raises(ValueError, match="more than the limit of 10;"):
        exact.bias(GumbelSoftmax(1.0), q, f, limit=10)


@dataclass(frozen=True)
class Broken(Estimator):
    returned: str
    claims: ClassVar[Claims] = Claims(unbiased=True, reads=("z",))

    def __call__(self, q, f, noise):
        rows = Reinforce()(q, f, noise)
        return {"mean": rows.mean(axis=0), "nan": np.where(q.sample(noise[0]) == 1, np.nan, rows)}[self.returned]


@dataclass(frozen=True)
class ByZAndFresh(Estimator):
    """Additive, and its first draw is read through z alone."""

    additive: bool
    draws: ClassVar[int] = 2

    @property
    def claims(self):
        return Claims(unbiased=False, reads=("z", "smooth"), additive=self.additive)

    def __call__(self, q, f, noise):
        return Reinforce()(q, f, noise[:1]) + np.tanh(noise[1] + 1)


def test_an_additive_estimator_of_which_one_draw_is_enumerated():
    q, f = Bernoulli([0.4, -1.0]), Table([0.0, 1.0, 2.0, 3.0])
    plain, additive = (exact.moments(ByZAndFresh(a), q, f) for a in (False, True))
    assert (np.abs(plain.mean - additive.mean) <= plain.error + additive.error).all()
    assert (np.abs(plain.variance - additive.variance) <= plain.error + additive.error).all()


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize(("logits", "kink"), [([-1.2], 0.7), ([0.3], 0.7), ([0.3, -1.0], 0.7), ([2.0], 0.3)])
def test_where_f_has_a_kink_the_error_says_so(logits, kink, temperature):
    """Two rules may agree by chance; differences that do not fall fast are not trusted."""
    q = Bernoulli(logits)
    moments = exact.moments(Rebar(temperature), q, lambda z: anp.maximum(z.sum(axis=-1) - kink, 0.0))
    off = np.abs(moments.mean - exact.gradient(q, lambda z: np.maximum(z.sum(axis=-1) - kink, 0.0)))
    assert (off <= moments.error).all()
    assert (moments.error > 1e-6).all()


class Leaky(Trapezoid):
    """What lies beyond it is written down."""

    def beyond(self):
        return 0.5


@pytest.mark.parametrize(
    ("rule", "beyond", "missing"), [(Leaky(0.5, 42.0, 1, 3.0), 0.5, 0.25), (gauss(2, 1), 0.0, 0.0)]
)
def test_the_error_is_made_of_its_parts(monkeypatch, rule, beyond, missing):
    q, f, asked = Bernoulli([0.0, 0.0]), Table([0.0, 4.0, 8.0, 12.0]), []  # the gradient is (2, 1)
    made = Sums(np.array([3.0, -5.0]), np.array([16.0, 32.0]), np.array([[100.0, 6.0], [6.0, 400.0]]), 7.0, 0.25)
    moved = Sums(first=np.array([0.5, 0.125]), second=np.array([[2.0, 1.0], [1.0, 4.0]]))
    rounding = Sums(first=np.array([2.0**-10, 2.0**-9]), second=np.diag([2.0**-8, 2.0**-7]))

    def rules(plan, limit, what, temperature):
        asked.append((plan.reads, limit, what, temperature))
        return iter([[rule, rule], [rule], [rule], [rule]])

    def sensitivity(estimator, f, plan, first, center, *, executor):
        asked.append((estimator, first, center.tolist(), executor))
        return rounding

    def integrate(estimator, f, plan, rules, center, *, progress, executor):
        asked.append((estimator, rules, center.tolist(), progress, executor))
        return [made] * len(rules)

    def agree(totals, last, axes, granted):
        asked.append((len(totals), last, axes, granted is rounding))
        return len(totals) == 3

    for name, fake in {"ladder": rules, "sensitivity": sensitivity, "integrate": integrate, "agree": agree}.items():
        monkeypatch.setattr(MODULE, name, fake)
    monkeypatch.setattr(MODULE, "rough", lambda rule: ("rough", rule))
    monkeypatch.setattr(
        MODULE,
        "remaining",
        lambda totals, last, granted: (made, moved) if last is rule and granted is rounding else None,
    )
    estimator = GumbelSoftmax(0.5)
    found = exact.moments(estimator, q, f, limit=77)
    relative = 64 * EPS + missing
    error = moved.first + relative * (made.absolute + np.array([2.0, 1.0])) + 32 * rounding.first + beyond * 7.0
    second = moved.second + relative * np.array([[100.0, 200.0], [200.0, 400.0]]) + 32 * rounding.second
    second = second + beyond * 49.0 + np.outer([3.0, 5.0], error) + np.outer(error, [3.0, 5.0])
    np.testing.assert_array_equal(found.mean, [5.0, -4.0])
    np.testing.assert_array_equal(found.covariance, [[91.0, 21.0], [21.0, 375.0]])
    np.testing.assert_allclose(found.mean_error, error, rtol=1e-15)
    np.testing.assert_allclose(found.covariance_error, second, rtol=1e-15)
    np.testing.assert_allclose(found.error, second.diagonal(), rtol=1e-15)
    assert asked == [
        (("cell",), 77, f"quadrature of {estimator!r}", 0.5),
        (estimator, ("rough", rule), [2.0, 1.0], None),
        (estimator, [rule, rule], [2.0, 1.0], False, None),
        (2, rule, 2, True),
        (estimator, [rule], [2.0, 1.0], False, None),
        (3, rule, 2, True),
    ]


def test_an_error_is_never_less_than_numbers_below_the_normal_ones_can_say():
    found = exact.moments(Reinforce(), Bernoulli([0.0]), Table([0.0, 0.0]))
    for error in (found.error, found.mean_error, found.covariance_error):
        assert (error == 64 * np.finfo(float).smallest_subnormal).all()


class TestErrors:
    q, f = Bernoulli([0.4, -1.0]), Table([0.0, 1.0, 2.0, 3.0])

    def test_an_estimator_that_returns_a_wrong_shape(self):
        with pytest.raises(
            ValueError, match=r"Broken\(returned='mean'\) needs to return shape \(8, 2\), but returned \(2,\)"
        ):
            exact.moments(Broken("mean"), self.q, self.f)

    def test_an_estimator_that_is_not_finite(self):
        with pytest.raises(ValueError, match=r"needs to be finite, but returned \[.*nan\] at z = \[\[0, 1\]\]"):
            exact.moments(Broken("nan"), self.q, self.f)

    def test_too_large(self):
        with pytest.raises(ValueError, match=r"quadrature of GumbelSoftmax\(temperature=0\.5\) needs .* pass limit="):
            exact.moments(GumbelSoftmax(0.5), self.q, self.f, limit=1000)
        with pytest.raises(ValueError, match="needs one row of logits"):
            exact.moments(Reinforce(), Bernoulli(np.zeros((3, 2))), self.f)


def test_a_lattice_is_shifted_by_uniform_numbers_from_its_seed():
    """The first point of the lattice is the shift itself."""
    y = np.random.default_rng(3).random(4)
    x = y**3 * (10 - 15 * y + 6 * y**2)
    points, weights = Lattice(64, 4, 3, 2.0).points(np.array([0, 17]))
    np.testing.assert_allclose(points[0], 2.0 * (np.log(x) - np.log1p(-x)), rtol=1e-12)
    again = Lattice(64, 4, 3, 2.0).points(np.array([17]))
    np.testing.assert_array_equal(again[0][0], points[1])
    np.testing.assert_array_equal(again[1][0], weights[1])


def test_a_gauss_rule_is_not_stretched_unless_asked():
    np.testing.assert_array_equal(gauss(8, 1).nodes, gauss(8, 1, 1.0).nodes)


def test_rules_integrate_what_is_known():
    trapezoids = (Trapezoid(0.35, 37, 1, 12.0), Trapezoid(0.5, 37, 2, 4.0), Trapezoid(0.5, 37, 3, 3.0))
    for rule in (*trapezoids, gauss(48, 1), gauss(32, 3), gauss(48, 2, 3.0)):
        points, weights = rule.points(np.arange(len(rule)))
        assert weights.sum() == pytest.approx(1, abs=1e-9)
        np.testing.assert_allclose(weights @ points, 0, atol=1e-9)
        np.testing.assert_allclose(weights @ points**2, np.pi**2 / 3, rtol=1e-6)  # the variance of a logistic
