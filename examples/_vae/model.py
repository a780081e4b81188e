"""A code of an image, bits or choices, and the networks to and from it: derivation 13, Eq. 13.1 to 13.4."""

from dataclasses import dataclass
from typing import Any

import autograd.numpy as np
import numpy
from _shared.digits import SIDE
from _shared.networks import Model, forward, layers, softplus

from refgrad import Bernoulli, Categorical
from refgrad.estimators import Adam

PIXELS = SIDE**2
HIDDEN = 32
RATE = 0.01
LARGEST = 2**12  # configurations of a code


@dataclass(frozen=True)
class Bits:
    """A code of D bits."""

    latents: int

    @property
    def width(self):
        """Outputs of the encoder, and inputs of the decoder."""
        return self.latents

    @property
    def axes(self):
        """Coordinates of the noise that a relaxed sample depends on."""
        return self.latents

    def __str__(self):
        return f"{self.latents} bits"

    def q(self, outputs):
        """The distribution of outputs of the encoder: (..., D)."""
        return Bernoulli(outputs)

    def flat(self, z):
        """Inputs of the decoder: (..., width)."""
        return z

    def support(self):
        """All codes: (2**D, D)."""
        return Bernoulli(numpy.zeros(self.latents)).support()

    def log_probs(self, q):
        """Log-probability of every code for every row: (B, 2**D), as one product of matrices."""
        one, zero, z = -softplus(-q.logits), -softplus(q.logits), self.support()
        return one @ z.T + zero @ (1 - z).T

    def divergence(self, q):
        """KL to the uniform prior, in nats: (B,)."""
        p, log_one, log_zero = q.probs, -softplus(-q.logits), -softplus(q.logits)
        return (numpy.log(2) + p * log_one + (1 - p) * log_zero).sum(axis=-1)  # Eq. 13.3

    def divergence_slope(self, q):
        """Its gradient in the logits: (B, D)."""
        return q.probs * (1 - q.probs) * q.logits  # Eq. 13.4


@dataclass(frozen=True)
class Symbols:
    """A code of D choices, each among K."""

    latents: int
    categories: int

    @property
    def width(self):
        """Outputs of the encoder, and inputs of the decoder."""
        return self.latents * self.categories

    @property
    def axes(self):
        """Coordinates of the noise that a relaxed sample depends on."""
        return self.latents * (self.categories - 1)

    def __str__(self):
        return f"{self.latents} choices among {self.categories}"

    def q(self, outputs):
        """The distribution of outputs of the encoder: (..., D K)."""
        return Categorical(outputs.reshape((*outputs.shape[:-1], self.latents, self.categories)))

    def flat(self, z):
        """Inputs of the decoder: (..., width)."""
        return z.reshape((*np.shape(z)[:-2], self.width))

    def support(self):
        """All codes: (K**D, D, K)."""
        return Categorical(numpy.zeros((self.latents, self.categories))).support()

    def log_probs(self, q):
        """Log-probability of every code for every row: (B, K**D), as one product of matrices."""
        return self.flat(_log_softmax(q.logits)) @ self.flat(self.support()).T

    def divergence(self, q):
        """KL to the uniform prior, in nats: (B,)."""
        return (q.probs * (numpy.log(self.categories) + _log_softmax(q.logits))).sum(axis=(-2, -1))  # Eq. 13.3

    def divergence_slope(self, q):
        """Its gradient in the logits: (B, D, K)."""
        log_p = _log_softmax(q.logits)
        return q.probs * (log_p - (q.probs * log_p).sum(axis=-1, keepdims=True))  # Eq. 13.4


def _log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Likelihood:
    """f: the log-likelihood of the images, as a function of the code.

    Parameters
    ----------
    weights : list
        Of the decoder.
    pixels : (B, 64) or (64,) ndarray
    code : Bits or Symbols
    """

    weights: Any
    pixels: Any
    code: Any

    def __call__(self, z):
        """Nats: (..., B) for codes (..., B, *event_shape); for one image (...) for (..., *event_shape)."""
        side = 1 - 2 * self.pixels
        return -np.sum(softplus(side * forward(self.weights, self.code.flat(z))), axis=-1)  # Eq. 13.2


@dataclass(frozen=True)
class Vae:
    """Encoder, decoder and code; immutable."""

    code: Any
    encoder: Model
    decoder: Model

    def q(self, pixels):
        """The distribution of the code of each image."""
        return self.code.q(forward(self.encoder.weights, pixels))

    def likelihood(self, pixels):
        """f of some images."""
        return Likelihood(self.decoder.weights, pixels, self.code)


def untrained(code, rng):
    """Networks of one hidden layer each."""
    encoder = Model(layers([PIXELS, HIDDEN, code.width], rng), Adam(RATE))
    return Vae(code, encoder, Model(layers([code.width, HIDDEN, PIXELS], rng), Adam(RATE)))
