"""The Gauss rule of relaxed samples: against their distribution, and its stated error against the trapezoid."""

from dataclasses import replace
from importlib import import_module
from itertools import islice

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, log_expit

from refgrad import Bernoulli, exact
from refgrad.estimators import GumbelSoftmax, Rebar, Reinforce, Relax
from refgrad.exact._cells import Plan
from refgrad.exact._factors import factors
from refgrad.exact._relaxed_rule import relaxed_rules
from refgrad.objectives import Interacting, Quadratic, SquaredError

MODULE = import_module("refgrad.exact.moments")
RULE = import_module("refgrad.exact._relaxed_rule")


def rule(logits, temperature, number):
    return next(islice(relaxed_rules(factors(Bernoulli(logits)), temperature), number, None))


def noise_of(logits, z, v):
    q = Bernoulli(logits)
    return Plan(q, factors(q), ("cell",), reduced=False).noise_of(np.full_like(v, z), v)


@pytest.mark.parametrize("z", [0.0, 1.0])
@pytest.mark.parametrize(("logit", "temperature"), [(0.5, 0.5), (-3.0, 0.1), (4.0, 1.0), (0.0, 0.02), (8.0, 2.0)])
def test_moments_of_a_relaxed_sample_given_z(logit, temperature, z):
    """A Gauss rule of n nodes is exact for polynomials of degree 2 n - 1."""
    for number, count in enumerate((2, 3, 4, 5)):
        made = rule([logit], temperature, number)
        v, weights = made.points_given(np.full((count, 1), z), np.arange(count))
        relaxed = expit((noise_of([logit], z, v)[:, 0] + logit) / temperature)
        other = relaxed if z == 0 else 1 - relaxed  # of the two, the one that is small has its digits
        for power in range(1, 2 * count):
            expected = quad(given(logit, temperature, z, power), -60, 60, epsabs=0, epsrel=1e-13, limit=400)[0]
            assert abs(weights @ other**power - expected) < 1e-12 * max(expected, 1e-3)


def given(logit, temperature, z, power):
    """A power of the smaller of relaxed and 1 - relaxed, times the density of v, by the distribution function."""

    def integrand(v):
        share = expit(-v if z else v)  # of the cell, from its edge far out
        tail = share * expit(logit if z else -logit)  # probability beyond the noise
        margin = np.log1p(-tail) - np.log(tail) + (logit if z else -logit)
        return np.exp(power * log_expit(-margin / temperature)) * expit(v) * expit(-v)

    return integrand


def test_nodes_lie_in_their_cell():
    logits = [40.0, -40.0, 300.0, -700.0, 0.0]
    made = rule(logits, 0.01, 2)
    index = np.arange(len(made))
    for z in Bernoulli(logits).support():
        v, weights = made.points_given(np.broadcast_to(z, (len(index), 5)), index)
        assert np.isfinite(v).all()
        assert abs(weights.sum() - 1) < 1e-12
        if z[4]:  # where the cells have two sides that noise of finite precision can reach
            assert (noise_of(logits, 1.0, v)[:, 4] > 0).all()


def test_a_node_that_rounding_puts_at_zero_is_the_least_point_above(monkeypatch):
    """Where most relaxed samples underflow: rest 2 at temperature 1e-3."""
    monkeypatch.setattr(RULE, "_gauss", lambda *_: (np.array([0.0, 0.25]), np.array([0.5, 0.5])))
    v, weights = RULE._one_axis(2.0, 1e-3, 2)
    assert np.isfinite(v).all()
    assert weights.tolist() == [0.5, 0.5]
    margin = np.logaddexp(0.0, v + 2.0)  # logit + noise
    assert expit(-margin[0] / 1e-3) < 1e-300
    assert expit(-margin[1] / 1e-3) == pytest.approx(0.25, rel=1e-9)


