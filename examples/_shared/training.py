"""One step of amortised training: a row of logits for each datum, an estimate of its gradient, back to the weights."""

from dataclasses import replace

import numpy as np

from refgrad.estimators import GumbelSoftmax, MeanSubstitution


def shown(estimator, q, noise):
    """The z at which an estimator's objective is trained: a sample, or what stands for it in a relaxation."""
    if isinstance(estimator, MeanSubstitution):
        return q.probs[None]
    if isinstance(estimator, GumbelSoftmax):
        return q.relax(noise[0], estimator.temperature)
    return q.sample(noise[0])


def with_features(estimator, features):
    """The estimator for another batch: NVIL's baseline sees the data, the others nothing."""
    return replace(estimator, features=features) if hasattr(estimator, "features") else estimator


def learned(estimator, q, f, noise):
    """The estimator of the next step, if it learns."""
    return estimator.update(q, f, noise) if hasattr(estimator, "update") else estimator


class Counted:
    """A function of z that counts the rows it was shown: each evaluation one, each derivative one more.

    Parameters
    ----------
    f : callable
        From z (..., *event_shape) to (...), in autograd.numpy.
    """

    def __init__(self, f):
        self.f, self.rows = f, 0

    def __call__(self, z):
        value = self.f(z)
        followed = hasattr(value, "_value")  # autograd is there to differentiate
        self.rows += int(np.prod(np.shape(value))) * (2 if followed else 1)
        return value
