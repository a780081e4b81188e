"""`refgrad verify` as its user runs it: exit statuses, messages, reports."""

import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import refgrad
from refgrad import cli
from refgrad.cli import _judged, _terminal
from refgrad.estimators import Reinforce
from refgrad.testing import built_in, check_unbiased, standard_problems
from refgrad.testing._names import short_names
from refgrad.testing.report import read

SAMPLERS = """\
import numpy as np
from refgrad.estimators import GumbelSoftmax, Rebar, Reinforce

def right(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)

def scaled(problem, n, rng):
    return 1.5 * right(problem, n, rng)

def averaged(problem, n, rng):
    return right(problem, n, rng).mean(axis=0)

def complex_numbers(problem, n, rng):
    return 1j * right(problem, n, rng)

def text(problem, n, rng):
    return "0.3"

def sometimes_nan(problem, n, rng):
    rows = right(problem, n, rng)
    rows[rng.random(n) < 0.01] = np.nan
    return rows

def raises(problem, n, rng):
    return problem.no_such_thing

def keyed(problem):
    return 0

def loud(problem, n, rng):
    print("loss", n)
    return right(problem, n, rng)

def leaves(problem, n, rng):
    raise SystemExit(0)

def mean_of_loss_in_probs(problem, n, rng):
    q = problem.q
    z = q.sample(q.draw_noise(n, rng))
    score = z / q.probs - ((1 - z) / (1 - q.probs) if problem.family == "bernoulli" else 0)
    return -(q.expand(problem.f(z)) * score).mean(axis=0)

def relaxed(problem, n, rng):
    return GumbelSoftmax(temperature=1.0).sample(problem.q, problem.f, n, rng)

def on_noise(problem, noise):
    return Rebar()(problem.q, problem.f, noise)

def on_fresh_noise_alone(problem, noise):
    return Rebar()(problem.q, problem.f, noise[[1, 1]])

constant = 3
"""


@pytest.fixture(autouse=True)
def folder(scratch):
    (scratch / "mine.py").write_text(SAMPLERS)
    return scratch


def run(*arguments):
    return cli.main(["verify", *map(str, arguments)])


