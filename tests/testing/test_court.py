"""The rules of decision: each answer from sums that are made for it."""

from dataclasses import replace

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.estimators import GumbelSoftmax, Rebar, Reinforce
from refgrad.objectives import Table
from refgrad.testing import Problem, check_moments, check_unbiased, mistakes, standard_problems
from refgrad.testing._court import Court
from refgrad.testing._expected import Settings, unbiased
from refgrad.testing._sampler import Source
from refgrad.testing._schedule import EARLIEST
from refgrad.testing._sums import Sums, still_fixed
from refgrad.testing.evidence import MEAN_SHARE
from testing import samplers

PAIR = standard_problems("bernoulli")[3]
SATURATED = standard_problems("bernoulli")[8]


def court(problem=PAIR, sampler=samplers.reinforce, **settings):
    options = Settings(**settings)
    return Court(problem, unbiased(problem, Source(sampler, problem).draw(500, 0), options), options, 1)


def sums(judge, n, sampler=samplers.reinforce):
    features = judge.expected.features(Source(sampler, judge.problem).draw(n, 1).rows)
    return Sums.begin(judge.expected).add(features, features[:0], judge.expected)


class TestRight:
    def test_not_before_the_earliest(self):
        judge = court(tolerance=1.0)
        assert judge.judge(sums(judge, EARLIEST - 1), last=False)[0] is None
        assert judge.judge(sums(judge, EARLIEST - 1), last=True)[0] == "right"
        assert judge.judge(sums(judge, EARLIEST), last=False)[0] == "right"

    @pytest.mark.parametrize("problem", standard_problems(), ids=str)
    @pytest.mark.parametrize("tolerance", [0.1, 0.01])
    def test_no_interval_is_within_before_the_soonest(self, problem, tolerance):
        """Not even if the mean is exactly right and nothing varies more than it must."""
        judge = court(problem, tolerance=tolerance)
        n = int(judge.soonest)
        evidence = replace(
            sums(judge, 10).evidence, n=n, total=0 * judge.expected.allowed, squares=0 * judge.expected.covariance
        )
        assert not evidence.within(judge.expected.allowed, judge.settings.log_limit).all()
        later = replace(evidence, n=4 * n + 1000)
        assert later.within(judge.expected.allowed, judge.settings.log_limit).all()

    @pytest.mark.parametrize("tolerance", [0.1, 0.03])
    def test_what_is_likely_is_when_a_sampler_as_expected_is_right(self, tolerance):
        judge = court(tolerance=tolerance)
        covariance, within = judge.expected.covariance, (judge.expected.allowed, judge.settings.log_limit)
        for n, inside in ((judge.likely, True), (judge.likely / 1.06, False)):
            evidence = replace(sums(judge, 10).evidence, n=n, total=np.zeros(len(covariance)), squares=n * covariance)
            assert evidence.within(*within).all() == inside
        assert court(tolerance=1.0).likely == EARLIEST
        assert court(tolerance=1e-6, max_samples=50_000).likely >= 50_000

    @pytest.mark.parametrize("factor", [1.000001, 0.999999])
    def test_not_while_a_component_that_is_off_may_still_vary(self, factor):
        def nearly(problem, n, rng):
            return samplers.exact_gradient(problem, n, rng) * factor

        judge = court(sampler=nearly)
        assert judge.expected.complete > 100_000
        assert judge.judge(sums(judge, 50_000, nearly), last=True)[0] is None
        outcome, reason = judge.judge(sums(judge, judge.expected.complete, nearly), last=True)
        assert (outcome, reason) == ("wrong", "component [0] never varies, and is not the exact gradient")


class TestWrong:
    def test_by_the_mean(self):
        judge = court()
        outcome, reason = judge.judge(sums(judge, 5000, samplers.wrong_sign), last=False)
        assert (outcome, reason) == ("wrong", "the mean is not the exact gradient")

    def test_stages_share_alpha(self):
        judge = court()
        for stages in (1, 2):
            ready = np.array([0.0, 100.0 * (stages - 1)])
            staged = replace(judge, expected=replace(judge.expected, ready=ready))
            assert staged.mean_limit == pytest.approx(np.log(stages / MEAN_SHARE / judge.settings.alpha))

    def test_a_component_that_is_not_ready_is_not_judged(self):
        def second_off(problem, n, rng):
            return samplers.reinforce(problem, n, rng) + np.array([0.0, 1.0])

        judge = court()
        waiting = replace(judge, expected=replace(judge.expected, ready=np.array([0.0, 1e6])))
        outcome, reason = waiting.judge(sums(judge, 50_000, second_off), last=True)
        assert outcome is None
        assert reason == "rare outcomes carry the variance: 1,000,000 samples are needed, or a named estimator"
        assert judge.judge(sums(judge, 50_000, second_off), last=True)[0] == "wrong"


