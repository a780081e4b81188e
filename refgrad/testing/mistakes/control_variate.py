"""Mistakes of a control variate: its mean is not given back, or another one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Claims, ControlVariate
from refgrad.estimators._agreement import Agreement
from refgrad.testing.mistakes._mistake import Biased, Mistake

__all__ = ["MISTAKES", "Parts"]


class Parts(ControlVariate):
    """A control variate whose last equation a mistake changes; as it stands it is right."""

    def _estimate(self, value: Any, control: Any, score: Array, slope: Array) -> Array:
        return (value - self.coefficient * control) * score + self.coefficient * slope

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        return self._estimate(q.expand(f(z)), q.expand(self._at(q)(z)), q.score(z), self._mean_slope(q))  # Eq. 03.4


class NoCorrection(Biased, Parts):
    """What was taken off is not given back."""

    def _estimate(self, value: Any, control: Any, score: Array, slope: Array) -> Array:  # noqa: ARG002
        return (value - self.coefficient * control) * score


class CorrectionSubtracted(Biased, Parts):
    """What was taken off is taken off twice."""

    def _estimate(self, value: Any, control: Any, score: Array, slope: Array) -> Array:
        return (value - self.coefficient * control) * score - self.coefficient * slope


class CorrectionWithoutCoefficient(Biased, Parts):
    """More is given back than was taken off."""

    def _estimate(self, value: Any, control: Any, score: Array, slope: Array) -> Array:
        return (value - self.coefficient * control) * score + slope


@dataclass(frozen=True)
class _Turned:
    """The polynomial of the control variate at probabilities of which the last variable's are turned around."""

    control_variate: Callable[[Any], Any]

    def __call__(self, q: Distribution) -> Any:
        last = (np.arange(q.event_shape[0]) == q.event_shape[0] - 1).reshape(-1, *[1] * (q.event_ndim - 1))
        other = 1 - q.probs if q.event_ndim == 1 else q.probs[..., ::-1]
        return self.control_variate((1 - last) * q.probs + last * other)


class WrongMean(Biased, ControlVariate):
    """Another mean than that of the control variate."""

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Biased, and the last variable is not like the others."""
        return replace(super().claims, symmetric=False)

    @property
    def _mean_of(self) -> Any:
        return _Turned(self.control_variate)


def _of(name: str, cls: type[ControlVariate], bug: str) -> tuple[Mistake, ...]:
    return tuple(
        Mistake(
            f"control-variate-{name}-{b.families[0]}",
            cls(b, coefficient=0.5),
            ControlVariate(b, coefficient=0.5),
            bug,
        )
        for b in (Agreement(1), Agreement(2))
    )


MISTAKES = (
    *_of("no-correction", NoCorrection, "`(f - c b) * score` without `c` times the gradient of the mean of b"),
    *_of("correction-subtracted", CorrectionSubtracted, "the gradient of the mean of b was subtracted, not added"),
    *_of(
        "correction-without-coefficient",
        CorrectionWithoutCoefficient,
        "the coefficient stands before b, not before its mean",
    ),
    *_of("wrong-mean", WrongMean, "the mean of b was taken with the last variable's probabilities turned around"),
)
