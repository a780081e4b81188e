"""The exact optimum of temperature and coefficient: against scipy over both, at the bounds, and what is refused."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize

from refgrad import Bernoulli, exact
from refgrad.estimators import Adam, GumbelSoftmax, Rebar, Reinforce, Relax
from refgrad.objectives import Quadratic, SquaredError, Table

MODULE = import_module("refgrad.exact.tuning")
EPS = np.finfo(float).eps
PAIR = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])


def total(estimator, problem):
    return exact.moments(estimator, *problem).variance.sum()


@pytest.mark.parametrize("coupled", [pytest.param(False, marks=pytest.mark.exhaustive), True])
def test_both_parameters_at_once_find_nothing_better(coupled):
    best = exact.tuned(Rebar(coupled=coupled), *PAIR)
    found = minimize(
        lambda x: total(Rebar(float(np.exp(x[0])), float(x[1]), coupled=coupled), PAIR),
        [0.0, 1.0],
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-10},
    )
    assert total(best, PAIR) <= found.fun + 1e-9
    np.testing.assert_allclose([np.log(best.temperature), best.coefficient], found.x, atol=1e-3)
    assert best.coupled == coupled


def test_the_bounds_hold_where_the_variance_falls_towards_them():
    best = exact.tuned(Rebar(coupled=True), Bernoulli([1.2]), Table([0.25, 1.5]), bounds=(0.1, 4.0))
    assert best.temperature == pytest.approx(4.0, rel=1e-5)


def test_other_fields_stay():
    estimator = Rebar(0.3, 0.1, coupled=True, optimizer=Adam(rate=0.1))
    best = exact.tuned(estimator, Bernoulli([0.5]), SquaredError(0.2), bounds=(0.5, 2.0))
    assert (best.coupled, best.optimizer) == (True, Adam(rate=0.1))


def test_a_control_variate_that_never_varies_is_given_no_weight():
    relax = Relax(lambda y: 0 * y.sum(axis=-1), coupled=True)
    assert exact.tuned(relax, Bernoulli([0.5]), SquaredError(0.2), bounds=(0.5, 2.0)).coefficient == 0


class Known:
    """In the place of moments: total variance `1 + c**2 - 2 c C`, least at `c = C`, which the temperature moves."""

    def __init__(self, slope):
        self.slope, self.seen = slope, []

    def __call__(self, estimator, *_):
        log_temperature, c = np.log(estimator.temperature), estimator.coefficient
        if c:
            self.seen.append(log_temperature)
        return SimpleNamespace(variance=np.array([1.0, c**2 - 2 * c * self.slope(log_temperature)]))


def tuned_with(monkeypatch, moments, bounds=(0.05, 20.0)):
    monkeypatch.setattr(MODULE, "moments", moments)
    return exact.tuned(Rebar(), *PAIR, bounds=bounds)


@pytest.mark.parametrize("at", [-2.5, -1.0, 0.3, 2.0])
def test_a_minimum_that_is_known(at, monkeypatch):
    """A cusp, which is found to the 1e-6 that is asked for, and where no parabola helps."""
    known = Known(lambda x: 0.75 * np.exp(-np.abs(x - at)))
    best = tuned_with(monkeypatch, known)
    assert np.log(best.temperature) == pytest.approx(at, abs=2e-6)
    assert best.coefficient == pytest.approx(0.75, rel=2e-6)
    grid = np.linspace(np.log(0.05), np.log(20.0), 9)
    nearest = np.argmin(np.abs(grid - at))
    low, high = grid[max(nearest - 1, 0)], grid[min(nearest + 1, 8)]
    refined = np.array(known.seen[2 * 9 :])  # a parabola through -1, 0 and 1 at each of nine, then around the best
    assert refined.min() == pytest.approx(low, rel=1e-14)
    assert refined.max() == pytest.approx(high, rel=1e-14)


@pytest.mark.parametrize(("side", "temperature"), [(-1, 0.05), (1, 20.0)])
def test_a_minimum_at_a_bound(side, temperature, monkeypatch):
    best = tuned_with(monkeypatch, Known(lambda x: 0.5 + 0.1 * side * x))
    assert best.temperature == pytest.approx(temperature, rel=1e-14)
    assert best.coefficient == pytest.approx(0.5 + 0.1 * abs(np.log(0.05)), rel=1e-14)


@pytest.mark.parametrize(
    ("scale", "ulps", "coefficient"),
    [
        (1.0, 258, -0.5),
        (1.0, 254, 0.0),
        (2.0**20, 258, -0.5),
        (2.0**20, 254, 0.0),
        (2.0**-20, 258, -0.5),
        (0.0, 0, 0.0),
    ],
)
def test_a_curvature_within_64_ulps_of_the_variances_is_none(scale, ulps, coefficient, monkeypatch):
    """Half of what the variance at 1 has more than those at -1 and 0 is the curvature, and the slope."""

    def moments(estimator, *_):
        more = ulps * EPS if estimator.coefficient == 1 else 0.0
        return SimpleNamespace(variance=np.array([scale * (1 + more)]))

    assert tuned_with(monkeypatch, moments).coefficient == pytest.approx(coefficient, rel=1e-12)


def test_options_are_those_of_the_moments():
    with pytest.raises(ValueError, match="more than the limit of 10;"):
        exact.tuned(Rebar(), *PAIR, limit=10)


def test_what_is_refused():
    for estimator in (Reinforce(), GumbelSoftmax(0.5)):
        with pytest.raises(TypeError, match="tuned needs an estimator with a temperature and a coefficient, but it is"):
            exact.tuned(estimator, *PAIR)
    for bounds in ((0.0, 1.0), (2.0, 1.0), (1.0, 1.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match="tuned needs bounds with 0 < low < high, but they are"):
            exact.tuned(Rebar(), *PAIR, bounds=bounds)
