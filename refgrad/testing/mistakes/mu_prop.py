"""Mistakes of MuProp: at another point, or a part of the expansion's mean is not given back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refgrad._traces import make_vjp
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Claims, MuProp, pathwise
from refgrad.estimators._derivatives import derivative, hessian
from refgrad.estimators.mu_prop import _half_square, _mean_weights
from refgrad.testing.mistakes._mistake import Biased, Mistake

__all__ = ["MISTAKES", "Parts", "SecondParts"]


def _sum(x: Any, q: Distribution) -> Any:
    return x.sum(tuple(range(-q.event_ndim, 0)))


class Parts(MuProp):
    """MuProp of order 1 with its point and its last equation apart; as it stands it is right."""

    def __post_init__(self) -> None:
        if self.order != 1:
            raise ValueError(f"{type(self).__name__} is a mistake of order 1, but the order is {self.order}")

    def _point(self, q: Distribution, z: Array) -> Array:  # noqa: ARG002
        return q.probs

    def _estimate(self, value: Any, constant: Any, linear: Any, score: Array, mean_gradient: Array) -> Array:
        return (value - constant - linear) * score + mean_gradient

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        point = self._point(q, z)
        value, slope = derivative(f, point)
        slopes = np.broadcast_to(slope, z.shape)
        _, mean_gradient = pathwise(lambda own: _sum(slopes * own.probs, own), q, z)  # Eq. 06.3
        linear = _sum(slope * (z - point), q)
        return self._estimate(q.expand(f(z)), q.expand(value), q.expand(linear), q.score(z), mean_gradient)  # Eq. 06.4


class NoCorrection(Biased, Parts):
    """The gradient of the mean of the expansion is not given back."""

    def _estimate(self, value: Any, constant: Any, linear: Any, score: Array, mean_gradient: Array) -> Array:  # noqa: ARG002
        return (value - constant - linear) * score


class AtTheSample(Biased, Parts):
    """Expanded at each sample: nothing is left of the score."""

    def _point(self, q: Distribution, z: Array) -> Array:  # noqa: ARG002
        return z


class AtTheMode(Parts):
    """Expanded at the likeliest z, which is a fixed point too."""

    def _point(self, q: Distribution, z: Array) -> Array:  # noqa: ARG002
        return q.sample(np.zeros_like(q.logits))


class NoConstant(Parts):
    """The slope at the mean is taken off, the value there is not."""

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased, and exact for nothing."""
        return replace(super().claims, exact_for=None)

    def _estimate(self, value: Any, constant: Any, linear: Any, score: Array, mean_gradient: Array) -> Array:  # noqa: ARG002
        return (value - linear) * score + mean_gradient


@dataclass(frozen=True)
class SecondParts(MuProp):
    """MuProp of order 2 with the mean of its expansion apart; as it stands it is right."""

    order: int = 2

    def __post_init__(self) -> None:
        if self.order != 2:
            raise ValueError(f"{type(self).__name__} is a mistake of order 2, but the order is {self.order}")

    def _mean(self, f: Callable[[Any], Any], slope: Array, curvature: Array, q: Distribution, own: Distribution) -> Any:  # noqa: ARG002
        return _sum((slope + _mean_weights(curvature, q.probs, q.event_ndim)) * own.probs, q)  # Eq. 06.6

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z, mean = q.sample(noise_z), q.probs
        value, slope = derivative(f, mean)
        curvature = hessian(f, mean, q.event_ndim)
        expansion = value + _sum(slope * (z - mean), q) + _half_square(curvature, z - mean, q.event_ndim)  # Eq. 06.5
        _, mean_gradient = pathwise(lambda own: self._mean(f, slope, curvature, q, own), q, q.logits)
        return q.expand(f(z) - expansion) * q.score(z) + mean_gradient  # Eq. 06.4


class NoShareOfCurvature(Biased, SecondParts):
    """The second-order term is taken off, its mean is not given back."""

    def _mean(self, f: Callable[[Any], Any], slope: Array, curvature: Array, q: Distribution, own: Distribution) -> Any:  # noqa: ARG002
        return _sum(slope * own.probs, q)


class MovingPoint(Biased, SecondParts):
    """The mean of the expansion is differentiated in the point as well."""

    def _mean(self, f: Callable[[Any], Any], slope: Array, curvature: Array, q: Distribution, own: Distribution) -> Any:  # noqa: ARG002
        return f(own.probs) + _half_trace(f, own.probs, q.event_ndim)


def _half_trace(f: Callable[[Any], Any], mean: Any, event_ndim: int) -> Any:
    """Half of the mean of the quadratic form of `z - mean`, as a function of the mean that autograd follows."""
    backward, _ = make_vjp(lambda x: derivative(f, x)[1], mean)
    event = np.shape(mean)[np.ndim(mean) - event_ndim :]
    half = 0.0
    for entry in np.eye(int(np.prod(event))).reshape(-1, *event):
        own = (entry * mean).sum(tuple(range(-event_ndim, 0)))
        if event_ndim == 1:
            spread = entry * mean * (1 - mean)  # covariance of this entry with all
        else:
            spread = own[..., None, None] * (entry - entry.sum(axis=-1, keepdims=True) * mean)
        row = backward(np.broadcast_to(entry, np.shape(mean)).copy())
        half = half + (row * spread).sum(tuple(range(-event_ndim, 0))) / 2
    return half


def _of(name: str, estimator: MuProp, bug: str, effect: str = "biased", same_as: str = "") -> Mistake:
    return Mistake(f"mu-prop-{name}", estimator, MuProp(estimator.order), bug, effect=effect, same_as=same_as)


MISTAKES = (
    _of("no-correction", NoCorrection(), "the gradient of the mean of the expansion was not added"),
    _of(
        "expanded-at-the-sample",
        AtTheSample(),
        "f was expanded at z, not at the mean of z: what is left is the slope at z, straight through",
        same_as="mean-substitution-straight-through",
    ),
    _of("expanded-at-the-mode", AtTheMode(), "f was expanded at the likeliest z, not at the mean of z", "variance"),
    _of("no-constant", NoConstant(), "`f(z) - f'(p)(z - p)` for `f(z) - f(p) - f'(p)(z - p)`", "variance"),
    _of("no-share-of-curvature", NoShareOfCurvature(), "the mean of the second-order term was not added"),
    _of(
        "moving-point", MovingPoint(), "the mean of the second-order term was differentiated in the point of expansion"
    ),
)
