"""Hypothesis strategies for one row of logits: sizes within bounds, ties, rare and masked categories, saturation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from refgrad.distributions._array import Array

__all__ = ["GRID", "Bounds", "by_simplicity", "draw_logits"]

FAMILIES = ("bernoulli", "categorical")
DEPTH = 7.0  # a logit so far below the others is rare: e**-7 is 0.0009
CENTRES = (0.0, 40.0, -40.0, 350.0, -350.0, 700.0, -700.0)  # from 37 on, 1 - p rounds to 1 or 0


def by_simplicity(values: Any) -> tuple[float, ...]:
    """Dyadic numbers as they shrink: integers before halves before quarters, small ones first, positive ones first."""
    return tuple(sorted(map(float, values), key=lambda x: (x.as_integer_ratio()[1], abs(x), x < 0)))


GRID = by_simplicity(np.arange(-16, 17) / 8)  # logits at most 4 apart


@dataclass(frozen=True)
class Bounds:
    """What the logits of a problem may be; they are checked when it is made.

    Parameters
    ----------
    family : {"bernoulli", "categorical", None}
    variables, categories : (int, int)
        The fewest and the most.
    configurations : int
        The most, K**D.
    ties, rare, saturated, masked, constant : bool
        As in `refgrad.testing.problems`.
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
        if self.family not in {None, *FAMILIES}:
            raise ValueError(f"family needs to be 'bernoulli' or 'categorical', but is {self.family!r}")
        for name in ("variables", "categories"):
            object.__setattr__(self, name, _pair(getattr(self, name), name))
        if not _whole(self.configurations) or self.configurations < 1:
            raise ValueError(f"configurations needs to be a whole number of at least 1, but is {self.configurations!r}")
        for name in ("ties", "rare", "saturated", "masked", "constant"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name} needs to be True or False, but is {getattr(self, name)!r}")
        if self.family != "bernoulli":
            self._check_categories()
        for family in self.families:
            fewest, least = self.fewest(family), self.variables[0]
            if fewest**least > self.configurations:
                raise ValueError(
                    f"{least} {family} variables of {fewest} values have {fewest**least:,} configurations, "
                    f"but configurations is {self.configurations:,}"
                )

    def _check_categories(self) -> None:
        most = self.categories[1]
        if most == 1 and not self.constant:
            raise ValueError(
                "one category leaves one configuration, on which every f is constant: categories needs to reach 2, "
                f"but is {self.categories}; constant=True allows it"
            )
        if not self.ties and most > len(GRID):
            raise ValueError(f"without ties categories needs to be at most {len(GRID)}, but is {self.categories}")

    @property
    def families(self) -> tuple[str, ...]:
        """Those that are drawn from."""
        return FAMILIES if self.family is None else (self.family,)

    def fewest(self, family: str) -> int:
        """Values of a variable, at least: of one category f is constant."""
        return 2 if family == "bernoulli" else max(self.categories[0], 1 if self.constant else 2)

    def fits(self, categories: int, variables: int) -> bool:
        """Whether there are not too many configurations."""
        return categories**variables <= self.configurations


def draw_logits(draw: Callable[[st.SearchStrategy[Any]], Any], bounds: Bounds) -> tuple[str, Array]:
    """Draw a family, and logits (D,) or (D, K); without `constant` more than one configuration is possible."""
    family = draw(st.sampled_from(bounds.families))
    fewest, (low, high) = bounds.fewest(family), bounds.variables
    variables = draw(st.integers(low, max(d for d in range(low, high + 1) if d == low or bounds.fits(fewest, d))))
    if family == "bernoulli":
        return family, np.array([draw(_log_odds(bounds)) for _ in range(variables)])
    most = max(k for k in range(fewest, bounds.categories[1] + 1) if k == fewest or bounds.fits(k, variables))
    categories = draw(st.integers(fewest, most))
    logits = np.stack([_row(draw, bounds, categories) for _ in range(variables)])
    if bounds.masked and categories > 1 and draw(st.booleans()):
        mask = np.reshape([draw(st.booleans()) for _ in range(logits.size)], logits.shape)
        logits[_with_a_choice(mask, bounds.constant)] = -np.inf
    return family, logits


def _kinds(bounds: Bounds, *others: str) -> st.SearchStrategy[str]:
    kinds = {"rare": bounds.rare, "saturated": bounds.saturated}
    return st.sampled_from(["mild", *others, *(kind for kind, wanted in kinds.items() if wanted)])


def _log_odds(bounds: Bounds) -> st.SearchStrategy[float]:
    """A logit of a Bernoulli variable; 0 is its tie."""
    strategies = [st.sampled_from(GRID if bounds.ties else GRID[1:])]
    if bounds.rare:
        strategies.append(st.sampled_from([DEPTH, -DEPTH]))
    if bounds.saturated:
        strategies.append(st.tuples(st.sampled_from(CENTRES[1:]), st.sampled_from(GRID)).map(sum))
    return st.one_of(strategies)


def _row(draw: Callable[[st.SearchStrategy[Any]], Any], bounds: Bounds, categories: int) -> Array:
    """Logits of one Categorical variable: (categories,)."""
    kind = draw(_kinds(bounds, *["tied"] * bounds.ties))
    if kind == "tied":
        return np.full(categories, draw(st.sampled_from(GRID)))
    logits = st.lists(st.sampled_from(GRID), min_size=categories, max_size=categories, unique=not bounds.ties)
    row = np.array(draw(logits))
    if kind == "rare" and categories > 1:
        place = draw(st.integers(0, categories - 1))
        row[place] = np.delete(row, place).max() - DEPTH
    if kind == "saturated":
        together = draw(st.booleans())
        row += [draw(st.sampled_from(CENTRES)) for _ in range(1 if together else categories)]
    return row


def _with_a_choice(mask: Any, constant: bool) -> Any:
    """Keep a category in every row, and two in the first if no row keeps two (unless f may be constant)."""
    mask[mask.all(axis=1), 0] = False
    if not constant and (np.sum(~mask, axis=1) < 2).all():
        mask[0, :2] = False
    return mask


def _whole(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _pair(bounds: Any, name: str) -> tuple[int, int]:
    needed = f"{name} needs two whole numbers, 1 <= least <= most, but is {bounds!r}"
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2 or not all(map(_whole, bounds)):
        raise TypeError(needed)
    if not 1 <= bounds[0] <= bounds[1]:
        raise ValueError(needed)
    return int(bounds[0]), int(bounds[1])
