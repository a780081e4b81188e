"""`refgrad vectors` as its user runs it: the list, the files, the judgement, messages and exit statuses."""

import json

import pytest
from testing.vectors.answers import right, vectors_in, written

from refgrad import cli
from refgrad.testing.report import read, schema
from refgrad.testing.vectors import names
from refgrad.testing.vectors._files import BESIDE
from refgrad.testing.vectors._format import resource


@pytest.fixture(autouse=True)
def folder(scratch):
    return scratch


def run(*arguments):
    return cli.main(["vectors", *map(str, arguments)])


class TestFiles:
    def test_the_list(self, capsys):
        assert run() == 0
        head, *lines = capsys.readouterr().out.splitlines()
        assert head.split() == ["file", "estimator", "family", "tests"]
        assert [line.split()[0] for line in lines] == names()

    def test_all_are_written(self, folder, capsys):
        assert run("--out", "made/here") == 0
        count = len(names()) + len(BESIDE)
        assert capsys.readouterr().out == f"wrote {count} files to made/here; README.md says how to use them\n"
        found = {
            p.relative_to(folder / "made/here").as_posix(): p for p in (folder / "made/here").rglob("*") if p.is_file()
        }
        assert set(found) == {*BESIDE, *(f"{name}.json" for name in names())}
        assert all(path.read_bytes() == resource(name).read_bytes() for name, path in found.items())

    def test_some_are_made_anew(self, folder):
        assert run("--out", "some", "--estimator", "Reinforce", "--family", "bernoulli", "--anew") == 0
        found = sorted(path.relative_to(folder / "some").as_posix() for path in (folder / "some").rglob("*.json"))
        assert [name for name in found if "schemas" not in name] == [
            "designs/reinforce-bernoulli.json",
            "reinforce-bernoulli.json",
        ]
        for name in found:
            assert (folder / "some" / name).read_bytes() == resource(name).read_bytes()

    def test_anew_without_mpmath(self, monkeypatch, capsys):
        for name in ("mpmath", "refgrad.testing.vectors._generate", "refgrad.testing.vectors._designs"):
            monkeypatch.setitem(__import__("sys").modules, name, None)
        monkeypatch.delitem(__import__("sys").modules, "refgrad.testing.vectors._generate")
        monkeypatch.delitem(__import__("sys").modules, "refgrad.testing.vectors._designs")
        assert run("--out", "some", "--estimator", "Reinforce", "--anew") == 2
        assert capsys.readouterr().err == "refgrad: vectors are made by mpmath: pip install 'refgrad[vectors]'\n"

    def test_the_report(self):
        assert run("--family", "categorical", "--json", "list.json") == 0
        found = read("list.json")
        assert found["command"] == "vectors"
        assert [file["name"] for file in found["files"]] == [name for name in names() if name.endswith("categorical")]
        assert "vectors" in schema()["$defs"]


class TestCheck:
    def test_right(self, folder, capsys):
        path = written(folder, right("rebar-bernoulli", "designs/rebar-bernoulli"))
        assert run("--check", path, "--json", "report.json") == 0
        first, second, _, last = capsys.readouterr().out.splitlines()
        assert (
            first
            == "right: rebar-bernoulli, 81 of 81 tests right in float64, largest error 0% of its tolerance; 15 values"
        )
        assert second.startswith("right: designs/rebar-bernoulli, ")
        assert last.startswith("a test: ")
        assert last.endswith(" tests in 2 files; all right")
        found = read("report.json")
        assert found["exit_status"] == 0
        assert [own["outcome"] for own in found["judgements"]] == ["right", "right"]

    def test_wrong(self, folder, capsys):
        content = right("rebar-bernoulli", "reinforce-bernoulli")
        for answer in content["answers"]:
            answer["gradient"] = [-x for x in answer["gradient"]]
        assert run("--check", written(folder, content), "--json", "report.json") == 1
        said = capsys.readouterr().out
        assert "wrong: rebar-bernoulli, " in said
        assert "fits: reinforce-wrong-sign: a loss, `-f`, was taken for the reward f" in said
        assert said.endswith("2 files are wrong\n")
        found = read("report.json")
        assert found["exit_status"] == 1
        assert found["judgements"][0]["first_off"] == "gradient"
        failures = [t["id"] for _, t in vectors_in("rebar-bernoulli") if abs(t["expected"]["gradient"][0]) > 1e-9]
        assert {own["id"] for own in found["judgements"][0]["failures"]} >= set(failures)

    def test_a_number_that_is_none_is_in_the_report_too(self, folder):
        content = right("rebar-bernoulli")
        content["answers"][0]["gradient"] = [float("nan")]
        assert run("--check", written(folder, content), "--json", "report.json") == 1
        assert read("report.json")["judgements"][0]["used"] is None

    def test_the_page(self, folder):
        content = right("rebar-bernoulli", "reinforce-bernoulli")
        content["answers"][0]["score"] = [0.0]
        assert run("--check", written(folder, content), "--html", "report.html") == 1
        page = (folder / "report.html").read_text()
        assert "Wrong in 1 of 2 files of golden vectors." in page
        assert "rebar-bernoulli-1: score [0] is 0, not " in page

    def test_a_test_that_is_left_out(self, folder, capsys):
        content = right("rebar-bernoulli")
        del content["answers"][-1]
        assert run("--check", written(folder, content)) == 1
        assert "left out: 1 tests, the first rebar-bernoulli-81" in capsys.readouterr().out

    def test_against_a_folder(self, folder, capsys):
        assert run("--out", "own", "--estimator", "Rebar") == 0
        path = written(folder, right("rebar-bernoulli"))
        assert run("--check", path, "--against", "own") == 0
        file = folder / "own" / "rebar-bernoulli.json"
        file.write_text(file.read_text()[:-100])
        capsys.readouterr()
        assert run("--check", path, "--against", "own") == 2
        assert "own/rebar-bernoulli.json needs to be JSON, but at line " in capsys.readouterr().err


class TestMessages:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--anew"], "--anew needs --out"),
            (["--against", "x"], "--against needs --check"),
            (["--estimator", "Arm"], "--estimator needs one of ConstantBaseline, "),
            (["--check", "none.json"], "cannot read none.json: No such file or directory"),
            (["--check", "none.json", "--estimator", "Rebar"], "--estimator goes with --out"),
            (["--check", "answers.json", "--json", "answers.json"], "answers.json holds the answers: the report needs"),
            (["--json", "x.txt"], "--json needs a file that ends with .json, but is x.txt"),
        ],
    )
    def test_usage(self, arguments, message, capsys):
        assert run(*arguments) == 2
        assert capsys.readouterr().err.startswith(f"refgrad: {message}")

    def test_a_folder_that_cannot_be_written(self, folder, capsys):
        (folder / "file").write_text("")
        assert run("--out", "file") == 2
        assert capsys.readouterr().err.startswith("refgrad: cannot write ")

    def test_answers_that_are_none(self, folder, capsys):
        assert run("--check", written(folder, "{"), "--json", "report.json") == 2
        assert "answers.json needs to be JSON, but at line 1: " in capsys.readouterr().err
        assert "needs to be JSON" in json.loads((folder / "report.json").read_text())["error"]

    def test_a_folder_without_a_name(self, capsys):
        with pytest.raises(SystemExit) as ended:
            run("--out", "")
        assert ended.value.code == 2
        assert "needs the name of a folder, but it is empty" in capsys.readouterr().err

    def test_help(self, capsys):
        with pytest.raises(SystemExit):
            run("--help")
        assert "refgrad vectors --check answers.json" in capsys.readouterr().out
