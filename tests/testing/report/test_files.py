"""Reports on files: by suffix, seen before the work, and what was there stays until it is replaced."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from testing.report.examples import verify

from refgrad.testing.report import page, read, reserved, to_json, validate, write

NEITHER = "a report needs a file that ends with .json or .html, but is given "


def test_json_is_the_report(tmp_path):
    report = verify("right", "not-finite")
    write(report, tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    assert text == to_json(report)
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")) == report
    assert read(tmp_path / "report.json") == report


def test_html_is_the_page(tmp_path):
    report = verify("right")
    write(report, tmp_path / "report.HTML")
    assert (tmp_path / "report.HTML").read_text(encoding="utf-8") == page(report)


def test_a_number_that_is_not_finite_is_refused_before_the_file_is_touched(tmp_path):
    (tmp_path / "report.json").write_text("old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(verify("right") | {"options": {"alpha": float("nan")}}, tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text() == "old"


def test_half_a_surrogate_pair_is_written(tmp_path):
    report = verify("right", target="mine\ud800.py")
    for name in ("report.json", "report.html"):
        (tmp_path / name).write_text("old")
        write(report, tmp_path / name)
        assert r"mine\ud800.py" in (tmp_path / name).read_text(encoding="utf-8")
    assert read(tmp_path / "report.json") == report


def test_what_was_there_stays_until_all_is_written(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(self, target):
        assert path.read_text() == "old"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{path}'")):
        write(verify("right"), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_mode_and_links_stay(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "real.json").chmod(0o640)
    (tmp_path / "link.json").symlink_to("real.json")
    write(verify("right"), tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o640
    validate(read(tmp_path / "real.json"))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_to_nothing_stays_after_a_failure(tmp_path):
    (tmp_path / "link.json").symlink_to("new.json")
    with pytest.raises(KeyboardInterrupt), reserved(tmp_path / "link.json"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["link.json"]


def test_a_device_is_written_to(tmp_path):
    (tmp_path / "null.json").symlink_to(os.devnull)
    with reserved(tmp_path / "null.json"):
        write(verify("right"), tmp_path / "null.json")
    assert (tmp_path / "null.json").is_symlink()


def test_a_pipe_is_refused_before_the_work(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    message = f"needs a file, but {tmp_path / 'pipe.json'} is no regular file"
    with pytest.raises(ValueError, match=re.escape(message)), reserved(tmp_path / "pipe.json"):
        pytest.fail("the work began")


def test_the_error_names_the_path(tmp_path):
    path = tmp_path / "none" / "report.json"
    with pytest.raises(OSError, match=re.escape(f"No such file or directory: '{path}'")) as caught:
        write(verify("right"), path)
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("name", ["report.txt", "report", ".json", "report.json.gz"])
def test_another_suffix_is_refused_before_the_work(tmp_path, name):
    with pytest.raises(ValueError, match=re.escape(NEITHER + repr(str(tmp_path / name)))):
        write(verify("right"), tmp_path / name)
    with pytest.raises(ValueError, match=re.escape(NEITHER)), reserved(tmp_path / name):
        pytest.fail("the work began")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_seen_before_the_work(tmp_path):
    with pytest.raises(OSError, match="No such file"), reserved(tmp_path / "none" / "report.json"):
        pytest.fail("the work began")


def test_a_new_file_is_gone_after_a_failure_and_an_old_one_stays(tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("old")
    for path in (old, new):
        with pytest.raises(KeyboardInterrupt), reserved(path):
            raise KeyboardInterrupt
    assert old.read_text() == "old"
    assert not new.exists()


def test_without_a_failure_both_are_there(tmp_path):
    with reserved(str(tmp_path / "new.json")):
        write(verify("right"), tmp_path / "new.json")
    validate(read(tmp_path / "new.json"))


def test_no_file_is_no_work():
    with reserved(None) as nothing:
        assert nothing is None


@pytest.mark.parametrize("package", ["jinja2", "jsonschema", "matplotlib"])
def test_a_missing_package_is_seen_before_the_work(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = f"reports need {package}, which is not installed: pip install 'refgrad[report]'"
    with pytest.raises(ImportError, match=re.escape(message)), reserved(tmp_path / "report.html"):
        pytest.fail("the work began")
    with reserved(tmp_path / "report.json"):
        write(verify("right"), tmp_path / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "report.json needs to be JSON, but is not: Expecting value"),
        ('{"schema": NaN}', "report.json needs to be JSON, but is not: NaN is no number of JSON"),
        ('{"schema": Infinity}', "needs to be JSON, but is not: Infinity is no number of JSON"),
        ("{}", "report.json: report needs the field 'format', but has none"),
    ],
)
def test_a_file_that_is_no_report(tmp_path, text, message):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read(tmp_path / "report.json")
