"""A whole and its parts: what each takes alone, and what they leave."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from speed.table import grid, read
from speed.timing import Effort, clock, race

EFFORT = Effort(turns=5, seconds=0.1, most=20)
REST = "the rest: arithmetic and temporaries"
HEAD = ("row", "size", "part", "time", "share")


@dataclass(frozen=True)
class Split:
    """The seconds of a whole and of its parts; the rest is what they leave, negative where they overlap."""

    row: str
    size: str
    whole: float
    parts: dict[str, float]
    rest: str = REST

    def lines(self) -> Iterator[tuple[str, float]]:
        """Parts and the rest."""
        yield from self.parts.items()
        yield self.rest, self.whole - sum(self.parts.values())


def medians(seed: int, **calls: Callable[[], object]) -> dict[str, float]:
    """Seconds of each, side by side."""
    clocks = {name: clock(call) for name, call in calls.items()}
    return {name: median(own) for name, own in race(clocks, EFFORT, seed).items()}


def markdown(found: list[Split]) -> str:
    """A table of parts."""
    rows = [
        [own.row, own.size, part, read(seconds) if seconds > 0 else "-", f"{seconds / own.whole:.0%}"]
        for own in found
        for part, seconds in own.lines()
    ]
    return "\n".join(["### Where time goes", "", *grid(HEAD, rows)])
