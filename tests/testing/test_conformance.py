"""The conformance suite: what it says of right and of wrong samplers, and what it refuses."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from refgrad.estimators import GumbelSoftmax, Reinforce
from refgrad.testing import Problem, SamplerError, conformance, standard_problems
from refgrad.testing._conformance import ASKED, Plan, Subject, read_expected, read_form
from refgrad.testing._sampler import Form
from refgrad.testing.report import validate
from testing import samplers

SUITE = "refgrad.testing.conformance"
TESTS = [
    "test_moments",
    "test_problem_stays",
    "test_rows_follow_from_rng",
    "test_shape",
    "test_small_calls",
    "test_unbiased",
]
PAIR = standard_problems("bernoulli")[3]
RARE = "test_unbiased[rare zero (bernoulli, D = 2)]"
ASKED_PROBLEMS = [problem for problem in standard_problems() if str(problem) in ASKED]

MINE = """
import numpy as np
import pytest
from refgrad.estimators import GumbelSoftmax, Reinforce

def right(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)

def half(problem, n, rng):
    return 0.5 * right(problem, n, rng)

def loss(problem, n, rng):
    return -right(problem, n, rng)

def relaxed(problem, n, rng):
    return GumbelSoftmax(0.5).sample(problem.q, problem.f, n, rng)

def for_bernoulli(problem, n, rng):
    assert problem.family == "bernoulli"
    return right(problem, n, rng)

def mean(problem, n, rng):
    return right(problem, n, rng).mean(axis=0)

def of_its_own_noise(problem, n, rng):
    rows = right(problem, n, rng)
    return rows + np.random.default_rng().normal(size=rows.shape)

def skips(problem, n, rng):
    pytest.skip("no")

def expects_to_fail(problem, n, rng):
    pytest.xfail("no")
