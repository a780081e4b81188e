"""The three functions that every formula in log space is made of, right to a few ulps and twice differentiable."""

from functools import cache
from typing import Any

import numpy as np

from refgrad.distributions._array import namespace, traced, untraced


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`, with full relative accuracy on both sides and no overflow."""
    if traced(x):
        return _traced_sigmoid()(x)
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, decay) / (1.0 + decay)


@cache
def _traced_sigmoid() -> Any:
    """The same function with its derivative by hand: that of `abs` at zero would be lost."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(sigmoid)
    defvjp(function, lambda _, x: lambda g: g * function(x) * function(-x))
    return function


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`, and so `-softplus(-x)` is the log of a sigmoid."""
    return namespace(x).logaddexp(0.0, x)


def softmax(x: Any, keep: Any) -> Any:
    """Softmax over the last axis; exactly zero, with a zero derivative, where `keep` is false."""
    if traced(x):
        return _traced_softmax()(x, keep)
    shift = np.max(x, axis=-1, keepdims=True, where=keep, initial=-np.inf)
    weights = np.exp(np.where(keep, x - shift, -np.inf))
    return weights / weights.sum(axis=-1, keepdims=True)


@cache
def _traced_softmax() -> Any:
    """The same function with its derivative by hand: autograd's would subtract numbers that agree near a vertex."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(softmax)

    def slope(y: Any, g: Any) -> Any:
        xp = namespace(y, g)
        largest = first_maximum(untraced(y))
        rise = g - xp.sum(largest * g, axis=-1, keepdims=True)
        return y * (rise - xp.sum(y * rise, axis=-1, keepdims=True))

    defvjp(function, lambda y, _x, _keep: lambda g: slope(y, g), None)
    return function


def log_softmax(x: Any, keep: Any) -> Any:
    """Log of the softmax over the last axis; -inf where `keep` is false."""
    xp = namespace(x)
    largest = first_maximum(np.where(keep, untraced(x), -np.inf))
    shift = xp.sum(xp.where(largest, x, 0.0), axis=-1, keepdims=True)
    shifted = xp.where(keep, x - shift, -np.inf)
    # The largest term is exp(0) = 1: log1p of the others keeps the digits of a log-probability near zero.
    others = xp.sum(xp.where(largest, 0.0, xp.exp(shifted)), axis=-1, keepdims=True)
    return shifted - xp.log1p(others)


def first_maximum(x: Any) -> Any:
    """One true entry along the last axis: the first of the largest."""
    return np.argmax(x, axis=-1)[..., None] == np.arange(x.shape[-1])
