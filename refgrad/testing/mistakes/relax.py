"""Mistakes of RELAX: those of REBAR, with a control variate of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from refgrad.distributions._array import Array
from refgrad.estimators import OneHiddenLayer, Relax
from refgrad.testing.mistakes import rebar
from refgrad.testing.mistakes._mistake import Mistake

__all__ = ["MISTAKES"]


class Steep(OneHiddenLayer):
    """A network with larger weights to begin with: a flat one hides mistakes of two paths that differ little."""

    def _first(self, inputs: int) -> Array:
        return 3 * super()._first(inputs)


CONTROL_VARIATE = Steep(units=3, seed=1)


def _of(mistake: Mistake) -> Mistake:
    """The same slip in RELAX."""
    estimator: Any = replace(mistake.estimator, control_variate=CONTROL_VARIATE)  # type: ignore[type-var]
    right = Relax(CONTROL_VARIATE, estimator.temperature, estimator.coefficient)
    return replace(mistake, name=mistake.name.replace("rebar", "relax"), estimator=estimator, of=right)


MISTAKES = tuple(map(_of, rebar.MISTAKES))
