"""Every known mistake, refuted by name and exactly; the estimator that it is taken for passes the same checks."""

import pickle
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, Estimator, GumbelSoftmax, Rebar, Reinforce, Relax
from refgrad.objectives import Interacting, Table
from refgrad.testing import Mistake, Problem, exact_problems, mistakes, standard_problems
from refgrad.testing.mistakes import control_variate, gumbel_softmax, mu_prop, rebar, reinforce

EPS = np.finfo(float).eps
ONE = Problem(Bernoulli([-0.75]), Table([0.25, 1.5]), "one variable")
PAIR = Problem(
    Bernoulli([1.25, -0.375]), Interacting(0.5, [1.0, -0.75], [0.5, 1.25], [-0.25, 0.75], [0.75, -0.5]), "two variables"
)
PAIRS = Problem(
    Categorical([[0.5, 1.0], [2.0, 1.25]]),
    Interacting(0.5, *np.array([[3, -8, 5, 1], [-2, 6, 7, -4], [4, 2, -6, 8], [1, -5, 8, -7]]).reshape(4, 2, 2) / 8),
    "two variables of two categories",
)
THREE = Problem(
    Categorical([[1.0, 2.5, 0.5]]),
    Interacting(0.5, *np.array([[5, -2, 4], [-8, 3, 1], [2, 7, -4], [6, -3, 8]]).reshape(4, 1, 3) / 8),
    "three categories",
)
TWO_THREES = Problem(
    Categorical([[0.5, 1.0, -0.625], [2.0, 1.25, 2.5]]),
    Interacting(0.5, *np.array([3, -8, 5, 1, -2, 6, 7, -4, 4, 2, -6, 8, 1, -5, 8, -7] * 2)[:24].reshape(4, 2, 3) / 8),
    "two variables of three categories",
)
EXTREMES = [
    Problem(Bernoulli([-5.5]), Table([0.25, 1.5]), "rare"),
    Problem(Bernoulli([-17.0]), Table([0.25, 1.5]), "very rare"),
    Problem(Categorical([[0.5, -5.5]]), Table([0.25, 1.5], event_shape=(1, 2)), "rare"),
    Problem(Categorical([[0.5, -17.0]]), Table([0.25, 1.5], event_shape=(1, 2)), "very rare"),
]
ALL = mistakes()
PARTS = (
    (reinforce.Parts(), Reinforce()),
    *((control_variate.Parts(m.of.control_variate, coefficient=0.5), m.of) for m in control_variate.MISTAKES[:2]),
    (mu_prop.Parts(), mu_prop.MuProp()),
    (mu_prop.SecondParts(), mu_prop.MuProp(2)),
    (gumbel_softmax.Parts(), GumbelSoftmax(0.5)),
    (rebar.Parts(), Rebar(0.5, 0.75)),
    (rebar.Parts(control_variate=ALL[-1].of.control_variate), Relax(ALL[-1].of.control_variate, 0.5, 0.75)),
)
every_mistake = pytest.mark.parametrize("mistake", ALL, ids=lambda m: m.name)


def battery(mistake):
    """Problems that both estimators take, and on which they are integrated in a second."""
    integrated = sum(word != "z" for word in mistake.estimator.claims.reads)
    problems = [ONE] if mistake.estimator.draws == 3 else [ONE, PAIR, PAIRS]
    problems += [THREE] if integrated < 2 else []
    problems += [TWO_THREES] if integrated == 0 else []
    problems += EXTREMES if mistake.effect == "bias at extremes" else []
    return [problem for problem in problems if mistake.serves(problem.q)]


@cache
def moments(estimator, problem):
    return exact.moments(estimator, problem.q, problem.f)


def differences(wrong, right, problem, name):
    """Difference of a moment, its numerical error, and the size of the moment itself."""
    one, other = moments(wrong, problem), moments(right, problem)
    given, needed = getattr(one, name), getattr(other, name)
    error = (one.error + other.error).ravel()
    if name == "covariance":
        error = np.add.outer(error, error).reshape(given.shape)
    return np.abs(given - needed), error.reshape(given.shape), np.abs(needed).max()


def shows(wrong, right, problem, name):
    """Whether a moment differs by 1000 times its error, an error of 1e-10 at most, and by a thousandth of its size."""
    off, error, size = differences(wrong, right, problem, name)
    return bool(((off > 1000 * error) & (off > 1e-3 * size) & (error <= 1e-10)).any())


def agrees(wrong, right, problem, name):
    off, error, _ = differences(wrong, right, problem, name)
    return bool((off <= error).all())