def test_a_rule_of_more_nodes_than_points_has_nodes_without_weight():
    nodes, weights = RULE._gauss(np.array([0.5, 0.5]), np.array([0.25, 0.75]), 3)
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert weights @ nodes == pytest.approx(0.5, rel=1e-14)
    assert weights @ nodes**2 == pytest.approx(0.25, rel=1e-14)


def random_case(seed):
    rng = np.random.default_rng(seed)
    q = Bernoulli(rng.normal(size=2) * rng.choice([0.5, 2.0, 5.0]))
    f = (
        Interacting(0.5, *rng.normal(size=(4, 2)))
        if seed % 2
        else Quadratic(0.3, rng.normal(size=2), rng.normal(size=(2, 2)))
    )
    temperature = rng.choice([0.1, 0.3, 1.0])
    makers = (
        GumbelSoftmax(temperature),
        Rebar(temperature, rng.choice([0.5, 1.0, 2.0])),
        Rebar(temperature, coupled=True),
        Relax(temperature=temperature),
    )
    return makers[seed // 2 % 4], q, f


def by_gauss(patch, number):
    patch.setattr(
        MODULE,
        "ladder",
        lambda plan, limit, what, temperature: [[*islice(relaxed_rules(plan.parts, temperature), number)]],
    )


@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_the_true_error_stays_under_the_stated_one(number, monkeypatch):
    """Two axes, which the trapezoid knows to 1e-12."""
    for seed in range(16):
        estimator, q, f = random_case(seed)
        right = exact.moments(estimator, q, f)
        with monkeypatch.context() as patch:
            by_gauss(patch, number)
            found = exact.moments(estimator, q, f)
        assert (np.abs(found.mean - right.mean) <= found.mean_error + right.mean_error).all(), seed
        room = found.covariance_error + right.covariance_error
        assert (np.abs(found.covariance - right.covariance) <= room).all(), seed


def stretched(made):
    return replace(made, nodes=1.05 * made.nodes)


def uneven(made):
    return replace(made, weights=made.weights[:, :, ::-1])


@pytest.mark.parametrize("spoil", [stretched, uneven])
def test_a_rule_that_is_wrong_is_seen(spoil, monkeypatch):
    """The same check, were nodes stretched, or weights in another order."""
    q, f = Bernoulli([0.5, -1.0]), Quadratic(0.3, [1.0, 2.0], [[0.0, 1.0], [0.0, 0.0]])
    right = exact.moments(GumbelSoftmax(0.3), q, f)
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "ladder", lambda plan, *_: [[*map(spoil, islice(relaxed_rules(plan.parts, 0.3), 5))]])
        found = exact.moments(GumbelSoftmax(0.3), q, f)
    assert (np.abs(found.mean - right.mean) > found.mean_error + right.mean_error).any()


@pytest.mark.parametrize("size", [4, 5, 6])
def test_many_axes(size):
    """A separable f: every component is a problem of one variable, but for the constant that the others add."""
    rng = np.random.default_rng(size)
    logits, target = rng.normal(size=size), rng.uniform(size=size)
    q, f = Bernoulli(logits), SquaredError(target)
    moments = exact.moments(GumbelSoftmax(0.4), q, f, limit=8**size)
    for d in range(size):
        own = exact.moments(GumbelSoftmax(0.4), Bernoulli(logits[d : d + 1]), SquaredError(target[d : d + 1]))
        assert abs(moments.mean[d] - own.mean[0]) <= moments.mean_error[d] + own.mean_error[0]
        assert abs(moments.variance[d] - own.variance[0]) <= moments.error[d] + own.error[0]
    assert (moments.mean_error < 1e-2 * np.abs(moments.mean).max()).all()


