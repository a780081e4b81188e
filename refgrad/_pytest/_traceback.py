"""What a traceback shows of a check: what it says, and not what it does inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from traceback import walk_tb
from typing import Any

import pytest

import refgrad
from refgrad._pytest._options import SUITE

__all__ = ["hide"]

SAID = (AssertionError, RuntimeError, TypeError, ValueError)  # kinds that checks raise on purpose
INSIDE = str(Path(refgrad.__file__).parent / "testing")
MARK = "_refgrad_said"


def hide(error: BaseException) -> None:
    """Leave what a check does inside out of the traceback of what it says; pytest shows it by --full-trace.

    A test of the conformance suite is shown; so is everything where a check has a defect of its own.
    """
    if not isinstance(error, SAID):
        return
    for one in _with_causes(error):
        for frame, _ in walk_tb(one.__traceback__):
            names: dict[str, Any] = frame.f_globals
            if frame.f_code.co_filename.startswith(INSIDE) and names.get("__name__") != SUITE:
                names["__tracebackhide__"] = said
        setattr(one, MARK, True)


def said(found: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether it is what a check says, or the cause of that."""
    return getattr(found.value, MARK, False)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__
