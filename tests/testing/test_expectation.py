"""A weighted sum over a noise design: what is right in any precision passes, what is wrong does not, however rare."""

from functools import cache

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.estimators import Estimator, GumbelSoftmax, MeanSubstitution, Rebar, Reinforce
from refgrad.objectives import Interacting
from refgrad.testing import Problem, Undecided, built_in, exact_problems, expectation, mistakes
from refgrad.testing._rounding import FLOAT32, FLOAT64
from refgrad.testing.expectation import assert_expectation, check_expectation
from testing import single


def interacting(*shape):
    return Interacting(0.5, *np.random.default_rng(3).integers(-8, 9, size=(4, *shape)) / 8)


ONE = Problem(Bernoulli([0.75]), interacting(1), "one")
PAIR = Problem(Bernoulli([0.6, -1.1]), interacting(2), "pair")
BIT = Problem(Categorical([[0.5, 1.0]]), interacting(1, 2), "bit")
PAIRS = Problem(Categorical([[0.5, 1.0], [2.0, 1.2]]), interacting(2, 2), "pairs")
THREE = Problem(Categorical([[1.0, 2.5, 0.5]]), interacting(1, 3), "three")
SATURATED = [
    Problem(Bernoulli([30.0]), interacting(1), "saturated"),
    Problem(Bernoulli([-30.0]), interacting(1), "saturated"),
    Problem(Bernoulli([30.0, -30.0]), interacting(2), "saturated"),
]
RARE = [
    Problem(Bernoulli([-17.0]), interacting(1), "rare"),
    Problem(Categorical([[0.0, -17.0]]), interacting(1, 2), "rare"),
]
FEW = {"limit": 2**14}
REBAR = Rebar(0.5, 0.75)
RUN = [m for m in mistakes() if m.estimator.draws == m.of.draws]
APART = {m.name for m in mistakes()} - {m.name for m in RUN}


def as_function(estimator, dtype=np.float64):
    def estimate(problem, noise):
        return estimator(problem.q, problem.f, noise).astype(dtype)

    return estimate


@cache
def served(mistake):
    """Problems on which it shows."""
    problems = RARE if mistake.effect == "bias at extremes" else [PAIR, PAIRS]
    problems = (
        [THREE] if mistake.name == "gumbel-softmax-noise-subtracted" else problems
    )  # two categories do not show it
    return [p for p in problems if mistake.serves(p.q)]


class TestRight:
    @pytest.mark.parametrize("estimator", built_in.instances(), ids=repr)
    def test_every_estimator_is_itself(self, estimator):
        for problem in (PAIR, PAIRS, exact_problems("bernoulli")[2], exact_problems("categorical")[1]):
            if problem.family in estimator.claims.families:
                for dtype in (np.float64, np.float32):
                    verdict = check_expectation(as_function(estimator, dtype), problem, estimator, **FEW)
                    assert verdict.outcome != "wrong", str(verdict)
                    assert verdict.certified >= verdict.tolerance > 0

    @pytest.mark.parametrize("problem", [ONE, PAIR, *SATURATED], ids=str)
    @pytest.mark.parametrize("temperature", [0.1, 1.0])
    def test_single_precision_by_hand(self, problem, temperature):
        def gumbel_softmax(problem, noise):
            return single.gumbel_softmax(problem, noise, temperature)

        def rebar(problem, noise):
            return single.rebar(problem, noise, temperature, 0.75)

        assert assert_expectation(gumbel_softmax, problem, GumbelSoftmax(temperature)).outcome == "right"
        if problem.q.event_shape == (1,):
            assert assert_expectation(rebar, problem, Rebar(temperature, 0.75)).outcome == "right"

    def test_the_noise_used_in_another_way(self):
        """The law of the estimate is the same, its rows are not."""

        def flipped(problem, noise):
            return REBAR(problem.q, problem.f, np.stack([noise[0], -noise[1]]))

        def reversed_(problem, noise):
            return REBAR(problem.q, problem.f, np.stack([noise[0], noise[1][:, ::-1]]))

        for function, problem in ((flipped, ONE), (flipped, PAIR), (reversed_, PAIR), (reversed_, PAIRS)):
            assert assert_expectation(function, problem, REBAR, tolerance=2, **FEW).outcome == "right"

    def test_a_masked_category_and_no_draws(self):
        masked = next(p for p in exact_problems() if "masked" in p.name)
        verdict = assert_expectation(as_function(Reinforce()), masked, Reinforce())
        assert verdict.n == 2
        assert assert_expectation(as_function(MeanSubstitution()), PAIR, MeanSubstitution()).n == 1

    def test_the_verdict(self):
        verdict = check_expectation(as_function(REBAR), ONE, REBAR)
        assert (verdict.outcome, verdict.alpha, verdict.evidence, verdict.off) == ("right", 0.0, 0.0, ())
        assert (verdict.standard_error == 0).all()
        assert verdict.assumes == f"nothing: a weighted sum over {verdict.n:,} nodes"
        assert np.abs(verdict.estimate - verdict.exact).max() + verdict.tolerance == pytest.approx(verdict.certified)
        assert verdict.certified < 1e-10
        assert verdict.covariance.shape == (1, 1)
        alone = check_expectation(as_function(REBAR), ONE, REBAR, covariance=False)
        assert alone.covariance is None
        assert alone.reason == f"the mean is that of {REBAR!r}"

    def test_blocks_losses_and_half_precision(self):
        def loss(problem, noise):
            assert noise.shape[1] <= 1000
            return -REBAR(problem.q, problem.f, noise)

        assert assert_expectation(loss, ONE, REBAR, loss=True, block=1000).outcome == "right"
        assert assert_expectation(as_function(REBAR, np.float16), ONE, REBAR).outcome == "right"
        assert check_expectation(as_function(Reinforce()), THREE, Reinforce(), loss=True).outcome == "wrong"


