"""The exact optimum of temperature and coefficient: against scipy over both, at the bounds, and what is refused."""

import numpy as np
import pytest
from scipy.optimize import minimize

from refgrad import Bernoulli, exact
from refgrad.estimators import Adam, GumbelSoftmax, Rebar, Reinforce, Relax
from refgrad.objectives import Quadratic, SquaredError, Table

PAIR = Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])


def total(estimator, problem):
    return exact.moments(estimator, *problem).variance.sum()


@pytest.mark.parametrize("coupled", [False, True])
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


def test_what_is_refused():
    for estimator in (Reinforce(), GumbelSoftmax(0.5)):
        with pytest.raises(TypeError, match="tuned needs an estimator with a temperature and a coefficient, but it is"):
            exact.tuned(estimator, *PAIR)
    for bounds in ((0.0, 1.0), (2.0, 1.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match="tuned needs bounds with 0 < low < high, but they are"):
            exact.tuned(Rebar(), *PAIR, bounds=bounds)
