"""The state of a long check on a file: stopped at any moment, it goes on and ends with the same bits.

The file is JSON: for each problem what the check is (its options, the problem, a digest of the pilot's rows), how many
calls are done, and the sums. Numbers are written so that they are read back to the bit, and the generator of a call
follows from the seed and the number of the call. More samples may be allowed when it goes on. A new file takes the
place of the old one at once, or not at all. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._battery import Products
from refgrad.testing._reserved import replaced

if TYPE_CHECKING:
    from refgrad.testing._court import Court
    from refgrad.testing._sampler import Batch, Source
    from refgrad.testing._sums import Sums

__all__ = ["Saved"]

Looks = list[tuple[int, float]]  # samples, and the decimal logarithm of the evidence

FORMAT, VERSION = "refgrad-state", 1
PRODUCTS = ("sharing", "echo")
SECONDS = 5.0  # between two writes, where no look asks for one


class Saved:
    """One problem's part of a state file.

    Parameters
    ----------
    path : Path
    checks : dict
        What the file holds, by problem.
    problem : str
        The one of this check.
    """

    def __init__(self, path: Path, checks: dict[str, Any], problem: str) -> None:
        self.path, self.checks, self.problem = path, checks, problem
        self.identity: dict[str, Any] = {}
        self.written = -np.inf

    @classmethod
    def open(cls, path: str | Path, source: Source) -> Saved:
        """Read the file, if there is one, and see that it is whole.

        Raises
        ------
        ValueError
            If it is damaged, or no state.
        """
        return cls(Path(path), _read(Path(path)), str(source.problem))

    @property
    def calls(self) -> int:
        """How many calls are done, if the file is of this check."""
        return int(self.checks.get(self.problem, {}).get("calls", 0))

    def identify(self, source: Source, court: Court, pilot: Batch) -> None:
        """See that the file is of this check, if it has anything about the problem.

        Raises
        ------
        ValueError
            If it is of another.
        """
        self.identity = _identity(source, court, pilot)
        found = self.checks.get(self.problem)
        if found is not None and found["identity"] != self.identity:
            name, there, here = next(
                (key, found["identity"].get(key), value)
                for key, value in self.identity.items()
                if found["identity"].get(key) != value
            )
            raise ValueError(
                f"{self.path} holds the state of another check of {source.problem}: its {name} is {there}, here it is "
                f"{here}; give another file, or delete it to begin anew"
            )

    def restore(self, begun: Sums) -> tuple[int, Sums, Looks]:
        """How many calls are done, the sums after them, and what was seen at every look."""
        found = self.checks.get(self.problem)
        if found is None:
            return 0, begun, []
        try:
            kept = {name: np.array([float.fromhex(x) for x in values]) for name, values in found["sums"].items()}
            size = len(begun.fixed)
            evidence = replace(
                begun.evidence, n=int(found["n"]), total=kept["total"], squares=kept["squares"].reshape(size, size)
            )
            products = {name: _products(name, kept) for name in PRODUCTS}
            looks = [(int(n), float.fromhex(seen)) for n, seen in found["looks"]]
            return int(found["calls"]), replace(begun, evidence=evidence, fixed=kept["fixed"], **products), looks
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{self.path} needs the sums of a check, but holds something else: {error!r}") from error

    def expect(self, rows: Array) -> None:
        """See that the last call, made again, gives the rows that are in the sums.

        Raises
        ------
        ValueError
            If not.
        """
        if self.checks[self.problem].get("last call") != _digest(rows):
            raise ValueError(
                f"{self.path} cannot be gone on from: the sampler gives other rows in a call that is made again; one "
                "with a state of its own has to begin anew"
            )

    def keep(self, calls: int, sums: Sums, rows: Array, looks: Looks, now: bool) -> None:
        """Write the sums after so many calls, and the rows of the last, at once or when that was long ago."""
        if not now and time.monotonic() - self.written < SECONDS:
            return
        arrays = {"total": sums.evidence.total, "squares": sums.evidence.squares, "fixed": sums.fixed}
        for name in PRODUCTS:
            arrays |= {f"{name}_{f.name}": getattr(getattr(sums, name), f.name) for f in fields(Products)}
        self.checks = _read(self.path)  # another process may have written about another problem
        self.checks[self.problem] = {
            "identity": self.identity,
            "calls": calls,
            "n": sums.evidence.n,
            "last call": _digest(rows),
            "looks": [[n, seen.hex()] for n, seen in looks],
            "sums": {name: [x.hex() for x in np.ravel(value).tolist()] for name, value in arrays.items()},
        }
        _write(self.path, self.checks)
        self.written = time.monotonic()


def _products(name: str, kept: dict[str, Any]) -> Products:
    """One of the sums of products, from its arrays."""
    arrays = {f.name: kept[f"{name}_{f.name}"] for f in fields(Products)}
    return Products(**arrays | {"pairs": float(arrays["pairs"][0])})


def _identity(source: Source, court: Court, pilot: Batch) -> dict[str, Any]:
    """Everything that the bits of a check depend on."""
    problem, settings, form = source.problem, court.settings, source.form
    return {
        "problem": str(problem),
        "logits": _digest(problem.logits),
        "gradient": _digest(problem.gradient),
        "moments": court.expected.second,
        "estimator": repr(settings.estimator),
        "tolerance": settings.tolerance,
        "alpha": settings.alpha,
        "seed": source.seed,
        "rows": form.rows,
        "wrt": form.wrt,
        "loss": form.loss,
        "sampler": source.name,
        "covariance": _digest(court.expected.covariance),
        "pilot of the sampler": _digest(pilot.rows),
    }


def _digest(values: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, float).tobytes()).hexdigest()[:16]


def _checksum(checks: Any) -> str:
    return hashlib.sha256(json.dumps(checks, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kind = found["format"], found["version"]
        checks, checksum = found["checks"], found["checksum"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or no state of a check ({error}); delete it to begin anew") from error
    if kind != (FORMAT, VERSION):
        raise ValueError(f"{path} needs to be {FORMAT} version {VERSION}, but is {kind[0]} version {kind[1]}")
    if checksum != _checksum(checks):
        raise ValueError(f"{path} is damaged: its checksum does not fit; delete it to begin anew")
    return dict(checks)


def _write(path: Path, checks: dict[str, Any]) -> None:
    whole = {"format": FORMAT, "version": VERSION, "checksum": _checksum(checks), "checks": checks}
    replaced(path, json.dumps(whole).encode())
