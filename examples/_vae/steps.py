"""One step of training, by an estimator or by enumeration: Eq. 13.7 and 13.8."""

from dataclasses import replace

import autograd.numpy as np
import numpy
from _shared.networks import forward, softplus
from _shared.training import Counted, learned, shown

from _vae.bound import gradient
from _vae.control import shown_to
from _vae.model import Likelihood

REPEATS = 2  # of every image in a step: two estimates are enough to see their variance


class Kept:
    """f that remembers what it was worth at the codes that it was last shown: an update asks again.

    Parameters
    ----------
    f : callable
    """

    def __init__(self, f):
        self.f, self.z, self.value = f, None, None

    def __call__(self, z):
        if isinstance(z, numpy.ndarray):
            if self.z is None or not numpy.array_equal(z, self.z):
                self.z, self.value = z, self.f(z)
            return self.value
        return self.f(z)  # autograd is there to differentiate


def sampled(vae, estimator, pixels, rng):
    """Train on a batch with an estimator.

    Returns
    -------
    vae, estimator
        Of the next step.
    rows, to_learn : int
        Evaluations of the decoder: one for each code that it was shown, one more where it is differentiated in the
        code, and one more where it is differentiated in its weights. Of them, those of the estimator's own update,
        which it could do without.
    variances : (B,) ndarray
        An unbiased estimate of the total variance of the estimator, for each image.
    """
    counted = Counted(vae.likelihood(pixels))
    f = Kept(counted)
    outputs, back = vae.encoder.back(lambda weights: forward(weights, pixels))
    q, estimator = vae.code.q(outputs), shown_to(estimator, pixels)
    noise = estimator.draw_noise(q, REPEATS, rng)
    estimates = estimator(q, f, noise)  # (REPEATS, B, *event_shape)
    z = shown(estimator, q, noise)
    before = counted.rows
    after = learned(estimator, q, f, noise)
    to_learn = counted.rows - before
    slope = (estimates.mean(axis=0) - vae.code.divergence_slope(q)) / len(pixels)
    _, back_decoder = vae.decoder.back(lambda weights: np.mean(Likelihood(weights, pixels, vae.code)(z)))
    moved = replace(
        vae,
        encoder=vae.encoder.ascend(back(slope.reshape(outputs.shape))),
        decoder=vae.decoder.ascend(back_decoder(1.0)),
    )
    differences = ((estimates[0] - estimates[1]) ** 2).reshape(len(pixels), -1)
    rows = counted.rows + z.shape[0] * z.shape[1]
    return moved, after, (rows, to_learn), differences.sum(axis=1) / 2  # Eq. 13.8


def enumerated(vae, pixels):
    """Train on a batch with exact gradients; returns the VAE and the evaluations of the decoder."""
    outputs, back = vae.encoder.back(lambda weights: forward(weights, pixels))
    q, codes = vae.code.q(outputs), vae.code.flat(vae.code.support())
    slope = (gradient(vae, pixels) - vae.code.divergence_slope(q)) / len(pixels)
    share = numpy.exp(vae.code.log_probs(q)) / len(pixels)  # (B, codes)

    def likelihood(weights):
        inks = forward(weights, codes)
        return np.sum((share.T @ pixels) * inks) - np.sum(share.sum(axis=0)[:, None] * softplus(inks))

    _, back_decoder = vae.decoder.back(likelihood)
    moved = replace(
        vae,
        encoder=vae.encoder.ascend(back(slope.reshape(outputs.shape))),
        decoder=vae.decoder.ascend(back_decoder(1.0)),
    )
    return moved, 2 * len(codes)
