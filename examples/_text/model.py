"""A recurrent generator of words, and a discriminator, as functions of their weights."""

import autograd.numpy as np
import numpy
from _shared.networks import forward, layers, log_softmax, softplus

from _text.words import KINDS, PLACES

INPUTS, HIDDEN, SEEN_BY = 16, 48, 64  # noise of a word; units of the generator; units of the discriminator


def first_generator(rng):
    """Weights of the recurrence, of its input, of its output, and a shift for each place."""
    (into, _), (out, shift) = layers((INPUTS, HIDDEN, KINDS), rng, last=0.5)
    ((around, _),) = layers((HIDDEN, HIDDEN), rng)
    return into, around, numpy.zeros((PLACES, HIDDEN)), out, shift


def first_discriminator(rng):
    """Weights of one hidden layer."""
    return layers((PLACES * KINDS, SEEN_BY, 1), rng)


def logits(weights, x):
    """Logits (B, 4, 27) of the letters given the noise x (B, 16). Eq. 15.1.

    No letter is fed back: given x the letters are independent, and one row of logits is all of q.
    """
    into, around, place, out, shift = weights
    driven, hidden = np.dot(x, into), []
    for t in range(PLACES):
        hidden.append(np.tanh(driven + place[t] + (np.dot(hidden[-1], around) if t else 0)))
    states = np.reshape(np.concatenate(hidden, axis=1), (len(x), PLACES, HIDDEN))
    return np.dot(states, out) + shift


def realness(weights, z):
    """Logit (...) that words z (..., 4, 27) are real and not generated: the f of the generator. Eq. 15.3."""
    return forward(weights, np.reshape(z, (*np.shape(z)[:-2], PLACES * KINDS)))[..., 0]


def alike(logits):
    """Log of the chance that words of two x are the same one, from rows (B, 4, 27) of logits. Eq. 15.10."""
    probs, same = np.exp(log_softmax(logits)), 1 - numpy.eye(len(logits))
    for t in range(PLACES):
        same = same * np.dot(probs[:, t], probs[:, t].T)
    return np.log(np.sum(same) / (len(logits) * (len(logits) - 1)))


def told_apart(weights, real, fake):
    """What the discriminator ascends, from as many real words (m, 4, 27) as generated ones (m, 4, 27). Eq. 15.2."""
    sign = numpy.concatenate([-numpy.ones(len(real)), numpy.ones(len(fake))])
    return -2 * np.mean(softplus(sign * realness(weights, numpy.concatenate([real, fake]))))
