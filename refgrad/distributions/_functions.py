"""The functions that every formula in log space is made of, right to a few ulps and twice differentiable."""

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
    return _traced_softplus()(x) if traced(x) else np.logaddexp(0.0, x)


@cache
def _traced_softplus() -> Any:
    """The same function with a sigmoid as derivative: autograd's, `exp(x - softplus(x))`, loses the digits of x."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(softplus)
    defvjp(function, lambda _, x: lambda g: g * sigmoid(x))
    return function


def log_complement(x: Any) -> Any:
    """`log(1 - exp(-x))` for x > 0: on each side of log 2 the form in which nothing near 1 is rounded. Eq. 01.19."""
    near = x < np.log(2)
    return np.where(near, np.log(-np.expm1(-np.where(near, x, 1.0))), np.log1p(-np.exp(-np.where(near, 1.0, x))))


def softmax(x: Any, keep: Any) -> Any:
    """Softmax over the last axis; exactly zero, with a zero derivative, where `keep` is false."""
    if traced(x):
        return _traced_softmax()[0](x, keep)
    shift = np.max(x, axis=-1, keepdims=True, where=keep, initial=-np.inf)
    weights = np.exp(np.where(keep, x - shift, -np.inf))
    return weights / weights.sum(axis=-1, keepdims=True)


@cache
def _traced_softmax() -> tuple[Any, Any]:
    """The same function, and its slope by hand: autograd's subtracts numbers that agree near a vertex. Eq. 01.17."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(softmax)
    slope = primitive(lambda y, g: y * centred(y, g))
    defvjp(function, lambda y, _x, _keep: lambda g: slope(y, g), None)
    defvjp(
        slope,
        lambda _, y, g: lambda again: centred(y, again) * centred(y, g),  # up to a constant, which a softmax ignores
        lambda _, y, _g: lambda again: slope(y, again),
    )
    return function, slope


def centred(y: Any, g: Any) -> Any:
    """`g - sum(y * g)` over the last axis, where y sums to one. Eq. 01.17."""
    xp, plain = namespace(y, g), untraced(y)
    # Any constant may be taken off first: that of an entry near one, which leaves exactly nothing of it; else the mean.
    heavy = plain > 0.5
    rise = g - xp.sum(np.where(heavy.any(axis=-1, keepdims=True), heavy, plain) * g, axis=-1, keepdims=True)
    return rise - xp.sum(y * rise, axis=-1, keepdims=True)


def complement(probs: Any) -> Any:
    """`1 - probs` where they sum to one over the last axis; of one above a half the sum of the others. Eq. 01.18."""
    xp, heavy = namespace(probs), untraced(probs) > 0.5
    others = xp.sum(xp.where(heavy, 0.0, probs), axis=-1, keepdims=True)
    return heavy * others + xp.where(heavy, 0.0, 1 - probs)


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
        xp, probs = namespace(x, g), softmax(x, keep)
        g, heavy = xp.where(keep, g, 0.0), untraced(probs) > 0.5
        total, rest = (xp.sum(own, axis=-1, keepdims=True) for own in (g, xp.where(heavy, 0.0, g)))
        return xp.where(heavy, g * complement(probs) - probs * rest, g - probs * total)

    defvjp(function, lambda _, x, keep: lambda g: slope(x, keep, g), None)
    return function


def logaddexp(x: Any, y: Any) -> Any:
    """`log(exp(x) + exp(y))`, with sigmoids of the difference as derivatives."""
    if not traced(x, y):
        return np.logaddexp(x, y)
    zeros = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)))
    return _traced_logaddexp()(x + zeros, y + zeros)


@cache
def _traced_logaddexp() -> Any:
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(np.logaddexp)
    defvjp(function, lambda _, x, y: lambda g: g * sigmoid(x - y), lambda _, x, y: lambda g: g * sigmoid(y - x))
    return function


def first_maximum(x: Any) -> Any:
    """One true entry along the last axis: the first of the largest."""
    return np.argmax(x, axis=-1)[..., None] == np.arange(x.shape[-1])
