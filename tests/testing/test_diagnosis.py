"""Which mistake explains a sampler: named where it is known, not named where it is not, never for a right one alone."""

import json
import re
from functools import partial
from itertools import product

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.estimators import GumbelSoftmax, MuProp, Rebar, Reinforce, Relax
from refgrad.objectives import Interacting, Table
from refgrad.testing import Problem, check_unbiased, mistakes, standard_problems
from refgrad.testing import _ranking as ranking
from refgrad.testing import diagnosis as module
from refgrad.testing._candidates import Candidate, candidates, rehearsal
from refgrad.testing._fit import Expectation, Sample, averaged
from refgrad.testing._patterns import suggestion
from refgrad.testing.diagnosis import diagnose, diagnosis_problems

from . import samplers

FAMILIES = ("bernoulli", "categorical")
NAMED = {m.name: m for m in mistakes()}
families = pytest.mark.parametrize("family", FAMILIES)


def drawn(estimator, problem, n, rng):
    return estimator.sample(problem.q, problem.f, n, rng)


def sampler_of(estimator):
    return partial(drawn, estimator)


def estimate(problem, n, rng):
    """As in the README: groups of four."""
    probs = 1 / (1 + np.exp(-problem.logits))
    z = (rng.random((n, 4, *probs.shape)) < probs).astype(float)
    advantage = problem.f(z) - problem.f(z).mean(axis=1, keepdims=True)
    return (advantage[..., None] * (z - probs)).mean(axis=1)


class TestTheCatalogue:
    @pytest.mark.exhaustive
    @families
    @pytest.mark.parametrize(("n", "share"), [(1000, 0.98), (20_000, 1.0)])
    def test_every_mistake_is_named(self, family, n, share):
        missed = []
        for mistake in mistakes(family):
            cause = diagnose(sampler_of(mistake.estimator), family, n=n).causes[0]
            if mistake.name not in {cause.name, *cause.alike} or cause.mean_only:
                missed.append((mistake.name, cause.name))
        assert len(missed) <= (1 - share) * len(mistakes(family)), missed

    def test_at_twenty_thousand_few_are_tied(self):
        alike = ("mu-prop-expanded-at-the-sample", ("mean-substitution-straight-through",))
        cause = diagnose(sampler_of(NAMED[alike[0]].estimator), "bernoulli").causes[0]
        assert (cause.name, cause.alike) == alike
        for name in ("reinforce-mean-of-2-rows", "product-of-means-of-2", "own-sample-in-the-mean-of-2"):
            cause = diagnose(sampler_of(NAMED[name].estimator), "bernoulli").causes[0]
            assert (cause.name, cause.alike) == (name, ())

    @pytest.mark.parametrize(
        ("right", "name"),
        [
            (Rebar(0.3, 0.9), "rebar-no-slopes"),
            (Rebar(0.3, 0.9), "rebar-squared-coefficient"),
            (Rebar(0.3, 0.9), "rebar-detached-noise-given-z"),
            (GumbelSoftmax(1.3), "gumbel-softmax-logits-divided-alone"),
            (MuProp(2), "mu-prop-no-share-of-curvature"),
        ],
        ids=str,
    )
    def test_with_the_settings_of_a_named_estimator(self, right, name):
        cause = diagnose(sampler_of(NAMED[name].like(right).estimator), "bernoulli", estimator=right).causes[0]
        assert (cause.name, cause.mean_only) == (name, False)

    def test_the_named_estimator_itself(self):
        causes = diagnose(sampler_of(Rebar(0.3, 0.9)), "bernoulli", estimator=Rebar(0.3, 0.9)).causes
        assert causes[0].name == "Rebar(temperature=0.3, coefficient=0.9)"
        assert "no bias seen" in causes[0].text

    def test_the_group_of_the_readme(self):
        for problems in ("bernoulli", None):
            diagnosis = diagnose(estimate, problems)
            assert diagnosis.causes[0].name == "own-sample-in-the-mean-of-4"
            assert not diagnosis.causes[0].mean_only
            assert abs(diagnosis.factor - 0.75) < 5 * diagnosis.factor_error
            assert diagnosis.factor_fits
        assert len(diagnosis.failures) == 4  # it does not run on a Categorical
        assert "m = 4" in str(diagnosis)

    @pytest.mark.parametrize("k", [2, 5, 30])
    def test_the_average_of_a_group_has_its_covariance_divided(self, k):
        def group(problem, n, rng):
            rows = NAMED["own-sample-in-the-mean-of-4"].estimator.sample(problem.q, problem.f, n * k, rng)
            return rows.reshape(n, k, *problem.q.event_shape).mean(axis=1)

        cause = diagnose(group, "bernoulli").causes[0]
        assert (cause.name, cause.average, cause.mean_only) == ("own-sample-in-the-mean-of-4", k, False)

    def test_a_temperature_of_its_own(self):
        cause = diagnose(sampler_of(GumbelSoftmax(0.31)), "bernoulli").causes[0]
        assert cause.name.startswith("GumbelSoftmax(temperature=0.3")
        assert not cause.mean_only


