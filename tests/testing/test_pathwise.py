"""Row by row: every mistake is seen and named, the exactly unbiased ones too, and rounding is not a mistake."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.estimators import ConstantBaseline, GumbelSoftmax, Rebar, Reinforce
from refgrad.objectives import Interacting
from refgrad.testing import Problem, built_in, exact_problems, mistakes, pathwise
from refgrad.testing._cases import TIE, Vector, vectors_of
from refgrad.testing._rounding import FLOAT32
from refgrad.testing.pathwise import Case, assert_pathwise, cases, check_pathwise, check_vectors
from refgrad.testing.vectors import shipped
from refgrad.testing.vectors._settings import made
from testing import single


def interacting(*shape):
    return Interacting(0.5, *np.random.default_rng(3).integers(-8, 9, size=(4, *shape)) / 8)


PAIR = Problem(Bernoulli([0.6, -1.1]), interacting(2), "pair")
PAIRS = Problem(Categorical([[0.5, 1.0], [2.0, 1.2]]), interacting(2, 2), "pairs")
RARE = [
    Problem(Bernoulli([-6.0]), interacting(1), "rare"),
    Problem(Categorical([[0.0, -6.0]]), interacting(1, 2), "rare"),
]
REBAR = Rebar(0.5, 0.75)
RUN = [m for m in mistakes() if m.estimator.draws == m.of.draws]
# Nobody draws what happens once in 10 million draws: that is for a noise design.
UNSEEN = {"reinforce-uniform-on-a-grid"}


def as_function(estimator, dtype=np.float64):
    def estimate(problem, noise):
        return estimator(problem.q, problem.f, noise).astype(dtype)

    return estimate


class TestRight:
    @pytest.mark.parametrize("estimator", built_in.instances(), ids=repr)
    def test_every_estimator_is_itself_on_every_problem(self, estimator):
        verdict = check_pathwise(as_function(estimator), estimator, n=8)
        assert verdict.outcome == "right", str(verdict)
        vectors = len(list(vectors_of(estimator)))
        count = (verdict.n - vectors) // 8 + vectors
        assert verdict.reason == f"all {verdict.n:,} rows of {count} problems are those of {estimator!r}"
        problems = [p for p in exact_problems() if p.family in estimator.claims.families]
        verdict = check_pathwise(as_function(estimator, np.float32), estimator, problems, n=8)
        assert verdict.outcome == "right", str(verdict)
        assert verdict.n == 8 * len(problems)

    def test_single_precision_by_hand(self):
        def rebar(problem, noise):
            return single.rebar(problem, noise, 0.5, 0.75)

        problems = [PAIR, PAIRS, *RARE]
        verdict = assert_pathwise(rebar, REBAR, problems, n=500)
        assert np.abs(verdict.estimate - verdict.exact).max() <= verdict.tolerance / 2
        wide = check_pathwise(lambda p, noise: rebar(p, noise).astype(float), REBAR, problems)
        assert wide.outcome == "wrong"
        assert assert_pathwise(lambda p, n: rebar(p, n).astype(float), REBAR, problems, precision="float32")

    def test_the_verdict(self):
        verdict = check_pathwise(as_function(REBAR), REBAR, [PAIR, PAIRS], n=16, seed=3)
        assert (verdict.alpha, verdict.evidence, verdict.seed, verdict.n) == (0.0, 0.0, 3, 32)
        assert verdict.assumes == "nothing: 32 rows on the noise of the reference"
        assert (verdict.standard_error == 0).all()
        assert 0 < verdict.tolerance <= verdict.certified < 1e-10

    def test_losses_probabilities_and_blocks(self):
        def in_probs(problem, noise):
            assert noise.shape[1] <= 5
            p = problem.q.probs
            return -REBAR(problem.q, problem.f, noise) / (p * (1 - p))

        assert assert_pathwise(in_probs, REBAR, [PAIR], n=16, loss=True, wrt="probs", block=5).outcome == "right"


class TestWrong:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("mistake", RUN, ids=lambda m: m.name)
    def test_every_mistake_is_seen_and_named(self, mistake, dtype):
        problems = RARE if mistake.effect == "bias at extremes" else [PAIR, PAIRS]
        problems = [p for p in problems if mistake.serves(p.q)]
        if mistake.name == "gumbel-softmax-noise-subtracted":
            problems = [Problem(Categorical([[1.0, 2.5, 0.5]]), interacting(1, 3), "three")]
        verdict = check_pathwise(
            as_function(mistake.estimator, dtype),
            mistake.of,
            problems,
            n=1000 if mistake.effect == "bias at extremes" else 32,
        )
        if mistake.name in UNSEEN:
            assert verdict.outcome == "right"
        else:
            assert verdict.outcome == "wrong"
            assert any(cause.startswith(f"{mistake.name}: ") for cause in verdict.causes)

    def test_what_the_report_says(self):
        def slipped(problem, noise):
            rows = REBAR(problem.q, problem.f, noise)
            rows[5, 1] += 1e-9
            return rows

        verdict = check_pathwise(slipped, REBAR, [PAIR], n=16)
        (case,) = cases(REBAR, [PAIR], n=16)
        noise, z = case.noise[:, 5], PAIR.q.sample(case.noise[0, 5]).astype(int).tolist()
        assert verdict.reason.startswith(
            f"1 of 16 rows (6.2%) are not those of {REBAR!r}; the first at noise = {noise.tolist()}, z = {z}: "
            "component [1] is "
        )
        assert verdict.worst == (1,)
        assert verdict.causes == ()
        np.testing.assert_array_equal(verdict.exact, case.expected[5])
        with pytest.raises(AssertionError, match=r"1 of 16 rows \(6\.2%\) are not those of Rebar"):
            assert_pathwise(slipped, REBAR, [PAIR], n=16)

    def test_numbers_that_are_not_finite(self):
        def infinite(problem, noise):
            rows = REBAR(problem.q, problem.f, noise)
            rows[3] = np.inf
            return rows

        verdict = check_pathwise(infinite, REBAR, [PAIR], n=16)
        assert verdict.outcome == "wrong"
        assert verdict.reason.startswith(
            "1 of 16 estimates (6.25%) are not finite; the first is [inf, inf], at noise = "
        )


class TestCases:
    @pytest.mark.parametrize("estimator", [REBAR, GumbelSoftmax(0.5)], ids=repr)
    def test_no_noise_is_near_an_edge(self, estimator):
        for case in cases(estimator, n=300):
            q, noise = case.problem.q, case.noise
            if q.event_ndim == 1:
                gap = np.abs(q.logits + noise)
            else:
                best = np.sort(q.logits + noise, axis=-1)
                gap = best[..., -1] - best[..., -2]
            assert (gap >= TIE).all()
            assert noise.shape == (estimator.draws, 300, *q.event_shape)

    def test_the_same_seed_gives_the_same_noise(self):
        one, again = (list(cases(REBAR, [PAIR], n=8, seed=1)) for _ in range(2))
        (other,) = cases(REBAR, [PAIR], n=8, seed=2)
        np.testing.assert_array_equal(one[0].noise, again[0].noise)
        assert (one[0].noise != other.noise).all()

    def test_problems_that_the_reference_does_not_take(self):
        fitting = ConstantBaseline(np.array([0.5, 1.0]))
        assert {case.problem.q.event_shape for case in cases(fitting, n=4)} == {(2,)} or list(cases(fitting, n=4))
        with pytest.raises(ValueError, match="baseline"):
            list(cases(ConstantBaseline(np.zeros(7)), [PAIR], n=4))
        with pytest.raises(ValueError, match=r"check_pathwise needs a problem, but .* takes none"):
            list(cases(ConstantBaseline(np.zeros((7, 7))), n=4))

    def test_a_single_category(self):
        (case,) = cases(Reinforce(), [Problem(Categorical([[0.5]]), lambda z: z[..., 0, 0], "sure")], n=4)
        assert (case.expected == 0).all()

    def test_cases_from_elsewhere(self):
        class Vectors(Case):
            def bound(self, precision):
                return np.full(self.expected.shape, 8 * precision)

        noise = np.array([[[1.0, -0.5], [0.25, 2.0]]])
        vectors = [Vectors(PAIR, Reinforce(), noise, Reinforce()(PAIR.q, PAIR.f, noise))]
        form = pathwise.Form()
        options = {"block": None, "precision": None, "form": form, "seed": 0}
        assert pathwise.judge(vectors, as_function(Reinforce(), np.float32), **options).outcome == "right"
        assert (
            pathwise.judge(vectors, as_function(REBAR.__class__(0.5, 0.0, coupled=True)), **options).outcome == "right"
        )
        assert pathwise.judge(vectors, lambda p, n: 0.5 * Reinforce()(p.q, p.f, n), **options).outcome == "wrong"


class TestTheChecksBroken:
    slip = next(m for m in RUN if m.name == "rebar-independent-coupling")

    def test_rows_compared_by_their_mean(self, monkeypatch):
        """Means over the rows, with the bound of a mean of that many, hide what is unbiased."""
        assert check_pathwise(as_function(self.slip.estimator), self.slip.of, [PAIR]).outcome == "wrong"
        monkeypatch.setattr(Case, "bound", lambda self, _: np.abs(self.expected).max() * 4 + 0 * self.expected)
        assert check_pathwise(as_function(self.slip.estimator), self.slip.of, [PAIR]).outcome == "right"

    def test_no_bound_of_rounding(self, monkeypatch):
        def rebar(problem, noise):
            return single.rebar(problem, noise, 0.5, 0.75)

        monkeypatch.setattr(Case, "bound", lambda self, _: FLOAT32 * np.abs(self.expected))
        assert check_pathwise(rebar, REBAR, [PAIR]).outcome == "wrong"

    def test_a_nan_is_off(self):
        verdict = check_pathwise(lambda p, n: np.nan * REBAR(p.q, p.f, n), REBAR, [PAIR], n=4)
        assert verdict.outcome == "wrong"


class TestVectors:
    """Golden vectors, where there are some for the settings: before any problem, and with every value on the way."""

    def test_those_of_the_settings_come_first(self):
        given = list(cases(Rebar(), n=2))
        vectors = [case for case in given if isinstance(case, Vector)]
        assert vectors == given[: len(vectors)]
        assert len(vectors) == 27 + 29
        assert {case.problem.family for case in vectors} == {"bernoulli", "categorical"}
        assert not [case for case in cases(Rebar(0.3), n=2) if isinstance(case, Vector)]
        assert not [case for case in cases(Rebar(), [PAIR], n=2) if isinstance(case, Vector)]

    def test_a_class_of_the_same_name_has_none(self):
        class Reinforce(Rebar):
            pass

        assert list(vectors_of(Reinforce())) == []

    @pytest.mark.parametrize("name", ["relax-categorical", "nvil-bernoulli", "control-variate-categorical"])
    def test_settings_with_arrays_have_theirs(self, name):
        for group in shipped(name)["groups"]:
            found = [case for case in vectors_of(made(group)) if case.group is group]
            assert [case.test for case in found] == group["tests"]
            for case in found:
                own = made(group)(case.problem.q, case.problem.f, case.noise)
                assert (np.abs(own.reshape(1, -1) - case.expected) <= case.bound(2.0**-52)).all()

    def test_other_values_are_judged_too(self):
        def values(problem, noise):
            q, rebar = problem.q, Rebar()
            z, fresh = q.sample(noise[0]), noise[1]
            given = q.relax(q.noise_given(z, fresh), 0.5)
            return {
                "gradient": rebar(q, problem.f, noise),
                "z": z,
                "value": problem.f(z),
                "score": q.score(z),
                "relaxed_given_z": given,
                "terms": {"value_score": q.expand(problem.f(z)) * q.score(z)},
            }

        assert assert_pathwise(values, Rebar(), n=4).outcome == "right"

        def off(problem, noise):
            found = values(problem, noise)
            return found | {"score": 1.001 * found["score"], "relaxed_given_z": noise[1]}

        verdict = check_pathwise(off, Rebar(), n=4)
        assert verdict.outcome == "wrong"
        assert verdict.reason.startswith("the golden vector rebar-bernoulli-1 (ordinary) is not met: score [0] is ")
        assert verdict.n == 1

    def test_a_value_of_a_name_that_there_is_not(self):
        def values(problem, noise):
            return {"gradient": Rebar()(problem.q, problem.f, noise), "soft": noise[0]}

        with pytest.raises(ValueError, match=r"rebar-bernoulli-1 needs values of z, value, .*, but answers 'soft'"):
            check_pathwise(values, Rebar())

    def test_the_form_is_that_of_the_gradient(self):
        def loss(problem, noise):
            return {"gradient": -Rebar()(problem.q, problem.f, noise), "z": problem.q.sample(noise[0])}

        assert check_pathwise(loss, Rebar(), n=2, loss=True).outcome == "right"

    def test_values_are_read_as_the_gradient_is(self):
        def values(problem, noise, **others):
            return {"gradient": Rebar()(problem.q, problem.f, noise), **others}

        for other, message in (
            ({"z": None}, r", z, needs to return numbers, but returned None"),
            ({"terms": None}, "needs to return terms by name, but returned NoneType"),
            ({"z": [[1.0], [1.0, 2.0]]}, ", z, needs to return real numbers"),
        ):
            with pytest.raises(TypeError, match=message):
                check_pathwise(lambda p, noise, other=other: values(p, noise, **other), Rebar())

    def test_boolean_samples_and_single_precision_on_the_way(self):
        def values(problem, noise):
            q = problem.q
            z = q.sample(noise[0])
            relaxed = q.relax(noise[0], 0.5).astype(np.float32)
            return {"gradient": Rebar()(q, problem.f, noise), "z": z > 0, "relaxed": relaxed}

        assert check_pathwise(values, Rebar(), n=2).outcome == "right"

    def test_values_that_nothing_is_known_of_are_said(self):
        def values(problem, noise):
            return {"gradient": Rebar(0.3)(problem.q, problem.f, noise), "z": noise[0]}

        verdict = check_pathwise(values, Rebar(0.3), n=2)
        assert verdict.outcome == "right"
        assert any("compared on golden vectors alone" in note for note in verdict.notes)

    def test_a_mapping_without_a_gradient(self):
        with pytest.raises(ValueError, match="needs to return a gradient, but returned z, value"):
            check_pathwise(lambda _, noise: {"z": noise, "value": noise}, Rebar())

    @pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
    def test_a_mistake_is_named(self, dtype):
        (mistake,) = [own for own in mistakes() if own.name == "rebar-no-slopes"]
        slip = mistake.like(Rebar())
        assert check_pathwise(as_function(Rebar(), dtype), Rebar(), n=4).outcome == "right"
        verdict = check_pathwise(as_function(slip.estimator, dtype), Rebar())
        assert verdict.reason.startswith("the golden vector rebar-bernoulli-")
        assert ") is not met: gradient [0] is " in verdict.reason
        assert verdict.causes[0].startswith(
            "rebar-no-slopes: both slopes of the relaxed samples were left out (the same"
        )

    def test_vectors_alone(self):
        right = check_vectors(as_function(Rebar()), Rebar(), "categorical")
        assert (right.outcome, right.n, right.check, right.sampler) == ("right", 29, "pathwise", "estimate")
        assert check_vectors(as_function(Rebar(0.3)), Rebar(0.3), "categorical") is None
        verdict = check_vectors(lambda p, noise: 2 * Rebar()(p.q, p.f, noise), Rebar(), "bernoulli")
        assert verdict.causes == ("2 times the gradient, in every test",)
