"""examples/12_toy.py: its equations against the oracle, its judge against a wrong one, its runs and what they keep."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from refgrad import Bernoulli, exact
from refgrad.estimators import (
    ConstantBaseline,
    GumbelSoftmax,
    MeanSubstitution,
    MovingAverageBaseline,
    MuProp,
    Rebar,
    Reinforce,
    Relax,
)

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
EPS = np.finfo(float).eps


@pytest.fixture
def toy(monkeypatch):
    """The modules of the example."""
    monkeypatch.syspath_prepend(EXAMPLES)
    names = ("problems", "descent", "judge", "standstill", "course", "figures")
    yield SimpleNamespace(**{name: importlib.import_module(f"_toy.{name}") for name in names})
    for name in [name for name in sys.modules if name.split(".")[0] in ("_toy", "_shared")]:
        del sys.modules[name]


class TestProblems:
    def test_loss_and_gradient_are_those_of_the_page(self, toy):
        for target in toy.problems.TARGETS:
            problem, logits = toy.problems.toy(target), np.linspace(-5, 5, 7)[:, None]
            p = expit(logits[:, 0])
            np.testing.assert_allclose(problem.loss(logits), target**2 + (1 - 2 * target) * p, rtol=4 * EPS)  # Eq. 12.1
            for row, at in zip(logits, p, strict=True):
                closed = (1 - 2 * target) * at * (1 - at)
                assert problem.gradient(row)[0] == pytest.approx(closed, rel=1e-10)
            assert problem.best == target**2

    def test_the_loss_of_two_bits_is_enumerated(self, toy):
        problem, rng = toy.problems.interacting(), np.random.default_rng(0)
        for logits in rng.normal(size=(5, 2)) * 3:
            value = exact.value(Bernoulli(logits), problem.f)
            assert problem.loss(logits[None])[0] == pytest.approx(value, rel=1e-12, abs=1e-14)
        assert problem.best == problem.f(np.array([0.0, 1.0]))

    def test_variances_are_those_of_the_page(self, toy):
        for target in toy.problems.TARGETS:
            for logit in (0.0, -1.5, -4.0):
                q, f, p = Bernoulli([logit]), toy.problems.toy(target).f, expit(logit)
                mean_other = (1 - p) * (1 - target) ** 2 + p * target**2
                for estimator, closed in (
                    (Reinforce(), p * (1 - p) * mean_other**2),
                    (ConstantBaseline(0.2), p * (1 - p) * (mean_other - 0.2) ** 2),
                    (MuProp(), p * (1 - p) ** 6 + (1 - p) * p**6 - (p * (1 - p) * (1 - 2 * p)) ** 2),
                ):
                    m = exact.moments(estimator, q, f)
                    assert abs(m.variance[0] - closed) <= m.error[0] + 64 * EPS  # Eq. 12.2


class TestStandstill:
    def test_the_mean_in_two_parts(self, toy):
        x = np.arange(0.0005, 60, 0.001)
        weight = expit(x) * expit(-x) * 0.001
        for logit, t, temperature in ((-0.3, 0.45, 0.5), (-2.0, 0.49, 0.05), (-1.0, 0.499, 3.0)):
            a, b = temperature * x, -logit
            symmetric = (1 + np.cosh(a) * np.cosh(b)) / (np.cosh(a) + np.cosh(b)) ** 2
            r = np.sinh(a) * np.sinh(b) / (1 + np.cosh(a) * np.cosh(b))
            parts = np.sum(weight * symmetric * ((1 - 2 * t) - r * np.tanh(x / 2)))
            assert toy.standstill.mean(t, temperature, logit) == pytest.approx(parts, abs=1e-7)  # Eq. 12.3; midpoints

    @pytest.mark.parametrize("target", [0.3, 0.45, 0.49])
    def test_the_sign_turns_where_the_page_says(self, toy, target):
        turn = 1 - 2 * target
        for temperature in (0.5 * turn, 0.98 * turn):
            assert toy.standstill.probability(target, temperature) == 0.0
            assert toy.standstill.mean(target, temperature, -14.0) > 0
        for temperature in (1.02 * turn, 2 * turn, 1.0, 4.0):
            p = toy.standstill.probability(target, temperature)
            assert 0 < p < 0.5
            logit = np.log(p / (1 - p))
            assert (
                toy.standstill.mean(target, temperature, logit + 0.01)
                > 0
                > toy.standstill.mean(target, temperature, logit - 0.01)
            )
        for temperature in (0.05, 1.0, 20.0):
            assert toy.standstill.mean(target, temperature, 0.0) > 0
            assert toy.standstill.mean(target, temperature, 1.0) > 0

    def test_mean_substitution_and_straight_through_stand_still_at_the_target(self, toy):
        f, logit = toy.problems.toy(0.45).f, np.log(0.45 / 0.55)
        assert abs(MeanSubstitution()(Bernoulli([logit]), f, np.zeros((0, 1)))[0]) <= 4 * EPS

    def test_relaxed_losses(self, toy):
        problem, q = toy.problems.interacting(), Bernoulli([0.4, -0.7])
        n = 20_000
        values = problem.f(q.relax(q.draw_noise(n, np.random.default_rng(0)), 0.5))
        found = toy.standstill.relaxed_loss(GumbelSoftmax(0.5), q.logits, problem.f)
        spread = np.ptp(problem.f(np.random.default_rng(0).random((2000, 2))))
        # Hoeffding: a mean of values in an interval; 1e-9. The interval is widened by a tenth.
        assert abs(values.mean() - found) < 1.1 * spread * np.sqrt(np.log(2e9) / (2 * n))
        assert abs(found - problem.loss(q.logits[None])[0]) > 0.02
        assert toy.standstill.relaxed_loss(MeanSubstitution(), q.logits, problem.f) == problem.f(q.probs)


class TestJudge:
    ESTIMATORS = (Reinforce(), MovingAverageBaseline(0.1), MuProp(), GumbelSoftmax(0.5), Rebar(), Relax())

    @pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
    def test_sampled_and_exact_agree(self, toy, estimator):
        problem, rng = toy.problems.toy(0.45), np.random.default_rng(0)
        points = [toy.judge.point(0, np.array([-0.5]), estimator, problem.f, 500, rng) for _ in range(5)]
        # 1e-6 each. That it is powerful enough is the next test.
        assert toy.judge.together(points) < 6
        assert points[0].exact == pytest.approx(exact.moments(estimator, Bernoulli([-0.5]), problem.f).variance[0])

    @pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
    def test_a_wrong_oracle_is_seen(self, toy, estimator, monkeypatch):
        right = exact.moments

        def wrong(*arguments):
            m = right(*arguments)
            return SimpleNamespace(mean=m.mean, variance=1.3 * m.variance)

        monkeypatch.setattr(toy.judge.exact, "moments", wrong)
        problem, rng = toy.problems.toy(0.45), np.random.default_rng(0)
        points = [toy.judge.point(0, np.array([-0.5]), estimator, problem.f, 4_000, rng) for _ in range(5)]
        assert toy.judge.together(points) > 6
        assert points[0].z < -4

    def test_the_standard_error_is_exact(self, toy):
        problem, p, n = toy.problems.toy(0.45), expit(-0.5), 1_000
        point = toy.judge.point(0, np.array([-0.5]), Reinforce(), problem.f, n, np.random.default_rng(0))
        g, weights = np.array([-(0.45**2) * p, 0.55**2 * (1 - p)]), np.array([1 - p, p])
        squares = (g - weights @ g) ** 2
        assert point.error == pytest.approx(np.sqrt(weights @ (squares - weights @ squares) ** 2 / n), rel=1e-10)
        assert point.bias <= 64 * EPS

    @pytest.mark.parametrize("estimator", [MeanSubstitution(), ConstantBaseline(0.2525)], ids=repr)
    def test_what_does_not_vary_is_not_judged(self, toy, estimator):
        point = toy.judge.point(0, np.zeros(1), estimator, toy.problems.toy(0.45).f, 100, np.random.default_rng(0))
        assert point.exact <= 1e-30
        assert np.isnan(point.z)
        assert np.isnan(toy.judge.together([point]))

    def test_two_bits(self, toy):
        problem, rng = toy.problems.interacting(), np.random.default_rng(0)
        point = toy.judge.point(0, np.array([-0.5, 0.5]), Rebar(), problem.f, 2_000, rng)
        moments = exact.moments(Rebar(), Bernoulli([-0.5, 0.5]), problem.f)
        assert point.exact == pytest.approx(moments.variance.sum())
        assert toy.judge.together([point]) < 6  # 1e-6


class TestDescent:
    def test_each_run_of_a_learner_has_a_state_of_its_own(self, toy):
        problem = toy.problems.toy(0.45)
        walks = toy.descent.walks(problem, MovingAverageBaseline(), 3, np.random.default_rng(0))
        for number in range(5):
            walks = [walk.step(problem.f, number) for walk in walks]
        assert len({walk.estimator.average for walk in walks}) > 1
        assert toy.descent.positions(walks).shape == (3, 1)
        (alone,) = toy.descent.walks(problem, Reinforce(), 3, np.random.default_rng(0))
        assert alone.logits.shape == (3, 1)

    @pytest.mark.parametrize("estimator", [Rebar(), Relax()], ids=repr)
    def test_what_differentiates_twice_learns_every_few_steps(self, toy, estimator):
        problem = toy.problems.toy(0.45)
        (walk,) = toy.descent.walks(problem, estimator, 1, np.random.default_rng(0))
        learned = []
        for number in range(2 * toy.descent.TURN):
            after = walk.step(problem.f, number)
            learned.append(after.estimator is not walk.estimator)
            walk = after
        assert learned == [number % toy.descent.TURN == 0 for number in range(2 * toy.descent.TURN)]

    def test_it_goes_down(self, toy):
        # With a perfect baseline there is no noise: every step of Adam is as long as its rate.
        problem = toy.problems.toy(0.499)
        (walk,) = toy.descent.walks(
            problem, ConstantBaseline(float(problem.values.mean())), 2, np.random.default_rng(0)
        )
        walk = walk.step(problem.f, 0)
        np.testing.assert_allclose(walk.logits, -toy.descent.RATE, rtol=1e-4)

    def test_a_course_keeps_what_it_logged(self, toy):
        problem, logged = toy.problems.toy(0.45), np.array([0, 3, 5])
        course = toy.course.Course(problem, GumbelSoftmax(0.5), 4, logged, 50, [0])
        assert len(course.steps) == 0
        for number in range(4):
            course.advance(number)
        assert list(course.steps) == [0, 3]
        np.testing.assert_allclose(course.excess[0], 1, rtol=1e-12)
        assert course.relaxed[0] == toy.standstill.relaxed_loss(GumbelSoftmax(0.5), np.zeros(1), problem.f)
        again = toy.course.Course(problem, GumbelSoftmax(0.5), 4, logged, 5, [0])
        for number in range(4):
            again.advance(number)
        np.testing.assert_array_equal(again.losses, course.losses)  # judging changes no run


class TestFigures:
    def test_labels_tell_estimators_apart(self, toy):
        estimators = (GumbelSoftmax(0.5), GumbelSoftmax(0.05), Reinforce(), Rebar(), Rebar(temperature=0.1))
        courses = [SimpleNamespace(estimator=estimator) for estimator in estimators]
        labels = [toy.figures.label(course, courses) for course in courses]
        assert labels[:3] == ["GumbelSoftmax(0.5)", "GumbelSoftmax(0.05)", "Reinforce"]
        assert len(set(labels)) == 5
        assert toy.figures.look(courses[1], courses)["alpha"] < toy.figures.look(courses[0], courses)["alpha"]
