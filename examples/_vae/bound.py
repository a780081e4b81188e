"""The bound, exactly: with few codes it is a sum over all of them, for all images in one product: Eq. 13.5 to 13.7."""

import numpy as np
from _shared.networks import forward, softplus
from _shared.training import shown


def table(vae, pixels):
    """Log-likelihood of every image under every code: (B, codes); the decoder is run once for each code."""
    inks = forward(vae.decoder.weights, vae.code.flat(vae.code.support()))  # (codes, 64)
    return pixels @ inks.T - softplus(inks).sum(axis=-1)


def evidence_bound(vae, pixels):
    """Mean ELBO of the images, in nats."""
    q = vae.q(pixels)
    weights = np.exp(vae.code.log_probs(q))
    return float(((weights * table(vae, pixels)).sum(axis=1) - vae.code.divergence(q)).mean())  # Eq. 13.5


def log_evidence(vae, pixels):
    """Mean log-likelihood of the images under the prior, in nats: what the ELBO bounds."""
    values = table(vae, pixels)
    top = values.max(axis=1)
    return float((top + np.log(np.exp(values - top[:, None]).mean(axis=1))).mean())  # Eq. 13.6


def gradient(vae, pixels):
    """Gradient of the first term of every row's ELBO in its logits, by enumeration: (B, *event_shape)."""
    q, values = vae.q(pixels), table(vae, pixels)
    weights = np.exp(vae.code.log_probs(q))
    away = values - (weights * values).sum(axis=1, keepdims=True)
    codes = vae.code.support()
    scores = q.score(codes[:, None])  # (codes, B, *event_shape)
    return (q.expand((weights * away).T) * scores).sum(axis=0)  # Eq. 13.7


def relaxed_bound(vae, estimator, pixels, rng, n=16):
    """What a relaxation is trained on: f at its relaxed codes; mean and standard error, in nats."""
    q = vae.q(pixels)
    z = shown(estimator, q, estimator.draw_noise(q, n, rng))
    values = (vae.likelihood(pixels)(z) - vae.code.divergence(q)).mean(axis=1)  # (n,), Eq. 13.10
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean()), float(error)
