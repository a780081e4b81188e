"""How far rounding may carry a correct row: the reference itself, run in arithmetic that is shaken (Parker 1997).

Every verb of q, every value of f and every parameter is off by up to one unit in the last place, in its value and in
its derivative, at random; how much the rows then scatter is the conditioning of the estimator at this noise. The z does
not change: noise near the edge of a cell is moved inside it first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, namespace, untraced
from refgrad.estimators import Estimator
from refgrad.exact._factors import configurations, count, factors

__all__ = ["FLOAT32", "FLOAT64", "apart", "rounding"]

FLOAT32, FLOAT64 = (float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64))
RUNS = 32  # their mean absolute change is less than half of what it is on average once in some 100,000 rows
# A step stands for up to 8 roundings of half a unit, where shaking changes it by half a unit on average; 16 steps that
# all round the same way add up to 4 times the root of their squares: 8 / 2 * 2 * 4.
FACTOR = 32
UNDERFLOW = 1024  # times the least normal number: what a division by a temperature makes of one that was lost
MARGIN = 8  # units in the last place of the logits and the noise, from an edge where rounding may change z


def rounding(
    estimator: Estimator, q: Distribution, f: Callable[[Any], Any], noise: Array, precision: float, runs: int = RUNS
) -> Array:
    """Bound the difference of a correct row in a precision to that of the reference.

    Parameters
    ----------
    estimator : Estimator
    q : Distribution
        One row of logits.
    f : callable
    noise : (draws, n, *event_shape) ndarray of float64
        Away from edges, see `apart`.
    precision : float
        Distance of 1 to the next larger number.
    runs : int

    Returns
    -------
    (n, d) ndarray of float64
        Units of f per logit. Derived from the reference alone.
    """
    unit = max(precision, FLOAT32)  # the rounding of the reference itself is below it
    parts = factors(q)
    z, _ = configurations(parts, np.arange(count(parts)))
    shake = _Shake(np.random.default_rng(0), unit, float(np.abs(np.asarray(f(z), float)).max()))
    started: Any = estimator
    if hasattr(estimator, "at") and hasattr(estimator, "parameters"):
        started = started.at(started.parameters(q), q)  # parameters that a control variate begins with are shaken too
    here = np.asarray(started(q, f, noise))
    total = np.zeros(here.shape)
    shaken_f = _Value(f, q.event_ndim, shake)
    for _ in range(runs):
        moved = _distribution(q, shake)
        total += np.abs(np.asarray(_parameters(started, shake)(moved, shaken_f, noise)) - here)
    lost = UNDERFLOW * _least(precision) * shake.size * np.isfinite(q.logits)
    return (FACTOR * (precision / unit) * total / runs + lost).reshape(len(here), -1)


def _least(precision: float) -> float:
    """Least normal number of the floating type with a precision, or of the next coarser one."""
    types = [np.finfo(dtype) for dtype in (np.float64, np.float32, np.float16)]
    return float(next((own.tiny for own in types if own.eps >= precision), types[-1].tiny))


def apart(estimator: Estimator, q: Distribution, noise: Array, precision: float) -> Array:
    """Move noise that lies so near an edge that rounding might change z, or jump, to the same side of it.

    Parameters
    ----------
    estimator : Estimator
    q : Distribution
    noise : (draws, n, *event_shape) ndarray of float64
    precision : float

    Returns
    -------
    (draws, n, *event_shape) ndarray of float64
    """
    noise = noise.copy()
    for draw, word in enumerate(estimator.claims.reads):
        if word != "smooth":
            z = q.sample(noise[draw])
            noise[draw] = _from_breaks(estimator, q, noise[draw], precision) if q.event_ndim == 1 else noise[draw]
            noise[draw] = _from_ties(q, noise[draw], precision) if q.event_ndim == 2 else noise[draw]
            assert (q.sample(noise[draw]) == z).all()
    return noise


def _from_breaks(estimator: Estimator, q: Distribution, noise: Array, precision: float) -> Array:
    for edge in np.reshape(estimator.breaks(q), (-1, *q.event_shape)):
        margin = MARGIN * precision * (1 + np.abs(noise) + np.abs(edge))
        side = np.where(noise > edge, 1.0, -1.0)
        noise = np.where(np.abs(noise - edge) < margin, edge + side * margin, noise)
    return noise


def _from_ties(q: Distribution, noise: Array, precision: float) -> Array:
    """Lower the losers that nearly win."""
    logits = np.where(np.isfinite(q.logits), q.logits, 0.0)
    won, live = q.sample(noise) == 1, np.isfinite(q.logits)
    best = np.sum(np.where(won, logits + noise, 0.0), axis=-1, keepdims=True)
    margin = MARGIN * precision * (1 + np.abs(noise) + np.abs(logits)).max(axis=-1, keepdims=True)
    near = ~won & live & (logits + noise > best - margin)
    return np.where(near, best - margin - logits, noise)


class _Shake:
    """A source of errors of up to one unit, and the size of f."""

    def __init__(self, rng: np.random.Generator, unit: float, size: float) -> None:
        self.rng, self.unit, self.size = rng, unit, size

    def __call__(self, shape: Any, low: float = -1.0) -> Array:
        return self.unit * self.rng.uniform(low, 1.0, shape)

    def bent(self, x: Any) -> Any:
        """A function of x that is small, and has a small derivative, at random."""
        shape = np.shape(x)
        return self(shape) * namespace(x).sin(x + self.rng.uniform(0, 2 * np.pi, shape))


class _Shaken:
    """Stands before a distribution among the bases of one whose verbs are shaken."""

    shake: _Shake
    logits: Any
    event_ndim: int

    @property
    def _live(self) -> Any:
        """The logits, those of masked categories zero."""
        return namespace(self.logits).where(np.isfinite(untraced(self.logits)), self.logits, 0.0)

    def _moved(self, noise: Any) -> Any:
        size = 1 + np.abs(untraced(noise)) + np.abs(untraced(self._live))
        return noise + size * self.shake(np.shape(size))

    def _kept(self, value: Any, x: Any) -> Any:
        """A value in [0, 1] that is a little smaller, and so is 1 less it, whose digits cancel, and its derivative."""
        shape = np.broadcast_shapes(np.shape(value), np.shape(x))
        wave = 1 + namespace(x).sin(x + self.shake.rng.uniform(0, 2 * np.pi, shape))
        return value * (1 - self.shake(shape, 0.0) * wave)

    @property
    def probs(self) -> Any:
        return self._kept(super().probs, self._live)  # type: ignore[misc]

    def score(self, z: Any) -> Any:
        score = super().score(z)  # type: ignore[misc]
        return score + np.isfinite(untraced(self.logits)) * self.shake(np.shape(score))

    def noise_given(self, z: Any, v: Any) -> Any:
        noise = self._moved(super().noise_given(z, self._moved(v)))  # type: ignore[misc]
        slope = self.shake.bent(self._live + np.zeros(np.shape(noise)))
        return noise + (slope if self.event_ndim == 1 else slope.sum(axis=-1, keepdims=True))

    def fresh_given(self, noise: Any) -> Any:
        return self._moved(super().fresh_given(self._moved(noise)))  # type: ignore[misc]

    def relax(self, noise: Any, temperature: Any) -> Any:
        noise = self._moved(noise)
        return self._kept(super().relax(noise, temperature), (self._live + noise) / temperature)  # type: ignore[misc]

    def relax_given(self, z: Any, v: Any, temperature: Any) -> Any:
        """By way of the noise, as most programs go: it rounds more."""
        return self.relax(self.noise_given(z, v), temperature)


def _distribution(q: Distribution, shake: _Shake) -> Distribution:
    cls = type(type(q).__name__, (_Shaken, type(q)), {"shake": shake})
    return cls(q.logits * (1 + shake(q.logits.shape)))


class _Value:
    """An f whose values, and derivatives, are shaken; the rest of it is as it was."""

    def __init__(self, f: Any, event_ndim: int, shake: _Shake) -> None:
        self._f, self._event, self._shake = f, tuple(range(-event_ndim, 0)), shake

    def __call__(self, z: Any) -> Any:
        value = self._f(z)
        rest = self._shake.size * self._shake.bent(z).sum(axis=self._event)
        return value * (1 + self._shake(np.shape(value))) + rest

    @property
    def grad(self) -> Any:
        slope = self._f.grad

        def shaken(z: Any) -> Any:
            value = slope(z)
            return value * (1 + self._shake(np.shape(value))) + self._shake.size * self._shake.bent(z)

        return shaken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._f, name)


def _parameters(value: Any, shake: _Shake) -> Any:
    """The same estimator with its numbers shaken, towards zero so that they stay in range; its optimizer is not."""
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        moved = {name: _parameters(x, shake) for name, x in own.items() if name != "optimizer"}
        return replace(value, **{name: x for name, x in moved.items() if x is not own[name]})
    if isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        return value * (1 - shake(np.shape(value), 0.0))
    return value
