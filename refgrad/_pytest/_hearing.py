"""In the process that runs the tests: direct the checks of each, hear their verdicts, attach them to its report."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

import refgrad
from refgrad._pytest import _options
from refgrad._pytest._tally import KEPT, Tally, compact
from refgrad._session import NOW

__all__ = ["Listener"]

SHOWN = ("outcome", "check", "sampler", "n", "counted", "evidence", "certified", "alpha", "seed")

SAID = (AssertionError, RuntimeError, TypeError, ValueError)
INSIDE = str(Path(refgrad.__file__).parent / "testing")

NOTHING: dict[str, Any] = {}

_told = pytest.StashKey[dict[str, Any]]()
_heard = pytest.StashKey[dict[str, Tally]]()


class Session:
    """What `refgrad.testing.session` asks of a session: options, and a place for verdicts."""

    def __init__(self, options: dict[str, Any], verdicts: Tally) -> None:
        self.options, self.verdicts, self.errors = options, verdicts, verdicts.errors
        self.kept: dict[Any, Any] = {}


class Listener:
    """Setup, call and teardown of every test are heard, each by itself."""

    def __init__(self, options: _options.Options) -> None:
        self.options = options

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Read the markers before a test runs."""
        try:
            for item in items:
                if found := _options.marked(item):
                    item.stash[_told] = found
            suite = sys.modules.get(_options.SUITE)
            if suite is not None and any(getattr(item, "module", None) is suite for item in items):
                suite.refuse(config)
        except pytest.UsageError as error:
            if not hasattr(config, "workeroutput"):
                raise
            items.clear()
            config.workeroutput["refgrad_error"] = str(error)  # the controller raises it

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fixtures are heard."""
        item.stash[_heard] = {}
        return (yield from self._hear(item, "setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """The test is heard."""
        return (yield from self._hear(item, "call"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """The ends of fixtures are heard."""
        return (yield from self._hear(item, "teardown"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach what was heard, and to a failure the line that repeats it."""
        heard = item.stash.get(_heard, {})
        if call.when == "teardown":
            item.user_properties += properties(heard)
        if call.excinfo is not None:
            hide(call.excinfo)
        report = yield
        if any(tally.heard for tally in heard.values()):
            self._attach(item, report, heard)
        return report

    def _attach(self, item: pytest.Item, report: pytest.TestReport, heard: Mapping[str, Tally]) -> None:
        from refgrad._pytest import _repeat  # noqa: PLC0415  (the plugin is loaded for every run, and used in few)

        repeat = _repeat.line(item, self.options, told(item))
        if (tally := heard.get(report.when)) is not None and tally.heard:
            report.refgrad = tally.to_dict() | {"repeat": repeat}  # type: ignore[attr-defined]
        if report.failed:
            report.sections.append(("refgrad", _repeat.section(heard.values(), repeat)))

    def _hear(self, item: pytest.Item, when: str) -> Generator[None, object, object]:
        tally = item.stash[_heard][when] = Tally()
        token = NOW.set(Session({**self.options.checks, **told(item)}, tally))
        try:
            return (yield)
        finally:
            NOW.reset(token)


def hide(found: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave what a check does inside out of the traceback of what it says; pytest shows it by --full-trace."""
    for entry in found.traceback:
        if str(entry.path).startswith(INSIDE):
            entry.frame.f_globals["__tracebackhide__"] = meant


def meant(found: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether it is what a check says, and no defect of its own."""
    return isinstance(found.value, SAID)


def told(item: pytest.Item) -> dict[str, Any]:
    """What the markers of a test say."""
    found: dict[str, Any] = item.stash.get(_told, NOTHING)
    return found


def properties(heard: Mapping[str, Tally]) -> list[tuple[str, object]]:
    """What the junit file carries: the evidence of each verdict that is kept, as compact JSON."""
    verdicts = [verdict for tally in heard.values() for verdict in tally.verdicts()]
    found: list[tuple[str, object]] = []
    for verdict in verdicts[-KEPT:]:
        fields = verdict.to_dict()
        found.append((f"refgrad[{verdict.problem}]", compact({name: fields[name] for name in SHOWN})))
    omitted = sum(tally.checks for tally in heard.values()) - len(found)
    return [*found, ("refgrad-omitted", str(omitted))] if omitted else found