"""


def of(sampler, **options):
    return Subject(sampler, **options)


def mean_of_the_call(problem, n, rng):
    """Wrong by 1/n: a baseline over the rows of the call, with the row itself."""
    z = samplers.draw(problem, n, rng)
    values = problem.f(z)
    return samplers.times(problem, values - values.mean(), problem.q.score(z))


def others_of_the_call(problem, n, rng):
    """Not a number where there are no others."""
    z = samplers.draw(problem, n, rng)
    values = problem.f(z)
    with np.errstate(invalid="ignore"):
        others = (values.sum() - values) / np.float64(n - 1)
    return samplers.times(problem, values - others, problem.q.score(z))


def squeezed(problem, n, rng):
    return samplers.reinforce(problem, n, rng).squeeze()


def of_its_own_noise(problem, n, rng):
    rng.random()
    rows = samplers.reinforce(problem, n, rng)
    return rows + np.random.default_rng().normal(size=rows.shape)  # no two are the same


def shifts_the_logits(problem, n, rng):
    object.__setattr__(problem.q, "logits", problem.logits + 0.2)
    return samplers.reinforce(problem, n, rng)


def scales_f(problem, n, rng):
    f = problem.f
    object.__setattr__(problem, "f", lambda z: 2 * f(z))
    return samplers.reinforce(problem, n, rng)


RIGHT = [samplers.reinforce, samplers.single_precision, samplers.leave_one_out, samplers.exact_gradient]


def fresh(problem):
    return Problem(problem.q, problem.f, problem.name)


class TestOneByOne:
    @pytest.mark.parametrize("sampler", RIGHT, ids=lambda s: s.__name__)
    @pytest.mark.parametrize("test", ["problem_stays", "rows_follow_from_rng", "shape", "small_calls"])
    def test_right_samplers_pass(self, test, sampler):
        for problem in ASKED_PROBLEMS if test == "small_calls" else standard_problems():
            getattr(conformance, f"test_{test}")(of(sampler), problem)

    @pytest.mark.parametrize("problem", ASKED_PROBLEMS, ids=str)
    def test_a_mean_over_the_call_is_seen_in_small_calls(self, problem):
        with pytest.raises(
            AssertionError, match=r"in calls for one and for two rows\nwrong: .*\n  the mean is not the exact"
        ):
            conformance.test_small_calls(of(mean_of_the_call), problem)

    @pytest.mark.parametrize("problem", ASKED_PROBLEMS, ids=str)
    def test_others_that_are_none_are_seen_in_small_calls(self, problem):
        with pytest.raises(AssertionError, match="are not finite in call 0"):
            conformance.test_small_calls(of(others_of_the_call), problem)

    def test_small_calls_of_a_biased_reference(self):
        def relaxed(problem, n, rng):
            return GumbelSoftmax(0.5).sample(problem.q, problem.f, n, rng)

        subject = of(relaxed, reference=GumbelSoftmax(0.5))
        conformance.test_small_calls(subject, PAIR)
        with pytest.raises(AssertionError, match="in calls for one and for two rows"):
            conformance.test_small_calls(of(others_of_the_call, reference=GumbelSoftmax(0.5)), PAIR)

    def test_small_calls_have_the_rows_that_are_asked_for(self):
        asked = []

        def counting(problem, n, rng):
            asked.append(n)
            return samplers.reinforce(problem, n, rng)

        for n in (1, 2, 3, 7):
            assert conformance.in_small_calls(counting)(PAIR, n, np.random.default_rng(0)).shape == (n, 2)
        assert asked == [1, 2, 1, 2, 1, 2, 1, 2, 1]

    def test_shape(self):
        with pytest.raises(ValueError, match=r"n=1, .* needs to return shape \(1, 2\), .* but returned shape \(2,\)"):
            conformance.test_shape(of(squeezed), PAIR)

    def test_rows_follow_from_rng(self):
        message = (
            r"of_its_own_noise\(one pair .*, n=1\) needs to return the same rows .* but row 0 is \[.*\] and then \["
        )
        with pytest.raises(AssertionError, match=message):
            conformance.test_rows_follow_from_rng(of(of_its_own_noise), PAIR)

    def test_rows_that_are_nan_twice_are_the_same(self):
        conformance.test_rows_follow_from_rng(of(lambda problem, n, rng: np.full((n, 2), np.nan)), PAIR)

    def test_logits_stay(self):
        problem = fresh(standard_problems("bernoulli")[3])
        message = (
            r"needs to leave problem.logits as they are, but .* had \[1.2, -0.4\] and has \[1.4, -0.2\] after a call"
        )
        with pytest.raises(AssertionError, match=message):
            conformance.test_problem_stays(of(shifts_the_logits), problem)

    def test_f_stays(self):
        with pytest.raises(
            AssertionError, match=r"scales_f needs to leave problem\.f as it is, but it changed it on one pair"
        ):
            conformance.test_problem_stays(of(scales_f), fresh(PAIR))

    def test_moments(self):
        toy = standard_problems()[0]
        conformance.test_moments(of(samplers.reinforce, reference=Reinforce()), toy)
        conformance.test_unbiased(of(samplers.two_samples, reference=Reinforce()), toy)
        with pytest.raises(AssertionError, match="wrong: toy"):
            conformance.test_moments(of(samplers.two_samples, reference=Reinforce()), toy)

    def test_a_mean_over_rows(self):
        def mean(problem, n, rng):
            return samplers.reinforce(problem, n, rng).mean(axis=0)

        subject = of(mean, form=Form(rows=4))
        for test in ("problem_stays", "rows_follow_from_rng", "shape"):
            getattr(conformance, f"test_{test}")(subject, fresh(PAIR))
        with pytest.raises(ValueError, match=r"needs to return shape \(2,\), the mean of its rows"):
            conformance.test_shape(of(samplers.reinforce, form=Form(rows=4)), PAIR)


class TestPlan:
    def cases(self, test, **options):
        expect = {name: options.pop(name) for name in ("samples", "alpha", "family") if name in options}
        return list(Plan(of(samplers.reinforce, **options), **expect).cases(test))

    def test_the_tests_are_those_that_are_listed(self):
        assert sorted(name for name in vars(conformance) if name.startswith("test_")) == conformance.__all__ == TESTS

    def test_every_problem(self):
        for test in ("test_unbiased", "test_shape", "test_rows_follow_from_rng", "test_problem_stays"):
            assert [(str(p), reason) for p, reason in self.cases(test)] == [(str(p), "") for p in standard_problems()]

    def test_small_calls_are_for_few(self):
        assert {str(problem) for problem, _ in self.cases("test_small_calls")} == ASKED
        assert len(ASKED) == 3

    def test_moments_need_a_reference(self):
        ((problem, reason),) = self.cases("test_moments")
        assert (problem, reason.partition(":")[0]) == (None, "needs --refgrad-estimator NAME")

    def test_moments_are_asked_where_samples_decide(self):
        found = {str(problem): reason for problem, reason in self.cases("test_moments", reference=Reinforce())}
        assert found["toy (bernoulli, D = 1)"] == ""
        rare = found["one in a thousand (bernoulli, D = 3)"]
        assert re.fullmatch(r"second moments of its rare outcomes need some \S+ samples; allowed are 1,000,000", rare)
        few = {
            str(problem): reason for problem, reason in self.cases("test_moments", reference=Reinforce(), samples=99)
        }
        assert few["toy (bernoulli, D = 1)"].endswith("allowed are 99")

    def test_a_biased_reference_is_held_to_its_bias(self):
        ((problem, reason),) = self.cases("test_unbiased", reference=GumbelSoftmax(0.5))
        assert problem is None
        assert reason == "GumbelSoftmax(temperature=0.5) is biased: test_moments holds the sampler to that bias"

    def test_a_mean_has_no_small_calls(self):
        assert self.cases("test_small_calls", form=Form(rows=4)) == [(None, "the sampler returns one mean a call")]

    def test_what_is_expected_and_not_asked(self):
        expected = dict.fromkeys(
            [RARE, "test_moments[toy (bernoulli, D = 1)]", "test_shape[toy (bernoulli, D = 1)]"], ""
        )
        subject = of(samplers.reinforce)
        assert Plan(subject, expected=expected).not_asked() == ["test_moments[toy (bernoulli, D = 1)]"]
        assert Plan(subject, "categorical", expected=expected).not_asked() == list(expected)
        assert Plan(of(samplers.reinforce, reference=Reinforce()), expected=expected).not_asked() == []
        assert Plan(of(samplers.reinforce, reference=Reinforce()), samples=99, expected=expected).not_asked() == [
            "test_moments[toy (bernoulli, D = 1)]"
        ]

    def test_one_family(self):
        assert {p.family for p, _ in self.cases("test_shape", family="categorical")} == {"categorical"}

    def test_problems_are_fresh(self):
        (first, _), *_ = self.cases("test_shape")
        (second, _), *_ = self.cases("test_shape")
        assert first is not second


def test_the_form():
    assert read_form("") == Form()
    assert read_form("loss, probs,rows=64") == Form(rows=64, wrt="probs", loss=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("los", "needs loss, probs and rows=M with commas between, but has 'los'"),
        ("rows=x", "but has 'rows=x'"),
        ("rows=99999999999999999999", "needs loss, probs and rows=M with commas between, but has 'rows=9"),
        ("rows=0", "rows needs to be None or a whole number of at least 1, but is 0"),
    ],
)
def test_a_form_that_is_none(text, message):
    with pytest.raises(ValueError, match=message):
        read_form(text)


def test_expected_failures(tmp_path):
    file = tmp_path / "known.txt"
    file.write_text(
        "# known\n\ntest_unbiased[toy (bernoulli, D = 1)]  # by 3 %\n test_shape[quiet (bernoulli, D = 3)]\n"
    )
    assert read_expected(file) == {
        "test_unbiased[toy (bernoulli, D = 1)]": f"{file}, line 3",
        "test_shape[quiet (bernoulli, D = 3)]": f"{file}, line 4",
    }


def test_expected_failures_as_the_summary_of_pytest_has_them_and_with_a_byte_order_mark(tmp_path):
    file = tmp_path / "known.txt"
    names = ["test_shape[quiet (bernoulli, D = 3)]", RARE, "test_shape[toy (bernoulli, D = 1)]"]
    file.write_text(f"{names[0]}\n{SUITE}::{names[1]}\n::{names[2]}\n", encoding="utf-8-sig")
    assert list(read_expected(file)) == names


def test_expected_failures_of_no_run(tmp_path):
    file = tmp_path / "known.txt"
    file.write_text("test_small_calls[toy (bernoulli, D = 1)]\n")
    with pytest.raises(ValueError, match=r"known.txt, line 1: .* there is none 'test_small_calls\[toy"):
        read_expected(file)
    file.write_text(f"test_small_calls[{ASKED_PROBLEMS[0]}]\n")
    assert len(read_expected(file)) == 1


def test_expected_failures_that_are_none(tmp_path):
    file = tmp_path / "known.txt"
    with pytest.raises(ValueError, match=r"known.txt cannot be read: No such file or directory"):
        read_expected(file)
    file.write_text("test_unbiased[toy]\n")
    with pytest.raises(
        ValueError, match=r"known.txt, line 1: needs a test such as test_.*, but there is none 'test_unbiased\[toy\]'"
    ):
        read_expected(file)


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run the suite in a process of its own on a sampler of mine.py."""
    pytester.makepyfile(mine=MINE)
    monkeypatch.delenv("REFGRAD_SAMPLER", raising=False)

    def runs(sampler, *arguments):
        if sampler is not None:
            monkeypatch.setenv("REFGRAD_SAMPLER", sampler)
        return pytester.runpytest_subprocess("-p", "no:hypothesispytest", "--pyargs", SUITE, *arguments)

    return runs


