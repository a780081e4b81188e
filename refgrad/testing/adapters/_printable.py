"""What a program says, made fit for a terminal and a file."""

from __future__ import annotations

__all__ = ["printable", "quoted"]

WIDTH = 80  # bytes of a quotation


def printable(text: str) -> str:
    r"""Escape what no terminal and no file should be given: control characters, and halves of surrogate pairs.

    Examples
    --------
    >>> print(printable("\x1b[2Jred\x07, \ud800, é\n\tat 3"))
    \x1b[2Jred\x07, \ud800, é
            at 3
    """
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text.expandtabs())


def quoted(data: bytes | bytearray) -> str:
    r"""Quote the beginning of some bytes, and say so where they look like no UTF-8.

    Examples
    --------
    >>> print(quoted("{}".encode("utf-16-le")))
    '{\x00}\x00' (zero bytes: is it UTF-16? UTF-8 is needed)
    """
    text = repr(bytes(data[:WIDTH]).decode(errors="replace"))
    more = f" and {len(data) - WIDTH:,} bytes more" if len(data) > WIDTH else ""
    return text + more + (" (zero bytes: is it UTF-16? UTF-8 is needed)" if b"\0" in data[:WIDTH] else "")
