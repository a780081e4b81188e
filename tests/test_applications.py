"""The applications as their reader runs them: figures, numbers that their pages quote, and what a mistake is told."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.exhaustive  # examples, pages and benchmarks are the same on every Python

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES, FIGURES = ROOT / "examples", ROOT / "examples" / "figures"
APPLICATIONS = sorted(path.stem for path in EXAMPLES.glob("[0-9][0-9]_*.py"))
CHOOSING = [name for name in APPLICATIONS if not name.startswith("07")]  # those that train with an estimator
PAGES = {path.name[:2]: path.read_text() for path in (ROOT / "derivations").glob("*.md")}
every = pytest.mark.parametrize("name", APPLICATIONS)
every_choice = pytest.mark.parametrize("name", CHOOSING)


def run(name, *options, code=None):
    """Run an application in a process of its own; `code` stands before it."""
    script = str(EXAMPLES / f"{name}.py")
    start = [script]
    if code:
        start = ["-c", f"{code}\nimport runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, {str(EXAMPLES)!r})\n"
                 "runpy.run_path(sys.argv[0], run_name='__main__')", script]  # fmt: skip
    return subprocess.run([sys.executable, *start, *options], capture_output=True, text=True, check=False)


def words(text):
    """Lines without what depends on the width of a column."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def block(page, command):
    """Lines of the fenced block that stands below a command."""
    below = rf"^[^\n]*`{re.escape(command)}`[^\n]*\n+```text\n(.*?)^```"
    found = re.search(below, page, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no block of `{command}`"
    return words(found.group(1))


def refused(done, message):
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert message in line


def test_there_are_five():
    assert [name[:2] for name in APPLICATIONS] == ["07", "12", "13", "14", "15"]


@every
def test_a_quick_run_prints_what_its_page_says(name, tmp_path):
    done = run(name, "--quick", "--seed", "0", "--out", str(tmp_path / "new" / "folder"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "new" / "folder"
    wrote = [line.removeprefix("wrote ") for line in done.stdout.splitlines() if line.startswith("wrote ")]
    assert sorted(wrote) == sorted(map(str, folder.iterdir()))
    pictures = [path for path in folder.iterdir() if path.suffix == ".png"]
    assert pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    results = json.loads((folder / "results.json").read_text())
    printed = words("\n".join(results["printed"]))
    assert printed == block(PAGES[name[:2]], f"python examples/{name}.py --quick --seed 0")
    assert printed == words(done.stdout)[: len(printed)]


@every
def test_the_page_quotes_the_whole_run_that_is_kept(name):
    kept = json.loads((FIGURES / f"{name}.json").read_text())
    assert kept["options"]["seed"] == 0
    assert not kept["options"]["quick"]
    assert words("\n".join(kept["printed"])) == block(PAGES[name[:2]], f"python examples/{name}.py --seed 0")


@every
def test_figures_are_kept_where_pages_show_them(name):
    shown = set(re.findall(r"\]\(\.\./examples/figures/(\S+?)\)", PAGES[name[:2]]))
    kept = {path.name for path in FIGURES.glob(f"{name[:2]}_*.png")}
    assert shown == kept != set()
    assert all((FIGURES / figure).stat().st_size < 200_000 for figure in kept)


@every
def test_help(name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"python examples/{name}.py --quick" in done.stdout
    for option in ("--out DIR", "--quick", "--seed N"):
        assert option in done.stdout
    assert ("--estimator NAME" in done.stdout) == (name in CHOOSING)


@every
@pytest.mark.parametrize("value", ["-1", "1.5", "one"])
def test_a_seed_that_is_none(name, value):
    done = run(name, f"--seed={value}")
    assert done.returncode == 2
    assert f"a seed needs to be a whole number of at least 0, but is '{value}'" in done.stderr


@every_choice
def test_an_unknown_estimator(name, tmp_path):
    refused(
        run(name, "--estimator", "rebar", "--out", str(tmp_path)), "there is no estimator 'rebar'; did you mean Rebar?"
    )
    refused(
        run(name, "--estimator", "Rebar(t=1)", "--out", str(tmp_path)), "Rebar has no field 't'; it has temperature"
    )
    refused(
        run(name, "--estimator", "ControlVariate", "--out", str(tmp_path)), "ControlVariate needs functions of its own"
    )
    two = ["--estimator", "Reinforce", "--estimator", "Reinforce"]
    refused(run(name, *two, "--out", str(tmp_path)), "names Reinforce twice")


@every
def test_a_folder_that_cannot_be_written(name, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "folder"
    refused(run(name, "--out", str(folder)), f"{name}.py: cannot write to {folder}: Not a directory")


def test_a_reader_who_goes_away_loses_no_figure(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    script = [sys.executable, str(EXAMPLES / "07_temperature.py"), "--quick", "--out", str(tmp_path)]
    done = subprocess.run(script, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"07_simplex.png", "07_temperature.png", "results.json"} <= {path.name for path in tmp_path.iterdir()}


@every
def test_a_missing_extra(name, tmp_path):
    done = run(name, "--out", str(tmp_path), code="import sys; sys.modules['matplotlib'] = None")
    refused(done, f"{name}.py: needs matplotlib: pip install 'refgrad[examples]'")


@pytest.mark.parametrize("name", [name for name in APPLICATIONS if name[:2] in {"13", "14"}])
def test_missing_digits(name, tmp_path):
    done = run(name, "--out", str(tmp_path), code="import sys; sys.modules['sklearn'] = None")
    refused(done, f"{name}.py: needs scikit-learn: pip install 'refgrad[examples]'")


@every_choice
@pytest.mark.exhaustive
def test_an_interrupt_leaves_a_partial_figure_and_a_last_line(name, tmp_path):
    """Ctrl-C on a terminal, once the bar shows that the long work has begun."""
    ours, theirs = pytest.importorskip("pty").openpty()
    pytest.importorskip("termios").tcsetwinsize(theirs, (24, 100))  # a bar needs room
    script = [sys.executable, str(EXAMPLES / f"{name}.py"), "--out", str(tmp_path), "--seed", "0"]
    start = (
        "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv = sys.argv[1:]\n"
    )
    start += f"sys.path.insert(0, {str(EXAMPLES)!r}); runpy.run_path(sys.argv[0], run_name='__main__')"
    script[1:1] = ["-c", start]
    process = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    while not re.search(rb"(exact gradient|Reinforce|Nvil)[^\r]*[3-9]\d%\|", shown):
        shown += os.read(ours, 1024)
    process.send_signal(signal.SIGINT)
    try:
        while more := os.read(ours, 1024):
            shown += more
    except OSError:  # the other side of a terminal that is closed
        pass
    out, _ = process.communicate(timeout=120)
    os.close(ours)
    assert process.returncode == 130
    assert "Traceback" not in shown.decode()
    last = [line for line in shown.decode().splitlines() if line.strip()][-1]
    assert re.search(
        rf"^{name}\.py: interrupted; partial, after [\d,]+ of [\d,]+ .*: {re.escape(str(tmp_path))}$", last
    )
    wrote = [Path(line.removeprefix("wrote ")) for line in out.splitlines() if line.startswith("wrote ")]
    assert any(path.suffix == ".png" for path in wrote)
    assert all(path.is_file() for path in wrote)


def test_a_gradient_of_f_where_there_is_none(tmp_path):
    done = run("14_hard_attention", "--reward", "accuracy", "--estimator", "Rebar", "--out", str(tmp_path))
    refused(done, "Rebar needs a gradient of f, but with --reward accuracy")
