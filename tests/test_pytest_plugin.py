"""The pytest plugin, in runs of its own: what it says, what it writes, what it refuses, and what it does not load."""

import inspect
import json
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from refgrad import pytest_plugin
from refgrad._pytest import _options
from refgrad._pytest._account import Account
from refgrad._pytest._record import Record
from refgrad._pytest._summary import off_by
from refgrad._pytest._tally import KEPT, Tally
from refgrad.estimators import Reinforce
from refgrad.testing import check_moments, check_unbiased, standard_problems
from refgrad.testing.report import validate

SAMPLERS = """
import numpy as np
from refgrad.testing import *
from refgrad.estimators import Reinforce

PROBLEM = standard_problems("bernoulli")[4]

def right(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)

def half(problem, n, rng):
    return 0.5 * right(problem, n, rng)

def sure(problem, n, rng):
    return np.broadcast_to(problem.gradient, (n, *problem.gradient.shape))

def gone(problem, n, rng):
    return np.nan * right(problem, n, rng)

def raises(problem, n, rng):
    raise KeyError("lost")

def on_noise(problem, noise):
    return Reinforce()(problem.q, problem.f, noise)

def judge(sampler, **options):
    return assert_unbiased(sampler, PROBLEM, **{"causes": False, "max_samples": 50_000} | options)
"""

MIXED = """
import pytest
from samplers import *

@pytest.mark.parametrize("sampler", [right, half, gone])
def test_of(sampler):
    judge(sampler)

def test_short():
    judge(right, max_samples=1_000)

def test_two():
    judge(right, alpha=1e-6)
    assert_pathwise(on_noise, Reinforce(), [PROBLEM])

def test_that_expects_a_wrong_one():
    assert check_unbiased(half, PROBLEM, causes=False).outcome == "wrong"

@pytest.mark.xfail(strict=True)
def test_xfailed():
    judge(half)

def test_skipped():
    judge(right)
    pytest.skip("enough")

@pytest.fixture
def judged():
    judge(right, seed=3)
    yield
    judge(half, seed=4)

def test_fixture(judged):
    pass

def test_plain():
    pass
"""


def section(text, name="refgrad"):
    """Lines of a section of what pytest printed."""
    found = re.search(rf"^=+ {name} =+\n(.*?)(?=^=+ |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found.group(1).splitlines() if found else None


@pytest.fixture
def run(pytester):
    """Run pytest in a process of its own on a file of tests."""
    pytester.makepyfile(samplers=SAMPLERS)

    def runs(tests, *arguments, **files):
        pytester.makepyfile(test_it=tests, **files)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)

    return runs


def test_the_entry_point_is_named_as_the_module():
    (found,) = entry_points(group="pytest11", name="refgrad.pytest_plugin")
    assert found.value == found.name


SPY = """
import sys
def pytest_unconfigure():
    print("LOADED", *sorted({"numpy", "scipy", "autograd", "refgrad.testing"} & set(sys.modules)))
"""


def test_nothing_heavy_is_loaded_before_a_check_runs(run):
    result = run("def test_plain(): pass", "-q", conftest=SPY)
    assert result.ret == 0
    assert "LOADED" in result.outlines
    assert section(result.stdout.str()) is None


def test_what_is_heavy_would_be_seen(run):
    result = run("def test_plain():\n    import refgrad.testing", "-q", conftest=SPY)
    assert any(line.startswith("LOADED") and "numpy" in line for line in result.outlines)


def test_the_defaults_are_those_of_the_checks():
    for check in (check_unbiased, check_moments):
        parameters = inspect.signature(check).parameters
        assert {name: parameters[name].default for name in _options.DEFAULTS} == _options.DEFAULTS
    with pytest.raises(ValueError, match="allow 40 rows, but 39"):
        check_unbiased(lambda *_: None, standard_problems()[0], max_samples=_options.FEWEST - 1)


