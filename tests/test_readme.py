"""The README does what it says: its samplers, its output, its doctests, its commands."""

import doctest
import re
from pathlib import Path

import pytest

from refgrad.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def block(kind, start):
    (found,) = [text for name, text in BLOCKS if name == kind and text.startswith(start)]
    return found


@pytest.fixture
def my_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = block("python", "# my_code.py")
    (tmp_path / "my_code.py").write_text(source)
    (right,) = re.findall(r"`problem\.f\(z\) - (\(problem\.f\(z\)\.sum\(.*?/ 3)`", README)
    (tmp_path / "fixed.py").write_text(source.replace("problem.f(z).mean(axis=1, keepdims=True)", right))
    return tmp_path


def test_the_wrong_estimator_is_caught_as_shown(my_code, capsys):
    assert my_code.exists()
    assert main(["verify", "my_code.py:estimate", "--family", "bernoulli"]) == 1
    said = capsys.readouterr().out
    begins, ends = block("text", "$ refgrad verify my_code.py").split("\n", 1)[1].split("...\n")
    assert said.startswith(begins)
    assert said.endswith(ends)


def test_the_mended_estimator_passes(my_code, capsys):
    assert my_code.exists()
    assert main(["verify", "fixed.py:estimate", "--family", "bernoulli"]) == 0
    assert "10 right, 0 wrong, 0 undecided" in capsys.readouterr().out


def test_the_doctests_pass():
    examples = doctest.DocTestParser().get_doctest(README, {}, "README.md", None, None)
    assert doctest.DocTestRunner().run(examples).failed == 0
    assert len(examples.examples) >= 12


def test_the_torch_sampler_is_the_one_that_is_verified():
    sampler = block("python", "import torch").split("\n\n\n", 1)[1]
    assert sampler in (ROOT / "examples/peers/torch_score_function.py").read_text()


def test_ci_runs_the_commands_of_the_readme():
    commands = [text.strip() for name, text in BLOCKS if name == "sh"]
    script = (ROOT / ".ci/run").read_text()
    (verify,) = [c for c in commands if re.search("refgrad verify$", c)]
    (tests,) = [c for c in commands if "python -m pytest" in c]
    assert verify.startswith("python3 -m venv")
    assert tests.startswith("python3 -m venv")
    assert """grep -m1 'refgrad verify$'""" in script
    assert """grep -m1 'python -m pytest'""" in script


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