def test_a_right_sampler_passes(suite):
    result = suite("mine.py:for_bernoulli", "--refgrad-family=bernoulli", "-k", "not random and not interactions")
    assert result.ret == 0
    result.assert_outcomes(passed=33, skipped=1)


def test_a_wrong_sampler_fails_and_says_how_to_repeat_it(suite, pytester):
    result = suite("mine.py:half", "-k", "unbiased and rare and zero", "--refgrad-estimator=Reinforce")
    result.assert_outcomes(failed=1)
    name = "test_unbiased[rare zero (bernoulli, D = 2)]"
    (line,) = [line for line in result.outlines if line.startswith("REFGRAD_SAMPLER=")]
    assert line == (
        f"REFGRAD_SAMPLER=mine.py:half python -m pytest --pyargs '{SUITE}::{name}' --refgrad-seed=0 "
        "--refgrad-estimator=Reinforce"
    )
    again = subprocess.run(
        line.replace("python", sys.executable, 1),
        shell=True,
        check=False,
        cwd=pytester.path,
        capture_output=True,
        text=True,
    )
    assert "1 failed in" in again.stdout


def test_a_relaxation_has_its_bias(suite):
    arguments = ["--refgrad-estimator=GumbelSoftmax(temperature=0.5)", "-k", "moments and toy or unbiased"]
    suite("mine.py:relaxed", *arguments).assert_outcomes(passed=2, skipped=1)
    suite("mine.py:right", *arguments).assert_outcomes(failed=2, skipped=1)