SUMMARY = """\
11 checks in 9 tests: 5 right, 5 wrong, 1 undecided; 134,020 samples
The chance of any false alarm in 10 checks by samples is at most 1e-06; 1 check without samples cannot raise one.
wrong     test_it.py::test_of[half]: rare zero (bernoulli, D = 2), 512 samples, [1] off by -49.5 %
wrong     test_it.py::test_of[gone]: rare zero (bernoulli, D = 2), 0 samples, 1,024 of 1,024 estimates (100.00%) are \
not finite in call 0; the first, row 0, is [nan, nan]
undecided test_it.py::test_short: rare zero (bernoulli, D = 2), 900 samples, rare outcomes carry the variance: 16,384 \
samples are needed, or a named estimator; component [1] could be off by 0.068, and 0.057 is allowed
wrong     test_it.py::test_fixture: rare zero (bernoulli, D = 2), 512 samples, [1] off by -48.7 %
2 not right in tests that did not fail: they expect it, or drop the verdict; -v shows them
Undecided is no claim that the code is wrong: nothing is shown yet.
For more samples: --refgrad-samples, or max_samples= where the test says it."""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """One run of every kind of test, alone and by two workers: what is printed, the report, the junit file."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "samplers.py").write_text(SAMPLERS)
    (folder / "test_it.py").write_text(MIXED)
    found = {}
    for name, more in {"alone": [], "workers": ["-n", "2"]}.items():
        files = [f"--junitxml={name}.xml", f"--refgrad-report={name}.json"]
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files, *more]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        report = json.loads((folder / f"{name}.json").read_text())
        found[name] = done.stdout, report, ET.parse(folder / f"{name}.xml")
    return found


@pytest.mark.parametrize("how", ["alone", "workers"])
def test_the_summary_in_words(mixed, how):
    text = mixed[how][0]
    assert "3 failed, 5 passed, 1 skipped, 1 xfailed, 1 error in" in text
    assert "refgrad 0.1.0: alpha 1e-09, seed 0, at most 1,000,000 samples a check\n" in text
    assert section(text) == [*SUMMARY.splitlines(), f"The verdicts are in {how}.json."]


@pytest.mark.parametrize("how", ["alone", "workers"])
def test_a_failure_shows_how_to_repeat_it(mixed, how):
    text = mixed[how][0]
    assert (
        "1 check in this test: 1 wrong. To repeat it:\npython -m pytest 'test_it.py::test_of[half]' --refgrad-seed=0\n"
        in text
    )
    assert "2 checks in this test: 1 right, 1 wrong. To repeat it:\npython -m pytest test_it.py::test_fixture" in text
    undecided = (
        "1 check in this test: 1 undecided. To repeat it:\npython -m pytest test_it.py::test_short --refgrad-seed=0\n"
    )
    assert undecided + "Undecided is no claim that the code is wrong: nothing is shown yet.\n" in text
    assert text.count("To repeat it:") == 4


def test_the_report(mixed):
    report = mixed["alone"][1]
    validate(report)
    assert report["command"] == "pytest"
    assert report["options"] == {"alpha": 1e-9, "seed": 0, "max_samples": 1_000_000}
    assert report["false_alarms"] == pytest.approx(1e-6 + 9e-9, rel=1e-12)
    assert report["exit_status"] == 1
    assert "target" not in report
    assert {name.partition("::")[2]: test["outcome"] for name, test in report["tests"].items()} == {
        "test_of[right]": "passed",
        "test_of[half]": "failed",
        "test_of[gone]": "failed",
        "test_short": "failed",
        "test_two": "passed",
        "test_that_expects_a_wrong_one": "passed",
        "test_xfailed": "xfailed",
        "test_skipped": "skipped",
        "test_fixture": "error",
    }
    assert report["tests"]["test_it.py::test_two"] == {
        "outcome": "passed",
        "right": 2,
        "wrong": 0,
        "undecided": 0,
        "not_judged": 0,
        "errors": [],
        "samples": report["verdicts"][4]["n"],
        "statistical": 1,
        "deterministic": 1,
        "omitted": 0,
        "repeat": "python -m pytest test_it.py::test_two --refgrad-seed=0",
    }
    assert [verdict["test"] for verdict in report["verdicts"]][-2:] == ["test_it.py::test_fixture"] * 2
    assert [verdict["seed"] for verdict in report["verdicts"]][-2:] == [3, 4]


def test_the_report_of_workers_is_the_same(mixed):
    alone, workers = ({**mixed[how][1], "repeat": ""} for how in ("alone", "workers"))
    assert alone == workers


@pytest.mark.parametrize("how", ["alone", "workers"])
def test_the_junit_file_carries_the_evidence(mixed, how):
    cases = {case.get("name"): case for case in mixed[how][2].iter("testcase")}
    found = {name: [p.attrib for p in case.iter("property")] for name, case in cases.items()}
    (half,) = found["test_of[half]"]
    assert half["name"] == "refgrad[rare zero (bernoulli, D = 2)]"
    value = json.loads(half["value"])
    assert list(value) == ["outcome", "check", "sampler", "n", "counted", "evidence", "certified", "alpha", "seed"]
    assert (value["outcome"], value["check"], value["sampler"], value["n"]) == ("wrong", "unbiased", "half", 512)
    assert json.loads(found["test_of[gone]"][0]["value"])["certified"] is None
    assert [json.loads(p["value"])["outcome"] for p in found["test_fixture"]] == ["right", "wrong"]
    assert found["test_plain"] == []


def test_v_shows_every_verdict(run):
    result = run(MIXED, "-v", "-k", "two or expects or fixture")
    shown = [line.partition(": ")[0] for line in section(result.stdout.str())[2:]]
    assert shown == [
        "right     test_it.py::test_two",
        "right     test_it.py::test_two",
        "wrong     test_it.py::test_that_expects_a_wrong_one",
        "right     test_it.py::test_fixture",
        "wrong     test_it.py::test_fixture",
    ]
    assert "off by -49.5 % (the test passed)" in result.stdout.str()


PLAIN = "from samplers import *\ndef test_it():\n    judge(half)"


def test_q_is_short(run):
    result = run(PLAIN, "-q", "--tb=no")
    counts, what, *rest = section(result.stdout.str())
    assert counts == "1 check in 1 test: 1 wrong; 512 samples"
    assert what.startswith("wrong     test_it.py::test_it: ")
    assert "alpha" not in " ".join(rest)  # below it pytest repeats the whole message where CI is set


def test_checks_without_samples_cannot_raise_a_false_alarm(run):
    result = run("from samplers import *\ndef test_it():\n    assert_pathwise(on_noise, Reinforce(), [PROBLEM])")
    assert section(result.stdout.str())[1] == "No check took samples, so none can raise a false alarm by chance."


WRONG = {
    "--refgrad-alpha=1": "needs a number between 0 and 1, but is 1.0",
    "--refgrad-alpha=nan": "needs a number between 0 and 1, but is nan",
    "--refgrad-alpha=tiny": "needs a number between 0 and 1, but is tiny",
    "--refgrad-seed=-1": "needs a whole number of at least 0 or random, but is -1",
    "--refgrad-seed=any": "needs a whole number of at least 0 or random, but is any",
    "--refgrad-samples=39": "needs a whole number of at least 40, but is 39",
    "--refgrad-samples=1e6": "needs a whole number of at least 40, but is 1e6",
    "--refgrad-report=report.txt": "needs a file that ends with .json or .html, but is report.txt",
    "--refgrad-report=none/report.json": ": cannot write none/report.json: No such file or directory",
}


@pytest.fixture
def run_here(pytester):
    """The same in this process, for runs that end before a check."""

    def runs(tests, *arguments):
        pytester.makepyfile(test_it=tests)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)

    return runs


def refused(result):
    """The one line of a usage error, after which nothing has run."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert "passed" not in text
    (line,) = [line for line in result.errlines if line]
    return line


