"""REBAR and Gumbel-Softmax by hand in single precision: every array is float32, and so is every constant."""

import numpy as np


def single(x):
    return np.asarray(x, dtype=np.float32)


def sigmoid(x):
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, single(1), decay) / (1 + decay)


def softplus(x):
    return np.logaddexp(single(0), x)


def softmax(x):
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


class Interacting:
    """The objective of that name, with its gradient, in single precision."""

    def __init__(self, f):
        self.constant, self.parts = single(f.constant), [single(x) for x in (f.squares, f.pairs, f.triples, f.bounded)]
        self.axes = tuple(range(-f.squares.ndim, 0))

    def products(self, z):
        return [(z * part).sum(axis=self.axes, keepdims=True) for part in self.parts[1:]]

    def __call__(self, z):
        pair, triple, bound = self.products(z)
        squares = (z * z * self.parts[0]).sum(axis=self.axes, keepdims=True)
        return self.constant + squares + pair * pair + triple * triple * triple + 1 / (1 + bound * bound)

    def grad(self, z):
        (pair, triple, bound), (squares, pairs, triples, bounded) = self.products(z), self.parts
        slope = 2 * z * squares + 2 * pair * pairs + 3 * triple * triple * triples
        return slope - 2 * bound / ((1 + bound * bound) * (1 + bound * bound)) * bounded


def relaxed(q, logits, noise, f, temperature):
    """Value (..., 1) at the relaxed sample, and derivative in `logits + noise`."""
    x = (logits + noise) / temperature
    y = sigmoid(x) if q.event_ndim == 1 else softmax(x)
    slope = f.grad(y)
    if q.event_ndim == 1:
        return f(y), slope * y * (1 - y) / temperature
    return f(y), y * (slope - (y * slope).sum(axis=-1, keepdims=True)) / temperature


def gumbel_softmax(problem, noise, temperature):
    _, slope = relaxed(problem.q, single(problem.logits), single(noise[0]), Interacting(problem.f), single(temperature))
    return slope


def rebar(problem, noise, temperature, coefficient):
    q, logits, f = problem.q, single(problem.logits), Interacting(problem.f)
    (noise, fresh), temperature, coefficient = single(noise), single(temperature), single(coefficient)
    _, slope = relaxed(q, logits, noise, f, temperature)
    given = given_bernoulli if q.event_ndim == 1 else given_categorical
    z, probs, noise_given, carried = given(logits, noise, fresh)
    value_z, direct = relaxed(q, logits, noise_given, f, temperature)
    slope_z = direct + carried(direct)
    return (f(z) - coefficient * value_z) * (z - probs) + coefficient * (slope - slope_z)


def given_bernoulli(logits, noise, fresh):
    z = single(logits + noise > 0)
    side = 2 * z - 1
    own, v = side * logits, side * fresh
    noise_given = side * (softplus(v) + np.logaddexp(-own, -softplus(-v)))
    return z, sigmoid(logits), noise_given, lambda slope: -slope * sigmoid(softplus(-v) - own)


def given_categorical(logits, noise, fresh):
    z = single(np.argmax(logits + noise, axis=-1)[..., None] == np.arange(logits.shape[-1]))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    probs, winner = np.exp(log_probs), (z * fresh).sum(axis=-1, keepdims=True)
    noise_given = np.where(z == 1, fresh - log_probs, -np.logaddexp(log_probs - winner, -fresh))
    share = np.where(z == 1, single(1), sigmoid(log_probs - winner + fresh))

    def carried(slope):
        back = slope * share
        return probs * back.sum(axis=-1, keepdims=True) - back

    return z, probs, noise_given, carried
