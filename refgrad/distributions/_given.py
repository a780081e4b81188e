"""Logistic noise above its threshold: Eq. 01.15, with its derivatives by hand."""

from typing import Any

from refgrad.distributions._by_hand import by_hand
from refgrad.distributions._functions import logaddexp, sigmoid, softplus


def noise_above(logits: Any, v: Any) -> Any:
    """Noise of a one, from fresh noise v: `log(exp(-logits) + exp(v) + exp(v - logits))`. Eq. 01.15."""
    return by_hand(_noise_above, logits, v)


def _noise_above(logits: Any, v: Any) -> Any:
    """The derivatives, none of which is a difference."""
    return lambda: logaddexp(-logits, v + softplus(-logits)), (
        lambda g: -g * not_both(logits, v + softplus(logits)),
        lambda g: g * sigmoid(v + softplus(logits)),
    )


def not_both(x: Any, y: Any) -> Any:
    """`1 - sigmoid(x) sigmoid(y)`, and never that difference."""
    return by_hand(_not_both, x, y)


def _not_both(x: Any, y: Any) -> Any:
    return lambda: sigmoid(-x) + sigmoid(x) * sigmoid(-y), (
        lambda g: -g * sigmoid(x) * sigmoid(-x) * sigmoid(y),
        lambda g: -g * sigmoid(x) * sigmoid(y) * sigmoid(-y),
    )
