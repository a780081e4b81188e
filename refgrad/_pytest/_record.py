"""One test, as the process that reports hears of it, phase by phase."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from refgrad._pytest._tally import COUNTS

__all__ = ["Record", "ended"]


@dataclass
class Record:
    """One test: how it ended, and what its checks said."""

    outcome: str = "unfinished"
    counts: Counter[str] = field(default_factory=Counter)
    alpha: float = 0.0
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    repeat: str = ""

    def add(self, report: pytest.TestReport) -> None:
        """Add one phase of it."""
        outcome = ended(report)
        if report.when != "setup" or outcome != "passed":
            self.outcome = outcome if self.outcome in {"unfinished", "passed"} or outcome == "failed" else self.outcome
        brought = getattr(report, "refgrad", None)
        if brought:
            self.counts.update(brought["counts"])
            self.alpha += brought["alpha"]
            self.verdicts += brought["verdicts"]
            self.errors += brought["errors"]
            self.repeat = brought["repeat"]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a report has it."""
        return {
            "outcome": self.outcome,
            **{name: self.counts[name] for name in (*COUNTS, "omitted")},
            "errors": self.errors,
            "repeat": self.repeat,
        }


def ended(report: pytest.TestReport) -> str:
    """How a phase ended, in the words of pytest's summary."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return "error" if report.failed and report.when in {"setup", "teardown"} else report.outcome
