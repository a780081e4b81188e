"""Where the exact mean of Gumbel-Softmax vanishes on the toy: it stands still, at no minimum of the loss."""

import numpy as np
from scipy.special import expit

from refgrad import Bernoulli, exact
from refgrad.estimators import Estimator, GumbelSoftmax
from refgrad.estimators._base import Claims
from refgrad.objectives import SquaredError

FARTHEST = -30.0  # logit that counts as solved


def mean(target, temperature, logit):
    """Exact mean of one estimate."""
    return float(exact.moments(GumbelSoftmax(temperature), Bernoulli([logit]), SquaredError(target)).mean[0])


def probability(target, temperature):
    """The p at which the mean changes its sign, from right above to wrong below; 0 where it never does."""
    from scipy.optimize import brentq  # noqa: PLC0415  (loaded when needed)

    if temperature <= 1 - 2 * target:  # Eq. 12.4
        return 0.0
    low = -1.0
    while mean(target, temperature, low) > 0:
        low *= 2
        if low < FARTHEST:
            return 0.0
    return float(expit(brentq(lambda logit: mean(target, temperature, logit), low, 0.0, xtol=1e-6)))


class RelaxedLoss(Estimator):
    """f at the relaxed sample, repeated for every component: its exact moments are those of what is trained."""

    claims = Claims(unbiased=False, differentiates_f=True, reads=("smooth",))

    def __init__(self, temperature):
        self.temperature = temperature

    def __call__(self, q, f, noise):
        """Values in the shape of the logits."""
        f, (noise,) = self._prepare(q, f, noise)
        return f(q.relax(noise, self.temperature))[..., None] + np.zeros(np.shape(noise))


def relaxed_loss(estimator, logits, f):
    """Exact value of the objective that a relaxation trains, at one row of logits."""
    q = Bernoulli(logits)
    if not estimator.draws:
        return float(f(q.probs))
    return float(exact.moments(RelaxedLoss(estimator.temperature), q, f).mean[0])