@every_mistake
class TestEveryMistake:
    def test_it_is_refuted(self, mistake):
        wrong, right, problems = mistake.estimator, mistake.of, battery(mistake)
        if mistake.effect == "biased":
            assert any(shows(wrong, right, problem, "mean") for problem in problems)
        elif mistake.effect == "bias at extremes":
            assert any(shows(wrong, right, problem, "mean") for problem in problems if problem in EXTREMES)
        else:
            assert all(agrees(wrong, right, problem, "mean") for problem in problems)
            assert any(shows(wrong, right, problem, "covariance") for problem in problems)

    def test_what_it_is_taken_for_is_not(self, mistake):
        for problem in battery(mistake):
            right = moments(mistake.of, problem)
            if mistake.of.claims.unbiased:
                assert (np.abs(right.mean - problem.gradient) <= right.error).all()
            assert not shows(mistake.of, mistake.of, problem, "mean")
            assert not shows(mistake.of, mistake.of, problem, "covariance")

    def test_its_claims_are_true(self, mistake):
        claims = mistake.estimator.claims
        assert claims.unbiased == (mistake.effect == "variance")
        assert len(claims.reads) == mistake.estimator.draws
        assert mistake.families == claims.families
        assert mistake.derivation == mistake.of.claims.derivation
        assert (Path(__file__).parents[2] / "derivations" / f"{mistake.derivation}.md").exists()
        for problem in (PAIR, PAIRS):
            if problem.family not in claims.families:
                with pytest.raises(TypeError, match="family"):
                    draw(mistake.estimator, problem)

    def test_draws_read_through_z_do_not_feel_the_rest_of_the_noise(self, mistake):
        for problem in battery(mistake):
            q, (noise, estimates) = problem.q, draw(mistake.estimator, problem)
            for at, word in enumerate(mistake.estimator.claims.reads):
                if word == "z":
                    fresh = q.draw_noise(noise.shape[1], np.random.default_rng(1))
                    noise[at] = q.noise_given(q.sample(noise[at]), fresh)
            np.testing.assert_array_equal(mistake.estimator(q, problem.f, noise), estimates)

    def test_integrated_without_its_claims(self, mistake):
        if set(mistake.estimator.claims.reads) - {"z"}:
            problem = next(p for p in (ONE, THREE) if mistake.serves(p.q))
            plain = Plain(mistake.estimator)
            if problem is ONE:
                assert agrees(plain, mistake.estimator, problem, "mean")
                assert agrees(plain, mistake.estimator, problem, "covariance")
            else:
                assert agrees(plain, mistake.estimator, problem, "mean")

    def test_rows_sum_to_zero_and_variables_are_alike_as_claimed(self, mistake):
        claims = mistake.estimator.claims
        for problem in battery(mistake):
            q, (noise, estimates) = problem.q, draw(mistake.estimator, problem)
            rounding = 2000 * EPS * (1 + np.abs(estimates).max())
            if q.event_ndim == 2 and claims.shift_invariant:
                assert (np.abs(estimates.sum(axis=-1)) <= rounding).all()
            if claims.symmetric and q.event_shape[0] == 2:
                back = (..., slice(None, None, -1), *[slice(None)] * (q.event_ndim - 1))
                turned = mistake.estimator(type(q)(q.logits[back]), partial(flipped, problem.f, back), noise[back])
                assert (np.abs(turned[back] - estimates) <= rounding).all()

    def test_it_goes_to_another_process(self, mistake):
        again = pickle.loads(pickle.dumps(mistake))
        assert again == mistake
        assert again.estimator.draws == mistake.estimator.draws


def flipped(f, back, z):
    return f(z[back])


def draw(estimator, problem, n=20):
    noise = estimator.draw_noise(problem.q, n, np.random.default_rng(0))
    return noise, estimator(problem.q, problem.f, noise)


@dataclass(frozen=True)
class Plain(Estimator):
    """An estimator of which the oracle is told nothing."""

    of: Estimator

    @property
    def draws(self):
        return self.of.draws

    @property
    def claims(self):
        return replace(self.of.claims, reads=("cell",) * self.draws, additive=False)

    def __call__(self, q, f, noise):
        return self.of(q, f, noise)


@pytest.mark.parametrize(("parts", "right"), PARTS, ids=repr)
def test_the_parts_as_they_stand_are_right(parts, right):
    for problem in (ONE, PAIR, PAIRS, THREE):
        if problem.family in right.claims.families:
            noise, needed = draw(right, problem)
            given = parts(problem.q, problem.f, noise)
            assert (np.abs(given - needed) <= 2000 * EPS * (1 + np.abs(needed).max())).all()


@pytest.mark.exhaustive
def test_no_two_have_the_same_moments():
    named = {m.name: m for m in ALL}
    alike = []
    for one, other in combinations(ALL, 2):
        shared = [problem for problem in battery(one) if problem in battery(other)]
        told_apart = not shared or any(
            (off > 10 * error).any()
            for problem in shared
            for off, error, _ in (
                differences(one.estimator, other.estimator, problem, name) for name in ("mean", "covariance")
            )
        )
        if not told_apart:
            alike.append((one.name, other.name))
    assert sorted(alike) == sorted(
        tuple(m.name for m in ALL if m.name in {one.name, one.same_as}) for one in ALL if one.same_as
    )
    assert all(one.same_as in named for one in ALL if one.same_as)


