"""The judge of black boxes: right samplers pass, wrong ones are caught, and bad ones get a message."""

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.estimators import GumbelSoftmax, Reinforce
from refgrad.objectives import SquaredError, Table
from refgrad.testing import (
    Problem,
    Undecided,
    assert_unbiased,
    check_unbiased,
    standard_problems,
)
from refgrad.testing._schedule import LARGE, LATE, ROWS, calls
from testing import samplers

FAMILIES = ["bernoulli", "categorical"]
TOY = standard_problems()[0]


@pytest.mark.parametrize("sampler", samplers.RIGHT, ids=lambda s: s.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_right_samplers_are_never_wrong(sampler, family):
    outcomes = [check_unbiased(sampler, problem, max_samples=500_000).outcome for problem in standard_problems(family)]
    assert "wrong" not in outcomes  # each with probability 1e-9
    assert "right" in outcomes


@pytest.mark.parametrize("sampler", samplers.WRONG, ids=lambda s: s.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_wrong_samplers_are_caught(sampler, family):
    outcomes = [check_unbiased(sampler, problem, causes=False).outcome for problem in standard_problems(family)]
    assert "wrong" in outcomes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("problem", standard_problems(), ids=str)
def test_reinforce_is_decided_within_500_000(problem, seed):
    assert check_unbiased(samplers.reinforce, problem, max_samples=500_000, seed=seed).outcome == "right"


def test_the_reference_by_name_decides_with_its_own_covariance():
    verdict = check_unbiased(samplers.reinforce, TOY, estimator=Reinforce())
    assert verdict.outcome == "right"
    assert verdict.assumes == "the exact covariance of Reinforce()"
    problem = standard_problems("categorical")[1]
    verdict = check_unbiased(samplers.relaxed, problem, causes=False, estimator=GumbelSoftmax(1.0))
    assert verdict.outcome == "wrong"


def test_a_correct_sampler_may_vary_where_the_reference_does_not():
    # Rows of a softmax gradient sum to zero; a right sampler's need not, if their mean does.
    problem = standard_problems("categorical")[0]

    def loose(problem, n, rng):
        return samplers.reinforce(problem, n, rng) + 0.1 * rng.normal(size=(n, 1, 1))

    def off(problem, n, rng):
        return loose(problem, n, rng) + 0.02

    for estimator in (None, Reinforce()):
        assert check_unbiased(loose, problem, estimator=estimator).outcome == "right"
        assert check_unbiased(off, problem, causes=False, estimator=estimator).outcome == "wrong"


def test_rare_outcomes_are_waited_for():
    # P(z = 1) = 1e-3: until the first one, REINFORCE is constant and wrong.
    problem = Problem(Bernoulli([np.log(1e-3 / (1 - 1e-3))]), Table([1.0, 3.0]), "rare")
    for seed in range(20):
        assert check_unbiased(samplers.reinforce, problem, max_samples=400_000, seed=seed).outcome != "wrong"


def test_a_flat_f_has_no_gradient_and_a_right_sampler():
    problem = Problem(Bernoulli([0.5, -1.0]), Table([0.0, 0.0, 0.0, 0.0]), "zero")
    assert check_unbiased(samplers.exact_gradient, problem).outcome == "right"
    assert (
        check_unbiased(lambda p, n, _: np.full((n, *p.gradient.shape), 0.1), problem, causes=False).outcome == "wrong"
    )


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_f_does_not_matter(scale):
    problem = Problem(Bernoulli([0.5]), Table([0.2 * scale, 0.7 * scale]), "scaled")
    assert check_unbiased(samplers.reinforce, problem).outcome == "right"
    assert check_unbiased(samplers.wrong_sign, problem, causes=False).outcome == "wrong"


def test_masked_and_single_categories():
    for logits, values in (([[0.5, -np.inf, 0.0]], [1.0, 9.0, 2.0]), ([[2.0], [1.0]], [3.0])):
        problem = Problem(Categorical(logits), Table(values, event_shape=np.shape(logits)), "special")
        assert check_unbiased(samplers.exact_gradient, problem).outcome == "right"
        assert check_unbiased(samplers.reinforce, problem).outcome != "wrong"


class TestDeterminism:
    def test_a_function_of_the_seed(self):
        one, other = (check_unbiased(samplers.reinforce, TOY, seed=3) for _ in range(2))
        assert one.to_dict() == other.to_dict()
        assert check_unbiased(samplers.reinforce, TOY, seed=4).to_dict() != one.to_dict()

    def test_calls(self):
        sizes, looks, whole = zip(*calls(100_000), strict=True)
        assert sum(sizes) == 100_000
        assert max(sizes) <= ROWS
        assert sizes[:7] == (64, 16, 16, 16, 16, 32, 32)
        assert looks[-1]
        assert list(whole) == [True] * (len(whole) - 1) + [False]
        assert {size.bit_count() for size in sizes[:-1]} == {1}
        pair = sizes.index(LARGE)
        assert sizes[pair + 1] == LARGE
        assert sum(sizes[:pair]) == LATE
        assert len({size for size, _, whole in calls(10**9) if whole}) <= 12
        assert list(calls(0)) == []
        assert list(calls(7)) == [(7, True, False)]

    def test_more_samples_are_the_same_calls_and_more(self):
        few, many = list(calls(100_000)), list(calls(1_000_000))
        assert few[:-1] == many[: len(few) - 1]

    def test_progress(self):
        seen = []
        verdict = check_unbiased(samplers.reinforce, TOY, progress=lambda n, e: seen.append((n, e)))
        assert seen[-1] == (verdict.n, verdict.evidence)


class TestAssert:
    def test_right_returns_the_verdict(self):
        assert assert_unbiased(samplers.reinforce, TOY).outcome == "right"

    def test_wrong_raises_the_report(self):
        with pytest.raises(
            AssertionError, match=r"wrong: toy \(bernoulli, D = 1\).*\n.*not the exact gradient"
        ) as caught:
            assert_unbiased(samplers.wrong_sign, TOY)
        assert not isinstance(caught.value, Undecided)
        assert "repeat with alpha=1e-09, seed=0" in str(caught.value)

    def test_undecided_is_no_pass(self):
        with pytest.raises(Undecided, match=r"undecided: toy .*\n.*samples are spent"):
            assert_unbiased(samplers.reinforce, TOY, max_samples=5000)
        assert issubclass(Undecided, AssertionError)


class TestWhatIsReturned:
    def test_nan_is_counted_and_wrong(self):
        verdict = check_unbiased(samplers.some_nan, TOY)
        assert verdict.outcome == "wrong"
        assert "of 1,024 estimates (0." in verdict.reason
        assert "not finite in call 0; the first, row " in verdict.reason
        assert verdict.reason.endswith(", is [nan]")

    def test_nan_after_the_pilot(self):
        calls = []

        def late(problem, n, rng):
            calls.append(n)
            rows = samplers.reinforce(problem, n, rng)
            return rows if len(calls) < 5 else np.full_like(rows, np.inf)

        reason = check_unbiased(late, TOY).reason
        assert reason == "16 of 16 estimates (100.00%) are not finite in call 3; the first, row 0, is [inf]"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"alpha": 0.0}, "alpha needs to lie between 0 and 1, but is 0.0"),
        ({"alpha": 1.0}, "alpha needs to lie between 0 and 1"),
        ({"tolerance": 0.0}, "tolerance needs to be positive and finite"),
        ({"tolerance": np.nan}, "tolerance needs to be positive and finite"),
        ({"max_samples": 9}, "max_samples needs to be a whole number of at least 10, but is 9"),
        ({"max_samples": 1e5 + 0.5}, "max_samples needs to be a whole number"),
        ({"max_samples": np.inf}, "max_samples needs to be a whole number of at least 10, but is inf"),
        ({"seed": -1}, "seed needs to be a whole number of at least 0, but is -1"),
        ({"seed": 0.5}, "seed needs to be a whole number of at least 0, but is 0.5"),
        ({"max_samples": 30}, "max_samples needs to allow 40 rows, but 30 allows 30"),
        ({"max_samples": 1000, "rows": 100}, "max_samples needs to allow 40 rows"),
        ({"max_seconds": 0}, "max_seconds needs to be positive, but is 0"),
    ],
)
def test_options_out_of_range(option, message):
    with pytest.raises(ValueError, match=message):
        check_unbiased(samplers.reinforce, TOY, **option)


@pytest.mark.parametrize("name", ["alpha", "tolerance", "max_samples"])
@pytest.mark.parametrize("value", ["0.1", None, True])
def test_options_that_are_no_numbers(name, value):
    with pytest.raises(TypeError, match=f"{name} needs to be a number, but is {value!r}"):
        check_unbiased(samplers.reinforce, TOY, **{name: value})


def test_what_is_no_sampler_and_no_problem():
    with pytest.raises(TypeError, match=r"the sampler needs to be callable as .*, but is 3"):
        check_unbiased(3, TOY)
    with pytest.raises(TypeError, match=r"the problem needs to be a Problem\(q, f, name\), but is 'toy'"):
        check_unbiased(samplers.reinforce, "toy")


def test_a_problem_that_is_too_large():
    problem = Problem(Bernoulli(np.zeros(17)), SquaredError(0.4), "large")
    with pytest.raises(ValueError, match="a problem for a black box needs 131,072 evaluations"):
        check_unbiased(samplers.reinforce, problem)
