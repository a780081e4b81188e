"""Make the files of vectors: references in many digits, on inputs that float32 holds exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references import reference
from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import Vector, flat, numbers, settled
from refgrad.testing.references._objectives import objective
from refgrad.testing.vectors._draw import Draw
from refgrad.testing.vectors._flags import caught, notes
from refgrad.testing.vectors._format import FORMAT, GENERATOR_VERSION, LICENSE, SCHEMA
from refgrad.testing.vectors._problems import objectives
from refgrad.testing.vectors._settings import estimator_class, made, stem
from refgrad.testing.vectors._situations import SITUATIONS, Situation
from refgrad.testing.vectors._tolerance import DIGITS, tolerance

__all__ = ["Inputs", "generated", "positive"]


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
    groups = list(_groups(module, family))
    tests = [test for group in groups for test in group["tests"]]
    used = {flag for test in tests for flag in test["flags"]}
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "generator_version": GENERATOR_VERSION,
        "license": LICENSE,
        "number_of_tests": len(tests),
        "notes": {name: note for name, note in notes().items() if name in used},
        "groups": groups,
    }


def _groups(module: str, family: str) -> Iterator[dict[str, Any]]:
    cls, number = estimator_class(module), 0
    settings = import_module(f"refgrad.testing.references.{module}").settings
    differentiates = cls(**cls.examples[0]).claims.differentiates_f
    for shape, wire in objectives(f"{module} {family}", family, differentiates):
        for parameters in settings(Draw(f"{module} {family} {shape} parameters", family, shape)):
            group = {
                "estimator": cls.__name__,
                "family": family,
                "shape": list(shape),
                "parameters": parameters,
                "objective": wire,
            }
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


@dataclass(frozen=True)
class Inputs:
    """The numbers of a test that an estimate is a smooth function of: logits, noise and parameters."""

    module: str
    group: dict[str, Any]
    test: dict[str, Any]

    def values(self, moved: Vector | None = None, wire: dict[str, Any] | None = None) -> dict[str, Any]:
        """Values of the reference, at these numbers or at others in their places."""
        given = self.numbers() if moved is None else list(moved)
        logits = [mpf("-inf") if x is None else given.pop(0) for x in flat(self.test["logits"])]
        noise = [[given.pop(0) for _ in flat(own)] for own in self.test["noise"]]
        parameters = {name: _filled(own, given) for name, own in self.group["parameters"].items()}
        q = distribution(self.group["family"], logits, tuple(self.group["shape"]))
        f = objective(wire or self.group["objective"], q)
        return reference(self.module)(q, f, noise, **parameters)

    def numbers(self) -> Vector:
        """All of them, flat."""
        logits = [x for x in flat(self.test["logits"]) if x is not None]
        return numbers([*logits, *flat(self.test["noise"]), *_smooth(self.group["parameters"])])

    def tolerance(self) -> dict[str, float]:
        """The tolerance for each precision; the sizes of terms are those for positive coefficients."""
        with mp.workdps(DIGITS):
            sizes = self.values(wire=positive(self.group["objective"]))
        return tolerance(self.values, self.numbers(), sizes)


def _smooth(parameters: dict[str, Any]) -> list[float]:
    return [x for own in parameters.values() if not isinstance(own, dict) for x in flat(own) if isinstance(x, float)]


def _filled(value: Any, given: Vector) -> Any:
    """A parameter with its floats replaced by the next numbers; choices and coefficients stay."""
    if isinstance(value, list):
        return [_filled(own, given) for own in value]
    return given.pop(0) if isinstance(value, float) else value


def positive(value: Any) -> Any:
    """Parameters or an objective with every coefficient positive."""
    if isinstance(value, dict):
        return {name: positive(own) for name, own in value.items()}
    if isinstance(value, list):
        return [positive(own) for own in value]
    return abs(value) if isinstance(value, float) else value


def _written(values: dict[str, Any], draw: Draw) -> dict[str, Any]:
    """Values as the nearest floats, in the shape of one z where they are of its size."""

    def written(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: written(own) for name, own in value.items()}
        if isinstance(value, list):
            return draw.event(list(map(written, value)))
        return float(mp.nstr(value, 40)) if isinstance(value, mpf) else value

    return written(values)