@pytest.mark.parametrize("option", WRONG)
def test_a_wrong_option_is_refused_before_a_test_runs(run_here, option):
    said = refused(run_here("def test_it(): pass", option))
    assert said.replace(": cannot", " : cannot") == f"ERROR: {option.partition('=')[0]} {WRONG[option]}"


@pytest.mark.parametrize("file", ["setup.cfg", "pytest.ini", "pyproject.toml"])
def test_a_wrong_line_of_the_configuration_file_is_refused(run_here, pytester, file):
    head = {"setup.cfg": "[tool:pytest]", "pytest.ini": "[pytest]", "pyproject.toml": "[tool.pytest.ini_options]"}
    (pytester.path / file).write_text(f"{head[file]}\nrefgrad_samples = {'12' if file[-1] != 'l' else repr('12')}\n")
    said = refused(run_here("def test_it(): pass"))
    assert said == f"ERROR: refgrad_samples in {file} needs a whole number of at least 40, but is 12"


def test_a_wrong_option_is_refused_with_workers_too(run):
    assert refused(run("def test_it(): pass", "-n2", "--refgrad-alpha=2")).startswith("ERROR: --refgrad-alpha needs")


OPTIONS = """
import pytest
from samplers import *

def said(**options):
    verdict = check_unbiased(half, PROBLEM, causes=False, **options)
    return verdict.alpha, verdict.seed

def test_the_file_and_the_line():
    assert said() == (1e-4, 5)

@pytest.mark.refgrad(alpha=1e-5, tolerance=0.2)
def test_the_marker():
    assert said() == (1e-5, 5)

def test_the_call():
    assert said(seed=7, alpha=1e-2) == (1e-2, 7)

@pytest.mark.refgrad(seed=8, alpha=1e-7)
class TestNested:
    @pytest.mark.refgrad(alpha=1e-3)
    def test_the_closest_marker_and_the_others(self):
        assert said() == (1e-3, 8)
        assert said(alpha=0.5) == (0.5, 8)

def test_samples():
    assert check_unbiased(right, PROBLEM).n <= 2_000

@pytest.mark.refgrad(max_samples=100)
def test_samples_of_the_marker():
    assert check_unbiased(right, PROBLEM).n <= 100
"""


def test_precedence(run, pytester):
    (pytester.path / "pytest.ini").write_text(
        "[pytest]\nrefgrad_alpha = 1e-4\nrefgrad_seed = 6\nrefgrad_samples = 2000\n"
    )
    result = run(OPTIONS, "--refgrad-seed=5", "--strict-markers")
    result.assert_outcomes(passed=6)
    assert "refgrad 0.1.0: alpha 0.0001, seed 5, at most 2,000 samples a check" in result.outlines


def test_what_a_marker_says_is_not_said_again_to_repeat(run):
    tests = PLAIN.replace("def", "import pytest\n@pytest.mark.refgrad(seed=8)\ndef")
    result = run(tests, "--refgrad-alpha=1e-3", "--refgrad-seed=9")
    assert "python -m pytest test_it.py::test_it --refgrad-alpha=0.001" in result.outlines


def test_between_tests_nobody_listens(run):
    spy = "from refgrad._session import current\ndef pytest_runtest_logfinish():\n    print('HEARS', current())"
    assert "HEARS None" in run("def test_plain(): pass", "-s", conftest=spy).stdout.str()


def test_markers_select(run):
    run(OPTIONS, "-m", "refgrad", "--refgrad-seed=5").assert_outcomes(passed=3, deselected=3)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("(samples=100)", "has no option 'samples'; it has alpha, max_samples, seed, tolerance"),
        ("(0.1)", "needs options with a name, but was given 0.1"),
        ("(alpha=0)", ": alpha needs a number between 0 and 1, but is 0"),
        ("(seed='random')", ": seed needs a whole number of at least 0, but is random"),
        ("(max_samples=True)", ": max_samples needs a whole number of at least 40, but is True"),
        ("(tolerance=float('inf'))", ": tolerance needs a positive and finite number, but is inf"),
    ],
)
def test_a_wrong_marker_is_refused(run_here, marker, message):
    said = refused(run_here(f"import pytest\n@pytest.mark.refgrad{marker}\ndef test_it(): pass"))
    assert said.replace("refgrad: ", "refgrad : ") == f"ERROR: test_it.py::test_it: @pytest.mark.refgrad {message}"