def strict(path):
    """JSON as the standard has it: no NaN, no Infinity."""
    return json.loads(Path(path).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


class TestExitStatus:
    def test_right(self, capsys):
        assert run("mine.py:right", "--family", "bernoulli") == 0
        printed = capsys.readouterr().out
        count = len(standard_problems("bernoulli"))
        assert printed.count("\nright: ") + printed.startswith("right: ") == count
        assert f"mine.py:right: {count} right, 0 wrong, 0 undecided" in printed

    def test_wrong(self, capsys):
        assert run("mine.py:scaled") == 1
        printed = capsys.readouterr().out
        assert printed.count("evidence of a bias") == len(standard_problems())
        assert "repeat with alpha=1e-09, seed=0" in printed

    def test_undecided(self, capsys):
        assert run("mine.py:right", "--max-samples", 2000, "--family", "categorical") == 3
        assert re.search(r"rare outcomes carry the variance: [\d,]+ samples are needed, or", capsys.readouterr().out)

    def test_wrong_beats_undecided(self, capsys):
        assert run("mine.py:scaled", "--max-samples", 20_000, "--family", "bernoulli") == 1
        printed = capsys.readouterr().out
        assert "undecided: " in printed
        assert "wrong: " in printed

    def test_usage(self, capsys):
        with pytest.raises(SystemExit) as stopped:
            run("mine.py:right", "--family", "poisson")
        assert stopped.value.code == 2
        assert "invalid choice: 'poisson'" in capsys.readouterr().err

    def test_interrupted(self, capsys, monkeypatch):
        monkeypatch.setattr(_judged, "check_unbiased", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run("mine.py:right") == 130
        assert capsys.readouterr().err == "refgrad: interrupted\n"

    def test_interrupted_it_leaves_the_report_of_before(self, monkeypatch, tmp_path):
        monkeypatch.setattr(_judged, "check_unbiased", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        old, new = tmp_path / "old.json", tmp_path / "new.json"
        old.write_text("{}")
        assert [run("mine.py:right", "--json", str(path)) for path in (old, new)] == [130, 130]
        assert old.read_text() == "{}"
        assert not new.exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("mine.py:averaged", r"averaged fails: averaged\(toy .*\) needs to return shape \(1024, 1\)"),
        ("mine.py:averaged", "if that is the mean over the repetitions, say rows=M"),
        ("mine.py:complex_numbers", "needs to return real numbers, but returned dtype complex128"),
        ("mine.py:text", "needs to return real numbers, but returned dtype <U3"),
        (
            "mine.py:raises",
            r"raises\(toy .*, n=1024, rng=default_rng\(\[0, 0\]\)\) raised AttributeError: 'Problem' object ",
        ),
        ("mine.py:raises", r"no attribute 'no_such_thing' \(mine.py, line 25: return problem.no_such_thing\)"),
        ("mine.py:keyed", "raised TypeError: keyed.. takes 1 positional argument but 3 were given"),
        ("mine.py:leaves", r"raised SystemExit: 0 \(mine.py, line \d+: raise SystemExit\(0\)\)"),
        ("mine.py:constant", "mine.py:constant needs to be callable as sampler.problem, n, rng., but is 3"),
        ("mine.py:rihgt", "mine.py has no name 'rihgt'; did you mean right"),
        ("nowhere.py:right", "there is no file nowhere.py"),
        ("nowhere.mine:right", "there is no module 'nowhere'"),
        ("mine:right.x", "needs to be given as file.py:name or pkg.module:name, but is 'mine:right.x'"),
        ("broken.py:right", r"broken.py does not import: SyntaxError: .*\(line 2\)"),
        (
            "failing.py:right",
            "failing.py does not import: ZeroDivisionError: division by zero .*failing.py, line 1: 1 / 0",
        ),
        ("exiting.py:right", "exiting.py does not import: SystemExit: 7"),
    ],
)
def test_code_that_fails_is_a_message(folder, capsys, target, message):
    (folder / "broken.py").write_text("x = 1\ndef f(:\n")
    (folder / "failing.py").write_text("1 / 0\n")
    (folder / "exiting.py").write_text("raise SystemExit(7)\n")
    assert run(target, "--json", "report.json") == 2
    error = capsys.readouterr().err
    assert error.startswith("refgrad: ")
    assert "Traceback" not in error
    assert len(error.splitlines()) <= 3
    assert re.search(message, error), error
    assert read("report.json")["exit_status"] == 2
    assert read("report.json")["error"] in error


def test_nan_is_counted(capsys):
    assert run("mine.py:sometimes_nan", "--family", "bernoulli") == 1
    assert "estimates (1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--alpha", "0", "alpha needs"),
        ("--alpha", "nan", "alpha needs"),
        ("--alpha", "1.5", "alpha needs"),
        ("--tolerance", "-1", "tolerance needs"),
        ("--tolerance", "inf", "tolerance needs"),
        ("--max-samples", "1", "max_samples needs"),
        ("--estimator", "Nothing", "there is no estimator 'Nothing'; there are"),
        ("--estimator", "GumbelSoftmax", "GumbelSoftmax needs temperature"),
        ("--estimator", "GumbelSoftmax(temperature=-1)", "needs a positive and finite temperature, but it is -1"),
        ("--json", "no_such_folder/report.json", "cannot write no_such_folder/report.json: No such file"),
    ],
)
def test_options_that_make_no_sense(capsys, option, value, message):
    assert run("mine.py:right", option, value) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error


def reinforce(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)


