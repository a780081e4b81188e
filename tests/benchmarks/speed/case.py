"""A case: one row of the benchmark at one size, who takes part, and what is wanted of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from speed.timing import Clock, Ratio

BEST = "the best peer"


@dataclass(frozen=True)
class Plan:
    """What all rows are told: the seed, and whether sizes are tiny."""

    seed: int = 0
    quick: bool = False

    def pick(self, full: Any, quick: Any) -> Any:
        """The size for this run."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Goal:
    """What is wanted of one of those who take part.

    Parameters
    ----------
    who : str
    limit : float
        At most so many seconds; or times what `against` takes; with `faster`, at least so many times faster than it.
    against : str, optional
        Name of another, or `BEST`: the fastest peer in float64.
    faster : bool
    """

    who: str
    limit: float
    against: str | None = None
    faster: bool = False

    def __str__(self) -> str:
        if self.against is None:
            return f"at most {self.limit:g} s"
        return (
            f"at least {self.limit:g} x faster than {self.against}"
            if self.faster
            else (f"at most {self.limit:g} x {self.against}")
        )

    def held(self, figure: float) -> bool:
        """Whether a figure, seconds or a ratio of times, is what is wanted."""
        return bool(figure * self.limit <= 1) if self.faster else bool(figure <= self.limit)


@dataclass(frozen=True)
class Fact:
    """A figure that is no time: memory, a share, equality of bits. `limit` is the most that is wanted, if any."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether it is what is wanted, or None."""
        return None if self.limit is None else bool(self.value <= self.limit)


@dataclass(frozen=True)
class Case:
    """One row at one size.

    Parameters
    ----------
    row, size : str
    clocks : dict of callable
        By name, those who take part here; the first is refgrad.
    reference : str
        Whose time is 1.
    goals : tuple of Goal
    task : dict, optional
        What peers are asked to prepare.
    check : callable, optional
        From the answer of a peer and its precision to what is wrong with it, or None.
    facts : callable
        What else is measured, after the times, which it is given.
    notes : tuple of str
        How it was done.
    """

    row: str
    size: str
    clocks: Mapping[str, Clock]
    reference: str
    goals: tuple[Goal, ...] = ()
    task: Mapping[str, Any] | None = None
    check: Callable[[Mapping[str, Any], str], str | None] = lambda answer, precision: None
    facts: Callable[[Mapping[str, list[float]]], Iterable[Fact]] = lambda seconds: ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A goal, the figure that it is held against, and the interval of it."""

    goal: Goal
    figure: float
    interval: tuple[float, float] | None
    held: bool


@dataclass(frozen=True)
class Measurement:
    """What one of those who took part did in one case."""

    row: str
    size: str
    who: str
    seconds: tuple[float, ...]
    ratio: Ratio | None
    against: str
    judged: tuple[Judged, ...] = ()
    peer: bool = False
    skipped: str = ""
    fact: Fact | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def held(self) -> bool | None:
        """Whether all that is wanted of it is so; None if nothing is wanted."""
        if self.fact is not None:
            return self.fact.held
        return all(own.held for own in self.judged) if self.judged else None

    @property
    def key(self) -> str:
        """Its name in the history."""
        return f"{self.row} | {self.size} | {self.who}"


def missed(found: Iterable[Measurement]) -> Iterator[Measurement]:
    """Those that are not what is wanted."""
    return (own for own in found if own.held is False)
