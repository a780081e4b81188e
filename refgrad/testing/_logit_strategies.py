"""Drawing one row of logits with Hypothesis: ties, rare and masked categories, saturation."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from refgrad.distributions import Bernoulli, Categorical, Distribution
from refgrad.distributions._array import Array
from refgrad.testing._bounds import Bounds

__all__ = ["by_simplicity", "draw_distribution"]

DEPTH = 7.0  # a logit so far below the others is rare: e**-7 is 0.0009
FAR, HALFWAY = 702.0, 350.0  # e**-702 is a positive number of float64, also as a part of 4,096 configurations
CENTRES = (0.0, 40.0, -40.0, 350.0, -350.0, 700.0, -700.0)  # from 37 on, 1 - p rounds to 1 or 0


def by_simplicity(values: Any) -> tuple[float, ...]:
    """Dyadic numbers in the order in which they shrink: integers, halves, quarters; each by size, positive first."""
    return tuple(sorted(map(float, values), key=lambda x: (x.as_integer_ratio()[1], abs(x), x < 0)))


GRID = by_simplicity(np.arange(-16, 17) / 8)  # at most 4 apart


def draw_distribution(draw: st.DrawFn, bounds: Bounds) -> Distribution:
    """Draw q; unless `constant`, it gives more than one z a positive probability.

    Sizes and switches come before what they are about, and variables form a list, so that a shorter list shrinks.
    """
    family = draw(st.sampled_from(bounds.families))
    if family == "bernoulli":
        return Bernoulli(draw(_rows(_log_odds(bounds), bounds, 2)))
    categories = draw(st.integers(bounds.fewest(family), bounds.most_categories()))
    masked = bounds.masked and categories > 1 and draw(st.booleans())
    logits, mask = map(np.array, zip(*draw(_rows(_row(bounds, categories, masked), bounds, categories)), strict=True))
    logits[_with_a_choice(mask, bounds.constant)] = -np.inf
    return Categorical(logits if bounds.constant else _with_a_rival(logits))


def _rows(row: st.SearchStrategy[Any], bounds: Bounds, values: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(row, min_size=bounds.variables[0], max_size=bounds.most_variables(values))


def _log_odds(bounds: Bounds) -> st.SearchStrategy[float]:
    """Logit of a Bernoulli variable; 0 is its tie."""
    kinds: list[st.SearchStrategy[float]] = [st.sampled_from(GRID if bounds.ties else GRID[1:])]
    if bounds.rare:
        kinds.append(st.sampled_from([DEPTH, -DEPTH]))
    if bounds.saturated:
        kinds.append(st.builds(float.__add__, st.sampled_from(CENTRES[1:]), st.sampled_from(GRID)))
    return st.one_of(kinds)


@st.composite
def _row(draw: st.DrawFn, bounds: Bounds, categories: int, masked: bool) -> tuple[Array, list[bool]]:
    """Logits of one Categorical variable, and which of them are masked: (categories,)."""
    kinds = {"mild": True, "tied": bounds.ties, "rare": bounds.rare, "saturated": bounds.saturated}
    kind = draw(st.sampled_from([kind for kind, wanted in kinds.items() if wanted]))
    mask = [masked and draw(st.booleans()) for _ in range(categories)]
    mild = st.lists(st.sampled_from(GRID), min_size=categories, max_size=categories, unique=not bounds.ties)
    row = np.array(draw(mild))
    if kind == "tied" and categories > 1:
        first = draw(st.integers(0, categories - 2))
        row[first:] = row[first]
    if kind == "rare" and categories > 1:
        place = draw(st.integers(0, categories - 1))
        row[place] = np.delete(row, place).max() - DEPTH
    if kind == "saturated":
        together = draw(st.booleans())
        row += [draw(st.sampled_from(CENTRES)) for _ in range(1 if together else categories)]
    return row, mask


def _with_a_choice(mask: Any, constant: bool) -> Any:
    """Keep a category in every row; and two in the first if no row keeps two, unless f may be constant."""
    mask[mask.all(axis=1), 0] = False
    if not constant and (np.sum(~mask, axis=1) < 2).all():
        mask[0, :2] = False
    return mask


def _with_a_rival(logits: Array) -> Array:
    """If in each row all but one category are 0 in float64, lift the second one of the first row that has a choice."""
    highest = np.sort(logits, axis=1)[:, :-3:-1]
    gaps = highest[:, 0] - highest[:, 1]
    if (gaps > FAR).all():
        row = int(np.flatnonzero(np.isfinite(gaps))[0])
        logits[row, np.argsort(logits[row])[-2]] = highest[row, 0] - HALFWAY
    return logits