class TestRightOnes:
    @families
    @pytest.mark.parametrize("n", [1000, 20_000])
    @pytest.mark.parametrize("sampler", samplers.RIGHT, ids=lambda s: s.__name__)
    def test_no_mistake_alone(self, sampler, n, family):
        causes = diagnose(sampler, family, n=n).causes
        assert any(cause.name == "exact-gradient" for cause in causes)
        assert "no bias seen" in causes[0].text

    @pytest.mark.parametrize("right", [Reinforce(), Rebar(), MuProp(), Relax()], ids=str)
    def test_by_name(self, right):
        cause = diagnose(sampler_of(right), "bernoulli").causes[0]
        assert cause.name.startswith(type(right).__name__)
        assert cause.text.endswith("(mean and covariance fit)") or cause.alike
        assert not cause.mistake

    def test_the_rate(self):
        # False alarms: 30 times 1e-6.
        for seed in range(30):
            assert diagnose(samplers.reinforce, "bernoulli", n=100, seed=seed).causes[0].name != "unknown"


def values(problem, n, rng, change):
    z = samplers.draw(problem, n, rng)
    return samplers.times(problem, change(problem.f(z), problem.q.log_prob(z)), problem.q.score(z))


def rows(problem, n, rng, change):
    return change(samplers.reinforce(problem, n, rng), problem)


def off_policy(problem, n, rng):
    q = type(problem.q)(problem.logits / 2)
    z = q.sample(q.draw_noise(n, rng))
    return samplers.times(problem, problem.f(z), problem.q.score(z))


def squared_score(problem, n, rng):
    z = samplers.draw(problem, n, rng)
    return samplers.times(problem, problem.f(z), problem.q.score(z) ** 2)


UNKNOWN = {
    "cube": partial(values, change=lambda f, log_prob: f**3),
    "absolute": partial(values, change=lambda f, log_prob: np.abs(f)),
    "entropy": partial(values, change=lambda f, log_prob: f - 0.5 * log_prob),
    "clipped value": partial(values, change=lambda f, log_prob: np.clip(f, -0.3, 0.8)),
    "rank": partial(values, change=lambda f, log_prob: f > 0.25),
    "clipped": partial(rows, change=lambda x, problem: np.clip(x, -0.3, 0.3)),
    "sign": partial(rows, change=lambda x, problem: np.sign(x)),
    "weight decay": partial(rows, change=lambda x, problem: x - 0.2 * problem.logits),
    "normalised": partial(rows, change=lambda x, problem: x / (np.abs(x) + 0.1)),
    "positive": partial(rows, change=lambda x, problem: np.maximum(x, 0)),
    "off policy": off_policy,
    "squared score": squared_score,
    "constant": lambda problem, n, rng: np.full((n, *problem.q.event_shape), 0.7),
}