PROGRAM = """\
import json, sys
import numpy as np
for line in sys.stdin:
    asked = json.loads(line)
    rng = np.random.default_rng(asked["seed"])
    probs = 1 / (1 + np.exp(-np.array(asked["logits"])))
    z = (rng.random((asked["n"], probs.size)) < probs).astype(int)
    f = np.array(asked["objective"]["values"])[z @ 2 ** np.arange(probs.size)[::-1]]
    print(json.dumps({"id": asked["id"], "rows": (float(sys.argv[1]) * f[:, None] * (z - probs)).tolist()}), flush=True)
"""


def test_an_overview_on_a_terminal(capsys, monkeypatch):
    verdicts = [check_unbiased(reinforce, problem, max_samples=2_000) for problem in standard_problems("bernoulli")[:2]]
    _terminal.print_overview(verdicts)
    assert capsys.readouterr().out == ""  # a pipe has the lines alone
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    _terminal.print_overview(verdicts)
    assert capsys.readouterr().out == ""  # nor has a table room on a narrow one
    monkeypatch.setenv("COLUMNS", "160")
    _terminal.print_overview(verdicts)
    shown = capsys.readouterr().out
    for verdict in verdicts:
        assert verdict.problem in shown
        assert f"{verdict.n:,}" in shown
        assert verdict.outcome in shown


class TestProgram:
    @pytest.mark.parametrize(("factor", "status"), [(1.0, 0), (0.5, 1)])
    def test_is_judged(self, capsys, factor, status):
        Path("program.py").write_text(PROGRAM)
        command = f"{sys.executable} program.py {factor}"
        assert run("--program", command, "--family", "bernoulli", "--max-samples", 500_000) == status
        assert f"{command}: " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("command", "message"),
        [
            ("./no-such-program", "does not start: "),
            ("'unbalanced", "No closing quotation"),
            ("", "command needs the name of a program"),
            (f"{sys.executable} -c 'raise SystemExit(3)'", "fails: "),
        ],
    )
    def test_that_fails(self, capsys, command, message):
        assert run("--program", command, "--family", "bernoulli") == 2
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error

    def test_that_is_too_late(self, capsys):
        command = f"{sys.executable} -c 'import time; time.sleep(60)'"
        assert run("--program", command, "--family", "bernoulli", "--timeout", 0.5) == 2
        assert "gave no answer within 0.5 s" in capsys.readouterr().err

    def test_beside_a_sampler(self, capsys):
        assert run("mine.py:right", "--program", "x") == 2
        assert "needs a SAMPLER or a --program" in capsys.readouterr().err


