"""The page for a CI user does what it says, pasted into a folder of its own."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import refgrad
from refgrad.testing.report import read

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "examples" / "ci.md"
TEXT = PAGE.read_text()
WRONG = ("values - others", "values - values.mean(axis=1, keepdims=True)")

_spec = importlib.util.spec_from_file_location("paste", ROOT / ".ci" / "paste.py")
paste = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(paste)


def run(command, folder, **environment):
    """A command of the page, with the interpreter of this test as `python`."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV", "REFGRAD"))}
    return subprocess.run(
        words, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False, timeout=300
    )


pytestmark = pytest.mark.exhaustive


@pytest.fixture
def pasted(tmp_path):
    files = paste.paste(PAGE, tmp_path)
    assert {"my_estimator.py", "requirements-test.txt", "tests/test_gradients.py", "pytest.ini"} <= set(files)
    return tmp_path


def test_the_workflow_passes_the_right_estimator_and_fails_the_wrong_one(pasted):
    install, test = paste.commands(paste.paste(PAGE, pasted))
    assert install == "python -m pip install -r requirements-test.txt"
    done = run(test, pasted)
    assert done.returncode == 0, done.stdout
    assert "</html>" in (pasted / "gradients.html").read_text()
    code = (pasted / "my_estimator.py").read_text()
    assert code.count(WRONG[0]) == 1
    (pasted / "my_estimator.py").write_text(code.replace(*WRONG))
    done = run(f"{test} --refgrad-report gradients.json", pasted)
    assert done.returncode == 1, done.stdout
    (shown,) = re.findall(r"```text\n(wrong: .*?)```", TEXT, re.DOTALL)
    lines = [line.removesuffix(" [...]") for line in shown.splitlines() if line != "  ..."]
    assert [line for line in lines if line not in done.stdout] == []
    assert "--refgrad-seed=0" in done.stdout
    report = read(pasted / "gradients.json")
    assert [v["outcome"] for v in report["verdicts"] if v["test"].startswith("tests/test_gradients")] == ["wrong"] * 10


def test_the_readme_shows_its_summary(pasted):
    code = (pasted / "my_estimator.py").read_text()
    (pasted / "my_estimator.py").write_text(code.replace(*WRONG))
    text = (ROOT / "README.md").read_text()
    ((command, shown),) = re.findall(r"\$ (python -m pytest .*)\n\.\.\.\n(.*?)```", text, re.DOTALL)
    done = run(command, pasted)
    assert [line for line in shown.splitlines() if line not in done.stdout] == []


def test_the_property_fails_a_wrong_estimator(pasted):
    path = pasted / "tests" / "test_properties.py"
    path.write_text(path.read_text().replace("(z - expit(problem.logits))", "z"))
    done = run("python -m pytest tests/test_properties.py -k reinforce", pasted)
    assert done.returncode == 1
    assert "problem=Problem(Bernoulli([0]), " in done.stdout  # what it shrinks to


def test_the_conformance_suite_in_one_command(pasted):
    (line,) = re.findall(r"^REFGRAD_SAMPLER=(\S+) (python .*)$", TEXT, re.MULTILINE)
    sampler, command = line
    done = run(f"{command} -n 2", pasted, REFGRAD_SAMPLER=sampler)
    assert done.returncode == 0, done.stdout


def test_the_pinned_version_is_this_one():
    assert set(re.findall(r"==(\d\S*?)[`\s]", TEXT)) == {refgrad.__version__}


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    for link in links:
        assert (PAGE.parent / link).exists(), link
