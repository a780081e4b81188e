"""Planning: its numbers are those of the check, its probabilities are seen in runs, its messages say what is needed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import detection
from benchmarks.detection import Case, stopped
from scipy.stats import binom, norm

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import ConstantBaseline, GumbelSoftmax, MuProp, Reinforce
from refgrad.objectives import SquaredError, Table
from refgrad.testing import Problem, check_unbiased, planning, standard_problems
from refgrad.testing._battery import Products
from refgrad.testing._court import Court
from refgrad.testing._expected import Settings
from refgrad.testing._sums import Sums
from refgrad.testing.evidence import Evidence
from refgrad.testing.planning import detectable_bias, samples_needed, samples_to_certify

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "detection.py"
PROBLEMS = {str(problem).partition(",")[0]: problem for problem in standard_problems()}
TOY, PAIR, THREE = (
    PROBLEMS["toy (bernoulli"],
    PROBLEMS["one pair (bernoulli"],
    PROBLEMS["three categories (categorical"],
)
INTERACTIONS = PROBLEMS["interactions (bernoulli"]
FLAT = Problem(Bernoulli([0.0]), SquaredError(0.5), "flat")
CASES = [(TOY, Reinforce()), (PAIR, MuProp()), (INTERACTIONS, Reinforce()), (THREE, ConstantBaseline(0.5))]
NAMES = [f"{problem.name}, {estimator!r}" for problem, estimator in CASES]
MISTAKE = 1e-6  # rate at which a statistical test here fails though all is right


def outcome_on_the_path(problem, estimator, bias, n, power, alpha):
    """What the court itself says of the sums that the docstring gives."""
    settings = Settings(alpha=alpha, estimator=estimator)
    expected = planning._expected("a test", problem, settings, power)
    delta, covariance = bias * problem.gradient.ravel(), expected.covariance
    total = n * delta - norm.ppf(power) * np.sqrt(n) * delta / np.sqrt(delta @ np.linalg.solve(covariance, delta))
    evidence = Evidence(covariance, n, total, n * (covariance + np.outer(delta, delta)))
    nothing = Products(*np.zeros((3, delta.size)))
    sums = Sums(evidence, nothing, nothing, np.full(delta.size, np.nan))
    return Court(problem, expected, settings, 1).judge(sums, last=False)[0]


class TestTheNumbers:
    @pytest.mark.parametrize(("problem", "estimator"), CASES, ids=NAMES)
    @pytest.mark.parametrize(("bias", "alpha", "power"), [(0.5, 1e-9, 0.9), (-0.2, 1e-3, 0.5), (0.1, 1e-6, 0.2)])
    def test_the_court_says_wrong_there_and_not_before(self, problem, estimator, bias, alpha, power):
        n = samples_needed(problem, estimator, bias, alpha, power=power)
        assert outcome_on_the_path(problem, estimator, bias, n, power, alpha) == "wrong"
        assert outcome_on_the_path(problem, estimator, bias, n - 1, power, alpha) != "wrong"

    @pytest.mark.parametrize(("problem", "estimator"), CASES, ids=NAMES)
    def test_monotone(self, problem, estimator):
        def needed(bias=0.1, alpha=1e-6, power=0.9):
            return samples_needed(problem, estimator, bias, alpha, power=power)

        def shown(n=10_000, alpha=1e-6, power=0.9):
            return detectable_bias(problem, estimator, n, alpha, power=power)

        for falling in (
            [needed(bias=b) for b in (0.01, 0.02, 0.1, 0.5)],
            [needed(alpha=a) for a in (1e-12, 1e-9, 1e-6, 1e-2)],
            [needed(power=p) for p in (0.999, 0.9, 0.5, 0.1)],
            [shown(n=n) for n in (100, 1000, 10_000, 10**8)],
            [shown(alpha=a) for a in (1e-12, 1e-9, 1e-6, 1e-2)],
            [shown(power=p) for p in (0.999, 0.9, 0.5, 0.1)],
        ):
            assert (np.diff(falling) < 0).all()

    @pytest.mark.parametrize(("problem", "estimator"), CASES, ids=NAMES)
    @pytest.mark.parametrize("n", [100, 3000, 10**6, 10**10])
    def test_one_is_the_inverse_of_the_other(self, problem, estimator, n):
        bias = detectable_bias(problem, estimator, n)
        # The root is found to 1e-14, which may be a sample more.
        assert samples_needed(problem, estimator, bias) in {n, n + 1}
        assert samples_needed(problem, estimator, bias * (1 + 1e-9)) <= n
        assert samples_needed(problem, estimator, bias * (1 - 1 / n)) > n

    @pytest.mark.parametrize("scale", [2.0**-60, 2.0**60])
    def test_the_scale_of_f_does_not_matter(self, scale):
        values = np.array([0.25, 1.0, 2.0, -0.5])
        one, other = (Problem(Bernoulli([0.5, -0.5]), Table(c * values), "table") for c in (1.0, scale))
        assert samples_needed(one, Reinforce(), 0.2) == samples_needed(other, Reinforce(), 0.2)
        assert detectable_bias(one, Reinforce(), 5000) == detectable_bias(other, Reinforce(), 5000)
        assert samples_to_certify(one, Reinforce()) == samples_to_certify(other, Reinforce())

    def test_an_array_is_the_bias_itself(self):
        assert samples_needed(PAIR, Reinforce(), 0.2 * PAIR.gradient) == samples_needed(PAIR, Reinforce(), 0.2)
        assert samples_needed(PAIR, Reinforce(), -0.2) == samples_needed(PAIR, Reinforce(), 0.2)
        one_component = samples_needed(PAIR, Reinforce(), [0.0, 0.0968])
        assert one_component > samples_needed(PAIR, Reinforce(), 1.0)
        assert samples_needed(FLAT, Reinforce(), [0.01]) > 1000  # the gradient is zero

    def test_without_variance_the_first_look_shows_it(self):
        # A baseline that leaves no variance: what scatters is a hair of the tolerance.
        baseline = ConstantBaseline(float(exact.best_constant(TOY.q, TOY.f)))
        assert samples_needed(TOY, baseline, 0.1) < 200
        assert samples_to_certify(TOY, baseline) < 200
        verdict = check_unbiased(Case(TOY, baseline, 10.0, 1e-9).sampler, TOY, estimator=baseline, causes=False)
        assert verdict.outcome == "wrong"
        assert verdict.n <= 200

    def test_a_direction_without_variance(self):
        # Rows of a softmax gradient sum to zero; a mean that does not is seen at once.
        assert samples_needed(THREE, Reinforce(), np.full((1, 3), 0.02)) < 200
        masked = Problem(Categorical([[0.5, -np.inf, 0.0]]), Table([1.0, 9.0, 2.0], event_shape=(1, 3)), "masked")
        pair = Problem(Categorical([[0.5, 0.0]]), Table([1.0, 2.0], event_shape=(1, 2)), "pair")
        needed, alone = (samples_needed(problem, Reinforce(), 0.2) for problem in (masked, pair))
        # One more direction takes no more of the evidence than the largest of its factors, (1 + U / 10)**(-1/2).
        assert alone <= needed <= samples_needed(pair, Reinforce(), 0.2, 1e-9 / np.sqrt(1 + needed / 10))

    @pytest.mark.parametrize(("problem", "estimator"), CASES, ids=NAMES)
    def test_what_is_harder_to_certify_takes_more(self, problem, estimator):
        def needed(tolerance=0.1, alpha=1e-6, power=0.9):
            return samples_to_certify(problem, estimator, tolerance, alpha, power)

        for falling in (
            [needed(tolerance=t) for t in (0.01, 0.1, 0.5)],
            [needed(alpha=a) for a in (1e-12, 1e-9, 1e-6, 1e-2)],
            [needed(power=p) for p in (0.999, 0.9, 0.5, 0.1)],
        ):
            assert (np.diff(falling) < 0).all()


RUNS = 200
SHIFTED = [(PAIR, Reinforce(), 50.0), (INTERACTIONS, MuProp(), 20.0), (THREE, Reinforce(), 50.0)]
# The normal approximation is not exact, and the looks before the last one help: what the probability may be.
CLAIMED = {0.5: (0.45, 0.68), 0.9: (0.85, 0.985)}


def detections(problem, estimator, percent, power, needed):
    """How many of the runs say "wrong" within the samples that are said to be needed."""
    case = Case(problem, estimator, percent, 1e-9)
    expected, most = case.expected(), needed(problem, estimator, percent / 100, case.alpha, power=power)
    return sum(stopped(case, expected, seed, most) is not None for seed in range(RUNS))


def refuted(needed, cases=SHIFTED):
    """Powers at which some case is found too often or too seldom; for a right function with a chance of 1e-6."""
    rate = MISTAKE / (len(SHIFTED) * len(CLAIMED))
    bounds = {
        power: (binom.ppf(rate / 2, RUNS, low), binom.isf(rate / 2, RUNS, high))
        for power, (low, high) in CLAIMED.items()
    }
    return {
        power
        for case in cases
        for power, (fewest, most) in bounds.items()
        if not fewest <= detections(*case, power, needed) <= most
    }


CHECKS = 20
FEWEST = binom.ppf(MISTAKE, CHECKS, CLAIMED[0.9][0])


def check(case, samples):
    """Outcomes of checks with a budget."""
    options = {"estimator": case.estimator, "max_samples": samples, "causes": False}
    return [check_unbiased(case.sampler, case.problem, seed=seed, **options).outcome for seed in range(CHECKS)]


class TestTheProbability:
    def test_the_runs_agree(self):
        assert refuted(samples_needed) == set()

    def test_a_power_that_is_ignored_is_refuted(self):
        assert refuted(lambda *args, power: samples_needed(*args, power=0.5), SHIFTED[:1]) == {0.9}

    @pytest.mark.parametrize("factor", [0.5, 2.0])
    def test_another_covariance_is_refuted(self, monkeypatch, factor):
        right = planning._expected

        def scaled(*args):
            expected = right(*args)
            return replace(expected, covariance=factor * expected.covariance)

        monkeypatch.setattr(planning, "_expected", scaled)
        assert 0.5 in refuted(samples_needed, SHIFTED[:1])

    def test_the_check_itself_with_that_budget(self):
        relaxed = GumbelSoftmax(1.0)
        needed = samples_needed(PAIR, Reinforce(), 0.5), samples_needed(TOY, relaxed, exact.bias(relaxed, TOY.q, TOY.f))
        for case, n in zip([Case(PAIR, Reinforce(), 50.0, 1e-9), Case(TOY, relaxed, 0.0, 1e-9)], needed, strict=True):
            outcomes = check(case, n + 2000)
            assert outcomes.count("wrong") >= FEWEST

    @pytest.mark.parametrize(("problem", "estimator"), [(PAIR, ConstantBaseline(0.5)), (THREE, Reinforce())], ids=str)
    def test_right_with_that_budget_and_not_with_half(self, problem, estimator):
        case, n = Case(problem, estimator, 0.0, 1e-9), samples_to_certify(problem, estimator)
        assert check(case, n + 2000).count("right") >= FEWEST
        # Half of the budget is refuted: with a chance of 0.02 or less for each, so many are right once in 1e8.
        assert check(case, n // 2 + 2000).count("right") < FEWEST


class TestErrors:
    @pytest.mark.parametrize("alpha", [0.0, 1.0, np.nan])
    def test_alpha(self, alpha):
        for plan in (
            lambda: samples_needed(TOY, Reinforce(), 0.1, alpha),
            lambda: detectable_bias(TOY, Reinforce(), 1000, alpha),
            lambda: samples_to_certify(TOY, Reinforce(), 0.1, alpha),
        ):
            with pytest.raises(ValueError, match=f"alpha needs to lie between 0 and 1, but is {alpha}"):
                plan()

    @pytest.mark.parametrize("power", [0.0, 1e-9, 1.0, np.nan])
    def test_power(self, power):
        message = f"needs a power between alpha = 1e-09 and 1, but it is {power}"
        with pytest.raises(ValueError, match=f"samples_needed {message}"):
            samples_needed(TOY, Reinforce(), 0.1, power=power)
        with pytest.raises(ValueError, match=f"detectable_bias {message}"):
            detectable_bias(TOY, Reinforce(), 1000, power=power)
        with pytest.raises(ValueError, match=f"samples_to_certify {message}"):
            samples_to_certify(TOY, Reinforce(), power=power)

    @pytest.mark.parametrize("bias", [0.0, np.nan, -np.inf])
    def test_bias(self, bias):
        with pytest.raises(ValueError, match=f"samples_needed needs a finite bias that is not zero, but it is {bias}"):
            samples_needed(TOY, Reinforce(), bias)

    def test_bias_of_another_shape_or_kind(self):
        with pytest.raises(ValueError, match=r"needs a bias that is a number or of shape \(2,\), but it has \(3,\)"):
            samples_needed(PAIR, Reinforce(), [0.1, 0.1, 0.1])
        with pytest.raises(TypeError, match="bias needs real numbers, but has dtype"):
            samples_needed(PAIR, Reinforce(), "a tenth")

    def test_bias_out_of_reach(self):
        with pytest.raises(ValueError, match=r"2\*\*53 samples do not show a bias of 1e-09"):
            samples_needed(TOY, Reinforce(), 1e-9)
        with pytest.raises(ValueError, match=r"2\*\*53 samples do not show a bias of 1e-200"):
            samples_needed(TOY, Reinforce(), 1e-200)
        with pytest.raises(
            ValueError, match=r"at most 1,000,000 times the noise of one estimate, but it is 1.98e\+199"
        ):
            samples_needed(TOY, Reinforce(), 1e200)

    @pytest.mark.parametrize("n", [0, -1, 1000.0, 2**53 + 1])
    def test_n(self, n):
        with pytest.raises(ValueError, match=rf"n to be a whole number from 1 to 2\*\*53, but it is {n}"):
            detectable_bias(TOY, Reinforce(), n)

    def test_too_few_samples_for_any_bias(self):
        with pytest.raises(ValueError, match="n = 10 samples show no bias, however large; more are needed"):
            detectable_bias(TOY, Reinforce(), 10)

    @pytest.mark.parametrize("tolerance", [0.0, np.inf, np.nan])
    def test_tolerance(self, tolerance):
        with pytest.raises(ValueError, match=f"tolerance needs to be positive and finite, but is {tolerance}"):
            samples_to_certify(TOY, Reinforce(), tolerance)

    def test_tolerance_out_of_reach(self):
        with pytest.raises(ValueError, match=r"2\*\*53 samples do not certify a tolerance of 1e-08"):
            samples_to_certify(TOY, Reinforce(), 1e-8)

    def test_a_gradient_of_zero(self):
        message = r"a gradient that is not zero for a relative bias, but on flat \(bernoulli, D = 1\) it is"
        with pytest.raises(ValueError, match=f"samples_needed needs {message}"):
            samples_needed(FLAT, Reinforce(), 0.1)
        with pytest.raises(ValueError, match=f"detectable_bias needs {message}"):
            detectable_bias(FLAT, Reinforce(), 1000)

    def test_an_estimator_that_is_biased(self):
        message = (
            r"an unbiased estimator for a relative bias, but it is GumbelSoftmax\(temperature=1.0\); its own bias is"
        )
        with pytest.raises(ValueError, match=f"samples_needed needs {message}"):
            samples_needed(TOY, GumbelSoftmax(1.0), 0.1)
        with pytest.raises(ValueError, match=f"detectable_bias needs {message}"):
            detectable_bias(TOY, GumbelSoftmax(1.0), 1000)
        with pytest.raises(ValueError, match=r"GumbelSoftmax\(temperature=1.0\) is biased and never right"):
            samples_to_certify(TOY, GumbelSoftmax(1.0))

    @pytest.mark.parametrize(
        ("name", "plan"),
        [
            ("samples_needed", lambda e: samples_needed(TOY, e, 0.1)),
            ("detectable_bias", lambda e: detectable_bias(TOY, e, 1000)),
            ("samples_to_certify", lambda e: samples_to_certify(TOY, e)),
        ],
    )
    def test_no_estimator(self, name, plan):
        with pytest.raises(TypeError, match=f"{name} needs an Estimator, but it is None"):
            plan(None)
        with pytest.raises(TypeError, match="estimator needs to be an instance of an Estimator, but is <class"):
            plan(Reinforce)


class TestBenchmark:
    def run(self, *arguments):
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=300
        )

    def test_quick(self, tmp_path):
        file = tmp_path / "detection.json"
        done = self.run("--quick", "--json", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        head, *lines, blank, how, goals, same = done.stdout.splitlines()
        assert " ".join(head.split()) == "problem estimator bias limit planned median mean mean / limit goal"
        assert blank == ""
        assert how == "alpha 1e-06, 5 runs a line, seeds from 0."
        assert goals.startswith("Goals held: ")
        assert same == "check_unbiased stops at the same sample: 6 of 6 runs."
        rows = json.loads(file.read_text())["lines"]
        assert [line.split()[-3] for line in lines] == [f"{row['ratio']:.2f}" for row in rows]
        for row in rows:
            assert len(row["samples"]) == row["runs"] == 5
            assert row["mean"] == np.mean(row["samples"])
            assert row["ratio"] == pytest.approx(row["mean"] / row["limit"])
        # Closed form: the toy of one number, 2 log(1/alpha) variance / bias**2.
        variance = exact.moments(Reinforce(), TOY.q, TOY.f).variance[0]
        assert Case(TOY, Reinforce(), 50.0, 1e-6).limit() == pytest.approx(2 * np.log(1e6) * variance / 0.0125**2)

    def test_help(self, capsys):
        with pytest.raises(SystemExit, match="0"):
            detection.main(["--help"])
        assert "examples:\n  python tests/benchmarks/detection.py --quick" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--runs", "0"), "--runs needs to be at least 1, but is 0"),
            (("--alpha", "2"), "--alpha needs to lie between 0 and 0.5, but is 2.0"),
            (("--bias", "-1"), "--bias needs positive numbers, but is [-1.0]"),
            (("--json", "nowhere/at/all.json"), "--json needs a file that can be written, but nowhere/at/all.json"),
        ],
    )
    def test_usage(self, arguments, message, capsys):
        with pytest.raises(SystemExit, match="2"):
            detection.main(list(arguments))
        assert message in capsys.readouterr().err

    def test_a_check_that_stops_elsewhere_is_reported(self, monkeypatch, capsys):
        monkeypatch.setattr(detection, "stopped", lambda *_: 300)
        assert detection.main(["--quick", "--bias", "50"]) == 1
        assert "stops at the same sample: 0 of 3 runs" in capsys.readouterr().out
