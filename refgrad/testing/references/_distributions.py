"""Both families from their definitions: z is flat, and its derivatives are differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

from mpmath import mp, mpf

from refgrad.testing.references._numbers import Vector, dot, gradient

__all__ = ["Bernoulli", "Categorical", "Reference", "distribution"]


@dataclass(frozen=True)
class Reference(ABC):
    """One row of logits, flat."""

    logits: Vector
    shape: tuple[int, ...]

    def at(self, logits: Vector) -> Any:
        """The same distribution at other logits."""
        return replace(self, logits=logits)

    def slope(self, fn: Callable[[Any], Any]) -> Vector:
        """Gradient in the logits of a function of the distribution."""
        return gradient(lambda logits: fn(self.at(logits)), self.logits)

    def score(self, z: Vector) -> Vector:
        """Gradient of the log-probability, by its definition."""
        return self.slope(lambda own: own.log_prob(z))

    def possible(self, z: Vector) -> bool:
        """Whether no variable of z is masked."""
        return not any(one and x == mpf("-inf") for x, one in zip(self.logits, z, strict=True))

    @abstractmethod
    def log_prob(self, z: Vector) -> Any:
        """Log-probability of z."""


class Bernoulli(Reference):
    """D variables; logistic noise is the log-odds of a uniform number."""

    family: ClassVar[str] = "bernoulli"

    @property
    def probs(self) -> Vector:
        return [_sigmoid(x) for x in self.logits]

    def log_prob(self, z: Vector) -> Any:
        return sum(mp.log(p if one else 1 - p) for p, one in zip(self.probs, z, strict=True))

    def support(self) -> Iterator[list[int]]:
        """All z, the first variable slowest."""
        yield from map(list, product((0, 1), repeat=len(self.logits)))

    def sample(self, noise: Vector) -> list[int]:
        return [int(x + own > 0) for x, own in zip(self.logits, noise, strict=True)]

    def noise_given(self, z: Vector, v: Vector) -> Vector:
        """The uniform number of v, moved to the part of the unit interval that gives z: z = 1 is its upper end."""
        noise = []
        for p, one, own in zip(self.probs, z, v, strict=True):
            u = _sigmoid(own)
            u = 1 - p + u * p if one else u * (1 - p)
            noise.append(mp.log(u / (1 - u)))
        return noise

    def fresh_given(self, noise: Vector) -> Vector:
        """The uniform number behind the noise, by its place in the part of the unit interval that gives its z."""
        fresh = []
        for p, one, own in zip(self.probs, self.sample(noise), noise, strict=True):
            u = _sigmoid(own)
            u = (u - (1 - p)) / p if one else u / (1 - p)
            fresh.append(mp.log(u / (1 - u)))
        return fresh

    def relax(self, noise: Vector, temperature: Any) -> Vector:
        return [_sigmoid((x + own) / temperature) for x, own in zip(self.logits, noise, strict=True)]

    def pairs(self, i: int, j: int) -> Any:
        """Mean of the product of two entries of z."""
        return self.probs[i] if i == j else self.probs[i] * self.probs[j]


class Categorical(Reference):
    """D rows of K categories; Gumbel noise is less the log of an exponential time."""

    family: ClassVar[str] = "categorical"

    def _rows(self, flat: Vector) -> list[Vector]:
        size = self.shape[1]
        return [flat[start : start + size] for start in range(0, len(flat), size)]

    def _each(self, fn: Callable[..., Vector], *flat: Vector) -> Vector:
        """A function of rows, applied to each row."""
        return [x for rows in zip(*map(self._rows, flat), strict=True) for x in fn(*rows)]

    @property
    def probs(self) -> Vector:
        return self._each(_softmax, self.logits)

    def log_prob(self, z: Vector) -> Any:
        return sum((mp.log(p) for p, one in zip(self.probs, z, strict=True) if one), mpf(0))

    def support(self) -> Iterator[list[int]]:
        """All z, the first variable slowest; masked ones too."""
        variables, categories = self.shape
        for chosen in product(range(categories), repeat=variables):
            yield [int(k == own) for own in chosen for k in range(categories)]

    def sample(self, noise: Vector) -> list[int]:
        def one(logits: Vector, own: Vector) -> list[int]:
            perturbed = [x + e for x, e in zip(logits, own, strict=True)]
            first = perturbed.index(max(perturbed))
            return [int(k == first) for k in range(len(perturbed))]

        return self._each(one, self.logits, noise)

    def noise_given(self, z: Vector, v: Vector) -> Vector:
        """A race: the winner comes after the first time of all, a loser after its own time more."""

        def one(probs: Vector, z: Vector, v: Vector) -> Vector:
            first = mp.exp(-dot(z, v))
            times = [
                first if won else (first + mp.exp(-own) / p if p else None)
                for p, won, own in zip(probs, z, v, strict=True)
            ]
            # A masked category is not in the race, and keeps its noise.
            return [own if time is None else -mp.log(p * time) for p, time, own in zip(probs, times, v, strict=True)]

        return self._each(one, self.probs, z, v)

    def fresh_given(self, noise: Vector) -> Vector:
        def one(probs: Vector, z: Vector, noise: Vector) -> Vector:
            times = [mp.exp(-own) / p if p else None for p, own in zip(probs, noise, strict=True)]
            first = min(time for time in times if time is not None)
            fresh = []
            for p, won, time, own in zip(probs, z, times, noise, strict=True):
                rest = None if time is None else first if won else p * (time - first)
                fresh.append(own if rest is None else -mp.log(rest))
            return fresh

        return self._each(one, self.probs, self.sample(noise), noise)

    def relax(self, noise: Vector, temperature: Any) -> Vector:
        perturbed = [(x + own) / temperature for x, own in zip(self.logits, noise, strict=True)]
        return self._each(_softmax, perturbed)

    def pairs(self, i: int, j: int) -> Any:
        """Mean of the product of two entries of z: two categories of one variable exclude each other."""
        same = i // self.shape[1] == j // self.shape[1]
        return (self.probs[i] if i == j else mpf(0)) if same else self.probs[i] * self.probs[j]


def distribution(family: str, logits: Vector, shape: tuple[int, ...]) -> Any:
    """The distribution of a family, from flat logits."""
    return {"bernoulli": Bernoulli, "categorical": Categorical}[family](logits, shape)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _softmax(row: Vector) -> Vector:
    weights = [mp.exp(x) for x in row]
    total = sum(weights)
    return [weight / total for weight in weights]
