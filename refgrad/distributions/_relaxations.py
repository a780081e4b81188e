"""Relaxed samples beside their derivatives in the logits, the noise and the temperature: rules for `by_hand`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.distributions._by_hand import distinct
from refgrad.distributions._functions import (
    chosen,
    log_softmax,
    log_softmax_slope,
    sigmoid,
    sigmoid_and_slope,
    smaller_and_slope,
    softmax,
    softmax_slope,
    softplus,
    softplus_and_sigmoid,
)
from refgrad.distributions._planes import kept, planes, rows, total


def binary(logits: Any, noise: Any, temperature: Any) -> Any:
    """Binary Concrete, Eq. 01.8."""
    x = (logits + noise) / temperature
    y, steepness = sigmoid_and_slope(x)

    def slope(g: Any) -> Any:
        return g * (steepness / temperature)

    return lambda: y, (slope, slope, lambda g: -slope(g) * x)


def binary_given(z: Array, logits: Any, v: Any, temperature: Any) -> Any:
    """The same given z, Eq. 01.16 and 01.22."""
    own = distinct(logits)

    def of_side(fn: Callable[[Any], Any]) -> Any:
        return chosen(z, fn(own), fn(-own))

    depth, share = softplus_and_sigmoid((2 * z - 1) * v + of_side(softplus))
    x = depth / -temperature
    smaller, steepness = smaller_and_slope(x)
    return lambda: abs(z - smaller), (
        lambda g: g * (steepness * share) * of_side(sigmoid) / temperature,
        lambda g: g * (steepness * share) / temperature,
        lambda g: g * steepness / temperature * (2 * z - 1) * x,
    )


def race(keep: Any, logits: Any, noise: Any, temperature: Any) -> Any:
    """Gumbel-Softmax, Eq. 01.9 and 01.17; in planes."""
    x = planes((kept(keep, distinct(logits)) + noise) / temperature)
    y = softmax(x, planes(keep, np.ndim(x)))

    def slope(g: Any) -> Any:
        return rows(softmax_slope(y, planes(g)) / temperature)

    return lambda: rows(y), (slope, slope, lambda g: -slope(g) * rows(x))


def race_given(keep: Any, z: Array, logits: Any, v: Any, temperature: Any) -> Any:
    """The same given z, Eq. 01.16 and 01.22; in planes."""
    logits, ndim = distinct(logits), max(map(np.ndim, (z, logits, v)))
    log_probs = kept(keep, log_softmax(logits, keep))
    keep, z, logits, log_probs, v = (planes(own, ndim) for own in (keep, z, logits, log_probs, v))
    probs = softmax(logits, keep)
    loser = 1 - z
    depth, share = softplus_and_sigmoid(total(z * v) - v - log_probs)
    x = loser * depth / -temperature
    y = softmax(x, keep)

    def below(g: Any) -> Any:
        return loser * share * softmax_slope(y, planes(g)) / temperature

    def in_v(g: Any) -> Any:
        slope = below(g)
        return rows(slope - z * total(slope))

    return lambda: rows(y), (
        lambda g: rows(log_softmax_slope(probs, below(g))),
        in_v,
        lambda g: rows(-softmax_slope(y, planes(g)) * x / temperature),
    )
