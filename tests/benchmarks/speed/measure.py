"""One case, from those who take part to what each of them did."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from speed.case import BEST, Case, Goal, Judged, Measurement
from speed.client import Peer, PeerError
from speed.timing import Clock, Effort, race, ratio


def measure(case: Case, peers: Sequence[Peer], effort: Effort, seed: int) -> list[Measurement]:
    """Everybody's turns, with peers that answer right; then what else is asked, with nothing beside it."""
    right, skipped = admitted(case, peers)
    seconds = race({**case.clocks, **right}, effort, seed)
    best = fastest(seconds, peers)
    found = [
        Measurement(
            row=case.row,
            size=case.size,
            who=who,
            seconds=tuple(own),
            ratio=ratio(own, seconds[case.reference], seed),
            against=case.reference,
            judged=tuple(judge(goal, seconds, best, seed) for goal in case.goals if known(goal, who, best)),
            peer=who in right,
            notes=case.notes if who == next(iter(case.clocks)) else (),
        )
        for who, own in seconds.items()
    ]
    absent: dict[str, Any] = {"row": case.row, "size": case.size, "seconds": (), "ratio": None, "against": ""}
    found += [Measurement(who=who, peer=True, skipped=why, **absent) for who, why in skipped.items()]
    found += [Measurement(who=fact.name, fact=fact, **absent) for fact in case.facts(seconds)]
    return found


def admitted(case: Case, peers: Sequence[Peer]) -> tuple[dict[str, Clock], dict[str, str]]:
    """Clocks of the peers that answer what refgrad does, and by name why the others are skipped."""
    right: dict[str, Clock] = {}
    skipped: dict[str, str] = {}
    for peer in peers if case.task is not None else ():
        try:
            wrong = case.check(peer.prepare(case.task or {}), peer.precision)
        except PeerError as error:
            wrong = str(error)
        if wrong is None:
            right[peer.name] = peer.timed
        else:
            skipped[peer.name] = wrong
    return right, skipped


def fastest(seconds: Mapping[str, Sequence[float]], peers: Sequence[Peer]) -> str | None:
    """The peer in float64 that is done first, if there is one."""
    names = [peer.name for peer in peers if peer.name in seconds and peer.precision == "float64"]
    return min(names, key=lambda name: median(seconds[name]), default=None)


def known(goal: Goal, who: str, best: str | None) -> bool:
    """Whether it is wanted of somebody, and there is somebody to compare with."""
    return goal.who == who and (goal.against != BEST or best is not None)


def judge(goal: Goal, seconds: Mapping[str, Sequence[float]], best: str | None, seed: int) -> Judged:
    """Hold a goal against the medians."""
    if goal.against is None:
        figure = median(seconds[goal.who])
        return Judged(goal, figure, None, goal.held(figure))
    against = best if goal.against == BEST else goal.against
    found = ratio(seconds[goal.who], seconds[str(against)], seed)
    return Judged(goal, found.value, (found.low, found.high), goal.held(found.value))