def test_a_wrong_marker_is_refused_with_workers_too(run):
    result = run("import pytest\n@pytest.mark.refgrad(seed=-1)\ndef test_it(): pass", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0].startswith("ERROR: test_it.py::test_it: @pytest.mark.refgrad: seed needs")


LATE = """
import asyncio, threading

def test_of_a_test_that_imports_in_its_body():
    from samplers import check_unbiased, half, PROBLEM
    assert check_unbiased(half, PROBLEM, causes=False).seed == 9

def test_in_a_task():
    from samplers import check_unbiased, half, PROBLEM

    async def judged():
        return check_unbiased(half, PROBLEM, causes=False)

    assert asyncio.run(judged()).seed == 9
"""
LATE_IN_A_TASK = LATE.replace("test_of_a", "dont_test_of_a")


@pytest.mark.parametrize(
    ("tests", "many"), [(LATE, 2), (LATE_IN_A_TASK, 1)], ids=["first in a body", "first in a task"]
)
def test_checks_that_are_imported_in_a_test_are_heard(run, tests, many):
    result = run(tests.replace("    from samplers", "    from samplers", 1), "--refgrad-seed=9")
    result.assert_outcomes(passed=many)
    assert section(result.stdout.str())[0].startswith(f"{many} check")


NASTY = """
import pytest
from samplers import *

@pytest.mark.parametrize("name", ["it's $HOME; a \\"b\\" [c] & d", "other"])
def test_it(name):
    judge(half)
"""


def test_the_line_that_repeats_is_one_for_a_shell(run, pytester):
    first = run(NASTY, "--refgrad-seed=random", "--refgrad-alpha=1e-3", "--refgrad-samples=9000", "-k", "HOME")
    assert "(drawn)" in first.stdout.str()
    (line,) = [line for line in first.outlines if line.startswith("python -m pytest")]
    words = shlex.split(line)
    assert words[5:] == ["--refgrad-alpha=0.001", "--refgrad-samples=9000"]
    again = subprocess.run(
        line.replace("python", shlex.quote(sys.executable), 1),
        shell=True,
        check=False,
        cwd=pytester.path,
        capture_output=True,
        text=True,
    )
    assert "1 failed in" in again.stdout
    assert section(again.stdout) == section(first.stdout.str())
    (table,) = re.findall(r"E +\[1\] .*", first.stdout.str())
    assert table in again.stdout


def test_a_seed_that_is_drawn_is_one_for_all_workers(run):
    tests = (
        "import pytest\nfrom samplers import *\n@pytest.mark.parametrize('i', range(4))\ndef test_it(i): judge(half)"
    )
    text = run(tests, "--refgrad-seed=random", "-n2", "--refgrad-report=r.json").stdout.str()
    (drawn,) = re.findall(r"seed (\d+) \(drawn\)", text)
    assert re.findall(r"--refgrad-seed=(\d+)", text) == [drawn] * 4
    assert {int(seed) for seed in re.findall(r"repeat with alpha=1e-09, seed=(\d+)", text)} == {int(drawn)}


MANY = """
from hypothesis import given, settings, strategies as st
from samplers import *

usual = settings(max_examples=100, deadline=None, database=None, derandomize=True)

@usual
@given(st.integers(0, 10_000))
def test_many(n):
    judge(sure, max_samples=2_000, estimator=Reinforce(), tolerance=0.5)

@usual
@given(st.integers(0, 50))
def test_falsified(n):
    judge(sure if n < 40 else gone, max_samples=2_000, estimator=Reinforce(), tolerance=0.5)
"""


def test_hypothesis_brings_many_verdicts_and_few_are_kept(run, pytester):
    result = run(MANY, "--junitxml=j.xml", "--refgrad-report=r.json")
    result.assert_outcomes(passed=1, failed=1)
    report = json.loads((pytester.path / "r.json").read_text())
    validate(report)
    many, falsified = report["tests"].values()
    assert (many["right"], many["omitted"]) == (100, 100 - KEPT)
    assert report["verdicts"][-1]["outcome"] == "wrong"
    assert len(report["verdicts"]) == KEPT + falsified["right"] + falsified["wrong"]
    assert report["false_alarms"] == pytest.approx((100 + falsified["statistical"]) * 1e-9, rel=1e-9)
    first = next(ET.parse(pytester.path / "j.xml").iter("testcase"))
    properties = [p.attrib for p in first.iter("property")]
    assert len(properties) == KEPT + 1
    assert properties[-1] == {"name": "refgrad-omitted", "value": str(100 - KEPT)}
    assert result.stdout.str().count("To repeat it:") == 1
    assert re.search(r"test_falsified\(\n.*n=40,", result.stdout.str())


THREE = """
from samplers import *

def test_a():
    judge(half)

def test_b():
    ...

def test_c():
    judge(half)
"""


