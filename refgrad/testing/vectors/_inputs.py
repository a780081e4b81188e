"""A test as the reference sees it: the numbers that an estimate is a smooth function of, and what it makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references import reference
from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import Vector, flat, numbers
from refgrad.testing.references._objectives import objective
from refgrad.testing.vectors._tolerance import DIGITS, tolerance

__all__ = ["Inputs", "positive"]


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
