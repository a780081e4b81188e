"""In the process that reports: what the tests brought, from this process or from workers, and the report on a file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import refgrad
from refgrad._pytest import _options

if TYPE_CHECKING:
    from refgrad._pytest._record import Record
    from refgrad._pytest._report import File

__all__ = ["Account"]


class Account:
    """What the run brought: the header, the summary, the report.

    Raises
    ------
    pytest.UsageError
        If the report cannot be written.
    """

    def __init__(self, config: pytest.Config, options: _options.Options) -> None:
        self.config, self.options = config, options
        self.running: dict[tuple[str, str], Record] = {}  # by node id and worker, as those after it
        self._tests: dict[tuple[str, str], Record] = {}
        self.order: dict[str, int] = {}
        self.ran = False
        self.said = ""  # by the conformance suite
        self.problem: str | None = None  # of the report, at the end
        self.file: File | None = None
        if options.report is not None:
            from refgrad._pytest import _report  # noqa: PLC0415

            self.file = _report.File(options.report, _options.path_of(config, "--refgrad-report")[1])
            config.add_cleanup(self.file.release)

    @property
    def tests(self) -> dict[str, Record]:
        """Those with a check, in the order of the collection."""
        from refgrad._pytest import _record  # noqa: PLC0415  (the plugin is loaded for every run, and used in few)

        found: dict[str, list[Record]] = {}
        for (name, _), test in sorted(self._tests.items(), key=lambda pair: self.order.get(pair[0][0], 0)):
            found.setdefault(name, []).append(test)
        return {name: _record.merged(tests) for name, tests in found.items()}

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
        from refgrad._pytest import _record  # noqa: PLC0415

        self.ran = True
        name = str(report.nodeid), worker_of(report)
        if report.when == "setup":
            before = self.running.get(name)
            self.running[name] = before.again() if before and before.outcome == _record.AGAIN else _record.Record()
        test = self.running.setdefault(name, _record.Record())
        test.add(report)
        if test.heard:
            self._tests[name] = test
        if report.when not in {"setup", "call"} and test.outcome != _record.AGAIN:  # teardown, or a worker that died
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
        output = getattr(node, "workeroutput", {})
        self.said = output.get("refgrad_said", self.said)
        if said := output.get("refgrad_error"):
            raise pytest.UsageError(said)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The section of the run's end, if a check ran."""
        if not self._tests and self.problem is None and not self.said:
            return
        terminalreporter.section("refgrad")
        from refgrad._pytest import _summary  # noqa: PLC0415

        for line in _summary.lines(self, terminalreporter.verbosity):
            terminalreporter.line(line)
        if self.problem is not None:
            terminalreporter.line(self.problem, red=True)
        elif self.file is not None and self.file.written:
            terminalreporter.line(f"The verdicts are in {self.options.report}.")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report, if a test ran: a run that only collects leaves an earlier one."""
        if self.file is None or not self.ran or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        from refgrad._pytest._report import report_of  # noqa: PLC0415

        self.problem = self.file.write(report_of(self, int(exitstatus)))
        if self.problem is not None:
            session.exitstatus = exitstatus or pytest.ExitCode.INTERNAL_ERROR


def worker_of(report: pytest.TestReport) -> str:
    """Name of the worker of xdist that ran a test; nothing without workers."""
    node: Any = getattr(report, "node", None)
    return "" if node is None else str(node.gateway.id)