def test_a_worker_that_dies_takes_nothing_with_it(run):
    tests = THREE.replace("...", "__import__('os')._exit(3)")
    result = run(tests, "-n1", "--refgrad-report=r.json")
    assert "crashed while running 'test_it.py::test_b'" in result.stdout.str()
    assert section(result.stdout.str())[0].startswith("2 checks in 2 tests: 2 wrong;")


def test_an_interrupted_run_is_reported(run, pytester):
    result = run(THREE.replace("...", "raise KeyboardInterrupt"), "--refgrad-report=r.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    report = json.loads((pytester.path / "r.json").read_text())
    assert (report["exit_status"], list(report["tests"])) == (2, ["test_it.py::test_a"])
    assert section(result.stdout.str())[0].startswith("1 check in 1 test: 1 wrong;")


def test_it_can_be_switched_off(run):
    result = run(PLAIN, "-p", "no:refgrad.pytest_plugin")
    result.assert_outcomes(failed=1)
    assert "refgrad" not in result.outlines[2]
    assert section(result.stdout.str()) is None
    assert "To repeat it" not in result.stdout.str()


def test_without_a_terminal_the_report_is_written(run, pytester):
    result = run(PLAIN, "-p", "no:terminal", "--refgrad-report=r.html")
    assert (result.ret, result.outlines) == (1, [])
    assert (pytester.path / "r.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("how", ["-p", "conftest", "a copy", "a copy alone"])
def test_loaded_twice(run, pytester, how):
    words, files = {
        "-p": (["-p", "refgrad.pytest_plugin"], {}),
        "conftest": ([], {"conftest": "pytest_plugins = ['refgrad.pytest_plugin']"}),
        "a copy": (["-p", "copied"], {}),
        "a copy alone": (["-p", "copied", "-p", "no:refgrad.pytest_plugin"], {}),
    }[how]
    pytester.makepyfile(copied=inspect.getsource(pytest_plugin))
    pytester.syspathinsert()
    result = run(PLAIN, *words, "--refgrad-seed=4", **files)
    result.assert_outcomes(failed=1)
    assert result.stdout.str().count("To repeat it:") == 1
    assert result.stdout.str().count("= refgrad =") == 1
    assert sum(line.startswith("refgrad 0.1.0: alpha 1e-09, seed 4,") for line in result.outlines) == 1


def test_a_report_that_was_there_stays_if_the_run_is_refused(run_here, pytester):
    (pytester.path / "r.json").write_text("old")
    wrong = "import pytest\n@pytest.mark.refgrad(seed=-1)\ndef test_it(): pass"
    refused(run_here(wrong, "--refgrad-report=r.json"))
    assert (pytester.path / "r.json").read_text() == "old"
    refused(run_here(wrong, "--refgrad-report=new.json"))
    assert not (pytester.path / "new.json").exists()


def heard(outcome, n):
    def sampler(problem, n, rng):
        return Reinforce().sample(problem.q, problem.f, n, rng) * (1 if outcome == "right" else float("nan"))

    options = {"estimator": Reinforce(), "max_samples": 4_000, "tolerance": 0.5, "causes": False}
    verdict = check_unbiased(sampler, standard_problems()[4], **options)
    assert verdict.outcome == outcome
    return replace(verdict, n=n)


def test_a_tally_keeps_the_last_ones_and_counts_all():
    tally, right, wrong = Tally(), heard("right", 1), heard("wrong", 2)
    for number in range(100):
        tally.append(replace(right if number % 2 else wrong, seed=number))
    kept = tally.to_dict()
    assert kept["counts"] == {
        "right": 50,
        "wrong": 50,
        "undecided": 0,
        "not_judged": 0,
        "samples": 150,
        "statistical": 100,
        "deterministic": 0,
        "omitted": 100 - 2 * KEPT,
    }
    assert [verdict["seed"] for verdict in kept["verdicts"]] == list(range(100 - 2 * KEPT, 100))
    assert kept["alpha"] == pytest.approx(100e-9, rel=1e-12)


def test_what_goes_to_the_controller_is_of_plain_kinds():
    tally = Tally()
    tally.append(replace(heard("right", 1), alpha=np.float64(1e-3), seed=np.int64(4)))

    def kinds(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(kinds, inner))

    assert kinds(tally.to_dict()) <= {dict, list, str, int, float, bool, type(None)}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"worst": [1], "exact": [1.0, 2.0], "estimate": [1.0, 1.5]}, "[1] off by -25.0 %"),
        ({"worst": [0], "exact": [0.0], "estimate": [0.5]}, "[0] off by +5.0e-01"),
        ({"worst": [0, 1], "exact": [[1.0, 2.0]], "estimate": [[0.0, 2.5]]}, "[0, 1] off by +25.0 %"),
        ({"worst": [0], "exact": [1.0], "estimate": [None]}, "[0] without a number"),
        (
            {"worst": [0, 0], "exact": [1.0], "estimate": [9.0], "exact_covariance": [[2.0]], "covariance": [[3.0]]},
            "covariance [0, 0] off by +50.0 %",
        ),
    ],
)
def test_the_size_of_what_is_wrong(verdict, words):
    assert off_by(verdict) == words


RAISES = """
import pytest
from samplers import *

def test_raises():
    judge(raises)

def test_right_and_then_raises():
    judge(right)
    with pytest.raises(RuntimeError):
        judge(raises)
    raise OSError("of the test itself")

def test_expects_it():
    with pytest.raises(RuntimeError):
        judge(raises)
"""
INSIDE = re.compile(r"refgrad[/\\]testing[/\\]\w+\.py:\d+")


