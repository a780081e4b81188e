"""Mistakes of a control variate: the numbers of page 03."""

import numpy as np
import pytest

from refgrad import Bernoulli, exact
from refgrad.estimators import ControlVariate
from refgrad.estimators._agreement import Agreement
from refgrad.objectives import Quadratic
from refgrad.testing.mistakes import control_variate

NAMED = {m.name: m for m in control_variate.MISTAKES}
B = Agreement(1)
Q, F = Bernoulli([0.5, -1.0]), Quadratic(0.25, [1.0, -0.5], [[0.0, 2.0], [0.0, 0.0]])


def bias(name, right):
    return exact.bias(NAMED[f"control-variate-{name}-bernoulli"].like(right).estimator, Q, F)


def test_as_on_page_03():
    np.testing.assert_allclose(bias("wrong-mean", ControlVariate(B)), [0.1086, -0.2448], atol=5e-5)
    np.testing.assert_allclose(bias("no-correction", ControlVariate(B)), [-0.0632, -0.1224], atol=5e-5)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("no-correction", -0.5), ("correction-subtracted", -1.0), ("correction-without-coefficient", 0.5)],
)
def test_multiples_of_the_gradient_of_the_mean(name, factor):
    needed = factor * exact.gradient(Q, B)
    np.testing.assert_allclose(bias(name, ControlVariate(B, coefficient=0.5)), needed, atol=1e-14)


def test_the_check_of_a_pair_refuses_the_wrong_mean():
    with pytest.raises(ValueError, match="the mean needs to be that of Agreement"):
        NAMED["control-variate-wrong-mean-bernoulli"].estimator.check(Q)
