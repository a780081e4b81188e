"""What a drawn problem may be: sizes and options, checked before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

__all__ = ["FAMILIES", "KINDS", "Bounds", "amount", "check_kinds", "exceeds", "free_entry", "possible", "whole"]

FAMILIES = ("bernoulli", "categorical")
KINDS = (SquaredError, Table, Quadratic, Interacting)
LARGEST = 1024  # entries of a z that are drawn: of twice as many Hypothesis says that they are too much
DISTINCT = 33  # logits in a row without ties
OPTIONS = ("ties", "rare", "saturated", "masked", "constant")


@dataclass(frozen=True)
class Bounds:
    """The arguments of `refgrad.testing.problems` about q, whose docstring explains them.

    Raises
    ------
    TypeError
        If a bound is no pair of whole numbers, or an option neither True nor False.
    ValueError
        If nothing is within the bounds.
    """

    family: str | None
    variables: tuple[int, int]
    categories: tuple[int, int]
    configurations: int
    ties: bool
    rare: bool
    saturated: bool
    masked: bool
    constant: bool

    def __post_init__(self) -> None:
        if self.family is not None and self.family not in FAMILIES:
            raise ValueError(f"family needs to be 'bernoulli' or 'categorical', but is {self.family!r}")
        for name in ("variables", "categories"):
            _check_pair(getattr(self, name), name)
        limit = Table.largest_extension
        if not whole(self.configurations) or not 1 <= self.configurations <= limit:
            raise ValueError(
                f"configurations needs to be a whole number from 1 to {limit:,}, but is {self.configurations!r}"
            )
        for name in OPTIONS:
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name} needs to be True or False, but is {getattr(self, name)!r}")
        for family in self.families:
            self._check_family(family)

    def _check_family(self, family: str) -> None:
        if family == "categorical" and self.categories[1] == 1 and not self.constant:
            raise ValueError(
                "categories needs to reach 2 unless constant=True, since every f is constant where each variable has "
                f"one category, but is {self.categories!r}"
            )
        if family == "categorical" and not self.ties and self.categories[1] > DISTINCT:
            raise ValueError(f"categories needs to be at most {DISTINCT} without ties, but is {self.categories!r}")
        few, least = self.fewest(family), self.variables[0]
        if exceeds(few, least, self.configurations):
            raise ValueError(
                f"configurations needs to be at least {amount(few, least)} for {least} {family} variables with "
                f"{few} values each, but is {self.configurations:,}"
            )
        if family == "categorical" and few * least > LARGEST:
            raise ValueError(
                f"problems needs at most {LARGEST:,} entries in a z, but {least} categorical variables with {few} "
                f"categories each have {few * least}"
            )

    @property
    def families(self) -> tuple[str, ...]:
        """Those that are drawn from."""
        return FAMILIES if self.family is None else (self.family,)

    def fewest(self, family: str) -> int:
        """Values of a variable, at least."""
        return 2 if family == "bernoulli" else max(self.categories[0], 1 if self.constant else 2)

    def most_variables(self, values: int) -> int:
        """Variables of so many values each, at most."""
        count, most = self.variables
        while count < most and values > 1 and values ** (count + 1) <= self.configurations:
            count += 1
        return min(most, LARGEST) if values == 1 else count

    def most_categories(self) -> int:
        """Categories, at most, with the fewest variables."""
        count, most = self.fewest("categorical"), min(self.categories[1], LARGEST)
        while count < most and (count + 1) ** self.variables[0] <= self.configurations:
            count += 1
        return count


def check_kinds(kinds: Any) -> tuple[type, ...]:
    """Return the kinds of f as a tuple in the order in which they shrink.

    Raises
    ------
    ValueError
        If there is none, or one that is no objective of refgrad.
    """
    given = tuple(kinds) if isinstance(kinds, (tuple, list, set, frozenset)) else (kinds,)
    if not given or any(kind not in KINDS for kind in given):
        names = ", ".join(kind.__name__ for kind in KINDS)
        raise ValueError(f"kinds needs to be some of {names}, but is {kinds!r}")
    return tuple(kind for kind in KINDS if kind in given)


def free_entry(q: Distribution) -> tuple[int, ...] | None:
    """Place of an entry of z that may be 0 or 1; None where only one z is possible."""
    z = possible(q)
    varies = z.min(axis=0) < z.max(axis=0)
    if not varies.any():
        return None
    first = int(np.flatnonzero(varies.reshape(len(varies), -1).any(axis=1))[0])
    return (first,) if q.event_ndim == 1 else (first, int(np.flatnonzero(varies[first])[-1]))


def possible(q: Distribution) -> Array:
    """Every z whose probability is positive in float64: one that is 0 there brings nothing to a gradient."""
    z = q.support()
    return z[np.exp(q.log_prob(z)) > 0]


def exceeds(values: int, variables: int, limit: int) -> bool:
    """Whether so many variables have more configurations than a limit of at most 2**12; no large power is computed."""
    return values > 1 and values ** min(variables, 13) > limit


def amount(values: int, variables: int) -> str:
    """How many configurations there are: as a number if that is short."""
    return f"{values**variables:,}" if variables * math.log10(values) < 12 else f"{values}**{variables}"


def whole(number: Any) -> bool:
    """Whether it is a whole number, and no bool."""
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _check_pair(pair: Any, name: str) -> None:
    needed = f"{name} needs two whole numbers, 1 <= fewest <= most, but is {pair!r}"
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(map(whole, pair)):
        raise TypeError(needed)
    if not 1 <= pair[0] <= pair[1]:
        raise ValueError(needed)