class TestWrong:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("mistake", RUN, ids=lambda m: m.name)
    def test_every_mistake_whose_draws_are_those_of_the_right_one(self, mistake, dtype):
        verdicts = [
            check_expectation(as_function(mistake.estimator, dtype), problem, mistake.of, **FEW)
            for problem in served(mistake)
        ]
        assert verdicts
        seen = [verdict for verdict in verdicts if verdict.outcome == "wrong"]
        assert any(cause.startswith(f"{mistake.name}: ") for verdict in seen for cause in verdict.causes)

    def test_those_that_cannot_be_run(self):
        """Another number of draws: they are functions of other noise."""
        names = ("own-sample-in-the-mean", "own-best-constant", "product-of-means")
        several = {f"{name}-of-{n}" for name in names for n in (2, 4)}
        reused = {f"{name}-{slip}" for name in ("rebar", "relax") for slip in ("fresh-reused", "other-sample")}
        assert several | reused | {"mean-substitution-straight-through"} == APART

    @pytest.mark.parametrize("mistake", [m for m in RUN if m.effect == "variance"], ids=lambda m: m.name)
    def test_the_same_mean_and_another_covariance(self, mistake):
        problem = next((p for p in (ONE, PAIRS) if mistake.serves(p.q)), None)
        function = as_function(mistake.estimator)
        verdict = check_expectation(function, problem, mistake.of)
        if problem is ONE and mistake.of == REBAR:
            assert verdict.reason.startswith(
                f"the mean is right, but the covariance is not that of {mistake.of!r}: comp"
            )
            assert verdict.worst == (0, 0)
            assert verdict.off == ()
            assert check_expectation(function, problem, mistake.of, covariance=False).outcome == "right"

    def test_an_outcome_of_probability_4e_8(self):
        def capped(problem, noise):
            z = problem.q.sample(np.minimum(noise[0], 16.0))
            return problem.f(z)[:, None] * problem.q.score(z)

        verdict = check_expectation(capped, RARE[0], Reinforce())
        assert verdict.outcome == "wrong"
        assert verdict.reason.startswith("the mean over the nodes is not that of Reinforce(): component [0] is off by")

    def test_the_pair_of_components_is_named(self):
        def reversed_rows(problem, noise):
            rows = Reinforce()(problem.q, problem.f, noise)
            rows[:, 1] *= np.where(noise[0, :, 0] > 0, 1.0, -1.0)
            return rows

        symmetric = Problem(Bernoulli([0.0, 0.0]), lambda z: 1.0 + z[..., 0] + 0.5 * z[..., 1], "symmetric")
        verdict = check_expectation(reversed_rows, symmetric, Reinforce())
        assert verdict.outcome == "wrong"
        assert verdict.off or "components" in verdict.reason

    def test_numbers_that_are_not_finite(self):
        def infinite(problem, noise):
            rows = REBAR(problem.q, problem.f, noise)
            rows[noise[0, :, 0] > 20] = np.nan
            return rows

        verdict = check_expectation(infinite, ONE, REBAR)
        assert verdict.outcome == "wrong"
        assert "are not finite; the first is [nan], at noise = [[" in verdict.reason
        assert ", z = [1]" in verdict.reason
        with pytest.raises(AssertionError, match="are not finite"):
            assert_expectation(infinite, ONE, REBAR)

    def test_float32_inside_of_float64(self):
        def hidden(problem, noise):
            return single.rebar(problem, noise, 0.5, 0.75).astype(np.float64)

        verdict = check_expectation(hidden, ONE, REBAR)
        assert verdict.outcome == "wrong"
        assert verdict.notes == (
            "rounding of float32 would explain it: if the code computes in it, pass precision='float32'",
        )
        assert check_expectation(hidden, ONE, REBAR, precision="float32").outcome == "right"
        assert check_expectation(lambda p, noise: 0.5 * hidden(p, noise), ONE, REBAR).notes == ()


