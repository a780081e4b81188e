"""What a mask lets through, and what it is worth: derivation 14, Eq. 14.1 to 14.3."""

from dataclasses import dataclass
from typing import Any

import autograd.numpy as np
import numpy
from _shared.digits import SIDE, Digits
from _shared.networks import forward, log_softmax

PATCH = 2  # pixels on a side
PATCHES = (SIDE // PATCH) ** 2
_AT = numpy.arange(SIDE) // PATCH
OF_PIXEL = (_AT[:, None] * (SIDE // PATCH) + _AT).ravel()  # the patch of each pixel: (64,)
SPREAD = numpy.eye(PATCHES)[:, OF_PIXEL]


def seen(pixels, z):
    """Pixels (..., 64) under masks (..., 16): ink 1, paper -1, hidden 0, so that hidden is not paper."""
    return (2 * pixels - 1) * np.dot(z, SPREAD)  # Eq. 14.1


def log_probs(weights, pixels, z):
    """Log-probabilities of the ten classes for masked images: (..., 10)."""
    return log_softmax(forward(weights, seen(pixels, z)))


def right(weights, digits, z):
    """Whether the likeliest class is the digit, 1.0 or 0.0, for masks (..., B, 16): (..., B)."""
    return (log_probs(weights, digits.pixels, z).argmax(axis=-1) == digits.labels) * 1.0


@dataclass(frozen=True)
class Reward:
    """f: what the classifier makes of the masked images, less a price for each patch that is seen.

    Parameters
    ----------
    weights : list
        Of the classifier.
    digits : Digits
        A batch, or one image.
    price : float
        Units of f for each patch.
    kind : {"likelihood", "accuracy"}
        Log-probability of the digit; or 1 where it is the likeliest, which has no gradient.
    """

    weights: Any
    digits: Digits
    price: float
    kind: str = "likelihood"

    def __call__(self, z):
        """Values (..., B) of masks (..., B, 16); for one image (...) of (..., 16)."""
        gain = right(self.weights, self.digits, z) if self.kind == "accuracy" else self.log_likelihood(z)
        return gain - self.price * np.sum(z, axis=-1)  # Eq. 14.2

    def log_likelihood(self, z):
        """Log-probability of the digit: (..., B)."""
        return np.sum(self.digits.one_hot * log_probs(self.weights, self.digits.pixels, z), axis=-1)
