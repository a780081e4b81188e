"""Times side by side: rounds in which everybody takes a turn, and the ratio of two of them with its interval."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

PAUSE = 5e-3  # threads of some libraries spin for milliseconds after their turn
LEVEL, RESAMPLES = 0.95, 2000

Clock = Callable[[int], float]  # seconds of one call, from that many in a row


@dataclass(frozen=True)
class Effort:
    """How long a race goes on.

    Parameters
    ----------
    turns : int
        That everybody has, at least, unless they last `patience`.
    seconds : float
        That everybody's turns last together, at least, or `most` turns.
    most : int
    patience : float
        Seconds after which somebody who has had three turns leaves, and after a single turn that lasts twice as long.
    short : float
        Seconds of a turn: what is quicker is called several times in it.
    """

    turns: int = 5
    seconds: float = 0.5
    most: int = 40
    patience: float = 2.0
    short: float = 2e-3

    def done(self, seconds: Sequence[float], calls: int) -> bool:
        """Whether so many turns will do."""
        return len(seconds) >= self.most or (len(seconds) >= self.turns and calls * sum(seconds) >= self.seconds)

    def slow(self, seconds: Sequence[float]) -> bool:
        """Whether the others go on without it."""
        long = sum(seconds) >= self.patience and len(seconds) >= 3
        return long or max(seconds, default=0.0) >= 2 * self.patience


@dataclass(frozen=True)
class Ratio:
    """A ratio of two medians, and where it lies when rounds are drawn anew."""

    value: float
    low: float
    high: float


def clock(call: Callable[[], object]) -> Clock:
    """A clock of something that runs here."""

    def timed(calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - began) / calls

    return timed


def race(clocks: Mapping[str, Clock], effort: Effort, seed: int) -> dict[str, list[float]]:
    """Seconds of one call, for each turn, by name: in each round everybody has a turn, in an order that changes.

    A first turn warms up and is not counted, but of those that take long: they have no other.
    """
    rng = np.random.default_rng(seed)
    first = {name: clocks[name](1) for name in clocks}
    found: dict[str, list[float]] = {name: [one] if effort.slow([one]) else [] for name, one in first.items()}
    calls = {name: max(1, round(effort.short / max(one, 1e-9))) for name, one in first.items()}
    racing = [name for name in clocks if not found[name]]
    while racing and not all(effort.done(found[name], calls[name]) for name in racing):
        for place in rng.permutation(len(racing)):
            name = racing[place]
            time.sleep(PAUSE)
            found[name].append(clocks[name](calls[name]))
        racing = [name for name in racing if not effort.slow(found[name])]
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Ratio:
    """Median of ours by median of theirs, and its bootstrap interval: rounds are drawn, with both of their turns."""
    value = median(ours) / median(theirs)
    size = min(len(ours), len(theirs))
    rows = np.random.default_rng(seed).integers(size, size=(RESAMPLES, size))
    drawn = (np.median(np.asarray(x[:size])[rows], axis=1) for x in (ours, theirs))
    low, high = np.quantile(np.divide(*drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Ratio(value, min(float(low), value), max(float(high), value))