class TestWithoutACatalogue:
    @families
    @pytest.mark.parametrize("sampler", UNKNOWN.values(), ids=UNKNOWN)
    def test_what_is_not_known_is_not_named(self, sampler, family):
        diagnosis = diagnose(sampler, family)
        assert [cause.name for cause in diagnosis.causes] == ["unknown"]
        assert "none of the known mistakes" in str(diagnosis)
        assert "which does not fit" in str(diagnosis)

    @families
    @pytest.mark.parametrize("factor", [0.37, -2.0, 1.3, 0.0, 8 / 9])
    def test_a_factor(self, factor, family):
        diagnosis = diagnose(
            partial(
                rows,
                change=lambda x, problem: (
                    factor * samplers.exact_gradient(problem, len(x), None) + 0.5 * (x - problem.gradient)
                ),
            ),
            family,
        )
        assert diagnosis.causes[0].name == "multiple-of-the-gradient"
        assert abs(diagnosis.factor - factor) < 5 * diagnosis.factor_error
        assert diagnosis.factor_fits

    @pytest.mark.parametrize(
        ("c", "error", "text"),
        [
            (-1.001, 0.001, "wrong sign, or a loss was taken for f"),
            (0.0, 0.01, "mean zero"),
            (0.7501, 0.001, "(m - 1)/m, as if each sample were in the mean of m samples that is its baseline, m = 4"),
            (0.3334, 0.001, "1/m: a mean over m where a sum was meant, m = 3"),
            (2.0, 0.01, "counted twice"),
            (5.002, 0.01, "m: a sum over m where a mean was meant, m = 5"),
            (0.98, 0.001, "m about 50"),
            (1.0, 0.01, "no bias seen"),
            (0.37, 0.001, ""),
            (-0.4, 0.001, ""),
        ],
    )
    def test_what_a_factor_suggests(self, c, error, text):
        found = suggestion(c, error)
        assert text in found if text else not found

    def test_a_half_has_two_readings(self):
        assert "(m - 1)/m" in suggestion(0.5, 0.001)
        assert "1/n for the n = 20,000 rows of a call" in suggestion(5.2e-5, 5e-6, 20_000)
        assert suggestion(5e-5, 2e-5, 20_000) == ": mean zero"
        assert "1/m" in suggestion(0.5, 0.001)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda x, problem: x * (np.arange(x.shape[1]) > 0), "variable 0 is .* it is missing; the rest is right"),
            (
                lambda x, problem: x * (1 - 2.0 * (np.arange(x.shape[1]) == 1)),
                "variable 1 is -.* it is reversed; the rest",
            ),
            (lambda x, problem: x[:, ::-1], "the variables in reverse order"),
            (lambda x, problem: x * x.shape[1], "times the number of variables"),
            (lambda x, problem: x + 0.125, r"the exact gradient plus 0\.12"),
        ],
    )
    def test_a_part(self, change, text):
        diagnosis = diagnose(partial(rows, change=change), "bernoulli")
        assert len(diagnosis.causes) == 1
        assert re.search(text, diagnosis.causes[0].text)

    def test_the_categories_in_reverse(self):
        diagnosis = diagnose(partial(rows, change=lambda x, problem: x[..., ::-1]), "categorical")
        assert diagnosis.causes[0].name == "categories-in-reverse"


