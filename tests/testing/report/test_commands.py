"""What the commands write keeps to the format, and has a page."""

import pytest

from refgrad import cli
from refgrad.testing.report import page, read

SAMPLERS = """\
from refgrad.estimators import Reinforce

def scaled(problem, n, rng):
    return 1.5 * Reinforce().sample(problem.q, problem.f, n, rng)

def raises(problem, n, rng):
    return problem.no_such_thing
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["verify", "mine.py:scaled", "--family", "bernoulli", "--max-samples", "3000"], 1),
        (["verify", "mine.py:raises"], 2),
        (["verify", "mine.py:none"], 2),
        (["compare", "--problem", "toy (", "--estimator", "Reinforce", "--over", "temperature", "--jobs", "1"], 0),
    ],
)
def test_a_command_writes_a_report(scratch, capsys, arguments, status):
    (scratch / "mine.py").write_text(SAMPLERS)
    assert cli.main([*arguments, "--json", "report.json"]) == status
    report = read("report.json")
    assert report["exit_status"] == status
    assert report["command"] == arguments[0]
    assert ("error" in report) == (status == 2)
    assert page(report).startswith("<!doctype html>")
    capsys.readouterr()