@pytest.mark.parametrize(("form", "outcomes"), [("loss", {"passed": 3}), ("", {"passed": 2, "failed": 1})])
def test_a_loss(suite, form, outcomes):
    result = suite("mine.py:loss", *[f"--refgrad-form={form}"] * bool(form), "-k", "rare and zero and not rows")
    result.assert_outcomes(**outcomes)


def test_a_mean(suite):
    arguments = ["--refgrad-form=rows=16", "-k", "rare and zero or small"]
    suite("mine.py:mean", *arguments).assert_outcomes(passed=4, skipped=1)


def test_expected_failures_that_pass_fail(suite, pytester):
    (pytester.path / "known.txt").write_text("test_unbiased[rare zero (bernoulli, D = 2)]")
    (pytester.path / "pytest.ini").write_text("[pytest]\nrefgrad_xfails = known.txt\n")
    suite("mine.py:half", "-k", "rare and zero").assert_outcomes(passed=3, xfailed=1)
    result = suite("mine.py:right", "-k", "rare and zero")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*expected by known.txt, line 1"])


@pytest.mark.parametrize(
    ("sampler", "arguments", "message"),
    [
        (None, [], "REFGRAD_SAMPLER needs to name the sampler, file.py:name or pkg.module:name, but is not set"),
        ("mine.py:haf", [], "REFGRAD_SAMPLER: mine.py has no name 'haf'; did you mean half?"),
        ("none.py:f", ["-n1"], "REFGRAD_SAMPLER: there is no file none.py"),
        (
            "mine.py:half",
            ["--refgrad-estimator=Rebr"],
            "--refgrad-estimator: there is no estimator 'Rebr'; there are *",
        ),
        ("mine.py:half", ["--refgrad-family=gauss"], "--refgrad-family: family needs to be *, but is 'gauss'"),
        ("mine.py:half", ["--refgrad-form=sum"], "--refgrad-form: needs loss, *, but has 'sum'"),
        (
            "mine.py:mean",
            ["--refgrad-form=rows=30000"],
            "--refgrad-form: rows=30000 needs 1,200,000 samples, for 40 calls, but 1,000,000 are allowed; "
            "--refgrad-samples allows more",
        ),
        ("mine.py:half", ["--refgrad-xfails=none"], "--refgrad-xfails: none cannot be read: No such file or directory"),
    ],
)
def test_what_is_refused(suite, sampler, arguments, message):
    result = suite(sampler, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stderr.fnmatch_lines([f"ERROR: {message.replace('[', '[[]')}"])


def test_without_the_plugin_what_is_wrong_is_said(suite):
    result = suite(None, "-p", "no:refgrad.pytest_plugin")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*UsageError: REFGRAD_SAMPLER needs to name the sampler*"])


def test_workers_run_it(suite):
    result = suite("mine.py:right", "-n2", "-k", "rare and zero")
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "a worker"])
def test_what_is_expected_and_not_asked_is_said(suite, pytester, workers):
    (pytester.path / "sub").mkdir()
    (pytester.path / "known.txt").write_text("test_moments[toy (bernoulli, D = 1)]\n")
    (pytester.path / "pytest.ini").write_text("[pytest]\nrefgrad_xfails = known.txt\n")
    result = suite("mine.py:right", "-k", "shape and toy", *workers)
    assert result.ret == 0
    said = "Expected to fail, but not asked in this run: test_moments[toy (bernoulli, D = 1)]"
    assert said in result.outlines


