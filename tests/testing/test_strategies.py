"""Strategies: everything that is promised is drawn, nothing else is, examples shrink to round numbers and rebuild."""

import math
import os
import subprocess
import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import MuProp, Reinforce
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table
from refgrad.testing import Problem, assert_expectation
from refgrad.testing._logit_strategies import _with_a_choice, _with_a_rival
from refgrad.testing.strategies import logits, objectives, problems, seed_of

fixed = settings(database=None, derandomize=True, deadline=None, print_blob=False)
many = settings(fixed, max_examples=300)
few = settings(fixed, max_examples=60)
unexplained = settings(fixed, max_examples=30, phases=[Phase.generate, Phase.shrink])
search = settings(fixed, max_examples=3000, phases=[Phase.generate])
SEED = 2263575635
KINDS = [SquaredError, Table, Quadratic, Interacting]
EXTREME = {"rare": True, "saturated": True}
FAMILIES = ["bernoulli", "categorical"]
BITS_MASKED = ("masked", "bernoulli")  # no Bernoulli has a mask
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def possible(q):
    """Every z of positive probability, written down."""
    z = q.support()
    return z[np.array([math.prod(float(p) for p in factors(q, one)) > 0 for one in z])]


def factors(q, z):
    """Probability of each variable of one z, by the definition."""
    if q.family == "bernoulli":
        return [1 / (1 + math.exp(-x if on else x)) for x, on in zip(q.logits, z, strict=True)]
    weights = np.exp(q.logits - q.logits.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True))[z == 1]


def rational(f, z):
    """An objective at one z, without rounding."""
    z = [Fraction(x) for x in z.ravel()]
    if isinstance(f, SquaredError):
        return sum((x - Fraction(t)) ** 2 for x, t in zip(z, f.target.ravel(), strict=True))
    if isinstance(f, Quadratic):
        pairs = product(range(len(z)), repeat=2)
        linear = sum(Fraction(a) * x for a, x in zip(f.linear.ravel(), z, strict=True))
        return Fraction(float(f.constant)) + linear + sum(z[i] * Fraction(f.matrix[i, j]) * z[j] for i, j in pairs)
    squares, pair, triple, bound = (
        sum(Fraction(w) * x for w, x in zip(c.ravel(), z, strict=True))
        for c in (f.squares, f.pairs, f.triples, f.bounded)
    )
    return Fraction(float(f.constant)) + squares + pair**2 + triple**3 + 1 / (1 + bound**2)


def varies(problem):
    z = possible(problem.q)
    if isinstance(problem.f, Table):
        return len(set(problem.f(z))) > 1
    return len({rational(problem.f, one) for one in z}) > 1


def gaps(q):
    """How far the logits of each variable are apart, two by two; masked ones left out."""
    rows = [[0.0, x] for x in q.logits] if q.family == "bernoulli" else [row[row > -np.inf] for row in q.logits]
    return [abs(a - b) for row in rows for i, a in enumerate(row) for b in row[:i]]


def is_rare(q):
    values = [q.probs, 1 - q.probs] if q.family == "bernoulli" else [q.probs]
    return any(((p > 2e-4) & (p < 1e-3)).any() for p in values)


SIZES = [(1,), (2,), (3,), *((d, k) for d, k in product((1, 2, 3), (2, 3, 4)) if k**d <= 32)]
TRAITS = {
    "ties": lambda q: 0 in gaps(q),
    "rare": lambda q: any(gap == 7 for gap in gaps(q)) and is_rare(q),
    "saturated": lambda q: any(gap > 100 for gap in gaps(q)),
    "masked": lambda q: np.isneginf(q.logits).any(),
}


