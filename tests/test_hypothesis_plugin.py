"""The entry point: `from_type` works whichever is imported first, and costs nothing where refgrad is not used."""

import configparser
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refgrad.hypothesis_plugin import register

ROOT = Path(__file__).resolve().parents[1]
CALL = "from refgrad.hypothesis_plugin import register; register()"  # as Hypothesis does at the end of its import
TYPES = """
from hypothesis import find, settings, strategies as st
from refgrad import Bernoulli, Categorical
from refgrad.testing import Problem
for kind in (Problem, Bernoulli, Categorical):
    found = find(st.from_type(kind), lambda x: True, settings=settings(database=None, derandomize=True))
    assert isinstance(found, kind), found
    print(found)
"""


def run(code):
    """Output of some code in a new process; plugins are called by the code alone."""
    environment = {**os.environ, "HYPOTHESIS_NO_PLUGINS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "order",
    [
        f"import refgrad.testing\nimport hypothesis\n{CALL}",
        f"import hypothesis\n{CALL}\nimport refgrad.testing",
        f"import refgrad\nimport hypothesis\n{CALL}\nrefgrad.testing",
        f"import refgrad.testing.problem\nimport hypothesis\n{CALL}\n{CALL}",
    ],
    ids=["refgrad first", "hypothesis first", "refgrad loads its parts later", "called twice"],
)
def test_types_are_known(order):
    assert run(f"{order}\n{TYPES}") == [
        "Bernoulli([0]), SquaredError([0]) (bernoulli, D = 1)",
        "Bernoulli(logits=[0.])",
        "Categorical(logits=[[0., 0.]])",
    ]


def test_types_are_not_known_without_the_call():
    code = f"import refgrad.testing\nimport hypothesis\n{TYPES}"
    with pytest.raises(AssertionError, match=r"ResolutionFailed|InvalidArgument|TypeError|Unsatisfiable"):
        run(code)


def test_nothing_is_loaded_where_refgrad_is_not_used():
    code = f"import sys, hypothesis\nbefore = set(sys.modules)\n{CALL}\nprint(*sorted(set(sys.modules) - before))"
    assert run(code) == ["refgrad refgrad.hypothesis_plugin"]


def test_a_package_that_is_still_being_loaded_is_left_alone(monkeypatch):
    monkeypatch.setattr("refgrad.testing.strategies.register_types", lambda: pytest.fail("called"))
    monkeypatch.setitem(sys.modules, "refgrad.testing", type(sys)("refgrad.testing"))
    register()


def test_the_entry_point_is_declared():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    (line,) = config["options.entry_points"]["hypothesis"].split("\n")[1:]
    module, name = line.split("=")[1].strip().split(":")
    assert getattr(importlib.import_module(module), name) is register