def test_a_path_of_the_configuration_file_begins_there(suite, pytester, monkeypatch):
    (pytester.path / "sub").mkdir()
    (pytester.path / "known.txt").write_text(RARE)
    (pytester.path / "pytest.ini").write_text("[pytest]\nrefgrad_xfails = known.txt\n")
    monkeypatch.chdir(pytester.path / "sub")
    suite("../mine.py:half", "-k", "rare and zero", "-c", "../pytest.ini").assert_outcomes(passed=3, xfailed=1)


def test_failures_without_a_check_are_in_the_summary_and_in_the_report(suite, pytester):
    result = suite("mine.py:of_its_own_noise", "-k", "rows_follow and rare and zero", "--refgrad-report=r.json")
    result.assert_outcomes(failed=1)
    name = "test_rows_follow_from_rng[rare zero (bernoulli, D = 2)]"
    error = "AssertionError: of_its_own_noise(rare zero (bernoulli, D = 2), n=1) needs to return the same rows"
    lines = result.outlines
    assert "0 checks in 1 test, which failed before a check" in lines
    assert any(line.startswith(f"failed    {name}: {error}") for line in lines)
    place = lines.index("To repeat it:")
    repeat = f"REFGRAD_SAMPLER=mine.py:of_its_own_noise python -m pytest --pyargs '{SUITE}::{name}' --refgrad-seed=0"
    assert lines[place + 1] == repeat
    report = json.loads((pytester.path / "r.json").read_text())
    validate(report)
    (test,) = report["tests"].values()
    assert (test["outcome"], test["not_judged"], test["wrong"], test["repeat"]) == ("failed", 0, 0, repeat)
    assert test["errors"][0].startswith(error)


@pytest.mark.parametrize("sampler", ["skips", "expects_to_fail"])
def test_a_sampler_that_excuses_itself_fails(suite, sampler):
    result = suite(f"mine.py:{sampler}", "-k", "rare and zero")
    result.assert_outcomes(failed=4)
    said = f"needs to answer on rare zero (bernoulli, D = 2), but raised pytest's {SAID[sampler]}: no"
    assert said in result.stdout.str()
    assert "_hearing.py" not in result.stdout.str()


SAID = {"skips": "Skipped", "expects_to_fail": "XFailed"}


def test_a_module_that_skips_is_refused(suite, pytester):
    pytester.makepyfile(late="import pytest\npytest.skip('no', allow_module_level=True)")
    result = suite("late.py:estimate")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: REFGRAD_SAMPLER: late.py:estimate needs to be loaded, *Skipped: no"])


def test_it_is_imported_without_pytest():
    code = f"import sys; sys.modules['pytest'] = None; import {SUITE}; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "imported\n"


def test_a_sampler_that_raises_names_the_call():
    with pytest.raises(SamplerError, match=r"raises\(one pair .*, n=1, .*\) raised KeyError: 'x'"):
        conformance.test_shape(of(raises), PAIR)


def raises(problem, n, rng):
    raise KeyError("x")