class TestOptions:
    @pytest.mark.parametrize(("trait", "family"), [pair for pair in product(TRAITS, FAMILIES) if pair != BITS_MASKED])
    def test_what_is_promised_is_drawn(self, trait, family):
        find(problems(family, **EXTREME), lambda problem: TRAITS[trait](problem.q), settings=search)

    @pytest.mark.parametrize(("trait", "family"), [*product(TRAITS, FAMILIES)])
    def test_and_can_be_switched_off(self, trait, family):
        @given(problems(family, **{**EXTREME, trait: False}))
        @settings(fixed, max_examples=120)
        def check(problem):
            assert not TRAITS[trait](problem.q)

        check()

    @given(problems())
    @many
    def test_extremes_are_drawn_only_if_they_are_asked_for(self, problem):
        assert max([np.abs(problem.logits[problem.logits > -np.inf]).max(), *gaps(problem.q)]) <= 4

    @given(problems(rare=True))
    @many
    def test_what_is_rare_is_seven_below_the_best(self, problem):
        assert max(gaps(problem.q), default=0) <= 7

    @pytest.mark.parametrize("extreme", [-700, 700])
    def test_rows_lie_hundreds_away_together(self, extreme):
        def together(row):
            return (np.abs(row - extreme) <= 2).all()

        find(logits("categorical", variables=(1, 1), categories=(6, 6), saturated=True), together, settings=search)

    @given(problems(**EXTREME))
    @many
    def test_extremes_have_a_finite_exponential(self, problem):
        assert np.isfinite(np.exp(np.abs(problem.logits[problem.logits > -np.inf]))).all()

    @pytest.mark.parametrize("event_shape", SIZES, ids=str)
    def test_every_size_is_drawn(self, event_shape):
        find(problems(), lambda problem: problem.q.event_shape == event_shape, settings=search)

    @every_kind
    def test_every_kind_of_f_is_drawn_and_can_be_switched_off(self, kind):
        find(problems(), lambda problem: isinstance(problem.f, kind), settings=search)

        @given(problems(kinds=[other for other in KINDS if other is not kind]))
        @few
        def check(problem):
            assert not isinstance(problem.f, kind)

        check()

    @given(problems(variables=(2, 9), categories=(3, 9), configurations=50))
    @many
    def test_sizes_keep_to_the_bounds(self, problem):
        variables = problem.q.event_shape[0]
        assert 2 <= variables <= 9
        assert problem.q.support_size <= 50
        if problem.family == "categorical":
            assert 3 <= problem.q.event_shape[1] <= 9

    @given(logits("categorical", variables=(2, 2), categories=(1, 1), constant=True))
    @few
    def test_one_category(self, row):
        assert row.shape == (2, 1)
        assert np.isfinite(row).all()

    def test_one_category_is_drawn_for_a_constant_f_alone(self):
        def one(problem):
            return problem.family == "categorical" and problem.q.event_shape[1] == 1

        find(problems(categories=(1, 4), constant=True), one, settings=search)
        with pytest.raises(NoSuchExample):
            find(problems(categories=(1, 4)), one, settings=settings(search, max_examples=100))

    @given(problems("categorical", variables=(1, 1), categories=(1000, 4096), configurations=4096))
    @settings(fixed, max_examples=5)
    def test_the_largest_z_passes_the_health_checks(self, problem):
        assert 1000 <= problem.q.event_shape[1] <= 1024

    @given(logits("categorical", variables=(3, 3), categories=(5, 5), configurations=125))
    @settings(fixed, max_examples=5)
    def test_as_many_configurations_as_are_there_are_enough(self, row):
        assert row.shape == (3, 5)

    @given(problems(variables=(5, 12), categories=(2, 8), configurations=4096))
    @settings(fixed, max_examples=25)
    def test_large_ones_pass_the_health_checks(self, problem):
        assert problem.q.event_shape[0] >= 5


