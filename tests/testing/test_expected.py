"""What is expected of a row: tolerances, covariances, patience; each against a loop or an enumeration."""

from dataclasses import dataclass

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, GumbelSoftmax, Rebar, Reinforce
from refgrad.objectives import Table
from refgrad.testing import Problem, check_unbiased, standard_problems
from refgrad.testing._covariances import larger, with_null
from refgrad.testing._expected import Settings, unbiased, with_moments
from refgrad.testing._facts import DEMAND, Facts
from refgrad.testing._sampler import Batch, Source
from testing import samplers

PROBLEMS = standard_problems()
PAIR = standard_problems("bernoulli")[3]
THREE = standard_problems("categorical")[0]


def pilot(problem, sampler=samplers.reinforce, n=500):
    return Source(sampler, problem).draw(n, 0)


class TestFacts:
    @pytest.mark.parametrize("problem", PROBLEMS, ids=str)
    def test_sums_are_those_of_a_loop(self, problem):
        facts, q = Facts.of(problem), problem.q
        z = q.support()
        probs, values = np.exp(q.log_prob(z)), problem.f(z)
        mean = probs @ values
        np.testing.assert_allclose(facts.rest, values - mean)
        assert facts.spread == pytest.approx(np.sqrt(probs @ (values - mean) ** 2))
        scores = q.score(z).reshape(len(z), -1)
        np.testing.assert_allclose(facts.widths, np.sqrt(probs @ scores**2), rtol=1e-9)
        plain = probs[:, None] * (values[:, None] * scores) ** 2
        centred = probs[:, None] * ((values - mean)[:, None] * scores) ** 2
        np.testing.assert_allclose(facts.weights, np.maximum(plain, centred), rtol=1e-9)

    @pytest.mark.parametrize("problem", PROBLEMS, ids=str)
    def test_what_is_allowed(self, problem):
        """No more than the tolerance of the largest component, no less than that of each."""
        facts = Facts.of(problem)
        allowed, size = facts.allowed(0.1), np.abs(problem.gradient.ravel())
        largest = max(size.max(), 0.1 * facts.spread * facts.widths.max())
        assert allowed.max() == pytest.approx(0.1 * largest)
        assert (allowed >= 0.1 * size * (1 - 1e-12)).all()
        certain = facts.widths < 1e-3 * facts.widths.max()
        assert (allowed[certain] <= 0.1 * np.maximum(size[certain], 0.01 * largest)).all()

    def test_a_rare_outcome_is_waited_for_until_it_is_expected_often(self):
        p = 1e-3
        problem = Problem(Bernoulli([np.log(p / (1 - p))]), Table([1.0, 3.0]), "rare")
        settings = Settings(max_samples=10**7)
        (ready,) = Facts.of(problem).ready(10**7, settings.log_limit)
        wait = DEMAND * settings.log_limit / p
        assert wait <= ready < 2 * wait

    def test_one_that_a_baseline_brings_out_too(self):
        """f vanishes where z = 1, so REINFORCE has no variance from there; with a baseline it has."""
        problem = Problem(Bernoulli([-9.2]), Table([1.0, 0.0]), "rare")
        assert Facts.of(problem).ready(10**6, Settings().log_limit)[0] > 1e6

    def test_one_that_nobody_sees_is_not(self):
        problem = Problem(Bernoulli([-30.0, 0.2]), Table([1.0, 2.0, -1.0, 0.5]), "saturated")
        assert (Facts.of(problem).ready(10**6, Settings().log_limit) < 1e4).all()

    def test_notes(self):
        flat = Problem(PAIR.q, Table([0.5] * 4), "flat")
        assert "f is constant here" in Facts.of(flat).notes()[0]
        even = Problem(Bernoulli([0.0, 0.0]), Table([1.0, 0.0, 0.0, 1.0]), "even")
        assert Facts.of(even).notes()[0].startswith("the exact gradient is 0 here: a wrong factor")
        assert Facts.of(PAIR).notes() == ()

    def test_a_problem_that_is_too_large(self):
        problem = Problem(Bernoulli(np.zeros(17)), lambda z: z[..., 0], "large")
        with pytest.raises(ValueError, match="a problem for a black box needs 131,072 evaluations"):
            Facts.of(problem)


