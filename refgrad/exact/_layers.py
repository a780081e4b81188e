"""Where a relaxed sample changes, given its z: derivation 00, Eq. 00.16."""

from collections.abc import Sequence

import numpy as np

from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor


def layers(parts: Sequence[Factor], z: Array, temperature: float, most: float = np.finfo(float).max) -> Array:
    """Coordinates of a draw near which its relaxed sample changes: one layer for each value that z does not have.

    Parameters
    ----------
    parts : sequence of Factor
    z : (n, *event_shape) ndarray of float64
    temperature : float
    most : float
        Where the distances of the layers from the origin add up to more, all are shortened alike.

    Returns
    -------
    (n, axes) ndarray of float64
    """
    depth = np.log(2 * np.sin(np.pi / 2 * min(temperature, 1.0)))
    if parts[0].shape:
        found = np.concatenate([depth + _others(part, z[:, d]) for d, part in enumerate(parts)], axis=1)
    else:
        log_zero, log_one = np.array([part.log_probs for part in parts]).T
        found = (2 * z - 1) * (depth + np.where(z == 1, log_zero, log_one))
    distance = np.abs(found).sum(axis=1, keepdims=True)
    return found * (np.minimum(distance, most) / np.maximum(distance, np.finfo(float).tiny))


def _others(part: Factor, z: Array) -> Array:
    """Logs of the probabilities of the values that z (n, K) does not have, divided by their turn."""
    won = np.argmax(z[:, part.columns], axis=1)[:, None]
    turn = np.arange(len(part) - 1)
    return part.log_probs[turn + (turn >= won)] - np.log(turn + 1)
