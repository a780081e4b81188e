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
    if traced(x):
        return _traced_log_softmax()(x, keep)
    largest = first_maximum(np.where(keep, x, -np.inf))
    shift = np.sum(np.where(largest, x, 0.0), axis=-1, keepdims=True)
    shifted = np.where(keep, x - shift, -np.inf)
    # The largest term is exp(0) = 1: log1p of the others keeps the digits of a log-probability near zero.
    others = np.sum(np.where(largest, 0.0, np.exp(shifted)), axis=-1, keepdims=True)
    return shifted - np.log1p(others)


@cache
def _traced_log_softmax() -> Any:
    """The same function with its derivative by hand: `g - probs * sum(g)`, where a probability near one is not used."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(log_softmax)

    def slope(x: Any, keep: Any, g: Any) -> Any:
        xp = namespace(x, g)
        g = xp.where(keep, g, 0.0)
        probs, largest = softmax(x, keep), first_maximum(np.where(keep, untraced(x), -np.inf))
        own = xp.sum(largest * g, axis=-1, keepdims=True)
        rest = xp.sum(xp.where(largest, 0.0, g), axis=-1, keepdims=True)
        others = xp.sum(xp.where(largest, 0.0, probs), axis=-1, keepdims=True)
        return xp.where(largest, own * others - probs * rest, g - probs * (own + rest))

    defvjp(function, lambda _, x, keep: lambda g: slope(x, keep, g), None)
    return function


def first_maximum(x: Any) -> Any:
    """One true entry along the last axis: the first of the largest."""
    return np.argmax(x, axis=-1)[..., None] == np.arange(x.shape[-1])
