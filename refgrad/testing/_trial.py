"""One check from its first call to its verdict: the pilot, the battery, then calls and looks until it is decided."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from refgrad.testing._battery import generator_fault, lag_evidence, not_finite, repeated_rows
from refgrad.testing._court import Court, Sums
from refgrad.testing._expected import Expected, Settings
from refgrad.testing._sampler import Batch, Source
from refgrad.testing.evidence import OTHER_SHARE
from refgrad.testing.problems import Problem
from refgrad.testing.state import Saved
from refgrad.testing.verdict import Verdict

__all__ = ["Limits", "calls", "trial"]

PILOT = 1000  # rows of each of its two calls
MAIN = 2  # the number of the first call that is not of the pilot
ROWS = 2**15  # most rows asked for in one call
FIRST, GROWTH = 200, 1.2  # rows at the first look, and from each look to the next

Expect = Callable[[Problem, Batch, Settings, int], Expected]


@dataclass(frozen=True)
class Limits:
    """What bounds and follows a check, and changes none of its bits."""

    max_seconds: float = float("inf")
    state: str | Path | None = None
    progress: Callable[[int, float], Any] | None = None

    def __post_init__(self) -> None:
        if not self.max_seconds > 0:
            raise ValueError(f"max_seconds needs to be positive, but is {self.max_seconds}")


@dataclass(frozen=True, eq=False)
class Pilot:
    """Two calls with different generators, and the first of them again."""

    first: Batch
    second: Batch
    again: Batch

    @classmethod
    def draw(cls, source: Source, size: int) -> Pilot:
        return cls(*(source.draw(size, call) for call in (0, 1, 0)))

    @property
    def both(self) -> Batch:
        """The two calls as one."""
        one, other = self.first, self.second
        return Batch(np.concatenate([one.rows, other.rows]), max(one.precision, other.precision), used=one.used)

    def notes(self) -> tuple[str, ...]:
        """What is worth knowing, and no fault."""
        if np.array_equal(self.first.rows, self.again.rows):
            return ()
        return ("the same generator gave other rows the second time: this verdict may not repeat",)

    def fault(self, court: Court) -> str | None:
        """What is wrong whatever the mean."""
        alpha, expected = court.settings.alpha, court.expected
        for number, batch in enumerate((self.first, self.second)):
            if found := not_finite(batch, f"call {number}"):
                return found
        found = generator_fault(self.first, self.second, self.again, alpha)
        if found := found or repeated_rows(self.first, self.second, expected.log_most, alpha):
            return found
        log_evidence, lag = lag_evidence((self.both.rows - expected.center) @ expected.whiten)
        if log_evidence < court.settings.log_limit - np.log(OTHER_SHARE):
            return None
        if lag == len(self.first.rows):
            return "two calls with different generators return related rows: some noise is seeded inside the call"
        return f"rows are not independent: those {lag} apart are correlated"


def trial(source: Source, settings: Settings, expect: Expect, limits: Limits) -> Verdict:
    """Hold the sampler against what `expect` makes of the problem and a pilot."""
    began, weight = time.monotonic(), source.form.weight
    size = min(PILOT, settings.max_samples // weight // 20)
    if size < 2:
        raise ValueError(f"max_samples needs to allow 40 rows, but {settings.max_samples} allows {20 * size} and a few")
    pilot = Pilot.draw(source, size)
    court = Court(source.problem, expect(source.problem, pilot.both, settings, weight), settings, weight)
    sums = Sums.begin(court.expected)
    if fault := pilot.fault(court):
        finite = pilot.both.rows[np.isfinite(pilot.both.rows).all(axis=1)]
        sums = sums.add(court.expected.features(finite), court.expected) if len(finite) else sums
        return court.verdict("wrong", fault, sums, source.seed, battery=True)
    saved = Saved.open(limits.state, source, court, pilot.both) if limits.state is not None else None
    done, sums = saved.restore(sums) if saved else (0, sums)
    available = settings.max_samples // weight - 2 * size
    outcome, reason, battery = None, "", False
    for number, (count, look, whole) in enumerate(calls(available)):
        if number < done - 1:
            continue
        if number >= done:
            if time.monotonic() - began > limits.max_seconds:
                reason = f"the time is spent: {limits.max_seconds:g} s allowed {number} of the calls"
                break
            batch = source.draw(count, MAIN + number)
            if found := not_finite(batch, f"call {MAIN + number}"):
                outcome, reason, battery = "wrong", found, True
                break
            source.expect_precision(batch, pilot.both)
            sums = sums.add(court.expected.features(batch.rows), court.expected)
            if saved and whole:
                saved.keep(number + 1, sums, now=look)
        if look:
            outcome, reason = court.judge(sums, last=sums.evidence.n == available)
            if limits.progress is not None:
                limits.progress(sums.evidence.n * weight, court.log_evidence(sums) / float(np.log(10)))
            if outcome is not None:
                break
    verdict = court.verdict(outcome or "undecided", reason, sums, source.seed, battery=battery)
    return replace(verdict, notes=verdict.notes + pilot.notes())


def calls(available: int) -> Iterator[tuple[int, bool, bool]]:
    """Size of each call, whether a look follows, and whether it is cut short by what is available.

    Looks are at 200 rows altogether, then at 20 % more each time, and at the end.
    """
    done, goal = 0, FIRST
    while done < available:
        size = min(ROWS, goal - done)
        cut = min(size, available - done)
        done += cut
        yield cut, done in (goal, available), cut == size
        if done == goal:
            goal = max(int(goal * GROWTH), goal + 1)
