"""In the process that reports: what the tests brought, from this process or from workers, and the report on a file."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

import refgrad
from refgrad._pytest import _options, _repeat, _summary
from refgrad._pytest._record import Record

__all__ = ["Account"]


class UnwrittenError(Exception):
    """The run ended before there was a report."""


class Account:
    """What the run brought: the header, the summary, the report.

    Raises
    ------
    pytest.UsageError
        If the report cannot be written.
    """

    def __init__(self, config: pytest.Config, options: _options.Options) -> None:
        self.config, self.options = config, options
        self.running: dict[str, Record] = {}
        self._tests: dict[str, Record] = {}
        self.order: dict[str, int] = {}
        self.problem: str | None = None  # of the report, at the end
        self.written = False
        self._reserved = ExitStack()
        if options.report is not None:
            self._reserve(options.report)
            config.add_cleanup(self._release)

    def _reserve(self, file: str) -> None:
        """See before the run that the report can be written."""
        _, where = _options.given(self.config, "--refgrad-report")
        try:
            from refgrad.testing.report import reserved  # noqa: PLC0415

            self._reserved.enter_context(reserved(Path(file)))
        except OSError as error:
            raise pytest.UsageError(f"{where}: cannot write {file}: {error.strerror}") from None
        except (ImportError, ValueError) as error:
            raise pytest.UsageError(f"{where}: {error}") from None

    def _release(self) -> None:
        """Remove a file that was made to see whether it can be, and that nothing was written to."""
        with suppress(UnwrittenError), self._reserved:
            if not self.written:
                raise UnwrittenError

    @property
    def tests(self) -> dict[str, Record]:
        """Those with a check, in the order of the collection."""
        return dict(sorted(self._tests.items(), key=lambda pair: self.order.get(pair[0], 0)))

    @property
    def counts(self) -> Counter[str]:
        """Sums over the tests."""
        return sum((test.counts for test in self.tests.values()), Counter())

    @property
    def alpha(self) -> float:
        """Bound on the chance that any check of this run says "wrong" of code that is right."""
        return min(1.0, sum(test.alpha for test in self.tests.values()))

    def pytest_report_header(self) -> str:
        """The options of the run."""
        return f"refgrad {refgrad.__version__}: {self.options.in_words()}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a phase of a test."""
        name = str(report.nodeid)
        if report.when == "setup":
            self.running[name] = Record()
        test = self.running.setdefault(name, Record())
        test.add(report)
        if any(test.counts.values()):
            self._tests[name] = test
        if report.when not in {"setup", "call"}:  # teardown, or a worker that died
            del self.running[name]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker of xdist the seed that was drawn."""
        if self.options.drawn:
            node.workerinput[_options.DRAWN] = self.options.checks["seed"]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Hear the order of the tests, in which workers do not report."""
        self.order = {str(name): place for place, name in enumerate(ids)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended; it may have found a mistake of usage.

        Raises
        ------
        pytest.UsageError
            If so.
        """
        if said := getattr(node, "workeroutput", {}).get("refgrad_error"):
            raise pytest.UsageError(said)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The section of the run's end, if a check ran."""
        if not self._tests and self.problem is None:
            return
        terminalreporter.section("refgrad")
        for line in _summary.lines(self, terminalreporter.verbosity):
            terminalreporter.line(line)
        if self.problem is not None:
            terminalreporter.line(self.problem, red=True)
        elif self.options.report is not None:
            terminalreporter.line(f"The verdicts are in {self.options.report}.")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report."""
        if self.options.report is None or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        from refgrad.testing.report import write  # noqa: PLC0415

        try:
            write(self.report(int(exitstatus)), Path(self.options.report))
            self.written = True
        except (OSError, ValueError) as error:
            self.problem = f"The report was not written to {self.options.report}: {error}"
            session.exitstatus = exitstatus or pytest.ExitCode.INTERNAL_ERROR

    def report(self, exitstatus: int) -> dict[str, Any]:
        """Everything as `refgrad.testing.report` writes it."""
        from refgrad.testing.report import begin  # noqa: PLC0415

        tests, checks = self.tests, {**_options.DEFAULTS, **self.options.checks}
        target = {"target": os.environ[_repeat.VARIABLE]} if _repeat.of_suite(self.config) else {}
        return {
            **begin("pytest"),
            **target,
            "repeat": _repeat.whole(self.config, self.options),
            "options": checks | self._suite(),
            "verdicts": [verdict | {"test": name} for name, test in tests.items() for verdict in test.verdicts],
            "tests": {name: test.to_dict() for name, test in tests.items()},
            "false_alarms": self.alpha,
            "exit_status": exitstatus,
        }

    def _suite(self) -> dict[str, Any]:
        """Options of the conformance suite, if it ran."""
        if not self.options.suite:
            return {}
        from refgrad.testing._conformance import read_form  # noqa: PLC0415

        texts = {name: text for name, (text, _) in self.options.suite.items()}
        return {**texts, **vars(read_form(texts.pop("form", "")))}