class TestCatalogue:
    def test_names_are_distinct_slugs(self):
        names = [m.name for m in ALL]
        assert len(set(names)) == len(names)
        assert all(name.replace("-", "").isalnum() and name == name.lower() for name in names)
        assert all(m.bug and m.seen_in for m in ALL)

    def test_by_family(self):
        for family in ("bernoulli", "categorical"):
            assert mistakes(family) == [m for m in ALL if family in m.families]
        assert {m.name for m in ALL} == {m.name for f in ("bernoulli", "categorical") for m in mistakes(f)}
        with pytest.raises(ValueError, match="family needs to be 'bernoulli' or 'categorical', but is 'normal'"):
            mistakes("normal")

    def test_an_effect_that_is_none(self):
        with pytest.raises(ValueError, match=r"effect of .*, but slip has 'slow'"):
            Mistake("slip", Reinforce(), Reinforce(), "a slip", effect="slow")

    def test_like_another_right_one(self):
        named = {m.name: m for m in ALL}
        slip = named["rebar-detached-noise-given-z"].like(Rebar(0.125, 2.0))
        assert (slip.estimator.temperature, slip.estimator.coefficient) == (0.125, 2.0)
        assert slip.of == Rebar(0.125, 2.0)
        assert slip.name == "rebar-detached-noise-given-z"
        kept = named["reinforce-mean-of-4-rows"]
        assert kept.like(Reinforce()) == kept
        with pytest.raises(TypeError, match=r"reinforce-wrong-sign needs a Reinforce, but was given Rebar"):
            named["reinforce-wrong-sign"].like(Rebar())

    @pytest.mark.parametrize(
        ("name", "right", "message"),
        [
            (
                "rebar-no-slopes",
                Rebar(coupled=True),
                "needs an estimator with fresh noise of its own, but .*coupled=True",
            ),
            ("mu-prop-no-correction", mu_prop.MuProp(2), "NoCorrection is a mistake of order 1, but the order is 2"),
            ("mu-prop-moving-point", mu_prop.MuProp(1), "MovingPoint is a mistake of order 2, but the order is 1"),
            ("constant-baseline-wrong-axis", ConstantBaseline(0.5), r"shape \(D, D\), but it has shape \(\)"),
            ("rebar-no-slopes", Rebar(), None),
            ("gumbel-softmax-shared-noise", GumbelSoftmax(2.0), None),
        ],
    )
    def test_settings_that_a_mistake_has_not(self, name, right, message):
        slip = next(m for m in ALL if m.name == name)
        if message is None:
            assert slip.like(right).of == right
        else:
            with pytest.raises(ValueError, match=message):
                slip.like(right)

    def test_a_masked_category_is_not_served(self):
        for slip in mistakes("categorical"):
            assert not slip.serves(Categorical([[0.5, -np.inf], [0.0, 1.0]]))

    @pytest.mark.parametrize("problem", exact_problems() + standard_problems(), ids=str)
    def test_every_problem_that_is_served_has_finite_estimates(self, problem):
        for slip in mistakes(problem.family):
            if slip.serves(problem.q):
                assert np.isfinite(draw(slip.estimator, problem)[1]).all(), slip.name

    def test_a_batch_is_its_rows(self):
        rng = np.random.default_rng(0)
        for cls, shape in ((Bernoulli, (3,)), (Categorical, (2, 3))):
            q, f = cls(rng.normal(size=(4, *shape))), Interacting(0.5, *rng.normal(size=(4, *shape)))
            rows = [cls(logits) for logits in q.logits]
            for slip in (slip for slip in mistakes(q.family) if slip.serves(rows[0])):
                noise = slip.estimator.draw_noise(q, 5, rng)
                together = slip.estimator(q, f, noise)
                for at, row in enumerate(rows):
                    np.testing.assert_array_equal(together[:, at], slip.estimator(row, f, noise[:, :, at]))

    def test_a_baseline_of_another_shape_is_not_served(self):
        slip = next(m for m in ALL if m.name == "constant-baseline-wrong-axis")
        assert slip.serves(PAIRS.q)
        assert not slip.serves(THREE.q)
        assert not slip.serves(PAIR.q)


class TestTheChecksBroken:
    def test_a_right_one_among_the_mistakes(self):
        assert not shows(reinforce.Parts(), Reinforce(), PAIR, "mean")
        assert not shows(rebar.Parts(), Rebar(0.5, 0.75), ONE, "covariance")
        assert not agrees(reinforce.WrongSign(), Reinforce(), PAIR, "mean")

    def test_a_false_claim_of_what_is_read(self):
        """Said to be read through z alone, the noise of a relaxed sample is not integrated."""

        class FalselyRead(gumbel_softmax.Parts):
            claims = replace(gumbel_softmax.Parts.claims, reads=("z",))

        assert not agrees(Plain(FalselyRead()), FalselyRead(), ONE, "mean")
