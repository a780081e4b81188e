"""The report of a run on a file; loaded only where one is asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from refgrad._pytest import _options, _repeat

if TYPE_CHECKING:
    from refgrad._pytest._account import Account

__all__ = ["File", "report_of"]


class UnwrittenError(Exception):
    """The run ended before there was a report."""


class File:
    """The place of the report, of which it is seen before the run that it can be written.

    Raises
    ------
    pytest.UsageError
        If it cannot.
    """

    def __init__(self, path: str, where: str) -> None:
        self.path, self.written = Path(path), False
        self._place = self.path.absolute()  # a test may change the directory and not go back
        self._reserved = ExitStack()
        try:
            from refgrad.testing.report import reserved  # noqa: PLC0415  (may want an extra)

            self._reserved.enter_context(reserved(self._place))
        except OSError as error:
            raise pytest.UsageError(f"{where}: cannot write {path}: {error.strerror}") from None
        except (ImportError, ValueError) as error:
            raise pytest.UsageError(f"{where}: {error}") from None

    def write(self, report: dict[str, Any]) -> str | None:
        """Write it, and say if that fails."""
        from refgrad.testing.report import write  # noqa: PLC0415

        try:
            write(report, self._place)
        except (OSError, ValueError) as error:
            return f"The report was not written to {self.path}: {error}"
        self.written = True
        return None

    def release(self) -> None:
        """Remove a file that was made to see whether it can be, if nothing was written to it."""
        with suppress(UnwrittenError), self._reserved:
            if not self.written:
                raise UnwrittenError


def report_of(account: Account, exitstatus: int) -> dict[str, Any]:
    """Everything as `refgrad.testing.report` writes it."""
    from refgrad.testing.report import begin  # noqa: PLC0415

    tests, options = account.tests, account.options
    target = {"target": os.environ[_repeat.VARIABLE]} if _repeat.of_suite(account.config) else {}
    return {
        **begin("pytest"),
        **target,
        "repeat": _repeat.whole(account.config, options),
        "options": {**_options.DEFAULTS, **options.checks, **_of_the_suite(options)},
        "verdicts": [verdict | {"test": name} for name, test in tests.items() for verdict in test.verdicts],
        "tests": {name: test.to_dict() for name, test in tests.items()},
        "false_alarms": account.alpha,
        "exit_status": exitstatus,
    }


def _of_the_suite(options: _options.Options) -> dict[str, Any]:
    """Options of the conformance suite, if there are any."""
    if not options.suite:
        return {}
    from refgrad.testing._conformance import read_form  # noqa: PLC0415

    texts = {name: text for name, (text, _) in options.suite.items()}
    try:
        form = vars(read_form(texts.pop("form", "")))
    except ValueError:  # the suite, which would have refused it, was not asked
        form = {}
    return {**texts, **form}
