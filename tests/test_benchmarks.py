"""The benchmarks run, judge by the goals that they state, and do not depend on the number of processes."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
OURS = ("accuracy", "cost", "false_alarms", "matrix")
CONTENT = {
    "accuracy": ("seed", "goal", "regimes", "lines"),
    "cost": ("samples", "threads", "lines", "battery"),
    "detection": ("alpha", "seed", "lines"),
    "false_alarms": ("alpha", "seed", "groups", "total", "unshifted", "studentised"),
    "matrix": ("alpha", "seed", "budgets", "lines"),
}


def run(name, *arguments):
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs(name, tmp_path):
    path = tmp_path / "report.json"
    done = run(name, "--quick", "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert lines[0] == lines[0].strip()
    assert set(CONTENT[name]) <= set(json.loads(path.read_text()))


def test_the_numbers_do_not_depend_on_the_processes(tmp_path):
    found = []
    for jobs in ("1", "2"):
        path = tmp_path / f"{jobs}.json"
        only = ("--only", "reinforce-wrong-sign")
        done = run("matrix", *only, "--jobs", jobs, "--seed", "3", "--json", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        found.append((done.stdout, json.loads(path.read_text())))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_explains_itself(load, capsys, name):
    with pytest.raises(SystemExit) as raised:
        load(name).main(["--help"])
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert f"tests/benchmarks/{name}.py --quick" in shown
    assert f"tests/benchmarks/{name}.py" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--jobs", "0"], "--jobs needs to be at least 1, but is 0"), (["--seed", "-1"], "--seed needs to be at least 0")],
)
def test_options_that_make_no_sense(load, capsys, name, arguments, message):
    with pytest.raises(SystemExit) as raised:
        load(name).main(arguments)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


class TestGoalsThatAreMissed:
    def test_false_alarms(self, load):
        module = load("false_alarms")

        def group(name, outcome, count):
            alarms = [{"outcome": outcome, "n": 50, "reason": "the mean is not the exact gradient"}] * count
            quiet = [{"outcome": "undecided", "n": 9000, "reason": "the samples are spent"}] * (400 - count)
            return module.summary(name, alarms + quiet, groups=10)

        assert group("any", "wrong", 4)["held"]  # 4 of 400 is the rate itself
        assert not group("any", "wrong", 16)["held"]
        assert group("any", "wrong", 16)["parts"]["mean"] == 16
        assert group("any", "right", 16)["held"]
        assert not group(module.JUST_WRONG, "right", 16)["held"]

    def test_the_limits_of_a_share(self, load):
        low, high = load("false_alarms").limits(0, 400)
        assert low == 0
        assert (1 - high) ** 400 == pytest.approx(0.01)  # none of 400 has that probability at the limit

    def test_a_studentised_test_without_variance(self, load):
        module, flat = load("false_alarms"), [[0.5, 0.0]] * 60
        rows = np.array(flat)
        assert module.z_test(rows)
        assert module.hotelling(rows)
        assert not module.z_test(0 * rows)
        assert not module.hotelling(0 * rows)

    def test_a_mistake_that_survives(self, load):
        module = load("matrix")
        unseen = {column: {"outcome": "right", "why": ""} for column in module.COLUMNS}
        row = {"wrong": True, "of unbiased": True, "bias": 0.0, "tolerance": 0.1, **unseen}
        assert module.failing(row) == "survives"
        assert module.failing({**row, "bias": 0.5}).startswith("its bias exceeds the tolerance")
        seen = {"outcome": "wrong", "n": 64}
        assert not module.failing({**row, "pathwise": seen})
        assert not module.failing({**row, "bias": 0.5, "black box": seen})
        assert module.failing({**row, "of unbiased": False, "black box": seen}) == "survives"
        assert module.failing({**row, "wrong": False, "moments": seen}) == "is right, and moments says wrong"

    def test_statistics_that_cost_too_much(self, load):
        module = load("cost")
        short = {"n": 100, "cpu": (1.0, 0.5), "wall": (1.0, 0.5)}
        cheap = {"n": 300, "cpu": (3.0, 0.6), "wall": (3.0, 0.6)}
        dear = {"n": 300, "cpu": (3.0, 0.9), "wall": (3.0, 0.9)}
        runs = [{"problem": "any", "estimator": "any", "short": short, "long": long} for long in (cheap, dear, dear)]
        found = module.summary(runs[:1])
        assert found["held"]
        assert found["ratio"] == pytest.approx(0.05)
        assert found["whole ratio"] == pytest.approx(0.5)
        assert not module.summary(runs)["held"]
