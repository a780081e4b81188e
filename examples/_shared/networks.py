"""Networks as functions of one vector of weights; autograd differentiates them, refgrad's Adam moves them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import autograd.numpy as np
import numpy
from autograd.core import make_vjp
from autograd.misc import flatten

from refgrad.estimators import Adam


def layers(sizes, rng, last=1.0):
    """Weights and shifts of a network with these numbers of units, the last layer scaled by `last`."""
    scales = [1.0] * (len(sizes) - 2) + [last]
    return [
        (scale * rng.normal(size=(inputs, outputs)) / numpy.sqrt(inputs), numpy.zeros(outputs))
        for inputs, outputs, scale in zip(sizes[:-1], sizes[1:], scales, strict=True)
    ]


def forward(weights, x):
    """Hidden layers of tanh, a linear last one: (..., inputs) to (..., outputs)."""
    for matrix, shift in weights[:-1]:
        x = np.tanh(np.dot(x, matrix) + shift)
    matrix, shift = weights[-1]
    return np.dot(x, matrix) + shift


def softplus(x):
    """log(1 + exp(x)), and its derivatives, without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def log_softmax(x):
    """Log-probabilities of the last axis."""
    x = x - np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


@dataclass(frozen=True)
class Model:
    """Weights of any structure, and the optimiser that moves them; immutable."""

    weights: Any
    optimizer: Adam

    @cached_property
    def _flat(self):
        """All weights as one vector, and the way back."""
        return flatten(self.weights)

    def back(self, output):
        """Value of `output(weights)`, and the map from a gradient in the value to the flat gradient in the weights."""
        flat, unflatten = self._flat
        backward, value = make_vjp(lambda flat: output(unflatten(flat)), flat)
        return value, backward

    def ascend(self, gradient):
        """The model after one step up a flat gradient."""
        flat, unflatten = self._flat
        moved, optimizer = self.optimizer.step(flat, -gradient)
        return replace(self, weights=unflatten(moved), optimizer=optimizer)
