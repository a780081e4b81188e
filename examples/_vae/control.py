"""Estimators that look at the image: NVIL's baseline, and a control variate for RELAX."""

from dataclasses import dataclass, replace
from typing import Any

import autograd.numpy as np
import numpy
from _shared.networks import layers
from _shared.training import with_features
from autograd.misc import flatten

from _vae.model import PIXELS
from refgrad.estimators import Relax

UNITS = 16
START = -PIXELS * numpy.log(2)  # the log-likelihood of an image under a decoder that knows nothing


@dataclass(frozen=True, eq=False, repr=False)
class OfImage:
    """A network of the relaxed code and the image, in nats; f is never opened.

    Parameters
    ----------
    code : Bits or Symbols
    parameters : (P,) ndarray
    shape : callable
        From the parameters to the weights.
    pixels : (B, 64) or (64,) ndarray
    """

    code: Any
    parameters: Any
    shape: Any
    pixels: Any

    def __call__(self, relaxed):
        """Values (..., B) for relaxed codes (..., B, *event_shape)."""
        (matrix, shift), (out, constant) = self.shape(self.parameters)
        width = self.code.width
        of_code, of_image = np.dot(self.code.flat(relaxed), matrix[:width]), np.dot(self.pixels, matrix[width:])
        hidden = np.tanh(of_code + of_image + shift)
        return START + (np.dot(hidden, out) + constant)[..., 0]

    def __repr__(self):
        return f"{type(self).__name__}(units={UNITS})"


def of_image(code, rng):
    """One that has learned nothing."""
    parameters, shape = flatten(layers([code.width + PIXELS, UNITS, 1], rng))
    return OfImage(code, parameters, shape, numpy.zeros(PIXELS))


def shown_to(estimator, pixels):
    """The estimator for some images."""
    if isinstance(estimator, Relax) and isinstance(estimator.control_variate, OfImage):
        return replace(estimator, control_variate=replace(estimator.control_variate, pixels=pixels))
    return with_features(estimator, pixels)