def test_what_has_not_varied():
    begun = np.full(3, np.inf)
    once = still_fixed(begun, np.array([[1.0, 2.0, 3.0], [1.0, 2.5, 3.0]]))
    np.testing.assert_array_equal(once, [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(still_fixed(once, np.array([[1.0, 2.0, 3.5]])), [1.0, np.nan, np.nan])


class TestVerdict:
    def test_undecided_says_what_could_hide_where(self):
        verdict = check_unbiased(samplers.reinforce, PAIR, max_samples=30_000, tolerance=0.01)
        assert verdict.outcome == "undecided"
        assert "; component [1] could be off by " in verdict.reason
        assert verdict.reason.endswith("and 0.0028 is allowed")
        assert verdict.certified > verdict.tolerance

    def test_a_gradient_of_zero_is_noted(self):
        problem = Problem(Bernoulli([0.0, 0.0]), Table([1.0, 0.0, 0.0, 1.0]), "even")
        verdict = check_unbiased(samplers.reinforce, problem, tolerance=0.2)
        assert verdict.outcome == "right"
        assert "note: the exact gradient is 0 here: a wrong factor or a wrong sign cannot show" in str(verdict)

        def off(problem, n, rng):
            return samplers.reinforce(problem, n, rng) + 0.1

        report = str(check_unbiased(off, problem, causes=False))
        assert "wrong: even" in report
        assert "inf" not in report.partition("evidence")[0]

    def test_every_component_that_is_off_alone_is_marked(self):
        verdict = check_unbiased(samplers.wrong_sign, PAIR, causes=False)
        assert (0,) in verdict.off
        assert verdict.worst in verdict.off

    def test_a_saturated_component_is_judged_in_its_own_units(self):
        def clamped(problem, n, rng):
            z = samplers.draw(problem, n, rng)
            return samplers.times(problem, problem.f(z), z - np.clip(problem.q.probs, 1e-6, 1 - 1e-6))

        assert check_unbiased(clamped, SATURATED, causes=False).outcome == "wrong"
        assert check_unbiased(samplers.reinforce, SATURATED).outcome == "right"


class TestSecondMoments:
    @pytest.mark.parametrize("estimator", [Reinforce(), GumbelSoftmax(0.5), Rebar(0.5)], ids=repr)
    def test_the_estimator_itself_is_right(self, estimator):
        verdict = check_moments(lambda p, n, rng: estimator.sample(p.q, p.f, n, rng), PAIR, estimator)
        assert verdict.outcome == "right"
        assert verdict.assumes.startswith("the exact second ")
        assert repr(estimator) in verdict.assumes
        off = np.abs(verdict.covariance - verdict.exact_covariance)
        assert (off < 6.5 * verdict.covariance_error + 1e-12).all()  # false alarms: 1e-9

    @pytest.mark.parametrize("name", ["rebar-independent-coupling", "rebar-squared-coefficient", "mu-prop-no-constant"])
    def test_what_is_unbiased_and_still_wrong(self, name):
        (mistake,) = [m for m in mistakes("bernoulli") if m.name == name]

        def sampler(problem, n, rng):
            return mistake.estimator.sample(problem.q, problem.f, n, rng)

        problem = standard_problems("bernoulli")[2]
        assert check_unbiased(sampler, problem).outcome == "right"
        verdict = check_moments(sampler, problem, mistake.of, causes=False)
        assert verdict.outcome == "wrong"
        assert verdict.reason == "the mean or the covariance is not that of the named estimator"
        assert "covariance  " in str(verdict)

    def test_a_biased_one_has_its_own_bias(self):
        def other(problem, n, rng):
            return GumbelSoftmax(0.6).sample(problem.q, problem.f, n, rng)

        assert check_moments(other, PAIR, GumbelSoftmax(0.6)).outcome == "right"
        assert check_moments(other, PAIR, GumbelSoftmax(0.5), causes=False).outcome == "wrong"

    def test_of_means(self):
        def mean(problem, n, rng):
            return samplers.reinforce(problem, n, rng).mean(axis=0)

        options = {"rows": 5, "tolerance": 0.5, "alpha": 1e-3, "max_samples": 300_000, "causes": False}
        assert check_moments(mean, PAIR, Reinforce(), **options).outcome == "right"
        assert check_moments(lambda p, n, rng: mean(p, n - 1, rng), PAIR, Reinforce(), **options).outcome == "wrong"

    def test_an_estimator_of_another_family(self):
        categorical = standard_problems("categorical")[0]
        (mistake,) = [m for m in mistakes("bernoulli") if m.name == "reinforce-uniform-capped"]
        with pytest.raises(ValueError, match=r"needs a problem of \('bernoulli',\), but was given three categories"):
            check_moments(samplers.reinforce, categorical, mistake.estimator)
