"""The functions that every formula in log space is made of, right to a few ulps and twice differentiable."""

from functools import cache
from typing import Any

import numpy as np

from refgrad.distributions._array import Array, traced, untraced
from refgrad.distributions._by_hand import by_hand
from refgrad.distributions._planes import first_maximum, kept, planes, rows, total


def _decay(x: Any) -> Any:
    """`exp(-|x|)`, in an array of its own."""
    decay = np.abs(x, out=np.empty(np.shape(x)))
    np.negative(decay, out=decay)
    return np.exp(decay, out=decay)


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`, with full relative accuracy on both sides and no overflow."""
    if traced(x):
        return _traced_sigmoid()(x)
    return _over_one_more(_decay(x), x)


def _over_one_more(decay: Array, x: Any) -> Array:
    """The sigmoid of x from the decay, which is used up: one, or the decay where x < 0, by one and the decay."""
    value = np.greater_equal(x, 0, out=np.empty(np.shape(x)))
    np.maximum(value, decay, out=value)
    decay += 1.0
    value /= decay
    return value


@cache
def _traced_sigmoid() -> Any:
    """The same function with its derivative by hand: that of `abs` at zero would be lost."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(sigmoid)
    defvjp(function, lambda _, x: lambda g: g * function(x) * function(-x))
    return function


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`, and so `-softplus(-x)` is the log of a sigmoid."""
    if traced(x):
        return _traced_softplus()(x)
    value = _decay(x)
    np.log1p(value, out=value)
    value += np.maximum(x, 0.0)
    return value


@cache
def _traced_softplus() -> Any:
    """The same function with a sigmoid as derivative: autograd's, `exp(x - softplus(x))`, loses the digits of x."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(softplus)
    defvjp(function, lambda _, x: lambda g: g * sigmoid(x))
    return function


def sigmoid_and_slope(x: Any) -> tuple[Any, Any]:
    """A sigmoid and its derivative, from one exponential."""
    if traced(x):
        return sigmoid(x), sigmoid(x) * sigmoid(-x)
    smaller, slope = _of_decay(_decay(x))
    value = np.greater_equal(x, 0, out=np.empty(np.shape(x)))
    value -= smaller
    return np.abs(value, out=value), slope


def smaller_and_slope(x: Any) -> tuple[Any, Any]:
    """A sigmoid where x <= 0, and its derivative."""
    if traced(x):
        return sigmoid(x), sigmoid(x) * sigmoid(-x)
    return _of_decay(np.exp(x))


def _of_decay(decay: Array) -> tuple[Array, Array]:
    """The smaller of two sigmoids that sum to one, and their product, from the decay, which is used up."""
    smaller, larger = decay, decay + 1.0
    smaller /= larger
    np.subtract(1.0, smaller, out=larger)
    larger *= smaller
    return smaller, larger


def softplus_and_sigmoid(x: Any) -> tuple[Any, Any]:
    """A softplus and its derivative, from one exponential."""
    if traced(x):
        return softplus(x), sigmoid(x)
    decay = _decay(x)
    value = np.log1p(decay)
    value += np.maximum(x, 0.0)
    return value, _over_one_more(decay, x)


def chosen(z: Any, one: Any, other: Any) -> Any:
    """`one` where z is one, `other` where it is zero; of the same shape, which z may be broadcast to.

    The nearer to zero of the two is all of the value, or is corrected by their difference: no digit of it is lost.
    """
    if traced(z, one, other):
        return z * one + (1 - z) * other
    nearer = np.abs(one) < np.abs(other)
    value = z - nearer
    value *= one - other
    value += np.where(nearer, one, other)
    return value


def log_complement(x: Any) -> Any:
    """`log(1 - exp(-x))` for x > 0: on each side of log 2 the form in which nothing near 1 is rounded. Eq. 01.19."""
    near = x < np.log(2)
    return np.where(near, np.log(-np.expm1(-np.where(near, x, 1.0))), np.log1p(-np.exp(-np.where(near, 1.0, x))))


def softmax(x: Any, keep: Any) -> Any:
    """Softmax over the first axis; exactly zero, with a zero derivative, where `keep` is false."""
    if traced(x):
        return _traced_softmax()(x, keep)
    x = x if np.all(keep) else np.where(keep, x, -np.inf)
    weights = x - x.max(axis=0)
    np.exp(weights, out=weights)
    weights /= total(weights)
    return weights


@cache
def _traced_softmax() -> Any:
    """The same function, and its slope by hand: autograd's subtracts numbers that agree near a vertex. Eq. 01.17."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(softmax)
    defvjp(function, lambda y, _x, _keep: lambda g: softmax_slope(y, g), None)
    return function


def softmax_slope(y: Any, g: Any) -> Any:
    """Gradient of a softmax with values y, from that in y: `y * (g - sum(y * g))`. Eq. 01.17."""
    return y * centred(y, g)


def centred(y: Any, g: Any) -> Any:
    """`g - sum(y * g)` over the first axis, where y sums to one; the second mean is that of what is left. Eq. 01.17."""
    rise = g - total(y * g)
    rise -= total(y * rise)
    return rise


def complement(probs: Any) -> Any:
    """`1 - probs` where they sum to one over the first axis; of one above a half the sum of the others. Eq. 01.18."""
    heavy, light = _heavy(probs)
    return heavy * total(light * probs) + light * (1 - probs)


def _heavy(probs: Any) -> tuple[Array, Array]:
    """Ones where a probability is above a half, and where it is not."""
    heavy = np.where(untraced(probs) > 0.5, 1.0, 0.0)
    return heavy, 1 - heavy


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
        return rows(log_softmax_slope(softmax(planes(x), planes(keep)), planes(kept(keep, g))))

    defvjp(function, lambda _, x, keep: lambda g: slope(x, keep, g), None)
    return function


def log_softmax_slope(probs: Any, g: Any) -> Any:
    """Gradient of a log-softmax over the first axis, from that in it: `g - probs * sum(g)`, zero where masked.

    A probability above a half takes one less itself times its own g, and the sum of the others' g.
    """
    heavy, light = _heavy(probs)
    if not heavy.any():
        return g - probs * total(g)
    return (light + heavy * complement(probs)) * g - probs * (total(light * g) + light * total(heavy * g))


def logaddexp(x: Any, y: Any) -> Any:
    """`log(exp(x) + exp(y))`, not both -inf, with sigmoids of the difference as derivatives."""
    return by_hand(_logaddexp, x, y)


def _logaddexp(x: Any, y: Any) -> Any:
    def value() -> Any:
        total = _decay(x - y)
        np.log1p(total, out=total)
        total += np.maximum(x, y)
        return total

    return value, (lambda g: g * sigmoid(x - y), lambda g: g * sigmoid(y - x))
