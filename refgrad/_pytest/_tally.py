"""What is kept of the verdicts of one test: counts and sums of all of them, and the last ones whole."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from typing import Any

__all__ = ["COUNTS", "KEPT", "Tally", "compact", "plain", "shortened"]

KEPT = 32  # verdicts of a test that are kept whole: so many right ones, and so many that are not
COUNTS = ("right", "wrong", "undecided", "not_judged", "samples", "statistical", "deterministic")
ERRORS, LENGTH = 8, 500  # of what ended checks without a verdict: how many texts are kept, and how much of each


class Errors:
    """What ended checks without a verdict: all are counted, the first ones are kept."""

    def __init__(self, counts: Counter[str], lock: threading.Lock) -> None:
        self.counts, self.texts, self._lock = counts, list[str](), lock

    def append(self, text: str) -> None:
        """Hear of one."""
        with self._lock:
            self.counts["not_judged"] += 1
            if len(self.texts) < ERRORS:
                self.texts.append(shortened(text))


class Tally:
    """Verdicts as they come, from any thread. Hypothesis may bring thousands for a test: the last ones are kept.

    Attributes
    ----------
    counts : Counter
        By outcome; `not_judged`, checks that ended in an error; `statistical` and `deterministic`, checks that may err
        by chance and those that cannot; `samples`.
    alpha : float
        Sum of the rates over the statistical checks.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.alpha = 0.0
        self._lock = threading.Lock()
        self.errors = Errors(self.counts, self._lock)
        self._right: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._others: deque[tuple[int, Any]] = deque(maxlen=KEPT)

    @property
    def checks(self) -> int:
        """How many verdicts there were."""
        return self.counts["statistical"] + self.counts["deterministic"]

    @property
    def heard(self) -> int:
        """How many checks there were, also those that ended in an error."""
        return self.checks + self.counts["not_judged"]

    def append(self, verdict: Any) -> None:
        """Hear a `Verdict`."""
        kept = self._right if verdict.outcome == "right" else self._others
        with self._lock:
            kept.append((self.checks, verdict))
            self.counts[verdict.outcome] += 1
            self.counts["statistical" if verdict.alpha else "deterministic"] += 1
            self.counts["samples"] += int(verdict.n) if verdict.counted == "samples" else 0
            self.alpha += float(verdict.alpha)

    def verdicts(self) -> list[Any]:
        """Those that are kept, in order."""
        with self._lock:  # a thread may still be at it
            found = [*self._right, *self._others]
        return [verdict for _, verdict in sorted(found, key=lambda pair: pair[0])]

    def to_dict(self) -> dict[str, Any]:
        """Return what a test report carries from a worker to the controller: JSON's own kinds, nothing else."""
        kept = self.verdicts()
        counts = {name: self.counts[name] for name in COUNTS} | {"omitted": self.checks - len(kept)}
        found = [verdict.to_dict() for verdict in kept]
        return plain({"counts": counts, "alpha": self.alpha, "verdicts": found, "errors": list(self.errors.texts)})


def shortened(text: str) -> str:
    """What is kept of a text."""
    return text if len(text) <= LENGTH else text[: LENGTH - 3] + "..."


def plain(value: Any) -> Any:
    """The same in plain Python numbers: what a worker sends may hold no others."""
    return json.loads(compact(value))


def compact(value: Any) -> str:
    """JSON without spaces, also of NumPy's numbers."""
    return json.dumps(value, default=lambda number: number.item(), separators=(",", ":"))
