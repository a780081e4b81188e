"""Inputs of vectors: dyadic numbers, exact in float32 and short in decimal, and the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

__all__ = ["LOGIT", "NOISE", "PARAMETER", "Draw"]

LOGIT, NOISE, PARAMETER = 256, 1024, 64  # parts of one
TIE = 0.05  # distance from an edge where rounding would decide z

Numbers = list[float | None]


@dataclass(frozen=True)
class Draw:
    """Numbers for one family and shape, a function of a name.

    Parameters
    ----------
    name : str
        Seeds the generator: `random.Random`, whose numbers no version of Python may change.
    family : {"bernoulli", "categorical"}
    shape : tuple of int
        (D,) or (D, K).
    """

    name: str
    family: str
    shape: tuple[int, ...]
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_random", random.Random(self.name))

    @property
    def size(self) -> int:
        """Numbers in one z."""
        return prod(self.shape)

    @property
    def categories(self) -> int:
        """Numbers that belong to one variable of z."""
        return self.shape[1] if len(self.shape) == 2 else 1

    def event(self, flat: list[Any]) -> list[Any]:
        """Flat numbers in the shape of one z."""
        if len(self.shape) == 1:
            return flat
        return [flat[start : start + self.categories] for start in range(0, self.size, self.categories)]

    def numbers(self, count: int, largest: float = 1.0, parts: int = PARAMETER) -> list[float]:
        """Multiples of `1 / parts` between `-largest` and `largest`."""
        return [round((2 * self._random.random() - 1) * largest * parts) / parts for _ in range(count)]

    def quadratic(self, size: int | None = None) -> dict[str, Any]:
        """A quadratic of a flat z, or of as many features; with all interactions."""
        size = self.size if size is None else size
        matrix = [self.numbers(size) for _ in range(size)]
        return {"kind": "quadratic", "constant": self.numbers(1)[0], "linear": self.numbers(size), "matrix": matrix}

    def linear(self, size: int) -> dict[str, Any]:
        """A quadratic that is linear."""
        return self.quadratic(size) | {"matrix": [[0.0] * size for _ in range(size)]}

    def values(self, kind: str) -> dict[str, Any]:
        """A value for every configuration."""
        count = 2 ** self.shape[0] if self.family == "bernoulli" else self.shape[1] ** self.shape[0]
        return {"kind": kind, "values": self.numbers(count, 2.0)}

    def logits(self, largest: float = 2.0) -> Numbers:
        """Logits, flat."""
        return list(self.numbers(self.size, largest, LOGIT))

    def noise(self) -> list[float]:
        """Standard noise, flat: logistic or Gumbel."""
        from mpmath import mp  # noqa: PLC0415

        found = []
        for _ in range(self.size):
            u = mp.mpf(self._random.random() + 2.0**-54)
            value = mp.log(u / (1 - u)) if self.family == "bernoulli" else -mp.log(-mp.log(u))
            found.append(int(mp.nint(value * NOISE)) / NOISE)
        return found

    def untied(self, logits: Numbers, wanted: Callable[[list[float]], bool] = lambda _: True) -> list[float]:
        """Standard noise whose z no rounding decides, and that is wanted."""
        while True:
            noise = self.noise()
            if self.apart(logits, noise) and wanted(noise):
                return noise

    def apart(self, logits: Numbers, noise: list[float]) -> bool:
        """Whether no logit plus noise is near zero, or near the largest of its variable."""
        perturbed = [None if x is None else x + own for x, own in zip(logits, noise, strict=True)]
        if self.family == "bernoulli":
            return all(x is not None and abs(x) >= TIE for x in perturbed)
        for start in range(0, self.size, self.categories):
            row = sorted(x for x in perturbed[start : start + self.categories] if x is not None)
            if len(row) > 1 and row[-1] - row[-2] < TIE:
                return False
        return True
