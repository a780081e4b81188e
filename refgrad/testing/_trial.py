"""One check from its first call to its verdict: the pilot, the battery, then calls and looks until it is decided."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions._array import Array, keep_freed_memory
from refgrad.testing._ahead import Ahead, schedule
from refgrad.testing._battery import generator_fault, lag_evidence, not_finite, repeated_rows, usable
from refgrad.testing._court import DEPENDENT, Court
from refgrad.testing._expected import Expected, Settings
from refgrad.testing._facts import facts_of
from refgrad.testing._sampler import Batch, OutOfTimeError, Source
from refgrad.testing._schedule import LARGE, LATE
from refgrad.testing._sums import Sums, still_fixed
from refgrad.testing.problem import Problem
from refgrad.testing.state import Saved
from refgrad.testing.verdict import Verdict

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Limits", "trial"]

PILOT = 2**10  # rows of each of its two calls

Expect = Callable[[Problem, Batch, Settings, int], Expected]


@dataclass(frozen=True)
class Limits:
    """What bounds and follows a check, and changes none of its bits."""

    max_seconds: float = float("inf")
    state: str | Path | None = None
    progress: Callable[[int, float], Any] | None = None
    executor: Executor | None = None

    def __post_init__(self) -> None:
        if not self.max_seconds > 0:
            raise ValueError(f"max_seconds needs to be positive, but is {self.max_seconds}")


@dataclass(frozen=True, eq=False)
class Pilot:
    """Two calls with different generators, and the first of them again: each of rows (n, d)."""

    first: Batch
    second: Batch
    again: Batch

    @cached_property
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
        rounding = expected.rounding[: len(expected.center)]
        found = generator_fault(self.first, self.second, self.again, rounding, alpha)
        if found := found or repeated_rows(self.first, self.second, expected.log_most, alpha):
            return found
        return dependence(expected.features(self.first.rows), expected.features(self.second.rows), court)


def dependence(first: Array, second: Array, court: Court) -> str | None:
    """What the features (n, m) of two calls of the same size show of rows that depend on each other."""
    rest = np.concatenate([first, second])[:, : len(court.expected.center)]
    log_evidence, lag = lag_evidence((court.expected.whiten.T @ rest.T).T)
    if log_evidence < court.other_limit:
        return None
    if lag == len(first):
        return "two calls with different generators return related rows: some noise is seeded inside the call"
    return f"rows are not independent: those {lag} apart are correlated; {DEPENDENT}"


def trial(source: Source, settings: Settings, expect: Expect, limits: Limits) -> Verdict:
    """Hold the sampler against what `expect` makes of the problem and a pilot."""
    began, weight = time.monotonic(), source.form.weight
    most = settings.max_samples // weight
    size = min(PILOT, most // 20)
    if size < 2:
        each = f" of {weight:,} samples each" if weight > 1 else ""
        raise ValueError(f"max_samples needs to allow 40 rows{each}, but {settings.max_samples:,} allows {most}")
    keep_freed_memory()  # rows of every call take the same again
    facts_of(source.problem)  # before the sampler can touch the problem
    source.deadline = began + limits.max_seconds
    saved = Saved.open(limits.state, source) if limits.state is not None else None
    available = most - 2 * size
    coming = schedule(available, max(saved.calls - 1, 0) if saved else 0)
    with Ahead(source, size, coming, limits.executor) as ahead:
        try:
            pilot = Pilot(*ahead.pilot())
        except OutOfTimeError:
            nothing = Batch(np.zeros((0, source.problem.gradient.size)), float(np.finfo(float).eps), used=True)
            court = Court(source.problem, expect(source.problem, nothing, settings, weight), settings, weight)
            reason = f"the time is spent: {limits.max_seconds:g} s did not allow a pilot of 3 x {size} calls"
            return court.verdict("undecided", reason, Sums.begin(court.expected), source.seed, battery=True)
        court = Court(source.problem, expect(source.problem, pilot.both, settings, weight), settings, weight)
        expected = court.expected
        sums = Sums.begin(expected)
        if fault := pilot.fault(court):
            finite = pilot.both.rows[usable(pilot.both.rows)]
            features = expected.features(finite)
            sums = sums.add(features, features[:0], expected) if len(finite) else sums
            return court.verdict("wrong", fault, sums, source.seed, battery=True)
        sums = replace(sums, fixed=still_fixed(sums.fixed, expected.features(pilot.both.rows)))
        if saved:
            saved.identify(source, court, pilot.both)
        if limits.executor is not None:
            ahead.expect(court.likely)
        verdict = _heard(ahead, court, pilot, sums, available, limits, saved)
    return replace(verdict, notes=verdict.notes + pilot.notes())


def _heard(
    ahead: Ahead,
    court: Court,
    pilot: Pilot,
    sums: Sums,
    available: int,
    limits: Limits,
    saved: Saved | None,
) -> Verdict:
    """Hear of call after call, and look, until something is decided."""
    outcome, reason, fault = None, "", None
    source, before = ahead.source, court.expected.features(pilot.second.rows)
    done, sums, looks = saved.restore(sums) if saved else (0, sums, [])
    number = max(done - 1, 0)
    try:
        for coming, batch in ahead:
            seen = None
            if coming.place == done - 1:  # the last call that is in the sums already
                assert saved is not None
                saved.expect(batch.rows)
                features = court.expected.features(batch.rows)
                if not coming.look:  # the end of what was allowed then, and no look of the schedule
                    looks = [entry for entry in looks if entry[0] < sums.evidence.n * source.form.weight]
            else:
                features, fault = examined(batch, before, sums.evidence.n, court, coming.call.number)
                if fault:
                    break
                source.expect_precision(batch, pilot.both)
                sums = sums.add(features, before, court.expected)
                if coming.look:
                    seen = court.log_evidence(sums)
                    looks.append((sums.evidence.n * source.form.weight, seen / float(np.log(10))))
                if saved and coming.whole:
                    saved.keep(coming.place + 1, sums, batch.rows, looks, now=coming.look)
            before, number = features, coming.place + 1
            if coming.look:
                outcome, reason = court.judge(sums, sums.evidence.n == available, seen)
                if limits.progress is not None:
                    limits.progress(*looks[-1])
                if outcome is not None:
                    break
    except OutOfTimeError:
        reason = f"the time is spent: {limits.max_seconds:g} s allowed {number} of the calls"
    if fault:
        return court.verdict("wrong", fault, sums, source.seed, battery=True, history=tuple(looks))
    return court.verdict(outcome or "undecided", reason, sums, source.seed, history=tuple(looks))


def examined(batch: Batch, before: Array, n: int, court: Court, number: int) -> tuple[Array, str | None]:
    """Features of a call after n rows, and what it shows that is wrong whatever the mean.

    `before` are those of the call before: of the other large call, where this is the second.
    """
    if found := not_finite(batch, f"call {number}"):
        return before, found
    features = court.expected.features(batch.rows)
    twins = n == LATE + LARGE and len(before) == len(features)
    return features, dependence(before, features, court) if twins else None
