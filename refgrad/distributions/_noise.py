"""Standard noise: one logarithm for each number, always finite, and the same stream however it is drawn."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from refgrad.distributions._array import Array

BLOCK = 2**14  # numbers that are transformed while they are in cache
HALF_A_STEP = 2.0**-54  # of the uniform generator, whose grid is 2**-53
SOONEST = 2.0**-58  # below every step of the exponential generator, 2**-53 times the edge of a layer of its ziggurat


def logistic(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Standard logistic values, the log-odds of uniform ones. Eq. 01.21.

    A uniform number stands for a cell of the grid, and its middle is taken: neither the odds nor one over them are
    zero, the values are symmetric, and none is larger than 37.5.
    """
    return _filled(shape, rng.random, _log_odds)


def gumbel(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Standard Gumbel values, minus the log of exponential ones: the arrival times of the race. Eq. 01.21.

    A time of zero, which has the probability 2**-53, stands for one below the least step, and half of that is taken.
    """
    return _filled(shape, rng.standard_exponential, _minus_log)


def _filled(shape: tuple[int, ...], draw: Callable[..., object], transform: Callable[[Array], object]) -> Array:
    """Draw and transform in place, block after block: the generators serve one number after another."""
    noise = np.empty(prod(shape))
    for start in range(0, noise.size, BLOCK):
        block = noise[start : start + BLOCK]
        draw(out=block)
        transform(block)
    return noise.reshape(shape)


def _log_odds(u: Array) -> None:
    """Turn multiples k of 2**-53 into the log of (k + 1/2) / (2**53 - k - 1/2)."""
    others = 1.0 - u  # exact
    others -= HALF_A_STEP
    u += HALF_A_STEP
    u /= others
    np.log(u, out=u)


def _minus_log(times: Array) -> None:
    np.maximum(times, SOONEST, out=times)
    np.log(times, out=times)
    np.negative(times, out=times)