def test_a_check_that_raises_is_counted_and_said(run, pytester):
    result = run(RAISES, "--refgrad-report=r.json")
    result.assert_outcomes(failed=2, passed=1)
    lines = section(result.stdout.str())
    assert re.fullmatch(r"4 checks in 3 tests: 1 right, 3 not judged; [\d,]+ samples", lines[0])
    assert [line[:50] for line in lines if line.startswith("no answer")] == [
        "no answer test_it.py::test_raises: SamplerError: r",
        "no answer test_it.py::test_right_and_then_raises: ",
    ]
    assert "2 checks in this test: 1 right, 1 not judged. To repeat it:" in result.outlines
    report = json.loads((pytester.path / "r.json").read_text())
    validate(report)
    both = report["tests"]["test_it.py::test_right_and_then_raises"]
    assert (both["right"], both["not_judged"], both["outcome"]) == (1, 1, "failed")
    assert "raised KeyError: 'lost'" in both["errors"][0]


def test_what_a_check_does_inside_is_shown_only_if_it_is_asked_for(run):
    short = run(RAISES).stdout.str()
    assert not INSIDE.search(short)
    assert "E       KeyError: 'lost'" in short
    assert 'raise OSError("of the test itself")' in short
    full = run(RAISES, "--full-trace").stdout.str()
    assert INSIDE.search(full)


DEFECT = """
from refgrad.testing import _trial
from samplers import *

def test_it(monkeypatch):
    monkeypatch.setattr(_trial, "facts_of", lambda problem: {}["a defect"])
    judge(right)
"""


def test_a_defect_of_a_check_is_shown_with_all_its_lines(run):
    assert INSIDE.search(run(DEFECT).stdout.str())


def repeated(result, folder):
    """Every line that repeats a test, run as a shell runs it in that folder: what pytest says at the end."""
    lines = [line for line in result.outlines if line.startswith("python -m pytest")]
    assert lines
    ends = []
    for line in lines:
        words = [sys.executable, *shlex.split(line)[1:], "-p", "no:cacheprovider"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        ends.append(done.stdout.splitlines()[-1].partition(" in ")[0].strip("= "))
    return lines, ends


def start(folder, *arguments):
    """Run pytest in a process of its own in some folder."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    done.outlines = done.stdout.splitlines()
    return done


@pytest.fixture
def tree(tmp_path):
    """A project with tests in a folder, a folder beside them, and a file of tests outside."""
    for name in ("project/tests/samplers.py", "project/deep/er/empty.txt", "outside/samplers.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SAMPLERS)
    (tmp_path / "project/pytest.ini").write_text("[pytest]\n")
    (tmp_path / "project/tests/test_it.py").write_text(PLAIN)
    (tmp_path / "outside/test_out.py").write_text(PLAIN)
    return tmp_path


@pytest.mark.parametrize(
    ("began", "argument", "place"),
    [
        ("project", "tests", "tests/test_it.py::test_it"),
        ("project/tests", "test_it.py", "test_it.py::test_it"),
        ("project/deep/er", "../../tests", "../../tests/test_it.py::test_it"),
        ("project", "../outside/test_out.py", "../outside/test_out.py::test_it"),
    ],
)
@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "a worker"])
def test_the_line_holds_where_the_run_began(tree, began, argument, place, workers):
    config = ["-c", tree / "project/pytest.ini", "--rootdir", tree / "project"]
    result = start(tree / began, *config, *workers, argument)
    assert "INTERNALERROR" not in result.stdout + result.stderr
    lines, ends = repeated(result, tree / began)
    assert lines == [f"python -m pytest {place} --refgrad-seed=0"]
    assert ends == ["1 failed"]
    said = f"What repeats a test is for {tree / began}, where the run began."
    assert (said in result.outlines) == (began != "project")


def test_a_line_that_cannot_be_made_costs_nothing(run):
    spy = (
        "import pytest\nfrom refgrad._pytest import _repeat\n"
        "@pytest.fixture(autouse=True)\n"
        "def broken(monkeypatch, request):\n"
        "    monkeypatch.setattr(_repeat, '_place', lambda item: 1 / 0)"
    )
    result = run(PLAIN, conftest=spy)
    result.assert_outcomes(failed=1)
    assert "python -m pytest test_it.py::test_it" in result.outlines


DOCTEST = '''
def documented():
    """
    >>> from samplers import *
    >>> _ = judge(half)
    """
'''


def test_a_doctest_is_repeated_as_one(run, pytester):
    (pytester.path / "page.md").write_text(">>> from samplers import *\n>>> _ = judge(half)\n")
    result = run("", "--doctest-modules", "--doctest-glob=*.md", module=DOCTEST)
    result.assert_outcomes(failed=2)
    lines, ends = repeated(result, pytester.path)
    assert lines == [
        "python -m pytest --doctest-modules module.py::module.documented --refgrad-seed=0",
        "python -m pytest '--doctest-glob=*.md' page.md::page.md --refgrad-seed=0",
    ]
    assert ends == ["1 failed"] * 2


@pytest.mark.parametrize("how", ["--tb=no", "--tb=line", "--show-capture=no", "--show-capture=log"])
def test_the_line_is_in_the_summary_where_failures_do_not_show_it(run, how):
    result = run(PLAIN, how)
    assert [line for line in section(result.stdout.str()) if line][-2:] == [
        "To repeat it:",
        "python -m pytest test_it.py::test_it --refgrad-seed=0",
    ]
    assert result.stdout.str().count("To repeat it:") == 1 or how == "--tb=line"  # pytest 9 shows both there


ELSEWHERE = """
import asyncio, threading, unittest
from concurrent.futures import ThreadPoolExecutor
from samplers import *

def test_threads():
    with ThreadPoolExecutor(4) as pool:
        assert [v.seed for v in pool.map(lambda _: check_unbiased(half, PROBLEM, causes=False), range(8))] == [9] * 8

class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        assert check_unbiased(half, PROBLEM, causes=False).seed == 9

    async def test_it(self):
        assert check_unbiased(half, PROBLEM, causes=False).seed == 9
"""
STALE = """
import asyncio, contextvars, pytest
from samplers import *

OLD = []

@pytest.mark.parametrize("number", [1, 2])
def test_in_a_context_of_another_test(number):
    OLD.append(contextvars.copy_context())
    OLD[0].run(judge, half if number == 2 else sure)
"""


def test_checks_are_heard_wherever_they_run(run):
    result = run(ELSEWHERE, "--refgrad-seed=9")
    result.assert_outcomes(passed=2)
    assert section(result.stdout.str())[0] == "10 checks in 2 tests: 10 wrong; 5,120 samples"


def test_a_stale_context_does_not_take_the_verdict(run, pytester):
    run(STALE, "--refgrad-report=r.json")
    tests = json.loads((pytester.path / "r.json").read_text())["tests"].values()
    assert [(test["right"], test["wrong"]) for test in tests] == [(1, 0), (0, 1)]


NESTED = """
from samplers import *
pytest_plugins = ["pytester"]

def test_outer(pytester):
    judge(right)
    pytester.makepyfile("from samplers import *\\ndef test_inner(): judge(half)")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=1)
    judge(right)
