"""A user's text on the page: the unseen is shown, markup is not taken in, ids break where their parts end."""

import pytest
from markupsafe import Markup

from refgrad.testing.report import _text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \N{MINUS SIGN} \u00e9 \u05d0\t\n", "plain \N{MINUS SIGN} \u00e9 \u05d0\t\n"),
        ("a\u202eb", r"a\u202eb"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("\x1b[31m\x00\x9b\r", r"\x1b[31m\x00\x9b\r"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_what_cannot_be_seen_is_an_escape(text, shown):
    assert _text.visible(text) == shown


def test_markup_and_numbers_stay():
    figure = Markup("<svg>\x1b</svg>")
    assert _text.visible(figure) is figure
    assert _text.visible(3) == 3


@pytest.mark.parametrize(
    ("name", "markup"),
    [
        ("tests/a.py::T::test_b[c-d]", "tests/<wbr>a.py::<wbr>T::<wbr>test_b<wbr>[c-d]"),
        ("<b>::\u202e", r"&lt;b&gt;::<wbr>\u202e"),
    ],
)
def test_an_id_breaks_where_its_parts_end(name, markup):
    assert _text.broken(name) == markup


def test_backticks_are_code_and_the_rest_is_text():
    assert _text.coded("use `f(z)` & <b>") == "use <code>f(z)</code> &amp; &lt;b&gt;"
    assert _text.coded("one ` alone \x1b") == r"one ` alone \x1b"
