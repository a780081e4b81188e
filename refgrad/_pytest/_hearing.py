"""In the process that runs the tests: direct the checks of each, hear their verdicts, attach them to its report."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from refgrad import _session
from refgrad._pytest import _options
from refgrad._pytest._tally import KEPT, Tally, compact, shortened
from refgrad._pytest._traceback import hide

__all__ = ["Listener", "of_suite"]

SHOWN = ("outcome", "check", "sampler", "n", "counted", "evidence", "certified", "alpha", "seed")
PROPERTY, OMITTED = "refgrad[", "refgrad-omitted"  # in the junit file

NOTHING: dict[str, Any] = {}

_told = pytest.StashKey[dict[str, Any]]()
_heard = pytest.StashKey[dict[str, Tally]]()
_phase = pytest.StashKey[str | None]()  # that is under way


class Session:
    """What `refgrad.testing.session` asks of a session: options, and a place for verdicts."""

    def __init__(self, options: dict[str, Any], verdicts: Tally) -> None:
        self.options, self.verdicts, self.errors = options, verdicts, verdicts.errors
        self.kept: dict[Any, Any] = {}


class Listener:
    """Setup, call and teardown of every test are heard, each by itself.

    Checks are heard from any thread and task of this process. A child process that a test starts is not heard.
    """

    def __init__(self, options: _options.Options) -> None:
        self.options = options

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Read the markers before a test runs."""
        try:
            for item in items:
                if found := _options.marked(item):
                    item.stash[_told] = found
            if any(map(of_suite, items)):
                sys.modules[_options.SUITE].refuse(config)
                self._tell(config, sys.modules[_options.SUITE].not_asked(config))
        except pytest.UsageError as error:
            if not hasattr(config, "workeroutput"):
                raise
            items.clear()
            config.workeroutput["refgrad_error"] = str(error)  # the controller raises it

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fixtures are heard. What is there of an earlier attempt of the same test goes."""
        item.stash[_heard] = {}
        item.user_properties[:] = [pair for pair in item.user_properties if not _of_refgrad(str(pair[0]))]
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
            hide(call.excinfo.value)
        report = yield
        silent = of_suite(item) and report.failed and not any(tally.heard for tally in heard.values())
        if silent or any(tally.heard for tally in heard.values()):
            self._attach(item, report, heard, _said(call) if silent else None)
        return report

    def _attach(
        self, item: pytest.Item, report: pytest.TestReport, heard: Mapping[str, Tally], error: str | None
    ) -> None:
        from refgrad._pytest import _repeat  # noqa: PLC0415  (the plugin is loaded for every run, and used in few)

        repeat = _repeat.line(item, self.options, told(item))
        tally = heard.get(report.when, Tally())
        part = item.stash.get(_phase, None) == report.when  # a subtest: the phase is not over, and tells it all
        if not part and (tally.heard or error):
            brought = {**tally.to_dict(), "repeat": repeat}
            report.refgrad = brought | ({"errors": [error]} if error else {})  # type: ignore[attr-defined]
        if report.failed:
            report.sections.append(("refgrad", _repeat.section(heard.values(), repeat)))

    def _hear(self, item: pytest.Item, when: str) -> Generator[None, object, object]:
        tally = item.stash[_heard][when] = Tally()
        before, _session.RUN = _session.RUN, Session({**self.options.checks, **told(item)}, tally)
        item.stash[_phase] = when
        try:
            return (yield)
        finally:
            _session.RUN = before
            item.stash[_phase] = None

    @staticmethod
    def _tell(config: pytest.Config, said: str) -> None:
        """Hand a sentence to the process that reports."""
        if hasattr(config, "workeroutput"):
            config.workeroutput["refgrad_said"] = said
        elif account := config.pluginmanager.get_plugin(_options.ACCOUNT):
            account.said = said


def of_suite(item: pytest.Item) -> bool:
    """Whether a test is of the conformance suite."""
    suite = sys.modules.get(_options.SUITE)
    return suite is not None and getattr(item, "module", None) is suite


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
        found.append((f"{PROPERTY}{verdict.problem}]", compact({name: fields[name] for name in SHOWN})))
    omitted = sum(tally.checks for tally in heard.values()) - len(found)
    return [*found, (OMITTED, str(omitted))] if omitted else found


def _of_refgrad(name: str) -> bool:
    return name.startswith(PROPERTY) or name == OMITTED


def _said(call: pytest.CallInfo[None]) -> str:
    """First line of the error that ended a test."""
    error = call.excinfo.value if call.excinfo else None
    text = f"{type(error).__name__}: {error}" if error else "failed"
    return shortened(text.splitlines()[0])
