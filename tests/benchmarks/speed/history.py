"""What ratios were before: one line of JSON for each recorded run, and what has changed since the last one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed.case import Measurement
from speed.machine import machine, now, versions

FILE = Path(__file__).resolve().parents[1] / "history.jsonl"
CHANGE = 1.20
DOUBT = ", but the intervals overlap"
ALIKE = ("cpu", "cores", "system", "blas threads")  # machines that agree in these are of one kind


@dataclass(frozen=True)
class Changes:
    """What a run says about the one before it."""

    against: str
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def certain(self) -> tuple[str, ...]:
        """What is worse, and whose intervals lie apart."""
        return tuple(line for line in self.worse if not line.endswith(DOUBT))

    def __str__(self) -> str:
        parts = [self.against]
        for what in ("worse", "better", "new", "gone"):
            lines = getattr(self, what)
            parts += [f"{what}: {len(lines)}", *(f"  {line}" for line in lines)] if lines else []
        if not self.worse and not self.better and self.against.startswith("Beside"):
            parts.append(f"no ratio changed by more than {CHANGE - 1:.0%}")
        return "\n".join(parts)


def entry(found: Iterable[Measurement], quick: bool) -> dict[str, Any]:
    """What is kept of a run: the ratios of refgrad and of its peers to the reference, and their intervals."""
    ratios = {
        own.key: [own.ratio.value, own.ratio.low, own.ratio.high]
        for own in found
        if own.ratio is not None and own.who != own.against
    }
    return {"date": now(), "quick": quick, "machine": machine(), "versions": versions(), "ratios": ratios}


def recorded(path: Path) -> list[dict[str, Any]]:
    """All runs that were kept, the oldest first.

    Raises
    ------
    ValueError
        If a line is not one of this format.
    """
    found = []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        try:
            own = json.loads(line)
            found.append({name: own[name] for name in ("date", "quick", "machine", "versions", "ratios")})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of {path} needs to be a recorded run, but is {line[:60]!r}") from error
    return found


def record(path: Path, own: Mapping[str, Any]) -> None:
    """Append a run."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(own, allow_nan=False) + "\n")


def compared(own: Mapping[str, Any], before: Sequence[Mapping[str, Any]], rows: Iterable[str]) -> Changes:
    """Compare with the last run on the same kind of machine, or else with the last one; of `rows` alone."""
    runs = [run for run in before if run["quick"] == own["quick"]]
    if not runs:
        return Changes("No run is recorded yet to compare with.")
    same = [run for run in runs if all(run["machine"].get(name) == own["machine"].get(name) for name in ALIKE)]
    last = (same or runs)[-1]
    kind = "the same kind of machine" if same else f"another kind of machine: {last['machine'].get('cpu')}"
    asked = tuple(f"{row} | " for row in rows)
    old = {key: ratio for key, ratio in last["ratios"].items() if key.startswith(asked)}
    changed: dict[bool, list[str]] = {True: [], False: []}
    for key, ratio in own["ratios"].items():
        times = ratio[0] / old[key][0] if key in old else 1.0
        if times > CHANGE or times < 1 / CHANGE:
            overlap = ratio[1] <= old[key][2] and old[key][1] <= ratio[2]
            line = f"{key}: {old[key][0]:.3g} -> {ratio[0]:.3g} ({times - 1:+.0%})"
            changed[times > 1].append(line + DOUBT * overlap)
    return Changes(
        against=f"Beside the run of {last['date']}, on {kind}:",
        worse=tuple(changed[True]),
        better=tuple(changed[False]),
        new=tuple(key for key in own["ratios"] if key not in old),
        gone=tuple(key for key in old if key not in own["ratios"]),
    )
