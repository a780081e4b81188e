"""Nothing that a program says reaches a terminal as a command, or a file as what cannot be encoded."""

import sys

import pytest

from refgrad.testing.adapters._printable import printable, quoted


def test_what_is_printable_stays():
    text = "f(z) = 3, é, 好\nand a second line"
    assert printable(text) == text


def test_nothing_else_does():
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    said = printable(every)
    assert all(c.isprintable() or c == "\n" for c in said)
    said.encode()
    for escape in (r"\x00", r"\x1b", r"\x07", r"\r", r"\ud800", r"\u202e"):
        assert escape in said


def test_tabs_are_spaces():
    assert printable("\tat Main.java:3") == "        at Main.java:3"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x" * 80, f"'{'x' * 80}'"),
        (b"x" * 1081, f"'{'x' * 80}' and 1,001 bytes more"),
        (bytearray(b"\xff\x1b[2J"), r"'" + "\ufffd" + r"\x1b[2J'"),
        (b"{\0", r"'{\x00' (zero bytes: is it UTF-16? UTF-8 is needed)"),
    ],
    ids=["short", "long", "not printable", "UTF-16"],
)
def test_quotations(data, text):
    assert quoted(data) == text
