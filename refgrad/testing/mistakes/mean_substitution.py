"""Mistakes of mean substitution: probabilities taken for logits, and the hard sample for the mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Claims, Estimator, MeanSubstitution, pathwise
from refgrad.estimators._derivatives import derivative
from refgrad.testing.mistakes._mistake import Mistake

__all__ = ["MISTAKES"]


class SoftmaxTwice(MeanSubstitution):
    """Probabilities in the place of logits."""

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        f, noise = self._prepare(q, f, noise)  # (0, ..., *event_shape)
        _, slope = pathwise(lambda q: f(type(q)(q.probs).probs), q, q.logits)
        return np.broadcast_to(slope, np.shape(noise)[1:]).copy()


@dataclass(frozen=True)
class StraightThrough(Estimator):
    """The slope of f at the sample, where that at the mean was meant."""

    claims: ClassVar[Claims] = replace(MeanSubstitution.claims, reads=("z",))

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        _, slope_f = derivative(f, q.sample(noise_z))
        _, slope = pathwise(lambda q: (slope_f * q.probs).sum(tuple(range(-q.event_ndim, 0))), q, noise_z)
        return slope


MISTAKES = (
    Mistake(
        "mean-substitution-softmax-twice",
        SoftmaxTwice(),
        MeanSubstitution(),
        "the probs were given as logits: sigmoid or softmax was applied twice",
        "many code bases",
    ),
    Mistake(
        "mean-substitution-straight-through",
        StraightThrough(),
        MeanSubstitution(),
        "f was shown the hard sample, and its slope there was passed to the mean: the slope at the mean was meant",
    ),
)
