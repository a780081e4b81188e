"""Mistakes of REBAR: in the relaxed sample given z, in the coupling, in the terms that pay its mean back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, namespace
from refgrad.distributions._functions import sigmoid
from refgrad.estimators import Claims, Rebar
from refgrad.testing.mistakes._mistake import Mistake
from refgrad.testing.mistakes._rebar import Parts, Terms

__all__ = ["MISTAKES"]

UNBIASED = replace(Parts.own, unbiased=True)
BERNOULLI = replace(Parts.own, families=("bernoulli",))


class Detached(Parts):
    """The path through the noise given z is cut."""

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:
        return q.relax(held.noise_given(z, fresh), self.temperature)


class SlippedSign(Parts):
    """Neither the log-odds of p nor those of the uniform number given z."""

    own: ClassVar[Claims] = BERNOULLI

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:  # noqa: ARG002
        p, u = q.probs, sigmoid(q.noise_given(z, fresh))
        xp = namespace(p)
        odds = xp.log(p) + xp.log1p(p) + xp.log(u) + xp.log1p(u)  # log(x) - log1p(-x), twice
        return sigmoid(odds / self.temperature)


class FreshReused(Parts):
    """No second draw: the noise of z stands for the fresh noise."""

    draws: ClassVar[int] = 1
    own: ClassVar[Claims] = replace(Parts.own, reads=("cell",), additive=False)


class SharedFresh(Parts):
    """The fresh noise of the first variable for all."""

    own: ClassVar[Claims] = replace(Parts.own, symmetric=False)

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:
        first = fresh[..., :1] if q.event_ndim == 1 else fresh[..., :1, :]
        return super()._relaxed_given_z(q, z, np.broadcast_to(first, fresh.shape), held)


class OtherTemperature(Parts):
    """Two relaxations in place of one."""

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:  # noqa: ARG002
        return q.relax(q.noise_given(z, fresh), 2 * self.temperature)


class OtherSide(Parts):
    """The two cases exchanged."""

    own: ClassVar[Claims] = BERNOULLI

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:
        return super()._relaxed_given_z(q, 1 - z, fresh, held)


class OtherSample(Parts):
    """A hard sample that has nothing to do with the relaxed ones."""

    draws: ClassVar[int] = 3
    own: ClassVar[Claims] = replace(Parts.own, reads=("cell", "z", "smooth"), additive=False)

    def _shown(self, q: Distribution, z: Array, noise: Any) -> Array:  # noqa: ARG002
        return q.sample(noise[1])


class IndependentCoupling(Parts):
    """Both relaxed samples have the right law, but not together."""

    own: ClassVar[Claims] = replace(UNBIASED, reads=("z", "smooth"), additive=False)

    def _relaxed(self, q: Distribution, noise: Any) -> Any:
        return q.relax(noise[-1], self.temperature)


class TemperatureInverted(Parts):
    """Multiplied where divided was meant, in both relaxations."""

    own: ClassVar[Claims] = UNBIASED

    def _relaxed(self, q: Distribution, noise: Any) -> Any:
        return q.relax(noise[0], 1 / self.temperature)

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:  # noqa: ARG002
        return q.relax(q.noise_given(z, fresh), 1 / self.temperature)


class WeightOfTheRelaxed(Parts):
    """The value of the relaxed sample has the same mean given z."""

    own: ClassVar[Claims] = UNBIASED

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.relaxed) * t.score + c * (t.slope - t.slope_z)


class WeightOfTheSample(Parts):
    """The control variate at the hard sample, paid back at the relaxed ones."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.hard) * t.score + c * (t.slope - t.slope_z)


class NoSlopes(Parts):
    """What was taken off is not given back."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score


class NoSlope(Parts):
    """The first of the two slopes forgotten."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score - c * t.slope_z


class NoSlopeGivenZ(Parts):
    """The second of the two slopes forgotten."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score + c * t.slope


class SlopesSwapped(Parts):
    """Taken off twice."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score + c * (t.slope_z - t.slope)


class SlopesWithoutCoefficient(Parts):
    """More is given back than was taken off."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score + t.slope - t.slope_z


class WeightWithoutCoefficient(Parts):
    """Less is given back than was taken off."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - t.given) * t.score + c * (t.slope - t.slope_z)


class SlopesWithItsSquare(Parts):
    """Multiplied on the way, and once more at the end."""

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score + c**2 * (t.slope - t.slope_z)


class Squared(Parts):
    """Another coefficient than was asked for."""

    own: ClassVar[Claims] = UNBIASED

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c**2 * t.given) * t.score + c**2 * (t.slope - t.slope_z)


def _of(name: str, cls: type[Parts], bug: str, seen_in: str = "textbook", effect: str = "biased") -> Mistake:
    return Mistake(f"rebar-{name}", cls(), Rebar(cls.temperature, cls.coefficient), bug, seen_in, effect)


MISTAKES = (
    _of(
        "detached-noise-given-z",
        Detached,
        "the noise given z was made of detached logits: its derivative is a part of the slope given z",
        "duvenaud/relax #6",
    ),
    _of("slipped-sign", SlippedSign, "`log(p) + log1p(p)` for `log(p) - log1p(-p)`, and so for u", "storchastic 0.3.6"),
    _of("fresh-reused", FreshReused, "the noise of z was used again for the fresh noise of the sample given z"),
    _of(
        "fresh-shared", SharedFresh, "all variables were given the fresh noise of the first one, not noise of their own"
    ),
    _of("other-temperature", OtherTemperature, "the sample given z has twice the temperature of the relaxed sample"),
    _of("other-side", OtherSide, "the relaxed sample was made given `1 - z`, not given z"),
    _of(
        "other-sample",
        OtherSample,
        "f and the score were taken at a z of other noise, not at that of the relaxed sample",
    ),
    _of(
        "weight-of-the-sample", WeightOfTheSample, "`f(z) - c b(z)` for `f(z) - c b(relaxed given z)` before the score"
    ),
    _of("no-slopes", NoSlopes, "both slopes of the relaxed samples were left out"),
    _of("no-slope", NoSlope, "the slope of the relaxed sample was left out"),
    _of("no-slope-given-z", NoSlopeGivenZ, "the slope of the relaxed sample given z was left out"),
    _of("slopes-swapped", SlopesSwapped, "`slope given z - slope` for `slope - slope given z`"),
    _of("slopes-without-coefficient", SlopesWithoutCoefficient, "the coefficient is missing before the slopes"),
    _of("weight-without-coefficient", WeightWithoutCoefficient, "the coefficient is missing before the score"),
    _of("slopes-with-squared-coefficient", SlopesWithItsSquare, "the slopes were multiplied by the coefficient twice"),
    _of("squared-coefficient", Squared, "all was multiplied by the coefficient twice", effect="variance"),
    _of(
        "independent-coupling",
        IndependentCoupling,
        "the relaxed sample was made of the fresh noise, not of the noise of z",
        effect="variance",
    ),
    _of("temperature-inverted", TemperatureInverted, "`* temperature` for `/ temperature`", effect="variance"),
    _of(
        "weight-of-the-relaxed",
        WeightOfTheRelaxed,
        "the relaxed sample, not the one given z, stands before the score",
        effect="variance",
    ),
)
