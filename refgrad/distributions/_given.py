"""Logistic noise above its threshold: Eq. 01.15, with its derivatives by hand."""

from functools import cache
from typing import Any

import numpy as np

from refgrad.distributions._array import traced
from refgrad.distributions._functions import sigmoid, softplus


def noise_above(logits: Any, v: Any) -> Any:
    """Noise of a one, from fresh noise v: `log(exp(-logits) + exp(v) + exp(v - logits))`. Eq. 01.15."""
    if not traced(logits, v):
        return np.logaddexp(-logits, v + softplus(-logits))
    zeros = np.zeros(np.broadcast_shapes(np.shape(logits), np.shape(v)))
    return _traced_noise_above()(logits + zeros, v + zeros)


@cache
def _traced_noise_above() -> Any:
    """The same function with its derivatives, none of which is a difference."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    function = primitive(noise_above)
    not_both = primitive(lambda x, y: sigmoid(-x) + sigmoid(x) * sigmoid(-y))  # 1 - sigmoid(x) sigmoid(y)
    defvjp(
        not_both,
        lambda _, x, y: lambda g: -g * sigmoid(x) * sigmoid(-x) * sigmoid(y),
        lambda _, x, y: lambda g: -g * sigmoid(x) * sigmoid(y) * sigmoid(-y),
    )
    defvjp(
        function,
        lambda _, logits, v: lambda g: -g * not_both(logits, v + softplus(logits)),
        lambda _, logits, v: lambda g: g * sigmoid(v + softplus(logits)),
    )
    return function


def depth_above(logits: Any, v: Any) -> Any:
    """`logits + noise_above(logits, v)`, which is positive: `softplus(v + softplus(logits))`. Eq. 01.16."""
    return softplus(v + softplus(logits))