class TestOddSamplers:
    def test_rows_that_are_not_finite_are_counted(self):
        diagnosis = diagnose(samplers.some_nan, "bernoulli")
        assert diagnosis.not_finite > 0
        assert f"{diagnosis.not_finite:,} rows that are not finite" in str(diagnosis)
        assert "Reinforce()" in diagnosis.causes[0].text

    @pytest.mark.parametrize(
        "sampler",
        [
            lambda problem, n, rng: np.full((n, *problem.q.event_shape), np.nan),
            lambda problem, n, rng: np.full((n, *problem.q.event_shape), 1e300),
            lambda problem, n, rng: np.zeros(3),
            lambda problem, n, rng: "no",
            lambda problem, n, rng: 1 / 0,
        ],
        ids=["nan", "huge", "shape", "text", "raises"],
    )
    def test_none_where_it_does_not_run(self, sampler):
        diagnosis = diagnose(sampler)
        assert [cause.name for cause in diagnosis.causes] == ["unknown"]
        assert len(diagnosis.failures) == len(diagnosis_problems())
        assert diagnosis.problems == ()
        json.dumps(diagnosis.to_dict(), allow_nan=False)

    def test_zeros_are_a_mean_of_zero(self):
        diagnosis = diagnose(lambda problem, n, rng: np.zeros((n, *problem.q.event_shape)), "bernoulli")
        assert "mean zero" in diagnosis.causes[0].text

    def test_one_that_knows_a_single_problem(self):
        own = Problem(Bernoulli([0.5, -1.0]), Table([0.25, 1.0, -2.0, 0.5]), "own")

        def picky(problem, n, rng):
            if problem is not own:
                raise KeyError(problem.name)
            return samplers.wrong_sign(problem, n, rng)

        diagnosis = diagnose(picky, [*diagnosis_problems("bernoulli"), own])
        assert diagnosis.problems == (str(own),)
        assert diagnosis.causes[0].name == "reinforce-wrong-sign"
        assert len(diagnosis.failures) == 4

    def test_nonsense_on_the_other_family(self):
        def bernoulli_only(problem, n, rng):
            return (
                samplers.wrong_sign(problem, n, rng)
                if problem.family == "bernoulli"
                else rng.random((n, *problem.q.event_shape))
            )

        diagnosis = diagnose(bernoulli_only)
        assert diagnosis.causes[0].name == "reinforce-wrong-sign"
        assert all("bernoulli" in name for name in diagnosis.problems)

    def test_forms(self):
        half = sampler_of(NAMED["reinforce-mean-of-4-rows"].estimator)
        mean = diagnose(lambda *call: half(*call).mean(axis=0), "bernoulli", rows=20, n=40_000)
        loss = diagnose(lambda *call: -half(*call), "bernoulli", loss=True)
        assert mean.causes[0].name == loss.causes[0].name == "reinforce-mean-of-4-rows"
        assert mean.causes[0].average == 1
        assert mean.n == 2000

    def test_a_relaxation_of_four_variables(self):
        problem = standard_problems("bernoulli")[6]
        diagnosis = diagnose(sampler_of(NAMED["rebar-no-slopes"].estimator), problem)
        assert diagnosis.causes[0].name == "rebar-no-slopes"
        assert diagnosis.skipped == 0

    def test_a_large_problem(self):
        rng = np.random.default_rng(0)
        problem = Problem(Bernoulli(rng.normal(size=7)), Interacting(0.5, *rng.normal(size=(4, 7))), "seven variables")
        diagnosis = diagnose(sampler_of(NAMED["rebar-no-slopes"].estimator), problem)
        assert diagnosis.causes[0].name == "rebar-no-slopes"
        assert diagnosis.skipped > 0
        assert f"{diagnosis.skipped} of them" in str(diagnosis)


class TestReport:
    def test_it_repeats(self):
        one, other = (diagnose(samplers.wrong_sign, "bernoulli", n=500, seed=3) for _ in range(2))
        assert str(one) == str(other)
        assert "repeat with n=500, seed=3" in str(one)
        assert one.to_dict() == json.loads(json.dumps(one.to_dict(), allow_nan=False))
        assert one.to_dict()["causes"][0]["name"] == "reinforce-wrong-sign"

    def test_one_line_a_cause(self):
        cause = diagnose(samplers.wrong_sign, "bernoulli", n=500).causes[0]
        assert (
            str(cause)
            == cause.text
            == "reinforce-wrong-sign: a loss, `-f`, was taken for the reward f (mean and covariance fit)"
        )

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "message"),
        [
            (["normal"], {}, ValueError, "family needs to be 'bernoulli' or 'categorical', but is 'normal'"),
            ([[]], {}, ValueError, "at least one problem, but was given none"),
            ([[3]], {}, TypeError, "instances of Problem, but has 3"),
            ([], {"n": 99}, ValueError, "n needs to be a whole number of at least 100, but is 99"),
            ([], {"n": 1e3}, ValueError, "n needs to be a whole number of at least 100, but is 1000.0"),
            ([], {"estimator": Rebar}, TypeError, "needs to be an instance of an Estimator"),
            ([], {"wrt": "odds"}, ValueError, "wrt needs to be 'logits' or 'probs'"),
            ([], {"rows": 0}, ValueError, "rows needs to be None or a whole number of at least 1"),
            (
                ["categorical"],
                {"estimator": NAMED["reinforce-uniform-capped"].estimator},
                ValueError,
                "serves bernoulli, but the problems are categorical",
            ),
        ],
    )
    def test_errors(self, arguments, options, error, message):
        with pytest.raises(error, match=message):
            diagnose(samplers.reinforce, *arguments, **options)


