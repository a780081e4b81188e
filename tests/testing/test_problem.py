"""The standard problems hide none of the places where mistakes vanish; the mean of each mistake is exact."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit, softmax

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Reinforce
from refgrad.objectives import Quadratic, SquaredError, Table
from refgrad.testing import Problem, built_in, exact_problems, standard_problems

FAMILIES = ["bernoulli", "categorical"]
ALPHA, SAMPLES, BUDGET = 1e-9, 500_000, 1_000_000
RARE = 1e-10  # what nobody sees among a million samples
ROUNDING = 64 * np.finfo(float).eps
every_family = pytest.mark.parametrize("family", FAMILIES)
every_problem = pytest.mark.parametrize("problem", standard_problems(), ids=str)


def the(name, family):
    (found,) = [problem for problem in standard_problems(family) if problem.name == name]
    return found


@pytest.mark.parametrize("listed", [standard_problems, exact_problems])
def test_lists(listed):
    problems = listed()
    assert {p.family for p in problems} == {"bernoulli", "categorical"}
    assert [str(p) for p in problems] == [str(p) for f in ("bernoulli", "categorical") for p in listed(f)]
    assert len({str(p) for p in problems}) == len(problems)
    with pytest.raises(ValueError, match="family needs to be 'bernoulli' or 'categorical', but is 'gauss'"):
        listed("gauss")


@pytest.mark.parametrize("problem", standard_problems() + exact_problems(), ids=str)
def test_the_gradient_is_the_oracles_and_read_only(problem):
    np.testing.assert_array_equal(problem.gradient, exact.gradient(problem.q, problem.f))
    assert not problem.gradient.flags.writeable
    assert problem.gradient is problem.gradient
    assert problem.logits is problem.q.logits


# What a sampler does on a problem: it draws z with these probabilities, and returns these rows for every z.


def drawn(problem, probs=None):
    """Probability of every z of the support, or those when each variable is drawn with other `probs`."""
    z = problem.q.support()
    if probs is None:
        return np.exp(problem.q.log_prob(z))
    if problem.family == "bernoulli":
        return np.where(z == 1, probs, 1 - probs).prod(axis=-1)
    return (z * probs).sum(axis=-1).prod(axis=-1)


def rows(problem, score=None, values=None):
    """REINFORCE at every z of the support, or with another score or other values of f."""
    z = problem.q.support()
    values = problem.f(z) if values is None else values
    return problem.q.expand(values) * (problem.q.score(z) if score is None else score)


def bias(problem, mistake):
    """Exact bias of a mistake, in units of the largest component of the gradient."""
    probs, estimates = mistake(problem)
    return (np.tensordot(probs, estimates, axes=1) - problem.gradient) / np.abs(problem.gradient).max()


def mode(problem):
    return problem.q.sample(np.zeros(problem.q.event_shape))


def truncated(order):
    """f without the joint effects of more than so many variables, counted from the likeliest z."""

    def mistake(problem):
        z, home = problem.q.support(), mode(problem)

        def with_only(subset):
            moved = np.isin(np.arange(len(home)), subset).reshape((-1,) + (1,) * (z.ndim - 2))
            return problem.f(np.where(moved, z, home))

        values = np.zeros(len(z))
        for size in range(order + 1):
            for subset in combinations(range(len(home)), size):
                for inner in range(size + 1):
                    for part in combinations(subset, inner):
                        values += (-1) ** (size - inner) * with_only(part)
        return drawn(problem), rows(problem, values=values)

    return mistake


def not_centred(problem):
    return drawn(problem), rows(problem, problem.q.score(problem.q.support()) + 0.1)


def nothing(problem):
    return drawn(problem), 0 * rows(problem)


def mean_over_variables(problem):
    return drawn(problem), rows(problem) / problem.q.event_shape[0]


def losers_alike(problem):
    """Every category but the one that is drawn has the same score: right for two."""
    z, probs = problem.q.support(), problem.q.probs
    others = (1 - (z * probs).sum(axis=-1, keepdims=True)) * np.ones(z.shape)
    return drawn(problem), rows(problem, np.where(z == 1, others, -others / max(1, z.shape[-1] - 1)))


def reversed_sign(problem):
    return drawn(problem), rows(problem, problem.q.support() - type(problem.q)(-problem.logits).probs)


def absolute(sign):
    def mistake(problem):
        probs = type(problem.q)(sign * np.abs(problem.logits)).probs
        return drawn(problem, probs), rows(problem, problem.q.support() - probs)

    return mistake


def exponential(problem):
    """Logits taken for logs of probabilities."""
    logits = problem.logits if problem.family == "categorical" else np.minimum(problem.logits, 0)
    return drawn(problem), rows(problem, problem.q.support() - np.exp(logits))


def clipped_logits(problem):
    probs = type(problem.q)(np.clip(problem.logits, -5, 5)).probs
    return drawn(problem), rows(problem, problem.q.support() - probs)


def inverted(problem, rounded):
    """Probabilities when a uniform number that `rounded` turned inverts the distribution function."""
    if problem.family == "bernoulli":
        return rounded(problem.q.probs)
    steps = rounded(np.minimum(np.cumsum(problem.q.probs, axis=-1), 1))
    steps[..., -1] = 1.0
    return np.diff(steps, axis=-1, prepend=0.0)


def capped(problem):
    return drawn(problem, inverted(problem, lambda p: np.where(p > 0.999, 1.0, p))), rows(problem)


def on_a_grid(bits, turn):
    def mistake(problem):
        return drawn(problem, inverted(problem, lambda p: turn(p * 2**bits) / 2**bits)), rows(problem)

    return mistake


def clamped(least):
    def mistake(problem):
        probs = np.clip(problem.q.probs, least, 1 - least)
        return drawn(problem), rows(problem, problem.q.support() - probs)

    return mistake


@dataclass(frozen=True)
class Blindness:
    """A mistake, and a problem on which it has no bias."""

    what: str
    mistake: object
    blind: Problem
    families: tuple[str, ...] = ("bernoulli", "categorical")
    extreme: bool = False  # it matters where outcomes are rare: judged by the samples that it takes


FLAT = Problem(Categorical([[0.5, -1.0, 0.0]]), lambda z: z.sum(axis=(-2, -1)), "sum of the simplex")
PAIR = Problem(Bernoulli([1.0, -0.5]), Quadratic(0.5, [1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]]), "linear")
TRIPLE = Problem(
    Bernoulli([1.0, -0.5, 0.3]), Quadratic(0.5, [1.0, 2.0, 0.0], [[0, 1, 1], [0, 0, 2], [0, 0, 0]]), "quadratic"
)
CENTRED = Problem(Bernoulli([0.0]), Table([-1.0, 1.0]), "centred")
ZERO = Problem(Bernoulli([0.0]), SquaredError(0.45), "logit 0")
TWO = Problem(Categorical([[0.3, -1.0]]), Table([0.5, 2.0], event_shape=(1, 2)), "two categories")
POSITIVE = Problem(Bernoulli([0.5, 1.0]), Table([0.5, 2.0, 1.0, -1.0]), "positive")
NEGATIVE = Problem(Bernoulli([-0.5, -1.0]), Table([0.5, 2.0, 1.0, -1.0]), "negative")
NORMALISED = Problem(Categorical(np.log([[0.5, 0.25, 0.25]])), Table([1.0, 0.5, 3.0], event_shape=(1, 3)), "normalised")
BLIND = [
    Blindness("f is linear", truncated(1), PAIR),
    Blindness("f is quadratic", truncated(2), TRIPLE),
    Blindness("f is centred", not_centred, CENTRED),
    Blindness("f is constant on the simplex", nothing, FLAT),
    Blindness("one variable", mean_over_variables, ZERO),
    Blindness("two categories", losers_alike, TWO, ("categorical",)),
    Blindness("logits 0", reversed_sign, ZERO),
    Blindness("logits above 0", absolute(1), POSITIVE),
    Blindness("logits below 0", absolute(-1), NEGATIVE),
    Blindness("normalised logits", exponential, NORMALISED),
    Blindness("mild logits", clipped_logits, POSITIVE, extreme=True),
    Blindness("no rare outcome", capped, POSITIVE, extreme=True),
    *(
        Blindness(f"{name} of a grid of {2**-bits}", on_a_grid(bits, turn), ZERO, extreme=True)
        for bits in (8, 11)
        for name, turn in (("floor", np.floor), ("ceiling", np.ceil))
    ),
    *(Blindness(f"a clamp of {least}", clamped(least), POSITIVE, extreme=True) for least in (1e-3, 1e-6, 1.2e-7)),
]


class TestBlindness:
    @pytest.mark.parametrize("blindness", BLIND, ids=lambda b: b.what)
    def test_where_the_mistake_is_hidden(self, blindness):
        if blindness.blind is FLAT:
            assert (np.abs(FLAT.gradient) <= 1e-15).all()
        else:
            assert np.abs(bias(blindness.blind, blindness.mistake)).max() < 1e-14

    @pytest.mark.parametrize(
        ("blindness", "family"), [(b, f) for b in BLIND for f in b.families], ids=lambda x: getattr(x, "what", x)
    )
    def test_where_it_shows(self, blindness, family):
        problems = standard_problems(family)
        if blindness.extreme:
            assert min(samples_to_show(problem, *blindness.mistake(problem)) for problem in problems) <= BUDGET
        else:
            assert max(np.abs(bias(problem, blindness.mistake)).max() for problem in problems) >= 0.05

    @every_family
    def test_no_mistake_none_shows(self, family):
        for problem in standard_problems(family):
            assert np.abs(bias(problem, lambda p: (drawn(p), rows(p)))).max() < 1e-13
            assert np.abs(bias(problem, truncated(problem.q.event_shape[0]))).max() < 1e-12

    @every_problem
    def test_f_is_neither_constant_nor_centred(self, problem):
        assert np.ptp(problem.f(problem.q.support())) > 0.05
        assert abs(exact.value(problem.q, problem.f)) > 1e-3

    @every_family
    def test_f_is_no_table_inside(self, family):
        """What follows a relaxation sees more than the values at the vertices."""
        differs = {}
        for problem in standard_problems(family):
            size, q = int(np.prod(problem.q.event_shape)), problem.q
            inside = q.relax(q.draw_noise(20, np.random.default_rng(size)), 2.0)
            extended = Table(problem.f(q.support()), event_shape=q.event_shape)
            differs[problem.name] = np.abs(problem.f(inside) - extended(inside)).max()
        assert differs["interactions"] > 0.2
        assert differs["random table"] < 1e-12  # a table is its own extension

    @every_family
    def test_sizes(self, family):
        shapes = [problem.q.event_shape for problem in standard_problems(family)]
        assert {shape[0] for shape in shapes} >= ({1, 2, 3, 4} if family == "bernoulli" else {1, 2, 3})
        if family == "categorical":
            assert {shape[1] for shape in shapes} == {2, 3, 4, 5}

    @every_family
    def test_every_component_shows_somewhere(self, family):
        least = [np.abs(p.gradient).min() / np.abs(p.gradient).max() for p in standard_problems(family)]
        several = [r for r, p in zip(least, standard_problems(family), strict=True) if p.gradient.size > 2]
        assert max(several) >= 0.4

    def test_raw_logits_of_both_signs(self):
        totals = [np.log(np.exp(p.logits).sum(axis=-1)) for p in standard_problems("categorical")]
        assert all(np.abs(total).min() > 0.1 for total in totals)
        assert max(total.max() for total in totals) > 300
        assert min(total.min() for total in totals) < -600
        mild = np.log(np.exp(the("quiet, shifted", "categorical").logits).sum(axis=-1))
        assert mild.max() > 15
        assert mild.min() < -25


# How many samples a check needs, from exact moments.


def scales(problem, tolerance=0.1):
    """Bias that a check allows in each component: (d,)."""
    score = problem.q.score(problem.q.support()).reshape(problem.q.support_size, -1)
    values, probs = problem.f(problem.q.support()), drawn(problem)
    spread = np.sqrt(probs @ (values - probs @ values) ** 2)
    widths, answer = np.sqrt(probs @ score**2), np.abs(problem.gradient.ravel())
    widest = widths.max()
    largest = max(answer.max(), 0.1 * spread * widest)
    return tolerance * np.maximum(answer, largest * np.minimum(10 * widths / widest, 1))


def covariance(probs, estimates):
    flat = estimates.reshape(len(estimates), -1)
    centred = flat - probs @ flat
    return (probs[:, None] * centred).T @ centred


def samples_to_show(problem, probs, estimates):
    """About the samples after which a mean that is off has evidence 1/alpha, `U` being what the test divides by."""
    off = probs @ estimates.reshape(len(probs), -1) - problem.gradient.ravel()
    own, reference = covariance(probs, estimates), covariance(drawn(problem), rows(problem))
    floor = np.where(scales(problem) > 0, np.maximum(0.01 * scales(problem), ROUNDING), 0.0)
    used = (own + np.outer(off, off) + 2 * reference) / 3 + np.diag(floor**2)
    seen = floor > 0
    unit = np.sqrt(used.diagonal()[seen])
    correlation = used[np.ix_(seen, seen)] / np.outer(unit, unit) + 1e-10 * np.eye(seen.sum())
    square = (off[seen] / unit) @ np.linalg.solve(correlation, off[seen] / unit)
    return 3.2 * -np.log(ALPHA) / square if square > 0 else np.inf


def samples_to_decide(problem):
    """Samples until REINFORCE is within the tolerance, and until every outcome that matters was seen: (d,) each."""
    probs, estimates = drawn(problem), rows(problem).reshape(problem.q.support_size, -1)
    variance = exact.moments(Reinforce(), problem.q, problem.f).variance.ravel()
    allowed = scales(problem)
    certain = np.where(allowed > 0, 3.2 * -np.log(ALPHA) * variance / np.where(allowed > 0, allowed, 1) ** 2, 0)
    carried = probs[:, None] * estimates**2
    heavy = (carried >= 0.01 * carried.sum(axis=0)) & (carried > 0) & (probs > RARE)[:, None]
    rarest = np.where(heavy, probs[:, None], 1.0).min(axis=0)
    return certain, 8 * -np.log(ALPHA) / rarest


class TestSamples:
    @every_problem
    def test_reinforce_is_decided(self, problem):
        certain, patient = samples_to_decide(problem)
        assert certain.max() <= 0.4 * SAMPLES  # rare outcomes and bad luck take twice as many
        assert patient.max() <= 0.5 * SAMPLES

    def test_a_whole_check_is_short(self):
        total = sum(max(16_000, *map(np.max, samples_to_decide(p))) for p in standard_problems())
        assert total <= 2_000_000

    @pytest.mark.parametrize("logit", [-7.0, -10.0])
    def test_what_is_not_decided(self, logit):
        """Negative controls: a rare outcome with the gradient all to itself, and one that is too rare."""
        alone = Problem(Bernoulli([logit]), Table([1.0, 3.0]), "alone")
        assert np.max(samples_to_decide(alone)) > SAMPLES

    @every_family
    def test_one_percent_of_all_or_of_one_variable_shows(self, family):
        problems = standard_problems(family)
        quiet = [p for p in problems if p.name.startswith("quiet")]
        assert max(samples_to_show(p, drawn(p), 0.99 * rows(p)) for p in quiet) <= 10_000
        for problem in quiet:
            for d in range(problem.q.event_shape[0]):
                factor = np.where(np.arange(problem.q.event_shape[0]) == d, 0.99, 1.0)
                factor = factor if family == "bernoulli" else factor[:, None]
                assert samples_to_show(problem, drawn(problem), factor * rows(problem)) <= 100_000
        loud = min(samples_to_show(p, drawn(p), 0.99 * rows(p)) for p in problems[:3])
        assert loud > 500_000  # without them it hardly does

    @every_family
    def test_reinforce_is_quiet_in_every_component(self, family):
        for problem in standard_problems(family):
            if problem.name.startswith("quiet"):
                deviation = np.sqrt(exact.moments(Reinforce(), problem.q, problem.f).variance)
                assert (deviation <= 5 * np.abs(problem.gradient)).all()
                assert deviation.min() > 0.5 * np.abs(problem.gradient).min()  # and none is constant

    @every_family
    def test_a_slightly_wrong_distribution_shows(self, family):
        def mixed(p):
            return 0.99 * p.q.probs + 0.01 * type(p.q)(0 * p.logits).probs

        def warmer(p):
            return type(p.q)(p.logits / 1.02).probs

        for changed in (mixed, warmer):
            shown = [samples_to_show(p, drawn(p, changed(p)), rows(p)) for p in standard_problems(family)]
            assert min(shown) <= BUDGET


class TestSaturated:
    """Naive code is NaN there, honest code neither warns nor is off."""

    @pytest.fixture(params=FAMILIES)
    def problem(self, request):
        return the("saturated", request.param)

    @staticmethod
    def samples(problem, probs, n=2000):
        rng = np.random.default_rng(0)
        z = problem.q.sample(problem.q.draw_noise(n, rng))
        return problem.q.expand(problem.f(z)) * (z - probs)

    @pytest.mark.parametrize("way", ["stable", "plain", "single precision"])
    def test_honest_code(self, problem, way):
        precision = np.float32 if way == "single precision" else np.float64
        logits = problem.logits.astype(precision)
        with np.errstate(all="raise", under="ignore"):
            if way != "plain":
                probs = expit(logits) if problem.family == "bernoulli" else softmax(logits, axis=-1)
            elif problem.family == "bernoulli":
                probs = 1 / (1 + np.exp(-logits))
            else:
                probs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
            assert np.isfinite(self.samples(problem, probs)).all()
        probs, estimates = drawn(problem), rows(problem, problem.q.support() - probs)
        assert samples_to_show(problem, probs, estimates) > 1e9
        off = np.abs(np.tensordot(probs, estimates, axes=1) - problem.gradient)
        assert off.max() <= 64 * np.finfo(precision).eps * np.abs(problem.f(problem.q.support())).max()

    @pytest.mark.parametrize("precision", [np.float64, np.float32])
    def test_naive_code(self, problem, precision):
        logits = problem.logits.astype(precision)
        z = mode(problem)
        with np.errstate(all="ignore"):
            if problem.family == "bernoulli":
                probs = expit(logits)
                naive = [
                    z * np.log(probs) + (1 - z) * np.log(1 - probs),  # 0 * log 0
                    (z / probs - (1 - z) / (1 - probs)) * probs * (1 - probs),  # 0 / 0
                ]
                single = [np.exp(logits) / (1 + np.exp(logits)), logits - np.log(1 + np.exp(logits))]
            else:
                probs = softmax(logits, axis=-1)
                naive = [(z * np.log(probs)).sum(axis=-1), z / probs * probs]
                single = [np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)]
                single.append(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))
            for broken in naive:
                assert not np.isfinite(broken).all()
            for broken in single:
                assert np.isfinite(broken).all() == (precision is np.float64)

    def test_what_is_moderate_has_a_gradient_that_is_decided(self, problem):
        certain, patient = samples_to_decide(problem)
        assert np.maximum(certain, patient).max() <= 16_000
        moderate = (problem.q.probs > 0.1) & (problem.q.probs < 0.9)
        assert moderate.any()
        assert (np.abs(problem.gradient[moderate]) > 0.2 * np.abs(problem.gradient).max()).all()


@every_problem
def test_everything_built_in_is_finite(problem):
    for estimator in built_in.instances():
        if problem.family in estimator.claims.families and np.shape(getattr(estimator, "baseline", 0.0)) == ():
            estimates = estimator.sample(problem.q, problem.f, 50, np.random.default_rng(0))
            assert np.isfinite(estimates).all(), estimator


class TestProblem:
    def test_text(self):
        problem = Problem(Bernoulli([0.0, 1.0]), SquaredError(0.5), "mine")
        assert str(problem) == "mine (bernoulli, D = 2)"
        assert repr(problem) == "Problem(q=Bernoulli(logits=[0., 1.]), f=SquaredError(target=0.5), name='mine')"
        assert str(standard_problems("categorical")[0]) == "three categories (categorical, D = 1, K = 3)"

    def test_a_flat_f_and_a_gradient_of_zero_are_allowed(self):
        assert Problem(Bernoulli([0.5]), Table([2.0, 2.0]), "flat").gradient == 0
        assert Problem(Bernoulli([0.0]), SquaredError(0.5), "level").gradient == 0

    @pytest.mark.parametrize(
        ("q", "f", "name", "kind", "message"),
        [
            ([0.5], np.sum, "x", TypeError, r"'x' needs a Bernoulli or a Categorical as q, but q is \[0.5\]"),
            (Bernoulli([[0.5]] * 4), np.sum, "x", ValueError, r"one row of logits, but q has the batch shape \(4,\)"),
            (Bernoulli([0.5]), 3.0, "x", TypeError, "the problem 'x' needs a callable f, but f is 3.0"),
            (Bernoulli([0.5]), np.sum, 7, TypeError, "a problem needs a text as name, but it is 7"),
            (Bernoulli([0.5, -1.0]), np.sum, "x", ValueError, r"but returned shape \(\) for .* with \[1, 0\]"),
            (Bernoulli([0.5, -1.0]), lambda z: z.sum(axis=0), "x", ValueError, r"returned shape \(2,\) for z of shape"),
            (Categorical([[0.5, -np.inf]]), lambda z: z.sum(axis=-1), "x", ValueError, r"returned shape \(3, 1\)"),
            (Bernoulli([0.5]), lambda z: z[:, 0] * 1j, "x", TypeError, "f needs to return real numbers"),
            (Bernoulli([-0.5]), lambda z: np.log(z[:, 0] - 1 + 0j).real * np.nan, "x", ValueError, r"nan at z = \[0\]"),
        ],
    )
    def test_what_is_refused(self, q, f, name, kind, message):
        with pytest.raises(kind, match=message):
            Problem(q, f, name)

    def test_a_value_that_is_not_finite_elsewhere(self):
        problem = Problem(Bernoulli([-0.5, 0.5]), lambda z: np.where(z[:, 0] == 1, np.inf, 0.0), "x")
        with pytest.raises(ValueError, match=r"f needs to return finite values, but f\(z\) = inf at z = \[1, 0\]"):
            str(problem.gradient)

    def test_a_masked_z_is_never_shown(self):
        shown = []

        def spy(z):
            shown.append(z)
            return z.sum(axis=(-2, -1))

        assert Problem(Categorical([[-np.inf, 0.0, 1.0]]), spy, "masked").gradient.shape == (1, 3)
        assert all((z[..., 0] == 0).all() for z in shown)
