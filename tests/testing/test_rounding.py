"""The bound of rounding: single precision by hand stays far below it, and no bound is zero where something rounds."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.estimators import GumbelSoftmax, Nvil, Rebar, Relax
from refgrad.objectives import Interacting
from refgrad.testing import Problem, _rounding, built_in, exact_problems
from refgrad.testing._rounding import FLOAT32, FLOAT64, apart, rounding
from refgrad.testing.pathwise import cases
from testing import single


def interacting(*shape):
    return Interacting(0.5, *np.random.default_rng(3).integers(-8, 9, size=(4, *shape)) / 8)


PROBLEMS = [
    Problem(Bernoulli([0.75]), interacting(1), "one"),
    Problem(Bernoulli([30.0, -30.0]), interacting(2), "extremes"),
    Problem(Categorical([[1.0, 2.5, 0.5]]), interacting(1, 3), "three"),
    Problem(Categorical([[30.0, -30.0, 29.0], [0.0, 1.0, -1.0]]), interacting(2, 3), "extremes"),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
class TestSinglePrecisionByHand:
    def test_rebar(self, problem, temperature):
        (case,) = cases(Rebar(temperature, 0.75), [problem], n=200)
        rows = single.rebar(problem, case.noise, temperature, 0.75)
        assert rows.dtype == np.float32
        off = np.abs(rows.reshape(case.expected.shape) - case.expected)
        assert (off <= case.bound(FLOAT32) / 2).all()
        assert (off > case.bound(FLOAT64)).any()

    def test_gumbel_softmax(self, problem, temperature):
        (case,) = cases(GumbelSoftmax(temperature), [problem], n=200)
        rows = single.gumbel_softmax(problem, case.noise, temperature)
        assert rows.dtype == np.float32
        off = np.abs(rows.reshape(case.expected.shape) - case.expected)
        assert (off <= case.bound(FLOAT32) / 2).all()
        assert (off > case.bound(FLOAT64)).any()


@pytest.mark.parametrize("estimator", built_in.instances(), ids=repr)
def test_every_estimator_has_a_bound_in_proportion(estimator):
    for problem in exact_problems():
        if problem.family in estimator.claims.families and np.isfinite(problem.logits).all():
            (case,) = cases(estimator, [problem], n=20)
            bound = case.bound(FLOAT32)
            assert (bound > 0).all()
            largest = np.abs(problem.f(problem.q.support())).max()
            assert bound.max() <= 1e-3 * (np.abs(case.expected).max() + largest)
            np.testing.assert_allclose(case.bound(FLOAT64) / bound, FLOAT64 / FLOAT32, rtol=1e-4)


def test_a_masked_category_stays_exactly_zero():
    problem = next(p for p in exact_problems() if "masked" in p.name)
    (case,) = cases(Rebar(), [problem], n=20)
    masked = ~np.isfinite(problem.logits.ravel())
    assert (case.bound(FLOAT32)[:, masked] == 0).all()
    assert (case.bound(FLOAT32)[:, ~masked] > 0).all()


def test_parameters_and_the_control_variate_are_shaken():
    problem = PROBLEMS[0]
    shake = _rounding._Shake(np.random.default_rng(0), FLOAT32, 1.0)
    for estimator in (Rebar(0.5, 0.75), Relax().at(Relax().parameters(problem.q), problem.q), *_nvils()):
        moved = _rounding._parameters(estimator, shake)
        assert repr(moved) != repr(estimator) or moved != estimator
        assert moved.optimizer == estimator.optimizer if hasattr(estimator, "optimizer") else True


def _nvils():
    return [Nvil(**example) for example in Nvil.examples]


class TestApart:
    @pytest.mark.parametrize("precision", [FLOAT32, 2.0**-10])
    def test_noise_near_an_edge_moves_into_its_cell(self, precision):
        rng = np.random.default_rng(0)
        for q in (Bernoulli([0.5, -30.0]), Categorical([[0.5, -1.0, 20.0], [0.0, -np.inf, 0.25]])):
            near = np.broadcast_to(-np.where(np.isfinite(q.logits), q.logits, 0.0), (200, *q.event_shape))
            near = near + rng.normal(size=near.shape) * precision
            noise = np.stack([near, rng.logistic(size=near.shape)])
            moved = apart(Rebar(), q, noise, precision)
            np.testing.assert_array_equal(q.sample(moved[0]), q.sample(noise[0]))
            np.testing.assert_array_equal(moved[1], noise[1])
            assert (moved[0] != noise[0]).any()
            # Rounded on both sides, z is still the same.
            for way in (-2, 2):
                shifted = moved[0] + way * precision * rng.uniform(size=near.shape) * (1 + np.abs(moved[0]))
                np.testing.assert_array_equal(q.sample(shifted), q.sample(noise[0]))

    def test_without_it_single_precision_falls_on_the_other_side(self):
        q = Bernoulli([0.1])
        noise = np.full((1, 1), -0.1 + 1e-10)
        assert q.sample(noise) != (np.float32(0.1) + noise.astype(np.float32) > 0)


def test_the_bound_is_of_the_reference_alone_and_repeats(monkeypatch):
    (case,) = cases(Rebar(), [PROBLEMS[0]], n=5)
    np.testing.assert_array_equal(case.bound(FLOAT32), case.bound(FLOAT32))
    before = rounding(case.estimator, case.problem.q, case.problem.f, case.noise, FLOAT32)
    monkeypatch.setattr(_rounding, "FACTOR", 0.25)
    after = rounding(case.estimator, case.problem.q, case.problem.f, case.noise, FLOAT32)
    rows = single.rebar(PROBLEMS[0], case.noise, 0.5, 1.0).reshape(case.expected.shape)
    off = np.abs(rows - case.expected)
    assert (off <= before).all()
    assert (off > after).any()  # a bound that is too small would call single precision wrong
