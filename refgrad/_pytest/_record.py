"""One test, as the process that reports hears of it, phase by phase."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from refgrad._pytest._tally import COUNTS

__all__ = ["AGAIN", "FAILED", "Record", "ended", "merged"]

FAILED = ("failed", "error", "unfinished")  # the first is the worst
AGAIN = "rerun"  # as pytest-rerunfailures has it


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
        """Add one phase of it; or a subtest, which counts if it fails, and whose checks come with the phase."""
        outcome, whole = ended(report), type(report) is pytest.TestReport
        if (report.when != "setup" or outcome != "passed") and (whole or outcome in FAILED):
            open_ = self.outcome in {"unfinished", "passed"}
            self.outcome = outcome if open_ or (outcome in FAILED and self.outcome not in FAILED) else self.outcome
        if not whole:
            return
        brought = getattr(report, "refgrad", None)
        if brought:
            self.counts.update(brought["counts"])
            self.alpha += brought["alpha"]
            self.verdicts += brought["verdicts"]
            self.errors += brought["errors"]
            self.repeat = brought["repeat"]

    def again(self) -> Record:
        """The next attempt of a test that is run again: its checks add to those before, whose verdicts are not kept."""
        counts = Counter(self.counts)
        counts["omitted"] += len(self.verdicts)
        return Record(counts=counts, alpha=self.alpha)

    @property
    def heard(self) -> bool:
        """Whether there is something to say."""
        return bool(self.errors) or any(self.counts.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as a report has it."""
        return {
            "outcome": "unfinished" if self.outcome == AGAIN else self.outcome,
            **{name: self.counts[name] for name in (*COUNTS, "omitted")},
            "errors": self.errors,
            "repeat": self.repeat,
        }


def merged(records: Sequence[Record]) -> Record:
    """One test that ran in several processes: the worst outcome, and everything that was heard."""
    if len(records) == 1:
        return records[0]
    outcomes = [record.outcome for record in records if record.outcome != AGAIN] or [AGAIN]
    return Record(
        next((outcome for outcome in FAILED if outcome in outcomes), outcomes[0]),
        sum((record.counts for record in records), Counter()),
        sum(record.alpha for record in records),
        [verdict for record in records for verdict in record.verdicts],
        [error for record in records for error in record.errors],
        next((record.repeat for record in records if record.repeat), ""),
    )


def ended(report: pytest.TestReport) -> str:
    """How a phase ended, in the words of pytest's summary."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return "error" if report.failed and report.when in {"setup", "teardown"} else report.outcome
