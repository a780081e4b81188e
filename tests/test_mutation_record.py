"""The list of equivalent mutants names code that is there, and the score counts it."""

import inspect
import re
from collections import Counter
from functools import cached_property
from importlib import import_module
from pathlib import Path

import pytest
from undecorated import undecorated

TESTS = Path(__file__).resolve().parent
ROW = re.compile(r"^\| `([\w.]+)` \| `(.+?)` → (?:`.*?`|nothing) \| (\d+) \| .+ \|$")
SCORE = re.compile(r"^\| `refgrad/(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)


def rows():
    lines = (TESTS / "equivalent_mutants.md").read_text().splitlines()
    return [line for line in lines if line.startswith("| `")]


def entries():
    return [(name, piece, int(n)) for name, piece, n in (ROW.match(row).groups() for row in rows())]


def source_of(name):
    """Source of a function, method, property or cached function of refgrad."""
    parts = name.split(".")
    found = import_module(f"refgrad.{parts[0]}.{parts[1]}")
    for part in parts[2:]:
        found = inspect.getattr_static(found, part)
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, cached_property):
        found = found.func
    elif isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    return inspect.getsource(inspect.unwrap(found))


def test_every_row_is_read():
    assert [row for row in rows() if not ROW.match(row)] == []
    assert len(set(rows())) == len(rows())


@pytest.mark.parametrize(("name", "piece"), sorted({(name, piece) for name, piece, _ in entries()}))
def test_what_is_changed_stands_in_the_source(name, piece):
    assert piece in source_of(name)


def test_another_piece_or_function_is_not_found():
    assert "x <= 0" not in source_of("distributions._functions.sigmoid")
    with pytest.raises(AttributeError):
        source_of("distributions._functions.sigmoids")


def test_the_score_counts_them():
    counted = Counter()
    for name, _, n in entries():
        counted[name.split(".")[0]] += n
    found = SCORE.findall((TESTS.parent / "CONTRIBUTING.md").read_text())
    assert [package for package, *_ in found] == ["distributions", "exact", "estimators"]
    for package, *numbers in found:
        mutants, killed, equivalent = (int(number.replace(",", "")) for number in numbers)
        assert killed + equivalent == mutants
        assert equivalent == counted[package]


DECORATED = """
from functools import cache, cached_property


class Own:
    @property
    def two(self):
        \"\"\"Two.\"\"\"
        return 2

    @cached_property
    def _three(self):
        return self.two + 1

    @staticmethod
    def four():
        return 4


@cache
def five(x):
    return [5, x]


@cache
def _six():
    return [6]
"""


def test_what_is_undecorated_is_the_same_program_without_decorators():
    """But for a cached function without arguments, which runs in every call."""
    changed = undecorated(DECORATED)
    assert re.findall("@.*", changed) == ["@staticmethod"]
    for source, once in ((DECORATED, True), (changed, False)):
        made = {}
        exec(source, made)
        own = made["Own"]()
        assert (own.two, own._three, own.four(), made["five"](0), made["_six"]()) == (2, 3, 4, [5, 0], [6])
        assert vars(own) == {"_three": 3}
        assert made["five"](1) is made["five"](1)
        assert (made["_six"]() is made["_six"]()) == once
