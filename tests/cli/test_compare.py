"""`refgrad compare` as its user runs it: the table, the files, messages."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import refgrad
from refgrad import cli, exact
from refgrad.cli import compare as command
from refgrad.cli._arguments import find_problem, read_temperatures
from refgrad.estimators import GumbelSoftmax
from refgrad.testing import exact_problems, standard_problems
from refgrad.testing.loading import LoadError
from refgrad.testing.report import read

README = Path(__file__).resolve().parents[2] / "README.md"
FEW = ("--estimator", "Reinforce", "--estimator", "GumbelSoftmax(temperature=0.5)", "--jobs", "1")


@pytest.fixture(autouse=True)
def folder(scratch):
    return scratch


def run(*arguments):
    return cli.main(["compare", *map(str, arguments)])


class TestTable:
    def test_by_default(self, capsys):
        assert run() == 0
        first, _, head, *lines = capsys.readouterr().out.splitlines()
        problem = find_problem(None, None)
        assert first == f"{problem}, gradient of norm {np.linalg.norm(problem.gradient):.4g}"
        assert head.startswith("estimator ")
        assert re.search(r"^\d+ estimators, \d+ biased here\.", lines[-1])
        assert not [line for line in lines if "not computed" in line]

    def test_shows_the_numbers(self, capsys):
        assert run(*FEW) == 0
        unbiased, biased = sorted(re.findall(r"^(?:Reinforce|Gumbel).*$", capsys.readouterr().out, re.MULTILINE))[::-1]
        problem = find_problem(None, None)
        moments = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        bias, total = moments.mean - problem.gradient, moments.variance.sum()
        square = (bias**2).sum()
        assert re.split("  +", biased) == [
            "GumbelSoftmax(temperature=0.5)",
            f"{bias[0]:+.4g} [0]",
            f"{100 * np.sqrt(square) / np.linalg.norm(problem.gradient):.3g} %",
            f"{np.sqrt(total):.4g}",
            f"{np.sqrt(square / total):.3g}",
            f"{np.sqrt(square + total):.4g}",
            f"{total / square:,.0f}",
            "1",
        ]
        name, shown, deviation, ratio, error, never, draws = re.split("  +", unbiased)
        assert (name, shown, ratio, never, draws) == ("Reinforce()", "0", "0", "-", "1")
        assert deviation == error

    def test_an_undetermined_bias_is_a_bound(self, capsys):
        assert run("--problem", "toy (", "--estimator", "MeanSubstitution") == 0
        assert re.search(r"^MeanSubstitution\(\) +< \de-\d+ ", capsys.readouterr().out, re.MULTILINE)

    def test_what_is_too_expensive_says_so(self, capsys):
        assert run(*FEW, "--limit", 100, "--over", "temperature") == 0
        said = capsys.readouterr().out
        assert re.search(r"GumbelSoftmax\(temperature=0.5\) was not computed: .* pass --limit \d+ to allow it", said)
        assert "13 of 14 points of the curves were not computed" in said

    def test_curves_in_numbers(self, capsys):
        assert run(*FEW, "--over", "temperature", "--temperatures", "0.5,1") == 0
        table = capsys.readouterr().out.split("root mean squared error over temperature\n\n")[1].splitlines()
        assert table[0].split() == ["estimator", "0.5", "1"]
        assert [line.split()[0] for line in table[1:]] == ["Reinforce()", "GumbelSoftmax()"]
        problem = find_problem(None, None)
        moments = exact.moments(GumbelSoftmax(1.0), problem.q, problem.f)
        rms = np.sqrt(((moments.mean - problem.gradient) ** 2).sum() + moments.variance.sum())
        assert table[2].split()[-1] == f"{rms:.3g}"

    def test_as_the_readme_shows(self, capsys):
        (block,) = re.findall(r"```text\n\$ refgrad (compare .*?)```", README.read_text(), flags=re.DOTALL)
        line, expected = block.split("\n", 1)
        assert cli.main(shlex.split(line)) == 0
        assert capsys.readouterr().out == expected

    def test_other_logits(self, capsys):
        assert run(*FEW, "--logits=-1,0.5") == 0
        assert capsys.readouterr().out.startswith("interactions at -1,0.5 (bernoulli, D = 2), gradient of norm ")
        assert run("--estimator", "Reinforce", "--problem", "two pairs", "--logits", "0,1; 2,0.5") == 0

    def test_without_the_niceties(self, monkeypatch, capsys):
        for name in ("rich", "rich.console", "rich.table", "rich.text", "tqdm"):
            monkeypatch.setitem(sys.modules, name, None)
        assert run(*FEW) == 0
        assert "Reinforce()" in capsys.readouterr().out

    def test_on_a_terminal(self, monkeypatch, capsys):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "60")
        assert run(*FEW) == 0
        assert "━" not in capsys.readouterr().out  # a line may be longer, but none is folded letter by letter
        monkeypatch.setenv("COLUMNS", "100")
        assert run(*FEW) == 0
        shown = capsys.readouterr()
        assert "━" in shown.out
        assert "…" not in shown.out
        assert "block" in shown.err


class TestFiles:
    def test_json(self):
        assert run(*FEW, "--temperatures", "0.5,1", "--over", "temperature", "--json", "report.json") == 0
        report = read("report.json")
        assert report["format"] == "refgrad-report"
        assert report["version"] == refgrad.__version__
        assert report["exit_status"] == 0
        found = report["comparison"]
        assert found["problem"] == "interactions (bernoulli, D = 2)"
        assert {row["name"] for row in found["rows"]} == {"Reinforce()", "GumbelSoftmax(temperature=0.5)"}
        assert [curve["at"] for curve in found["temperature"]] == [[0.5, 1.0]] * 2
        assert found["logits"] == []

    @pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
    def test_plot(self, capsys, suffix, begins):
        path = Path(f"tradeoff.{suffix}")
        assert run(*FEW, "--temperatures", "0.5,1", "--over", "temperature", "--plot", path) == 0
        assert path.read_bytes().startswith(begins)
        assert capsys.readouterr().out.endswith(f"wrote {path}\n")

    def test_both_axes_are_drawn_unless_one_is_named(self, monkeypatch):
        asked = []
        original = command.compare
        monkeypatch.setattr(command, "compare", lambda *a, **o: asked.append(o) or original(*a, **{**o, "scales": ()}))
        toy = ("--problem", "toy (", "--estimator", "Reinforce", "--jobs", "1")
        for over in ([], ["--over", "both"], ["--over", "temperature"], ["--over", "logits"]):
            assert run(*toy, *over, "--json", "report.json") == 0
        assert run(*toy) == 0
        assert [(len(o["temperatures"]), len(o["scales"])) for o in asked] == [
            (13, 17),
            (13, 17),
            (13, 0),
            (0, 17),
            (0, 0),
        ]

    def test_processes_change_nothing(self):
        for jobs in ("1", "2"):
            run(*FEW[:4], "--jobs", jobs, "--problem", "toy (", "--over", "temperature", "--json", f"{jobs}.json")
        one, two = (read(f"{jobs}.json") for jobs in "12")
        assert "comparison" in one
        assert {**one, "repeat": ""} == {**two, "repeat": ""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--problem", "nothing"], "there is no problem 'nothing'; there are:\n  toy, t = .45"),
        (
            ["--problem", "interactions", "--family", "bernoulli"],
            "several problems are called 'interactions'; say which",
        ),
        (["--estimator", "Nothing"], "there is no estimator 'Nothing'; there are"),
        (["--estimator", "GumbelSoftmax"], "GumbelSoftmax needs temperature"),
        (["--estimator", "Rebar(temperature=-1)"], "needs a positive and finite temperature"),
        (["--temperatures", "0"], "--temperatures needs positive and finite numbers, but one is 0"),
        (["--temperatures", "1,-2"], "--temperatures needs positive and finite numbers, but one is -2"),
        (["--temperatures", "nan"], "--temperatures needs positive and finite numbers, but one is nan"),
        (["--temperatures", "inf,1"], "--temperatures needs positive and finite numbers, but one is inf"),
        (["--temperatures", ""], "--temperatures needs numbers with commas between, but is ''"),
        (["--temperatures", "cold"], "--temperatures needs numbers with commas between, but is 'cold'"),
        (["--logits", "1"], r"--logits needs 2 numbers for interactions \(bernoulli, D = 2\), but has 1"),
        (["--logits", "1,2;3"], "--logits needs rows of one length, but is '1,2;3'"),
        (["--logits", "1,2;3,4"], "--logits needs 2 numbers for .*, but has 2 x 2"),
        (["--logits", "1,x"], "--logits needs numbers with commas between, but is '1,x'"),
        (["--logits", "1,nan"], "nan"),
        (["--limit", "0"], "--limit needs to be at least 1, but is 0"),
        (["--jobs", "-1"], "--jobs needs to be at least 1, but is -1"),
        (["--plot", "figure.gif"], "--plot needs a file that ends with .png, .svg, .pdf, but is figure.gif"),
        (["--plot", "no_such_folder/figure.png"], "cannot write no_such_folder/figure.png: No such file"),
        (["--json", "no_such_folder/report.json"], "cannot write no_such_folder/report.json: No such file"),
    ],
)
def test_usage(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(command, "compare", lambda *_, **__: pytest.fail("nothing is computed"))
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("refgrad: ")
    assert re.search(message, error), error
    assert "Traceback" not in error


def test_an_estimator_that_does_not_serve_the_family(capsys, monkeypatch):
    from refgrad.estimators import Reinforce  # noqa: PLC0415

    monkeypatch.setattr(Reinforce, "claims", Reinforce.claims.__class__(unbiased=True, families=("categorical",)))
    assert run("--estimator", "Reinforce", "--plot", "figure.png") == 2
    assert "Reinforce() serves the family categorical, but the problem is bernoulli" in capsys.readouterr().err
    assert not Path("figure.png").exists()


def test_what_was_there_stays_if_nothing_replaces_it(capsys):
    Path("figure.png").write_text("precious")
    assert run("--estimator", "Nothing", "--plot", "figure.png") == 2
    assert "no estimator" in capsys.readouterr().err
    assert Path("figure.png").read_text() == "precious"


def test_without_matplotlib(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(*FEW, "--plot", "figure.png") == 2
    assert "needs matplotlib: pip install 'refgrad[plot]'" in capsys.readouterr().err
    assert not Path("figure.png").exists()


class TestProblems:
    def test_every_one_can_be_named(self):
        for family in ("bernoulli", "categorical"):
            for problem in exact_problems(family) + standard_problems(family):
                assert str(find_problem(str(problem), None)) == str(problem)

    @pytest.mark.parametrize(
        ("name", "family", "found"),
        [
            ("toy", None, "toy (bernoulli, D = 1)"),
            ("Tilted", None, "tilted toy (bernoulli, D = 1)"),
            ("interactions bernoulli D=3", None, "interactions (bernoulli, D = 3)"),
            ("random table", "categorical", "random table (categorical, D = 2, K = 4)"),
            ("masked", "categorical", "masked category (categorical, D = 1, K = 3)"),
            (None, "categorical", "interactions (categorical, D = 1, K = 3)"),
            (None, None, "interactions (bernoulli, D = 2)"),
        ],
    )
    def test_by_name_or_prefix(self, name, family, found):
        assert str(find_problem(name, family)) == found

    def test_the_list_is_of_the_family(self):
        with pytest.raises(LoadError) as caught:
            find_problem("masked", "bernoulli")
        assert "categorical" not in str(caught.value)
        assert str(caught.value).count("\n  ") == len(exact_problems("bernoulli")) + len(standard_problems("bernoulli"))


def test_temperatures():
    assert read_temperatures("0.5, 1,2") == [0.5, 1.0, 2.0]
    grid = read_temperatures("0.1,...,10")
    assert len(grid) == 13
    np.testing.assert_allclose(grid, np.geomspace(0.1, 10, 13), rtol=1e-15)


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stopped:
        run("--help")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for line in ("refgrad compare --plot tradeoff.png", "exit status:", "n* "):
        assert line in shown
