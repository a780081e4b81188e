"""Mean substitution: put the mean of z in the place of z."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator
from refgrad.estimators._derivatives import pathwise

__all__ = ["MeanSubstitution"]


@dataclass(frozen=True)
class MeanSubstitution(Estimator):
    """The gradient of f at the mean: deterministic softmax, mean-field; biased unless f is multilinear.

    No noise is drawn; every repetition is the same. f is evaluated and differentiated once, inside the cube or simplex.
    """

    draws: ClassVar[int] = 0
    claims: ClassVar[Claims] = Claims(unbiased=False, differentiates_f=True, reads=(), derivation="07-gumbel-softmax")

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, noise = self._prepare(q, f, noise)  # (0, ..., *event_shape)
        _, slope = pathwise(lambda q: f(q.probs), q, q.logits)
        return np.broadcast_to(slope, np.shape(noise)[1:]).copy()  # Eq. 07.6