class TestVaries:
    @every_kind
    @pytest.mark.parametrize("family", ["bernoulli", "categorical"])
    def test_f_is_not_constant_on_the_support(self, kind, family):
        @given(problems(family, kinds=[kind], **EXTREME))
        @settings(fixed, max_examples=100)
        def check(problem):
            assert varies(problem)

        check()

    @every_kind
    @pytest.mark.parametrize("family", ["bernoulli", "categorical"])
    def test_unless_it_is_asked_for(self, kind, family):
        found = find(problems(family, kinds=[kind], constant=True), lambda p: not varies(p), settings=search)
        assert not found.gradient.any()

    @every_kind
    def test_where_two_values_are_left_of_many(self, kind):
        q = Categorical([[-np.inf, 0.0, -np.inf], [-np.inf, 5.0, -600.0]])

        @given(objectives(q, kinds=[kind]))
        @few
        def check(f):
            assert varies(Problem(q, f, "two values"))

        check()

    @given(problems(**EXTREME))
    @settings(fixed, max_examples=1500)
    def test_the_gradient_is_not_zero(self, problem):
        assert problem.gradient.any()

    def test_only_as_many_categories_are_unmasked_as_are_needed(self):
        masks = [[True, True, True], [True, True, False]]
        one, two = [False, True, True], [False, False, True]
        assert _with_a_choice(np.array(masks), True).tolist() == [one, masks[1]]
        assert _with_a_choice(np.array(masks), False).tolist() == [two, masks[1]]
        free = [masks[0], [True, False, False]]
        assert _with_a_choice(np.array(free), False).tolist() == [one, free[1]]

    def test_a_second_category_is_lifted_only_where_none_has_a_chance(self):
        far = [[5.0, -np.inf, -np.inf], [-700.0, 700.0, -702.0]]
        assert _with_a_rival(np.array(far)).tolist() == [far[0], [350.0, 700.0, -702.0]]
        near = [[-700.0, 700.0, -702.0], [-350.0, 350.0, 351.0]]
        assert _with_a_rival(np.array(near)).tolist() == near

    @given(problems("categorical"))
    @many
    def test_a_variable_keeps_a_category(self, problem):
        kept = (problem.logits > -np.inf).sum(axis=1)
        assert (kept >= 1).all()
        assert (kept >= 2).any()

    @given(st.data())
    @few
    def test_objectives_of_a_shape_take_such_a_z(self, data):
        shape = data.draw(st.sampled_from([(1,), (3,), (1, 2), (2, 2), (2, 4)]))
        f = data.draw(objectives(shape))
        q = (Bernoulli if len(shape) == 1 else Categorical)(np.zeros(shape))
        assert varies(Problem(q, f, "a shape"))


class TestShrinks:
    def smallest(self, strategy, condition):
        return find(strategy, condition, settings=settings(fixed, max_examples=2000)).name

    def test_the_gradient(self):
        assert (
            self.smallest(problems(), lambda p: np.abs(p.gradient).max() > 0.1) == "Bernoulli([0]), SquaredError([0])"
        )

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            (SquaredError, "SquaredError([0])"),
            (Table, "Table([0, 1])"),
            (Quadratic, "Quadratic(0, [1], [[0]])"),
            (Interacting, "Interacting(0, [1], [0], [0], [0])"),
        ],
    )
    def test_every_kind(self, kind, expected):
        assert self.smallest(problems(), lambda p: isinstance(p.f, kind)) == f"Bernoulli([0]), {expected}"

    def test_a_coefficient(self):
        strategy = problems("bernoulli", kinds=[SquaredError])
        assert self.smallest(strategy, lambda p: p.f.target[0] > 0) == "Bernoulli([0]), SquaredError([1])"

    def test_a_categorical(self):
        found = self.smallest(problems("categorical"), lambda p: np.abs(p.gradient).max() > 0.1)
        assert found == "Categorical([[0, 0]]), SquaredError([[0, 1]])"

    def test_a_rare_one(self):
        found = self.smallest(problems("bernoulli", rare=True), lambda p: TRAITS["rare"](p.q))
        assert found in {f"Bernoulli([{logit}]), SquaredError([0])" for logit in (7, -7)}

    def test_a_saturated_one(self):
        found = self.smallest(problems("bernoulli", saturated=True), lambda p: TRAITS["saturated"](p.q))
        assert found in {f"Bernoulli([{logit}]), SquaredError([0])" for logit in (350, -350)}

    def test_a_masked_one(self):
        found = self.smallest(problems("categorical", variables=(1, 1)), lambda p: TRAITS["masked"](p.q))
        assert found == "Categorical([[0, 0, -np.inf]]), SquaredError([[0, 1, 0]])"

    def test_a_wrong_factor_is_found_and_shown_in_one_line(self):
        @given(problems())
        @unexplained
        def check(problem):
            assert_expectation(lambda p, noise: 0.9 * Reinforce()(p.q, p.f, noise), problem, Reinforce())

        with pytest.raises(AssertionError) as failure:
            check()
        assert "problem=Problem(Bernoulli([0]), SquaredError([0]), 'example')" in "\n".join(failure.value.__notes__)

    def test_a_score_without_the_probabilities_is_found(self):
        def no_probs(problem, noise):
            z = problem.q.sample(noise[0])
            return problem.q.expand(problem.f(z)) * z

        @given(problems("categorical"))
        @unexplained
        def check(problem):
            assert_expectation(no_probs, problem, Reinforce())

        with pytest.raises(AssertionError) as failure:
            check()
        text = "\n".join(failure.value.__notes__)
        assert "problem=Problem(Categorical([[0, 0]]), SquaredError([[0, 1]]), 'example')" in text


