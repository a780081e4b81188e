"""A user's text on the page: what cannot be seen is shown, long names break where their parts end."""

from __future__ import annotations

import re
from typing import Any

from refgrad.testing.report._extra import needed

__all__ = ["broken", "coded", "visible"]

# Controls but tab and line feed, marks and overrides of direction, halves of surrogate pairs, and what is no character.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(value: Any) -> Any:
    r"""Write what cannot be seen, or would turn what follows around, as an escape of Python; markup stays as it is.

    Examples
    --------
    >>> print(visible("a\u202eb\x1b[31m"))
    a\u202eb\x1b[31m
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), value)


def broken(name: str) -> Any:
    """Markup of a node id, which may break after "::" and "/" and before "["."""
    markup = needed("markupsafe")
    text = str(markup.escape(visible(name)))
    return markup.Markup(re.sub(r"(::|/(?!/)|(?=\[))", r"\1<wbr>", text))


def coded(text: str) -> Any:
    """Markup of a sentence, with code between its backticks."""
    markup = needed("markupsafe")
    return markup.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markup.escape(visible(text)))))
