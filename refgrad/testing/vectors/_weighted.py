"""The weighted sum over a design: what it is, and how far rounding may move it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references._numbers import Vector, add, dot, flat, numbers, scale, sub
from refgrad.testing.vectors._inputs import Inputs, positive
from refgrad.testing.vectors._rule import DIGITS
from refgrad.testing.vectors._tolerance import BITS, FACTOR, ulp, up

__all__ = ["WeightedSum", "doubtful"]

FEW = 32  # nodes up to which every input is moved alone
SMALL = mpf(2) ** -80  # of an ulp: a step of a difference quotient


@dataclass(frozen=True)
class WeightedSum:
    """A weighted sum of estimates at nodes, as its file says them.

    Parameters
    ----------
    module : str
        Of the estimator.
    group, test : dict
        `noise` has one list for each draw, of as many nodes as there are `weights`.
    """

    module: str
    group: dict[str, Any]
    test: dict[str, Any]

    @cached_property
    def weights(self) -> Vector:
        """As they are written."""
        return numbers(self.test["weights"])

    @cached_property
    def rows(self) -> list[Inputs]:
        """The inputs at each node."""
        noise = [[draw[i] for draw in self.test["noise"]] for i in range(len(self.weights))]
        return [Inputs(self.module, self.group, {"logits": self.test["logits"], "noise": own}) for own in noise]

    @cached_property
    def estimates(self) -> list[Vector]:
        """Of the reference, in fifty digits."""
        with mp.workdps(DIGITS):
            return [row.values()["gradient"] for row in self.rows]

    def total(self) -> Vector:
        """The sum, in fifty digits."""
        with mp.workdps(DIGITS):
            return add(*(scale(w, own) for w, own in zip(self.weights, self.estimates, strict=True)))

    def tolerance(self, error: Any, mean: Vector) -> dict[str, float]:
        """Bound what a correct sum is off by: the error of the rule, and rounding of each row. Eq. 16.3.

        Rows are of the given precision, and added up in float64. A row whose z rounding may decide counts in full.

        Parameters
        ----------
        error : mpf
            Of the sum in exact arithmetic.
        mean : list of mpf
        """
        with mp.workdps(DIGITS):
            sizes = [self._sizes(row) for row in self.rows]
            terms, parts = ([pair[i] for pair in sizes] for i in range(2))
            moved, size = self._moved(), dot(self.weights, terms)
            added = mpf(2) ** -53 * (len(terms) * size + max(map(abs, mean)))
            found = {}
            for name, bits in BITS.items():
                rounded = FACTOR * mpf(2) ** (1 - bits) * (moved + size + dot(self.weights, parts))
                doubts = [_in_doubt(row, bits) for row in self.rows]
                flipped = dot(self.weights, [2 * own * doubt for own, doubt in zip(terms, doubts, strict=True)])
                found[name] = up(error + rounded + flipped + added)
            return found

    def _sizes(self, row: Inputs) -> tuple[Any, Any]:
        """How large terms are, with positive coefficients, before they cancel; and what cancels within them.

        That is `z - probs`, a score, as `z + probs`; and of the derivative of a softmax, `y (slope - mean of slopes)`,
        one of the two.
        """
        group = self.group | {name: positive(self.group[name]) for name in ("parameters", "objective")}
        values = Inputs(self.module, group, row.test).values()
        terms, parts = values["terms"], mpf(0)
        if "score" in values:
            factors = sum(_ratio(own, values["score"]) for name, own in terms.items() if name.endswith("_score"))
            parts += factors * max(z + abs(z - s) for z, s in zip(values["z"], values["score"], strict=True))
        if "temperature" in self.group["parameters"]:
            steepest = max(map(_steepest, (self.group["objective"], *self.group["parameters"].values())))
            points = [values[name] for name in ("relaxed", "relaxed_given_z") if name in values]
            parts += sum(map(max, points)) * steepest / mpf(self.group["parameters"]["temperature"])
        return sum(abs(x) for own in terms.values() for x in own), parts

    def _moved(self) -> Any:
        """How far the sum moves if every input of every row moves to its worst side, by an ulp where 1 has the ulp 1.

        Of few nodes each input is moved alone. Of many all are moved at once, each to a side by chance: the mean of
        that distance is at least the sum of the m distances, divided by `sqrt(2 m)` (Khintchine).
        """
        chance, few = random.Random(self.test["id"]), len(self.weights) <= FEW
        sums: Vector = [mpf(0)] * len(flat(self.test["logits"]))
        for w, row, here in zip(self.weights, self.rows, self.estimates, strict=True):
            inputs = row.numbers()
            count = len(inputs)
            alone = [[int(i == j) for j in range(count)] for i in range(count)]
            for side in alone if few else [[chance.choice((-1, 1)) for _ in inputs]]:
                step = [SMALL * s * ulp(x, 1) for s, x in zip(side, inputs, strict=True)]
                there = row.values(add(inputs, step))["gradient"]
                sums = add(sums, [w * abs(x) / SMALL for x in sub(there, here)])
            factor = 1 if few else mp.sqrt(2 * count)
        return factor * max(sums)


def doubtful(group: dict[str, Any], logits: Vector, noise: Vector, bits: int) -> bool:
    """Whether rounding may decide z: logit and noise all but cancel, or two categories are all but equal.

    Parameters
    ----------
    group : dict
    logits, noise : list
        Flat.
    bits : int
        Of a number.
    """
    width = group["shape"][1] if group["family"] == "categorical" else 1
    pairs = list(zip(numbers(logits), numbers(noise), strict=True))
    for start in range(0, len(pairs), width):
        own = pairs[start : start + width]
        sums = sorted((x + e for x, e in own), reverse=True)
        near = sum(ulp(x, bits) + ulp(e, bits) for x, e in own if x > mpf("-inf"))
        if abs(sums[0] - sums[1] if width > 1 else sums[0]) <= FACTOR * near:
            return True
    return False


def _in_doubt(row: Inputs, bits: int) -> bool:
    draws = row.test["noise"]
    return bool(draws) and doubtful(row.group, flat(row.test["logits"]), flat(draws[0]), bits)


def _ratio(term: Vector, score: Vector) -> Any:
    """What a score was multiplied by."""
    return max((abs(x / s) for x, s in zip(term, score, strict=True) if s), default=mpf(0))


def _steepest(wire: Any) -> Any:
    """Bound on a derivative of a function that is given by its coefficients, between the values of z."""
    if not isinstance(wire, dict):
        return mpf(0)
    if wire["kind"] != "quadratic":
        return 2 * max(map(abs, numbers(wire["values"])))
    linear, matrix = numbers(wire["linear"]), numbers(wire["matrix"])
    rows = [sum(abs(x) for x in (*row, *column)) for row, column in zip(matrix, zip(*matrix, strict=True), strict=True)]
    return max(abs(x) + own for x, own in zip(linear, rows, strict=True))