class TestRight:
    @pytest.mark.parametrize("estimator", [Reinforce(), MuProp()], ids=repr)
    def test_right_code_is_called_right_on_every_example(self, estimator):
        @given(problems())
        @few
        def check(problem):
            assert_expectation(lambda p, noise: estimator(p.q, p.f, noise), problem, estimator)

        check()


class TestExamples:
    @given(problems(**EXTREME))
    @few
    def test_the_text_rebuilds_the_example(self, problem):
        again = eval(repr(problem), {"np": np, **{c.__name__: c for c in (Problem, Bernoulli, Categorical, *KINDS)}})
        assert type(again) is Problem
        np.testing.assert_array_equal(again.logits, problem.logits)
        np.testing.assert_array_equal(again.f(possible(again.q)), problem.f(possible(problem.q)))
        np.testing.assert_array_equal(again.gradient, exact.gradient(problem.q, problem.f))
        assert seed_of(again) == seed_of(problem)

    def test_the_same_seed_everywhere(self):
        toy = Problem(Bernoulli([0.0]), SquaredError(0.5), "toy")
        assert seed_of(toy) == SEED
        code = (
            "from refgrad import Bernoulli, objectives, testing\nfrom refgrad.testing.strategies import seed_of\n"
            "print(seed_of(testing.Problem(Bernoulli([-0.0]), objectives.SquaredError(0.5), 'other')))"
        )
        for salt in "12":
            environment = {**os.environ, "PYTHONHASHSEED": salt}
            run = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
            )
            assert int(run.stdout) == SEED

    def test_different_examples_have_different_seeds(self):
        one, two = [0.0, 0.5], [[0.0, 0.5]]
        different = [
            Problem(Bernoulli(one), SquaredError(0.5), ""),
            Problem(Bernoulli([0.5, 0.0]), SquaredError(0.5), ""),
            Problem(Bernoulli(one), SquaredError(0.25), ""),
            Problem(Bernoulli(one), SquaredError([0.5, 0.5]), ""),
            Problem(Bernoulli(one), Table([0.0, 1.0, 2.0, 3.0]), ""),
            Problem(Categorical(two), Table([0.0, 1.0], event_shape=(1, 2)), ""),
            Problem(Categorical([[0.0, -np.inf]]), Table([0.0, 1.0], event_shape=(1, 2)), ""),
            Problem(Bernoulli(one), Quadratic(0.0, [1.0, 0.0], np.zeros((2, 2))), ""),
            Problem(Bernoulli(one), Interacting(0.0, [1.0, 0.0], [0, 0], [1, 0], [0, 0]), ""),
            Problem(Bernoulli(one), Interacting(0.0, [1.0, 0.0], [1, 0], [0, 0], [0, 0]), ""),
        ]
        assert len({seed_of(problem) for problem in different}) == len(different)
        assert all(0 <= seed_of(problem) < 2**32 for problem in different)

    def test_the_seed_needs_numbers(self):
        with pytest.raises(TypeError, match="seed_of needs an f that is a dataclass of numbers, but f is <function"):
            seed_of(Problem(Bernoulli([0.0]), lambda z: z[..., 0], "a function"))