class TestCovariance:
    @pytest.mark.parametrize("problem", PROBLEMS, ids=str)
    def test_without_a_name_is_above_reinforce_and_the_pilot(self, problem):
        drawn = pilot(problem, samplers.noisy)
        expected = unbiased(problem, drawn, Settings())
        size = problem.gradient.size
        below = exact.moments(Reinforce(), problem.q, problem.f).covariance.reshape(size, size)
        assert_above(expected.covariance, below)
        assert_above(expected.covariance, np.cov(drawn.rows, rowvar=False).reshape(size, size))

    def test_and_what_the_pilot_may_miss(self):
        """f vanishes at one z in 10,000: REINFORCE has little variance there, with a baseline it has much."""
        p = 1e-4
        rare = Problem(Bernoulli([np.log(p / (1 - p))]), Table([1.0, 0.0]), "rare")
        variance = exact.moments(ConstantBaseline(1 - p), rare.q, rare.f).variance[0]
        assert unbiased(rare, pilot(rare), Settings()).covariance[0, 0] > 0.99 * variance
        sampler = ConstantBaseline(1.0).sample
        for seed in range(10):
            verdict = check_unbiased(lambda p, n, rng: sampler(p.q, p.f, n, rng), rare, seed=seed, causes=False)
            assert verdict.outcome != "wrong"

    @pytest.mark.parametrize("weight", [1, 5])
    def test_by_name_is_the_exact_one(self, weight):
        expected = unbiased(PAIR, pilot(PAIR), Settings(estimator=Reinforce()), weight)
        found = exact.moments(Reinforce(), PAIR.q, PAIR.f).covariance / weight
        floor = expected.covariance - found
        np.testing.assert_allclose(floor, np.diag(floor.diagonal()), atol=1e-15)
        assert (floor.diagonal() <= 1e-4 * found.diagonal()).all()

    def test_where_the_reference_does_not_vary_the_pilot_stands_in(self):
        def loose(problem, n, rng):
            return samplers.reinforce(problem, n, rng) + 0.3 * rng.normal(size=(n, 1, 1))

        expected = unbiased(THREE, pilot(THREE, loose), Settings(estimator=Reinforce()))
        ones = np.ones(3)
        assert ones @ expected.covariance @ ones > 9 * 0.3**2

    def test_the_larger_of_two(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            first, second = (a @ a.T for a in rng.normal(size=(2, 3, 3)))
            both = larger(first, second)
            assert_above(both, first)
            assert_above(both, second)
            np.testing.assert_allclose(larger(first, 0.1 * first), first, rtol=1e-6, atol=1e-6)

    def test_what_varies_beside_the_reference_is_bounded(self):
        """Whatever the correlation of the two."""
        reference, rng = np.diag([1.0, 2.0, 0.0]), np.random.default_rng(0)
        for _ in range(50):
            mixed = (
                np.diag([1.0, np.sqrt(2), 0.7]) @ np.corrcoef(rng.normal(size=(3, 5))) @ np.diag([1.0, np.sqrt(2), 0.7])
            )
            mixed[:2, :2] = reference[:2, :2]
            if np.linalg.eigvalsh(mixed).min() > 0:
                assert_above(with_null(reference, mixed), mixed)


class TestSecondMoments:
    @pytest.mark.parametrize("estimator", [Reinforce(), ConstantBaseline(0.3)], ids=repr)
    @pytest.mark.parametrize("weight", [1, 2])
    @pytest.mark.parametrize("problem", [PAIR, THREE], ids=str)
    def test_by_enumeration(self, problem, estimator, weight):
        """Mean and covariance of the features of the mean of one or two samples, over all of them."""
        q, size = problem.q, problem.gradient.size
        z = q.support()
        probs = np.exp(q.log_prob(z))
        noise = q.noise_given(z, q.draw_noise(len(z), np.random.default_rng(0)))
        rows = estimator(q, problem.f, noise[None]).reshape(len(z), size)
        if weight == 2:
            rows = ((rows[:, None] + rows) / 2).reshape(-1, size)
            probs = (probs[:, None] * probs).ravel()
        expected = with_moments(problem, pilot(problem), Settings(estimator=estimator), weight)
        features = expected.features(rows)
        np.testing.assert_allclose(probs @ features, 0, atol=1e-12)
        covariance = (probs[:, None] * features).T @ features
        rest = expected.covariance - covariance
        np.testing.assert_allclose(rest, np.diag(rest.diagonal()), atol=1e-12)
        assert (rest.diagonal() >= 0).all()
        hair = np.maximum(0.01 * expected.allowed, expected.rounding) ** 2
        assert (rest.diagonal() <= hair + 1e-12).all()

    @pytest.mark.exhaustive
    @pytest.mark.parametrize("number", [0, 11])
    @pytest.mark.parametrize("estimator", [GumbelSoftmax(0.5), Rebar(0.5), Rebar(0.1)], ids=repr)
    def test_of_what_is_integrated(self, estimator, number):
        """Against 400,000 samples; with many axes the design is coarse, and random rows for every z take its place."""
        problem = standard_problems()[number]
        expected = with_moments(problem, pilot(problem), Settings(estimator=estimator))
        rows = estimator.sample(problem.q, problem.f, 400_000, np.random.default_rng(0)).reshape(
            -1, problem.gradient.size
        )
        features = expected.features(rows)
        error = np.sqrt(expected.covariance.diagonal() / len(rows))
        assert (np.abs(features.mean(axis=0)) < 6.5 * error).all()  # false alarms: 2e-10
        fourth = (features**4).mean(axis=0) / len(rows)
        off = (features**2).mean(axis=0) - expected.covariance.diagonal()
        assert (off < 6.5 * np.sqrt(fourth)).all()


@pytest.mark.parametrize("expect", [unbiased, with_moments])
@pytest.mark.parametrize("order", ["C", "F"])
def test_features_are_rows_less_their_mean_by_columns(expect, order):
    rows = np.asarray(Reinforce().sample(PAIR.q, PAIR.f, 50, np.random.default_rng(0)), order=order)
    expected = expect(PAIR, pilot(PAIR), Settings(estimator=Reinforce()))
    features = expected.features(rows)
    assert features.T.flags.c_contiguous
    np.testing.assert_array_equal(features[:, :2], rows - expected.center)
    np.testing.assert_array_equal(expected.features(rows[7:9]), features[7:9])


def test_a_reference_that_claims_what_it_is_not():
    @dataclass(frozen=True)
    class Half(Reinforce):
        def __call__(self, q, f, noise):
            return 0.5 * super().__call__(q, f, noise)

    with pytest.raises(
        ValueError, match=r"claims to be unbiased, but on one pair .* its exact mean is not the gradient"
    ):
        with_moments(PAIR, pilot(PAIR), Settings(estimator=Half()))


def test_a_reference_that_scatters_less_is_noted():
    expected = unbiased(PAIR, pilot(PAIR), Settings(estimator=ConstantBaseline(0.5)))
    assert "times as much as ConstantBaseline(baseline=0.5) does: is it that one" in expected.notes[-1]
    assert unbiased(PAIR, pilot(PAIR), Settings(estimator=Reinforce())).notes == ()


def test_half_precision_does_not_loosen_the_tolerance():
    toy = standard_problems("bernoulli")[0]
    drawn = pilot(toy, lambda p, n, rng: samplers.reinforce(p, n, rng).astype(np.float16))
    np.testing.assert_allclose(unbiased(toy, drawn, Settings()).allowed, 0.1 * toy.gradient)


@pytest.mark.parametrize("size", [1e-100, 1e100])
def test_an_f_of_no_scale(size):
    problem = Problem(Bernoulli([0.5]), Table([0.2 * size, 0.7 * size]), "scaled")
    with pytest.raises(ValueError, match=r"a black box needs f of a size between 1e-60 and 1e.60, but on scaled"):
        Facts.of(problem)


def assert_above(large, small):
    scale = np.sqrt(large.diagonal())
    unit = np.multiply.outer(scale, scale)
    assert np.linalg.eigvalsh((large - small) / unit).min() > -1e-6


def test_settings_of_no_estimator():
    with pytest.raises(TypeError, match="estimator needs to be an instance of an Estimator, but is"):
        Settings(estimator=Reinforce)


def test_a_pilot_of_nothing_finite():
    problem = Problem(Categorical([[0.0, 1.0]]), Table([1.0, 2.0], event_shape=(1, 2)), "two")
    expected = unbiased(problem, Batch(np.full((10, 2), np.nan), 1e-16, used=True), Settings())
    assert np.isfinite(expected.covariance).all()