class TestFit:
    def test_third_and_fourth_moments_of_an_average(self):
        rng = np.random.default_rng(0)
        atoms, probs, k = rng.normal(size=(3, 2)), np.array([0.5, 0.25, 0.25]), 3
        pairs = np.triu_indices(2)

        def expectation(rows, weights):
            mean = weights @ rows
            rest = rows - mean
            products = rest[:, pairs[0]] * rest[:, pairs[1]]
            features = np.concatenate([rest, products - weights @ products], axis=1)
            return Expectation(mean, weights @ products, (weights[:, None] * features).T @ features)

        index = np.array(list(product(range(3), repeat=k)))
        needed = expectation(atoms[index].mean(axis=1), probs[index].prod(axis=1))
        given = averaged(expectation(atoms, probs), k, pairs)
        np.testing.assert_allclose(given.mean, needed.mean, atol=1e-14)
        np.testing.assert_allclose(given.products, needed.products, atol=1e-14)
        np.testing.assert_allclose(given.covariance, needed.covariance, atol=1e-14)

    def test_a_rehearsal_leaves_no_configuration_to_chance(self):
        # One in 3e9: in 4,096 plain rows it would be missing.
        problem = Problem(Bernoulli([-22.0]), Table([0.25, 1.5]), "rare")
        trial = rehearsal(Candidate("Reinforce()", Reinforce()), problem)
        assert len(np.unique(trial.rows.round(12))) == 2
        exact = problem.q.probs[0] * 1.5**2 + 0.25**2 * problem.q.probs[0] ** 2
        assert trial.weights @ trial.rows[:, 0] ** 2 == pytest.approx(exact, rel=0.2)

    def test_a_mask_is_served_by_what_can(self):
        problem = Problem(Categorical([[0.5, -np.inf, 0.25]]), Table([1.0, 9.0, 2.0], event_shape=(1, 3)), "masked")
        assert diagnose(samplers.wrong_sign, problem).causes[0].name in {
            "multiple-of-the-gradient",
            "reinforce-wrong-sign",
        }

    def test_names_are_distinct(self):
        for estimator in (None, Rebar(0.3, 0.9)):
            names = [candidate.name for candidate in candidates(estimator)]
            assert len(set(names)) == len(names)
            assert set(NAMED) <= set(names)


class TestBrokenOnPurpose:
    def test_a_ranking_that_ignores_the_covariance(self, monkeypatch):
        sampler = sampler_of(NAMED["product-of-means-of-2"].estimator)
        assert not diagnose(sampler, "bernoulli").causes[0].alike
        monkeypatch.setattr(Sample, "score", lambda self, expected: self.score_of_mean(expected.mean))
        monkeypatch.setattr(Sample, "against", lambda self, expected: self.against_mean(expected.mean))
        names = {cause.name for cause in diagnose(sampler, "bernoulli").causes}
        broken = diagnose(sampler, "bernoulli").causes[0]
        assert broken.name != "product-of-means-of-2" or broken.alike, names

    def test_nothing_is_ever_rejected(self, monkeypatch):
        monkeypatch.setattr(ranking, "ALPHA", 1e-300)
        assert diagnose(UNKNOWN["entropy"], "bernoulli").causes[0].name != "unknown"

    @pytest.mark.parametrize(("fresh", "shared"), [(module.FRESH, False), (0, True)])
    def test_samples_are_not_those_of_a_check(self, monkeypatch, fresh, shared):
        monkeypatch.setattr(module, "FRESH", fresh)
        seen = []

        def watched(problem, n, rng):
            seen.append(rng.bit_generator.state["state"]["state"])
            return samplers.wrong_sign(problem, n, rng)

        check_unbiased(watched, diagnosis_problems("bernoulli")[0], causes=False)
        of_the_check = set(seen)
        seen.clear()
        diagnose(watched, "bernoulli", n=100)
        assert bool(of_the_check & set(seen)) == shared


def test_nobody_is_asked_for_much_before_it_is_seen_to_run():
    asked = []

    def for_one_family(problem, n, rng):
        asked.append((problem.family, n))
        if problem.family == "categorical":
            raise MemoryError
        return samplers.reinforce(problem, n, rng)

    found = diagnose(for_one_family, n=1000)
    assert [n for family, n in asked if family == "categorical"] == [2] * 4
    assert len(found.failures) == 4


def test_of_nothing_nothing_is_said():
    def never(problem, n, rng):
        raise KeyError

    assert "missed with probability" not in str(diagnose(never))
