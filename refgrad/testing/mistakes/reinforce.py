"""Mistakes of REINFORCE: in the sign, in the scale, in the score, in the sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Bernoulli, Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Claims, Reinforce, pathwise
from refgrad.testing.mistakes._mistake import Mistake

__all__ = ["MISTAKES", "Parts"]

BIASED = replace(Reinforce.claims, unbiased=False)
UNCENTRED = replace(BIASED, shift_invariant=False)


class Parts(Reinforce):
    """REINFORCE in two steps, of which a mistake changes one; as it stands it is right."""

    claims: ClassVar[Claims] = BIASED

    def _sample(self, q: Distribution, noise_z: Array) -> Array:
        return q.sample(noise_z)

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return value * q.score(z)

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = self._sample(q, noise_z)
        return self._estimate(q, q.expand(f(z)), z)  # Eq. 02.3


class WrongSign(Parts):
    """Down where up was meant."""

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return -value * q.score(z)


@dataclass(frozen=True)
class MeanOverRows(Parts):
    """The gradient of one row, divided by the number of rows."""

    rows: int = 2

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return value * q.score(z) / self.rows


class MeanOverVariables(Parts):
    """The mean of the log-probabilities of the variables in place of their sum."""

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return value * q.score(z) / q.event_shape[0]


class LogitsForProbs(Parts):
    """Logits in the place of probabilities."""

    claims: ClassVar[Claims] = UNCENTRED

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return value * (z - q.logits)


class SoftmaxTwice(Parts):
    """Probabilities in the place of logits."""

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return value * (z - type(q)(q.probs).probs)


class SoftmaxOverVariables(Parts):
    """Normalised over the wrong axis."""

    claims: ClassVar[Claims] = replace(UNCENTRED, families=("categorical",))

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        return value * (z - type(q)(q.logits.swapaxes(-1, -2)).probs.swapaxes(-1, -2))


class NotCentred(Parts):
    """The probabilities forgotten."""

    claims: ClassVar[Claims] = UNCENTRED

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:  # noqa: ARG002
        return value * z


class PerProbability(Parts):
    """The gradient in another parameter."""

    claims: ClassVar[Claims] = UNCENTRED

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        ones = z / np.where(z == 1, q.probs, 1.0)
        zeros = (1 - z) / np.where(z == 0, type(q)(-q.logits).probs, 1.0)
        return value * (ones - zeros if isinstance(q, Bernoulli) else ones)


class SampleNotDetached(Parts):
    """The sample moves along with the logits, straight through."""

    def _estimate(self, q: Distribution, value: Any, z: Array) -> Array:
        weights = np.where(np.isfinite(q.logits), q.logits, 0.0)  # d log q / d z, but for a shift
        event = tuple(range(-q.event_ndim, 0))
        _, through = pathwise(lambda own: (own.probs * weights).sum(event), q, q.logits)
        return value * (q.score(z) + through)


@dataclass(frozen=True)
class UniformCapped(Parts):
    """The uniform number behind the noise never exceeds a cap."""

    cap: float = 0.99
    claims: ClassVar[Claims] = replace(BIASED, families=("bernoulli",))

    def _sample(self, q: Distribution, noise_z: Array) -> Array:
        return q.sample(np.minimum(noise_z, np.log(self.cap) - np.log1p(-self.cap)))


def _of(name: str, estimator: Reinforce, bug: str, seen_in: str = "textbook", effect: str = "biased") -> Mistake:
    return Mistake(f"reinforce-{name}", estimator, Reinforce(), bug, seen_in, effect)


MANY = "many code bases"
MISTAKES = (
    _of("wrong-sign", WrongSign(), "a loss, `-f`, was taken for the reward f"),
    _of(
        "mean-of-2-rows", MeanOverRows(2), "the mean over 2 rows was taken where their sum was meant: factor 1/2", MANY
    ),
    _of(
        "mean-of-4-rows", MeanOverRows(4), "the mean over 4 rows was taken where their sum was meant: factor 1/4", MANY
    ),
    _of("mean-of-variables", MeanOverVariables(), "`log_prob.mean()` over the variables for `log_prob.sum()`", MANY),
    _of("logits-for-probs", LogitsForProbs(), "`z - logits` for `z - probs`", MANY),
    _of("softmax-twice", SoftmaxTwice(), "the probs were given as logits: sigmoid or softmax was applied twice", MANY),
    _of("softmax-over-variables", SoftmaxOverVariables(), "softmax over the variables, not over the categories", MANY),
    _of("score-not-centred", NotCentred(), "`z` for `z - probs`: the normaliser was not differentiated"),
    _of("per-probability", PerProbability(), "the gradient in the probabilities was taken for that in the logits"),
    _of(
        "sample-not-detached",
        SampleNotDetached(),
        "`log_prob` was differentiated through a straight-through sample, which had to be held fixed",
        "rlax #109",
    ),
    _of(
        "uniform-capped",
        UniformCapped(0.99),
        "the uniform number behind z never exceeds .99: a probability below 1/100 became zero",
        "tt-metal",
        "bias at extremes",
    ),
    _of(
        "uniform-on-a-grid",
        UniformCapped(1 - 2.0**-23),
        "the uniform number behind z lies on a grid of 2**-23: a probability below that became zero",
        "jax #26974",
        "bias at extremes",
    ),
)
