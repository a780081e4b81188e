"""The variance that training saw, against the exact one of the same rows at the same step: Eq. 13.8 and 13.11."""

from dataclasses import dataclass

import numpy as np

from _vae.control import shown_to

MOST = 2**13  # codes times rows that one audit looks at


@dataclass(frozen=True)
class Audit:
    """Total variance of some rows of one step: mean of the estimates that training made, and what is exact.

    Parameters
    ----------
    epoch, rows : int
    seen, exact : float
    deviation : float
        Exact standard deviation of `seen`.
    """

    epoch: int
    rows: int
    seen: float
    exact: float
    deviation: float


def applies(estimator):
    """Whether all of its noise is read through z alone, so that a sum over the codes is its exact moments."""
    return set(estimator.claims.reads) == {"z"}


def audit(vae, estimator, pixels, seen, epoch):
    """Judge the estimates of a step, `seen` (B,), by the networks and the estimator that it began with."""
    rows = min(len(seen), max(1, MOST // len(vae.code.support())))
    variance, deviation = of_pairs(vae, estimator, pixels[:rows])
    of_mean = np.linalg.norm(deviation) / rows
    return Audit(epoch, rows, float(seen[:rows].mean()), float(variance.mean()), float(of_mean))


def of_pairs(vae, estimator, pixels):
    """Exact mean and standard deviation of `|g - g'|**2 / 2` for every row: (B,) each."""
    q, estimator, codes = vae.q(pixels), shown_to(estimator, pixels), vae.code.support()
    z = np.broadcast_to(codes[:, None], (len(codes), *q.logits.shape))
    estimates = estimator(q, vae.likelihood(pixels), q.noise_given(z, np.zeros(z.shape))[None])
    rows = np.moveaxis(estimates.reshape(len(codes), len(pixels), -1), 0, 1)  # (B, codes, size)
    weights = np.exp(vae.code.log_probs(q))  # (B, codes)
    away = rows - np.einsum("bi,bid->bd", weights, rows)[:, None]
    square = (away**2).sum(axis=-1)
    covariance = np.einsum("bi,bid,bie->bde", weights, away, away)
    variance, fourth = (weights * square).sum(axis=1), (weights * square**2).sum(axis=1)
    of_pair = (fourth - variance**2) / 2 + (covariance**2).sum(axis=(1, 2))  # Eq. 13.11
    return variance, np.sqrt(of_pair)


def ratio(audits):
    """Seen over exact, mean over the steps, and its exact standard error."""
    return (
        float(np.mean([one.seen / one.exact for one in audits])),
        float(np.linalg.norm([one.deviation / one.exact for one in audits]) / len(audits)),
    )


def watched_ratios(probes, saw):
    """Estimates of training over the exact variance of the same image at that time, from the first epoch on.

    Parameters
    ----------
    probes : list of Probe
        The exact variance between two of them is taken log-linear in the logarithm of the epoch.
    saw : list of (float, int, float)
        Epoch, which of the watched images, and the estimate.

    Returns
    -------
    (pairs,) ndarray
        Empty where the oracle gave nothing to compare with.
    """
    known = [probe for probe in probes if probe.exact and probe.epoch > 0]
    if len(known) < 2 or not np.all([probe.variance > 0 for probe in known]):
        return np.empty(0)
    epochs, logs = np.log([probe.epoch for probe in known]), np.log([probe.variance for probe in known])
    late = [one for one in saw if known[0].epoch <= one[0] <= known[-1].epoch]
    return np.array([value / np.exp(np.interp(np.log(at), epochs, logs[:, image])) for at, image, value in late])
