"""The calls of one check, in order: where there are workers, those that come are made ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from refgrad._workers import Flight, LateError
from refgrad.testing._sampler import Batch, Call, OutOfTimeError, Source
from refgrad.testing._schedule import EARLIEST
from refgrad.testing._schedule import calls as sizes

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["MAIN", "Ahead", "Coming", "schedule"]

AHEAD = 8  # rows ahead for each that is judged: a wrong sampler is found early
LOOKS = 2  # made ahead at once, where each may be the last
MAIN = 2  # the number of the first call that is not of the pilot


@dataclass(frozen=True)
class Coming:
    """One call of the schedule: its place in it, its rows and those before it, as in `calls` if a look follows."""

    place: int
    begin: int
    call: Call
    look: bool
    whole: bool


def schedule(available: int, first: int) -> Iterator[Coming]:
    """The calls from number `first` of the schedule on."""

    def numbered() -> Iterator[Coming]:
        begin = 0
        for place, (count, look, whole) in enumerate(sizes(available)):
            yield Coming(place, begin, Call(count, MAIN + place), look, whole)
            begin += count

    return islice(numbered(), first, None)


class Ahead:
    """The calls of a check, each made once, and given out in order.

    Ahead are those that a right sampler needs in any case (until that is known, those before the first look that may
    say "right"), but no more than `AHEAD` times what is judged. Then come those of `LOOKS` looks at once, when all
    before them are judged: what is begun has to be waited for. Never more are ahead than a window has. A call follows
    from its number, whatever is ahead.

    Parameters
    ----------
    source : Source
    pilot : int
        Rows of each call of the pilot.
    coming : iterable of Coming
        The calls after it.
    executor : Executor, optional
        Without it nothing is made ahead.
    """

    def __init__(self, source: Source, pilot: int, coming: Iterable[Coming], executor: Executor | None) -> None:
        self.source, self._flight = source, Flight(source.made, executor)
        self._pilot = Call(pilot, 0), Call(pilot, 1), Call(pilot, 0, again=True)
        self._first = self._needed = EARLIEST / source.form.weight
        self._begun: deque[Coming] = deque()
        self._coming = iter(coming)
        self._next = next(self._coming, None)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *error: object) -> None:
        """Cancel what is ahead."""
        self._flight.__exit__(*error)

    def pilot(self) -> tuple[Batch, ...]:
        """Make the three calls of the pilot, one after the other on one copy of the sampler.

        Raises
        ------
        OutOfTimeError
            If there is no time left.
        SamplerError, ValueError, TypeError
            As in `Source.draw`.
        """
        self._flight.submit(self._pilot)
        self._submit(0)
        return self._take(self._pilot)

    def expect(self, rows: float) -> None:
        """Say how many rows will be judged, unless the sampler is wrong."""
        self._needed = max(self._first, rows)

    def __iter__(self) -> Iterator[tuple[Coming, Batch]]:
        """Yield each call and what it returned; raises as `pilot`."""
        while head := self._begun[0] if self._begun else self._next:
            self._submit(head.begin)
            (batch,) = self._take((head.call,))
            self._begun.popleft()
            yield head, batch

    def _submit(self, judged: int) -> None:
        """Submit what may be made ahead when so many rows are judged; a call at least."""
        if judged < self._needed:
            goal = min(self._needed, max(self._first, AHEAD * judged))
            while self._next and self._next.begin < goal and self._flight.room:
                self._begin(self._next)
        elif not len(self._flight):
            looks = 0
            while self._next and looks < LOOKS and self._flight.room:
                looks += self._next.look
                self._begin(self._next)

    def _begin(self, coming: Coming) -> None:
        self._flight.submit((coming.call,))
        self._begun.append(coming)
        self._next = next(self._coming, None)

    def _take(self, calls: tuple[Call, ...]) -> tuple[Batch, ...]:
        try:
            return self.source.heard(calls, self._flight.take(self.source.deadline))
        except LateError:
            raise OutOfTimeError from None
