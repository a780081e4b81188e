"""Mistakes of Gumbel-Softmax: in the noise, in the temperature, in the point where the slope is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.distributions._functions import softplus
from refgrad.estimators import Claims, GumbelSoftmax, pathwise
from refgrad.estimators._derivatives import derivative
from refgrad.testing.mistakes._mistake import Mistake

__all__ = ["MISTAKES", "Parts"]

BIASED = replace(GumbelSoftmax.claims, reads=("smooth",))


@dataclass(frozen=True)
class Parts(GumbelSoftmax):
    """Gumbel-Softmax with its relaxed sample and its slope apart; as it stands it is right."""

    temperature: float = 0.5
    claims: ClassVar[Claims] = BIASED

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(noise_z, self.temperature)

    def _slope(self, q: Distribution, f: Callable[[Any], Any], noise_z: Array) -> Array:
        return pathwise(lambda q: f(self._relaxed(q, noise_z)), q, noise_z)[1]

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        return self._slope(q, f, noise_z)  # Eq. 07.3


def _log_uniform(q: Distribution, noise: Array) -> Array:
    """Log of the uniform number behind logistic or Gumbel noise."""
    return -softplus(-noise) if q.event_ndim == 1 else -np.exp(-noise)


class UniformNoise(Parts):
    """Uniform numbers, as they come from the generator."""

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(np.exp(_log_uniform(q, noise_z)), self.temperature)


class ExponentialNoise(Parts):
    """One logarithm of the two of a Gumbel."""

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(-_log_uniform(q, noise_z), self.temperature)


class NoiseSubtracted(Parts):
    """The noise of a minimum; a logistic is symmetric and does not feel it."""

    claims: ClassVar[Claims] = replace(BIASED, families=("categorical",))

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(-noise_z, self.temperature)


class GumbelForLogistic(Parts):
    """One Gumbel where their difference was meant."""

    claims: ClassVar[Claims] = replace(BIASED, families=("bernoulli",))

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(-np.log(-_log_uniform(q, noise_z)), self.temperature)


@dataclass(frozen=True)
class UniformCapped(Parts):
    """Uniform numbers of (0, cap)."""

    cap: float = 0.99

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        log_uniform = np.log(self.cap) + _log_uniform(q, noise_z)
        if q.event_ndim == 2:
            return q.relax(-np.log(-log_uniform), self.temperature)
        log_rest = np.logaddexp(-softplus(noise_z), np.log1p(-self.cap) - softplus(-noise_z))
        return q.relax(log_uniform - log_rest, self.temperature)


class SharedNoise(Parts):
    """The noise of the first variable for all."""

    claims: ClassVar[Claims] = replace(BIASED, symmetric=False)

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        first = noise_z[..., :1] if q.event_ndim == 1 else noise_z[..., :1, :]
        return q.relax(np.broadcast_to(first, noise_z.shape), self.temperature)


class TemperatureMultiplied(Parts):
    """The inverse of the temperature."""

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(noise_z, 1 / self.temperature)


class NoiseDividedAlone(Parts):
    """A bracket forgotten."""

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(noise_z / self.temperature, 1.0)


class LogitsDividedAlone(Parts):
    """The other bracket forgotten."""

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return q.relax(noise_z * self.temperature, self.temperature)


class ProbsForLogits(Parts):
    """Probabilities in the place of their logs."""

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        return type(q)(q.probs).relax(noise_z, self.temperature)


class SoftmaxOverVariables(Parts):
    """Normalised over the wrong axis."""

    claims: ClassVar[Claims] = replace(BIASED, families=("categorical",), shift_invariant=False)

    def _relaxed(self, q: Distribution, noise_z: Array) -> Any:
        turned = type(q)(q.logits.swapaxes(-1, -2))
        return turned.relax(noise_z.swapaxes(-1, -2), self.temperature).swapaxes(-1, -2)


class SlopeWithoutTemperature(Parts):
    """A softmax differentiated as if nothing were divided."""

    def _slope(self, q: Distribution, f: Callable[[Any], Any], noise_z: Array) -> Array:
        return self.temperature * super()._slope(q, f, noise_z)


class StraightThrough(Parts):
    """The slope of f at the hard sample."""

    claims: ClassVar[Claims] = replace(BIASED, reads=("cell",))

    def _slope(self, q: Distribution, f: Callable[[Any], Any], noise_z: Array) -> Array:
        _, slope_f = derivative(f, q.sample(noise_z))
        event = tuple(range(-q.event_ndim, 0))
        return pathwise(lambda q: (slope_f * self._relaxed(q, noise_z)).sum(event), q, noise_z)[1]


def _of(name: str, estimator: Parts, bug: str, seen_in: str = "textbook", effect: str = "biased") -> Mistake:
    return Mistake(f"gumbel-softmax-{name}", estimator, GumbelSoftmax(estimator.temperature), bug, seen_in, effect)


MISTAKES = (
    _of("uniform-noise", UniformNoise(), "uniform numbers were added to the logits, not Gumbel or logistic noise"),
    _of("exponential-noise", ExponentialNoise(), "`-log(u)` for `-log(-log(u))`, or for the log-odds of u"),
    _of("noise-subtracted", NoiseSubtracted(), "`logits - gumbel` for `logits + gumbel`"),
    _of("gumbel-for-logistic", GumbelForLogistic(), "one logit with one Gumbel, not with a logistic, their difference"),
    _of(
        "uniform-capped",
        UniformCapped(cap=0.99),
        "the uniform number behind the noise never exceeds .99: the tail of the noise is cut",
        "tt-metal",
        "bias at extremes",
    ),
    _of(
        "uniform-on-a-grid",
        UniformCapped(cap=1 - 2.0**-23),
        "the uniform number behind the noise lies on a grid of 2**-23: the tail of the noise is cut",
        "jax #26974",
        "bias at extremes",
    ),
    _of("shared-noise", SharedNoise(), "all variables were given the noise of the first one, not noise of their own"),
    _of("temperature-multiplied", TemperatureMultiplied(), "`* temperature` for `/ temperature`"),
    _of(
        "noise-divided-alone",
        NoiseDividedAlone(),
        "`logits + noise / temperature` for `(logits + noise) / temperature`",
    ),
    _of(
        "logits-divided-alone",
        LogitsDividedAlone(),
        "`logits / temperature + noise` for `(logits + noise) / temperature`",
    ),
    _of("probs-for-logits", ProbsForLogits(), "noise was added to the probs, not to the log-probs"),
    _of("softmax-over-variables", SoftmaxOverVariables(), "softmax over the variables, not over the categories"),
    _of("slope-without-temperature", SlopeWithoutTemperature(), "the factor 1/temperature of the slope was forgotten"),
    _of(
        "straight-through",
        StraightThrough(),
        "f and its slope were taken at the hard sample, not at the relaxed one whose derivative is used",
        "straight-through Gumbel-Softmax, by design",
    ),
)