PAIR = r"needs two whole numbers, 1 <= fewest <= most, but is "
WRONG = [
    ({"family": "gauss"}, ValueError, "family needs to be 'bernoulli' or 'categorical', but is 'gauss'"),
    ({"variables": (3, 1)}, ValueError, rf"variables {PAIR}\(3, 1\)"),
    ({"categories": (0, 2)}, ValueError, rf"categories {PAIR}\(0, 2\)"),
    ({"variables": (1.5, 2)}, TypeError, rf"variables {PAIR}\(1.5, 2\)"),
    ({"variables": (True, 2)}, TypeError, rf"variables {PAIR}\(True, 2\)"),
    ({"categories": 3}, TypeError, rf"categories {PAIR}3"),
    ({"variables": (1, 2, 3)}, TypeError, rf"variables {PAIR}\(1, 2, 3\)"),
    ({"configurations": 0}, ValueError, "configurations needs to be a whole number from 1 to 4,096, but is 0"),
    ({"configurations": 5000}, ValueError, "from 1 to 4,096, but is 5000"),
    ({"configurations": 8.0}, ValueError, "from 1 to 4,096, but is 8.0"),
    (
        {"family": "categorical", "categories": (1, 1)},
        ValueError,
        r"categories needs to reach 2 unless constant=True, .* but is \(1, 1\)",
    ),
    ({"variables": (7, 9)}, ValueError, "at least 128 for 7 bernoulli variables with 2 values each, but is 32"),
    (
        {"family": "categorical", "variables": (3, 3), "categories": (5, 6)},
        ValueError,
        "at least 125 for 3 categorical variables with 5 values each, but is 32",
    ),
    ({"variables": (10**9, 10**9)}, ValueError, r"at least 2\*\*1000000000 for 1000000000 bernoulli variables"),
    (
        {"family": "categorical", "variables": (1, 1), "categories": (1025, 1025), "configurations": 4096},
        ValueError,
        "at most 1,024 entries in a z, but 1 categorical variables with 1025 categories each have 1025",
    ),
    ({"ties": False, "categories": (2, 40)}, ValueError, r"at most 33 without ties, but is \(2, 40\)"),
    *(
        ({option: 1}, TypeError, f"{option} needs to be True or False, but is 1")
        for option in ("ties", "rare", "saturated", "masked", "constant")
    ),
]
WRONG_KINDS = [[], [int], SquaredError(0.5), "Table"]


class TestMessages:
    @pytest.mark.parametrize("strategy", [problems, logits])
    @pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=lambda x: str(x)[:40])
    def test_impossible_bounds_are_refused_at_once(self, strategy, options, error, message):
        with pytest.raises(error, match=message):
            strategy(**options)

    @pytest.mark.parametrize("kinds", WRONG_KINDS, ids=str)
    def test_unknown_kinds(self, kinds):
        message = "kinds needs to be some of SquaredError, Table, Quadratic, Interacting, but is "
        for make in (problems, lambda kinds: objectives((2,), kinds=kinds)):
            with pytest.raises(ValueError, match=message):
                make(kinds=kinds)

    @pytest.mark.parametrize(
        ("q", "error", "message"),
        [
            (Categorical([[-np.inf, 0.0]]), ValueError, "only one z is possible .* constant=True: q is Categorical"),
            (Categorical([[0.0, -800.0]]), ValueError, "only one z is possible in float64, so every f is constant"),
            ((20_000,), ValueError, r"at most 4,096 configurations, but there are 2\*\*20000"),
            ((True,), TypeError, r"but was given \(True,\)"),
            ((2, 1), ValueError, "only one z is possible"),
            (Bernoulli([[0.0], [1.0]]), ValueError, r"one row of logits, but q has the batch shape \(2,\)"),
            ((13,), ValueError, "at most 4,096 configurations, but there are 8,192"),
            ((1, 2, 3), TypeError, r"a distribution or a shape \(D,\) or \(D, K\), but was given \(1, 2, 3\)"),
            ((0,), TypeError, r"but was given \(0,\)"),
            ((2.0,), TypeError, r"but was given \(2.0,\)"),
            (3, TypeError, "but was given 3"),
        ],
        ids=str,
    )
    def test_objectives(self, q, error, message):
        with pytest.raises(error, match=message):
            objectives(q)

    @pytest.mark.parametrize("make", [problems, logits, lambda: objectives((2,))])
    def test_without_hypothesis(self, make, monkeypatch):
        monkeypatch.setitem(sys.modules, "hypothesis", None)
        with pytest.raises(ImportError, match=r"strategies need Hypothesis: pip install 'refgrad\[hypothesis\]'"):
            make()

    def test_hypothesis_is_imported_by_who_asks_for_a_strategy(self):
        code = (
            "import sys, refgrad.testing.strategies as s; print('hypothesis' in sys.modules, end=' '); s.problems(); "
        )
        code += "print('hypothesis' in sys.modules)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.split() == ["False", "True"]