def test_rebar_on_five_variables_is_unbiased_to_the_stated_error():
    rng = np.random.default_rng(0)
    q, f = Bernoulli(rng.normal(size=5)), Interacting(0.5, *rng.normal(size=(4, 5)))
    moments = exact.moments(Rebar(0.3), q, f, limit=10**5)
    deviation = np.sqrt(moments.variance.max())
    assert (np.abs(moments.mean - exact.gradient(q, f)) <= moments.mean_error).all()
    assert moments.mean_error.max() < 0.02 * deviation
    estimates = Rebar(0.3).sample(q, f, 100_000, rng)
    bound = moments.error + 7 * moments.variance * np.sqrt(2 * kurtosis(estimates) / 100_000)  # rate 3e-12 a component
    assert (np.abs(estimates.var(axis=0) - moments.variance) < bound).all()


def kurtosis(x):
    """Of the widest component, over that of a normal variable."""
    rest = (x - x.mean(axis=0)) / x.std(axis=0)
    return np.maximum((rest**4).mean(axis=0).max() / 3, 1)


def test_it_stops_where_two_rules_agree():
    """A smooth f at temperature 1: few nodes on an axis do, where sixteen would be allowed."""
    rows = []

    def f(z):
        rows.append(len(z))
        return z.sum(axis=-1) ** 2

    exact.moments(GumbelSoftmax(1.0), Bernoulli([0.1, 0.2, 0.3, 0.4]), f)
    assert sum(rows) < 12**4 + 16**4  # rules of 2 to 6 nodes, and the check of rounding
    assert max(rows) > 4**4


class EachItsOwn(GumbelSoftmax):
    """A temperature for each variable, which is no temperature that the rule could follow."""

    def __post_init__(self):
        pass

    def __call__(self, q, f, noise):
        return GumbelSoftmax(float(np.mean(self.temperature)))(q, f, noise)


@pytest.mark.parametrize("temperature", [(0.5, 0.5), np.array([0.5, 0.5]), np.array([0.5])])
def test_a_temperature_that_is_no_number_is_not_followed(temperature):
    q, f = Bernoulli([0.1, 0.2]), SquaredError([0.45, 0.3])
    own, right = exact.moments(EachItsOwn(temperature), q, f), exact.moments(GumbelSoftmax(0.5), q, f)
    assert (np.abs(own.mean - right.mean) <= own.error + right.error).all()
    assert (own.error < 1e-9).all()


def test_what_does_not_relax_needs_none():
    q, f = Bernoulli(np.zeros(5)), SquaredError(np.full(5, 0.45))
    assert (exact.moments(Reinforce(), q, f).error < 1e-12).all()


def test_three_axes_where_the_limit_is_too_small_for_a_trapezoid():
    rng = np.random.default_rng(0)
    q, f = Bernoulli(rng.normal(size=3)), Interacting(0.5, *rng.normal(size=(4, 3)))
    right, found = (exact.moments(GumbelSoftmax(0.3), q, f, limit=limit) for limit in (2**22, 8**3))
    assert (right.error < 1e-9).all()
    assert (found.error > 1e-6).all()
    assert (np.abs(found.mean - right.mean) <= found.mean_error + right.mean_error).all()
    assert (np.abs(found.variance - right.variance) <= found.error + right.error).all()
    with pytest.raises(ValueError, match="more than the limit of 64"):
        exact.moments(GumbelSoftmax(0.3), q, f, limit=64)


@pytest.mark.parametrize("temperature", [1e-3, 1e-4, 1e-8])
def test_a_relaxed_sample_that_is_a_point_to_any_digits(temperature):
    """At logit 700 nearly all of it is at one: the variables beside it have the moments that they have alone."""
    three, four = (
        exact.moments(GumbelSoftmax(temperature), Bernoulli(logits), SquaredError(0.45), limit=20_000)
        for logits in ([0.5, -0.5, 1.0], [700.0, 0.5, -0.5, 1.0])
    )
    assert np.isfinite(four.mean).all()
    assert four.mean[0] == 0 or abs(four.mean[0]) < 1e-100
    assert (np.abs(four.mean[1:] - three.mean) <= four.error[1:] + three.error).all()