class TestUndecided:
    def test_too_few_nodes(self):
        verdict = check_expectation(as_function(REBAR), PAIRS, REBAR, limit=2**12, tolerance=1e-4)
        assert verdict.outcome == "undecided"
        assert "nodes are too few for this problem: the mean is that of Rebar(" in verdict.reason
        with pytest.raises(Undecided, match="allow more nodes by limit"):
            assert_expectation(as_function(REBAR), PAIRS, REBAR, limit=2**12, tolerance=1e-4)


class TestTheBench:
    def test_it_is_kept_for_the_next_function(self):
        assert expectation._bench(REBAR, ONE, 2**14, FLOAT32) is expectation._bench(REBAR, ONE, 2**14, FLOAT32)

        class Unhashable(Reinforce):
            __hash__ = None

        assert expectation._bench(Unhashable(), ONE, 2**14, FLOAT32).noise.shape == (1, 2, 1)

    def test_the_bounds_shrink_with_the_precision(self):
        bench = expectation._bench(REBAR, ONE, 2**14, FLOAT32)
        for coarse, fine in zip(bench.bounds(FLOAT32), bench.bounds(FLOAT64), strict=True):
            assert (fine < 1e-6 * coarse).all()


class TestTheChecksBroken:
    """Each of these lets a mistake pass; that the tests above refute it is what they are for."""

    slip = next(m for m in RUN if m.name == "rebar-independent-coupling")

    def test_a_covariance_compared_with_itself(self, monkeypatch):
        whole = expectation.Bench.moments_of

        def own(self, rows):
            return whole(self, rows)[0], self.exact[1]

        assert check_expectation(as_function(self.slip.estimator), ONE, self.slip.of).outcome == "wrong"
        monkeypatch.setattr(expectation.Bench, "moments_of", own)
        assert check_expectation(as_function(self.slip.estimator), ONE, self.slip.of).outcome == "right"

    def test_a_tolerance_of_the_judged_code(self, monkeypatch):
        half = as_function(next(m for m in RUN if m.name == "rebar-no-slopes").estimator)
        assert check_expectation(half, ONE, REBAR).outcome == "wrong"
        rows = half(ONE, expectation._bench(REBAR, ONE, 2**18, FLOAT32).noise)
        own = np.abs(rows).max(), np.square(rows).max() * np.ones((1, 1))
        monkeypatch.setattr(expectation.Bench, "bounds", lambda _self, _unit: (own[0] * np.ones(1), own[1]))
        assert check_expectation(half, ONE, REBAR).outcome == "right"

    def test_no_bound_of_rounding(self, monkeypatch):
        def rebar(problem, noise):
            return single.rebar(problem, noise, 0.5, 0.75)

        assert check_expectation(rebar, ONE, REBAR).outcome == "right"
        monkeypatch.setattr(expectation.Bench, "bounds", lambda self, _unit: self.design_error)
        assert check_expectation(rebar, ONE, REBAR).outcome == "wrong"

    def test_nodes_that_are_left_at_the_edge(self, monkeypatch):
        """Without the margin a coarse precision takes nodes for those of the next cell."""
        coarse = 2.0**-10
        kept = expectation.Bench.of(Reinforce(), ONE, 2**14, coarse)
        near = expectation.Bench.of(GumbelSoftmax(0.5), ONE, 2**14, coarse)
        monkeypatch.setattr(expectation, "apart", lambda _estimator, _q, noise, _precision: noise)
        left = expectation.Bench.of(GumbelSoftmax(0.5), ONE, 2**14, coarse)
        edge = -ONE.logits
        assert np.abs(near.noise - edge).min() >= 4 * coarse
        assert np.abs(left.noise - edge).min() < coarse
        assert np.abs(kept.noise - edge).min() > coarse


def test_it_is_told_what_is_an_estimator():
    assert issubclass(Rebar, Estimator)
    with pytest.raises(TypeError, match="needs to be an instance of an Estimator"):
        check_expectation(as_function(REBAR), ONE, "rebar")