class TestEnds:
    """Exit statuses of a process: who reads it, and who ends it."""

    COMMAND = (sys.executable, "-m", "refgrad", "verify", "mine.py:right", "--family", "bernoulli")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_a_signal_ends_the_program_too(self, number):
        busy = "import os, sys; print(os.getpid(), file=open('pid', 'w'), flush=True)\nwhile True: pass"
        Path("busy.py").write_text(busy)
        code = (
            "import signal, sys; from refgrad.cli import main\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # whoever runs the tests may ignore both
            "sys.exit(main(['verify', '--program', f'{sys.executable} busy.py', '--html', 'new.html']))"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        while not (Path("pid").exists() and Path("pid").read_text().endswith("\n")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert error == f"refgrad: {'interrupted' if number == signal.SIGINT else f'ended by {number.name}'}\n"
        assert not Path("new.html").exists()
        with pytest.raises(ProcessLookupError):
            os.kill(int(Path("pid").read_text()), 0)

    def test_a_reader_who_goes_away_is_no_verdict(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(self.COMMAND, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (2, "")

    @pytest.mark.parametrize("closed", [">&-", "2>&-"])
    def test_a_closed_stream(self, closed):
        command = f"{shlex.join(self.COMMAND)} {closed}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
    def test_a_full_disk(self):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(self.COMMAND, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("refgrad: cannot write the output: No space left")


def test_a_note_of_what_is_right_is_shown(capsys):
    Path("unseeded.py").write_text(
        "from mine import *\nRNG = np.random.default_rng(0)\n"
        "def sampler(problem, n, rng):\n    rng.random()\n    return right(problem, n, RNG)"
    )
    assert run("unseeded.py:sampler", "--family", "bernoulli") == 0
    assert capsys.readouterr().out.count("  note: the same generator gave other rows the second time") == 10


class TestReport:
    def test_for_people(self):
        assert run("mine.py:scaled", "--family", "bernoulli", "--html", "report.html", "--json", "report.json") == 1
        page = Path("report.html").read_text()
        assert page.startswith("<!doctype html>")
        assert page.count("<svg") >= 20
        for problem in standard_problems("bernoulli"):
            assert str(problem) in page
        report = read("report.json")
        assert report["target"] == "mine.py:scaled"
        assert report["repeat"].startswith("refgrad verify mine.py:scaled --family bernoulli")
        assert report["options"]["max_seconds"] is None
        assert [v["check"] for v in report["verdicts"]] == ["unbiased"] * 10
        assert all(v["history"][-1] == [v["n"], v["evidence"]] for v in report["verdicts"])

    def test_a_page_without_its_packages(self, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "jinja2", None)
        assert run("mine.py:right", "--html", "report.html") == 2
        assert "pip install 'refgrad[report]'" in capsys.readouterr().err
        assert not Path("report.html").exists()

    def test_a_page_that_cannot_be_written(self, capsys):
        assert run("mine.py:right", "--html", "nowhere/report.html") == 2
        assert "cannot write nowhere/report.html" in capsys.readouterr().err

    def test_of_a_sampler(self):
        assert run("mine.py:scaled", "--family", "categorical", "--json", "report.json", "--seed", 3) == 1
        report = read("report.json")
        assert report["format"] == "refgrad-report"
        assert report["version"] == refgrad.__version__
        assert report["exit_status"] == 1
        problems = standard_problems("categorical")
        assert [v["problem"] for v in report["verdicts"]] == list(map(str, problems))
        for verdict, problem in zip(report["verdicts"], problems, strict=True):
            assert verdict["outcome"] == "wrong"
            assert verdict["seed"] == 3
            np.testing.assert_array_equal(verdict["exact"], problem.gradient)

    def test_of_nothing_but_nan(self, folder):
        (folder / "nans.py").write_text(
            "import numpy as np\ndef f(p, n, rng): return np.full((n, *p.gradient.shape), np.nan)"
        )
        assert run("nans.py:f", "--json", "report.json") == 1
        assert all(
            v["estimate"] == [[None] * 3]
            for v in read("report.json")["verdicts"]
            if "K = 3" in v["problem"][-8:] and "D = 1" in v["problem"]
        )

    def test_of_the_built_in_estimators(self, capsys):
        assert run("--family", "bernoulli", "--json", "report.json") == 0
        rows = read("report.json")["rows"]
        assert f"{len(rows)} rows, 0 wrong" in capsys.readouterr().out
        assert {row["verdict"] for row in rows} <= {"unbiased", "biased, as claimed", "unbiased here"}

    def test_repeats_to_the_bit(self):
        texts = []
        for _ in range(2):
            run("mine.py:right", "--family", "bernoulli", "--json", "report.json")
            texts.append(Path("report.json").read_bytes())
        assert texts[0] == texts[1]


class TestTable:
    def test_has_a_line_for_every_estimator(self, capsys):
        assert run() == 0
        head, *lines = capsys.readouterr().out.splitlines()
        assert head.split() == [
            "estimator",
            "problems",
            "worst",
            "on",
            "component",
            "gradient",
            "bias",
            "error",
            "verdict",
        ]
        names = short_names(built_in.instances())
        assert [line.split("  ")[0] for line in lines[: len(names)]] == names
        assert lines[len(names)] == ""
        pairs = built_in.pairs()
        assert lines[-1].startswith(f"{len(pairs)} rows, 0 wrong.")
        assert max(map(len, lines)) < 200
        counts = [int(re.search(r"  (\d+)  ", line)[1]) for line in lines[: len(names)]]
        assert sum(counts) == len(pairs)

    def test_a_line_is_the_worst_of_its_estimator(self, capsys):
        assert run("--family", "bernoulli", "--json", "report.json") == 0
        (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("GumbelSoftmax(temperature=1.0)")]
        rows = [row for row in read("report.json")["rows"] if row["estimator"] == "GumbelSoftmax(temperature=1.0)"]
        worst = max(rows, key=lambda row: np.abs(row["bias"]).max())
        assert worst["problem"] in line
        assert f"{max(worst['bias'], key=abs):.4g}" in line

    def test_all_shows_every_row(self, capsys):
        assert run("--family", "bernoulli", "--all") == 0
        head, *lines = capsys.readouterr().out.splitlines()
        expected = ["estimator", "problem", "component", "gradient", "mean", "bias", "variance", "error", "verdict"]
        assert head.split() == expected
        count = len(built_in.pairs("bernoulli"))
        assert len(lines) == count + 2
        assert lines[-1] == f"{count} rows, 0 wrong."
        assert repr(Reinforce()) in "\n".join(lines)

    def test_a_wrong_estimator_is_seen(self, capsys, monkeypatch):
        monkeypatch.setattr(
            Reinforce, "__call__", lambda _self, q, f, noise: 0 * noise[0] + f(q.sample(noise[0])).sum()
        )
        assert run("--family", "bernoulli") == 1
        summary, rows, last = capsys.readouterr().out.split("\n\n")
        assert re.search(r"^Reinforce\(\) .* wrong$", summary, flags=re.MULTILINE)
        assert rows.count("Reinforce()") == rows.count(" wrong") > 1
        assert f", {rows.count(' wrong')} wrong. " in last

    def test_a_bias_that_cannot_be_seen_is_wrong(self, capsys, monkeypatch):
        monkeypatch.setattr(Reinforce, "claims", dataclasses.replace(Reinforce.claims, unbiased=False))
        assert run("--family", "bernoulli") == 1
        assert "wrong: Reinforce() claims a bias, but none is visible" in capsys.readouterr().out


def test_the_reference_can_be_named(capsys):
    assert run("mine.py:right", "--estimator", "Reinforce", "--family", "bernoulli") == 0
    assert run("mine.py:scaled", "--estimator", "Reinforce()", "--family", "bernoulli") == 1
    assert "assumes the exact covariance of Reinforce()" in capsys.readouterr().out


def test_without_the_niceties(monkeypatch, capsys):
    for name in ("rich", "rich.console", "rich.table", "rich.text", "tqdm"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run("--family", "bernoulli") == 0
    assert run("mine.py:scaled", "--family", "categorical") == 1
    assert "wrong: " in capsys.readouterr().out


def test_a_live_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert run("mine.py:scaled", "--family", "bernoulli") == 1
    shown = capsys.readouterr().err
    assert "evidence of a bias 10^" in shown
    assert shown.endswith("\r\033[K")


def test_the_cause_is_named_at_the_end(capsys):
    assert run("mine.py:scaled", "--family", "bernoulli", "--json", "report.json") == 1
    printed = capsys.readouterr().out
    found = read("report.json")["diagnosis"]
    assert "diagnosis of scaled: 20,000 fresh rows" in printed
    assert found["factor"] == pytest.approx(1.5, abs=6 * found["factor_error"])
    assert found["causes"][0]["text"] in printed


def test_what_the_code_prints_is_kept_from_the_report(capsys):
    assert run("mine.py:loud", "--family", "bernoulli", "--tolerance", "0.5") == 0
    captured = capsys.readouterr()
    assert "loss" not in captured.out
    assert re.search(r"refgrad: mine.py:loud printed [\d,]+ lines, the first: 'loss 1024'", captured.err)


class TestChecks:
    def test_of_a_mean_of_a_loss_in_probs(self):
        said = ["--rows", 50, "--probs", "--loss", "--tolerance", "0.3", "--family", "bernoulli", "--alpha", "1e-4"]
        target = "mine.py:mean_of_loss_in_probs"
        # Where p is 0 to rounding there is no gradient in it.
        problems = standard_problems("bernoulli")[:4]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_judged, "standard_problems", lambda _: problems)
            assert run(target, *said) == 0
            assert run(target, *said[:3], *said[4:]) == 1

    def test_a_biased_estimator_is_compared_with_its_moments(self, capsys):
        patched = standard_problems("bernoulli")[:1] + standard_problems("bernoulli")[7:8]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_judged, "standard_problems", lambda _: patched)
            assert run("mine.py:relaxed", "--estimator", "GumbelSoftmax(temperature=1.0)", "--json", "report.json") == 0
        report = read("report.json")
        assert report["check"] == "moments"
        assert report["skipped"] == [str(patched[1])]
        assert "skipped: one in a thousand" in capsys.readouterr().out
        assert report["verdicts"][0]["covariance"]

    @pytest.mark.parametrize("check", ["expectation", "pathwise"])
    def test_functions_of_noise(self, check, capsys):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_judged, "standard_problems", lambda _: standard_problems("bernoulli")[:1])
            said = ["--estimator", "Rebar", "--check", check]
            assert run("mine.py:on_noise", *said) == 0
            assert run("mine.py:on_fresh_noise_alone", *said) == 1
        assert "evidence of a bias" not in capsys.readouterr().out

    @pytest.mark.parametrize("check", ["moments", "expectation", "pathwise"])
    def test_that_need_a_name(self, check, capsys):
        assert run("mine.py:right", "--check", check) == 2
        assert f"--check {check} needs --estimator NAME" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--rows", "4"], ["--state", "x"], ["--probs"], ["--check", "unbiased"]])
def test_options_of_a_sampler_without_one(option, capsys):
    assert run(*option) == 2
    assert f"{option[0]} needs a SAMPLER" in capsys.readouterr().err
    assert run("", *option) == 2
    assert "needs to be given as file.py:name" in capsys.readouterr().err


def test_no_samples_are_drawn_on_explicit_noise(capsys):
    assert run("mine.py:on_noise", "--estimator", "Rebar", "--check", "pathwise", "--rows", 4) == 2
    assert "--check pathwise takes no samples" in capsys.readouterr().err


class TestState:
    def test_goes_on(self, capsys):
        said = ["mine.py:right", "--family", "bernoulli", "--state", "state.json"]
        assert run(*said, "--max-samples", 30_000) == 3
        assert run(*said) == 0
        once = capsys.readouterr().out
        assert len(strict("state.json")["checks"]) == len(standard_problems("bernoulli"))
        assert run("mine.py:right", "--family", "bernoulli") == 0
        assert once.endswith(capsys.readouterr().out)

    def test_a_damaged_file_is_a_message(self, capsys):
        Path("state.json").write_text("{")
        assert run("mine.py:right", "--state", "state.json") == 2
        assert "state.json is damaged, or no state of a check" in capsys.readouterr().err


def test_time_is_bounded(capsys):
    assert run("mine.py:right", "--family", "bernoulli", "--max-seconds", "1e-9") == 3
    assert "the time is spent: 1e-09 s did not allow a pilot" in capsys.readouterr().out


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["verify", "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for line in ("refgrad verify my_code.py:estimate", "exit status:", "undecided on some"):
        assert line in shown


def test_as_a_module():
    command = [sys.executable, "-m", "refgrad", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown == f"refgrad {refgrad.__version__}\n"
    assert (
        subprocess.run([*command[:-1], "verify", "mine.py:nothing"], capture_output=True, check=False).returncode == 2
    )
    assert subprocess.run(command[:-1], capture_output=True, check=False).returncode == 2
