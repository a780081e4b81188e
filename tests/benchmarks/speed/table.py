"""How figures are shown: a Markdown table of each row, JSON lines, and seconds that people can read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from speed.case import Judged, Measurement

HEAD = ("size", "who", "median", "least", "times the reference", "goal", "")
WORDS = {True: "held", False: "**missed**", None: ""}


def markdown(title: str, found: Sequence[Measurement]) -> str:
    """The table of a row; peers that were skipped for the same reason stand together below."""
    lines = [f"### {title}", "", *grid(HEAD, [cells(own) for own in found if not own.skipped])]
    notes: dict[str, list[str]] = {}
    for own in found:
        who = own.who.removesuffix(", float32")  # both precisions, most often, for the same reason
        for note in (f"{who} is skipped: {own.skipped}",) if own.skipped else own.notes:
            notes.setdefault(note, []).append(own.size)
    said = [f"* {note} ({places(sizes)})" for note, sizes in notes.items()]
    return "\n".join([*lines, *([""] if said else []), *said])


def places(sizes: Sequence[str]) -> str:
    """Where it is so."""
    different = list(dict.fromkeys(sizes))
    return "; ".join(different) if len(different) < 3 else f"{different[0]}; and {len(different) - 1} more"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    yield from ("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)


def cells(own: Measurement) -> list[str]:
    """One line."""
    if own.fact is not None:
        goal = "" if own.fact.limit is None else f"at most {own.fact.limit:g}"
        return [own.size, own.who, f"{own.fact.value:.3g} {own.fact.unit}".strip(), "", "", goal, WORDS[own.held]]
    given = own.ratio
    times = "" if given is None else f"{short(given.value)} ({short(given.low)} to {short(given.high)})"
    goals = "; ".join(goal_of(judged) for judged in own.judged)
    shown = [read(median(own.seconds)), read(min(own.seconds))]
    return [own.size, own.who, *shown, times if own.who != own.against else "1", goals, WORDS[own.held]]


def goal_of(judged: Judged) -> str:
    """A goal, and the figure where it stands nowhere else."""
    goal = judged.goal
    if goal.against is None:
        return f"at most {read(goal.limit)}"
    figure = 1 / judged.figure if goal.faster else judged.figure
    return f"{goal}: {short(figure)}"


def read(seconds: float) -> str:
    """Seconds in a unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def short(number: float) -> str:
    """Three digits, without an exponent where that is short."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def company(versions: Mapping[str, str], absent: Mapping[str, str]) -> str:
    """Which peers are here, and why others are not."""
    reasons: dict[str, list[str]] = {}
    for name, why in absent.items():
        reasons.setdefault(why, []).append(name)
    here = [f"* Peers: {', '.join(f'{name} ({version})' for name, version in versions.items())}"] if versions else []
    return "\n".join([*here, *(f"* skipped: {', '.join(names)}: {why}" for why, names in reasons.items())])


def line(own: Measurement) -> dict[str, Any]:
    """One measurement as JSON."""
    found: dict[str, Any] = {"row": own.row, "size": own.size, "who": own.who, "peer": own.peer}
    if own.skipped:
        return {**found, "skipped": own.skipped}
    if own.fact is not None:
        fact = own.fact
        return {**found, "value": fact.value, "unit": fact.unit, "goal": fact.limit, "held": own.held}
    seconds = {"median": median(own.seconds), "min": min(own.seconds), "all": list(own.seconds)}
    given = own.ratio
    times = None if given is None else {"value": given.value, "interval": [given.low, given.high], "to": own.against}
    goals = [{"goal": str(j.goal), "figure": j.figure, "interval": j.interval, "held": j.held} for j in own.judged]
    return {**found, "seconds": seconds, "ratio": times, "goals": goals, "held": own.held, "notes": own.notes}
