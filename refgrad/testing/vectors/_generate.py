"""Make the files of vectors: references in many digits, on inputs that float32 holds exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references import reference
from refgrad.testing.references._numbers import settled
from refgrad.testing.vectors._document import document, groups_of
from refgrad.testing.vectors._draw import Draw
from refgrad.testing.vectors._flags import caught
from refgrad.testing.vectors._format import FORMAT
from refgrad.testing.vectors._inputs import Inputs
from refgrad.testing.vectors._problems import objectives
from refgrad.testing.vectors._settings import estimator_class, made, stem
from refgrad.testing.vectors._situations import SITUATIONS, Situation

__all__ = ["generated"]


def generated(module: str, family: str) -> dict[str, Any]:
    """Make one file.

    Parameters
    ----------
    module : str
        Of the estimator, such as `"mu_prop"`.
    family : {"bernoulli", "categorical"}

    Returns
    -------
    dict

    Raises
    ------
    ImportError
        If mpmath is not installed.
    LookupError
        If the estimator has no reference.
    """
    reference(module)
    return document(FORMAT, _groups(module, family))


def _groups(module: str, family: str) -> Iterator[dict[str, Any]]:
    cls, number = estimator_class(module), 0
    differentiates = cls(**cls.examples[0]).claims.differentiates_f
    for shape, wire in objectives(f"{module} {family}", family, differentiates):
        for group in groups_of(module, family, shape, wire):
            tests = []
            for situation in SITUATIONS:
                draw = Draw(f"{stem(module, family)}-{number + 1}", family, shape)
                if situation.serves(draw):
                    tests.append(_test(module, draw, group, situation))
                    number += 1
            yield group | {"tests": tests}


def _test(module: str, draw: Draw, group: dict[str, Any], situation: Situation) -> dict[str, Any]:
    logits, noise = situation.make(draw, made(group).draws)
    head = {"id": draw.name, "comment": situation.description or "Logits and noise as they come.", "flags": []}
    test: dict[str, Any] = head | {"logits": draw.event(logits), "noise": list(map(draw.event, noise))}
    given = Inputs(module, group, test)
    test["expected"] = _written(settled(given.values), draw)
    test["atol"] = given.tolerance()
    test["flags"] = [situation.flag, *caught(group, test)]
    return test


def _written(values: dict[str, Any], draw: Draw) -> dict[str, Any]:
    """Values as the nearest floats, in the shape of one z where they are of its size."""

    def written(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: written(own) for name, own in value.items()}
        if isinstance(value, list):
            return draw.event(list(map(written, value)))
        return float(mp.nstr(value, 40)) if isinstance(value, mpf) else value

    return written(values)