"""


def test_a_run_within_a_test_hears_its_own_checks(run, pytester):
    pytester.syspathinsert()
    run(NESTED, "--refgrad-report=r.json").assert_outcomes(passed=1)
    (test,) = json.loads((pytester.path / "r.json").read_text())["tests"].values()
    assert (test["right"], test["wrong"]) == (2, 0)


def test_a_tally_is_right_in_the_hands_of_many_threads():
    tally, one = Tally(), heard("right", 1)
    every = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda _: (tally.append(one), tally.errors.append("x"), tally.to_dict()), range(2_000)):
                pass
    finally:
        sys.setswitchinterval(every)
    assert (tally.checks, tally.counts["samples"], tally.counts["not_judged"]) == (2_000,) * 3


SUBTESTS = """
import unittest
from samplers import *

class TestParts(unittest.TestCase):
    def test_it(self):
        for sampler in (sure, half, sure, half):
            with self.subTest(sampler=sampler.__name__):
                judge(sampler)

    def test_skips(self):
        with self.subTest():
            self.skipTest("a part")
        judge(sure)
"""
FIXTURE = """
from samplers import *

def test_it(subtests):
    for sampler in (sure, half, sure, half):
        with subtests.test(sampler=sampler.__name__):
            judge(sampler)
"""
NEEDS_SUBTESTS = pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="of pytest 9")


@NEEDS_SUBTESTS
@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "a worker"])
@pytest.mark.parametrize("tests", [SUBTESTS, FIXTURE], ids=["unittest", "the fixture"])
def test_the_checks_of_subtests_count_once(run, pytester, tests, workers):
    spy = "def pytest_runtest_logreport(report):\n    print('BRINGS', report.when, hasattr(report, 'refgrad'))"
    result = run(tests, "--refgrad-report=r.json", "-s", *workers, conftest=spy)
    assert result.stdout.str().count("BRINGS call True") == (2 if "unittest" in tests else 1)  # one for a test
    first, *skips = json.loads((pytester.path / "r.json").read_text())["tests"].values()
    assert (first["right"], first["wrong"], first["outcome"]) == (2, 2, "failed")
    assert [test["outcome"] for test in skips] == ["passed"] * len(skips)
    assert "To repeat it:" in result.stdout.str()


def phase(when, outcome, **fields):
    report = pytest.TestReport("a.py::test", ("a.py", 1, "test"), {}, outcome, None, when)
    report.__dict__.update(fields)
    return report


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], "passed"),
        ([("setup", "failed"), ("teardown", "passed")], "error"),
        ([("setup", "passed"), ("call", "skipped"), ("teardown", "failed")], "error"),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], "failed"),
        ([("setup", "skipped"), ("teardown", "passed")], "skipped"),
        ([("setup", "passed"), ("call", "skipped"), ("???", "failed")], "failed"),
        ([("setup", "passed")], "unfinished"),
    ],
)
def test_how_a_test_ended(phases, outcome):
    record = Record()
    for when, how in phases:
        record.add(phase(when, how))
    assert record.outcome == outcome


def brought(outcome, **more):
    tally = Tally()
    tally.append(heard(outcome, 512))
    return {"refgrad": {**tally.to_dict(), "repeat": "line"}, **more}


@pytest.fixture
def account(pytestconfig):
    return Account(pytestconfig, _options.Options())


@pytest.mark.parametrize("torn", [False, True], ids=["without a teardown", "with one"])
def test_attempts_before_the_last_are_counted(account, torn):
    for how in ("rerun", "rerun", "passed"):
        if torn and account.running:
            account.pytest_runtest_logreport(phase("teardown", "passed"))
            assert account.tests["a.py::test"].to_dict()["outcome"] == "unfinished"
        account.pytest_runtest_logreport(phase("setup", "passed"))
        account.pytest_runtest_logreport(phase("call", how, **brought("right" if how == "passed" else "wrong")))
    account.pytest_runtest_logreport(phase("teardown", "passed"))
    (test,) = account.tests.values()
    assert (test.counts["right"], test.counts["wrong"], test.counts["omitted"], test.outcome) == (1, 2, 2, "passed")
    assert [verdict["outcome"] for verdict in test.verdicts] == ["right"]
    assert account.alpha == pytest.approx(3e-9, rel=1e-12)
    for when in ("setup", "call", "teardown"):  # the same test again, in another session of the same process
        account.pytest_runtest_logreport(phase(when, "passed"))
    assert sum(account.counts.values()) == sum(test.counts.values())


def test_a_next_attempt_has_the_properties_of_its_own_checks(run, pytester):
    twice = """
    import pytest

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        from _pytest.runner import runtestprotocol
        item.user_properties.append(("kept", "yes"))
        for report in runtestprotocol(item, log=False, nextitem=nextitem)[:2]:
            report.outcome = "rerun" if report.when == "call" else report.outcome
            item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            item.ihook.pytest_runtest_logreport(report=report)
        return True
    """
    run(PLAIN, "--junitxml=j.xml", "--refgrad-report=r.json", conftest=twice)
    names = [p.get("name") for p in next(ET.parse(pytester.path / "j.xml").iter("testcase")).iter("property")]
    assert names == ["kept", "refgrad[rare zero (bernoulli, D = 2)]"]
    (test,) = json.loads((pytester.path / "r.json").read_text())["tests"].values()
    assert (test["wrong"], test["omitted"]) == (2, 1)


def test_workers_that_run_the_same_test_are_both_heard(run, pytester):
    which = "half if os.environ['PYTEST_XDIST_WORKER'] == 'gw0' else sure"
    tests = f"import os\nfrom samplers import *\ndef test_it():\n    judge({which})"
    run(tests, "-n2", "--dist=each", "--refgrad-report=r.json")
    report = json.loads((pytester.path / "r.json").read_text())
    validate(report)
    (test,) = report["tests"].values()
    assert (test["right"], test["wrong"], test["outcome"]) == (1, 1, "failed")
    assert sorted(verdict["outcome"] for verdict in report["verdicts"]) == ["right", "wrong"]


@pytest.mark.parametrize(
    "how", [["--collect-only"], ["--fixtures"], ["-k", "nothing"], ["-n1", "-k", "nothing"]], ids=" ".join
)
def test_a_report_that_was_there_stays_if_no_test_ran(run, pytester, how):
    (pytester.path / "r.json").write_text("old")
    run(PLAIN, "--refgrad-report=r.json", *how)
    assert (pytester.path / "r.json").read_text() == "old"
    run(PLAIN, "--refgrad-report=new.json", *how)
    assert not (pytester.path / "new.json").exists()


def test_a_test_that_changes_the_directory_does_not_take_the_report_along(run, pytester):
    (pytester.path / "other").mkdir()
    run(
        "import os\nfrom samplers import *\ndef test_it():\n    os.chdir('other')\n    judge(half)",
        "--refgrad-report=r.json",
    )
    assert json.loads((pytester.path / "r.json").read_text())["tests"]
    assert not (pytester.path / "other/r.json").exists()


@pytest.mark.parametrize("flag", [flag for flag, _, _ in _options.OPTIONS])
def test_a_list_in_the_configuration_file_is_refused(run_here, pytester, flag):
    key = _options.key_of(flag)
    (pytester.path / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{key} = ['a', 'b']\n")
    said = refused(run_here("def test_it(): pass"))
    assert said == f"ERROR: {key} in pyproject.toml needs to be a text in quotes"


@pytest.mark.parametrize("flag", [flag for flag, _, _ in _options.OF_SUITE])
@pytest.mark.parametrize("text", ["", "  "], ids=["empty", "blank"])
def test_an_empty_option_of_the_suite_is_refused(run_here, flag, text):
    metavar = {flag: metavar for flag, metavar, _ in _options.OPTIONS}[flag]
    said = refused(run_here("def test_it(): pass", f"{flag}={text}"))
    assert said == f"ERROR: {flag} needs {metavar}, but is empty"


def test_a_path_of_the_configuration_file_begins_there(tree):
    (tree / "project/pytest.ini").write_text("[pytest]\nrefgrad_report = r.json\n")
    result = start(tree / "project/deep/er", "../../tests")
    assert (tree / "project/r.json").exists()
    assert f"The verdicts are in {Path('../../r.json')}." in result.outlines
    start(tree / "project/deep/er", "../../tests", "-o", "refgrad_report=mine.json")
    assert (tree / "project/deep/er/mine.json").exists()
