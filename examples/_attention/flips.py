"""The gradient with hardly any noise left: every patch is tried both ways. Derivation 14, Eq. 14.8."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refgrad import Bernoulli
from refgrad.estimators import Claims, Estimator


@dataclass(frozen=True)
class Flips(Estimator):
    """What f gains by each patch, with the others as they were drawn; f is evaluated D + 1 times for one estimate."""

    claims: ClassVar[Claims] = Claims(unbiased=True, families=("bernoulli",), derivation="14-hard-attention")

    def __call__(self, q, f, noise):
        """Estimates in the shape of the logits."""
        f, (noise,) = self._prepare(q, f, noise)
        z = q.sample(noise)
        size = z.shape[-1]
        flipped = np.abs(z - np.eye(size).reshape(size, *(1,) * (z.ndim - 1), size))  # (D, ..., D)
        gain = (2 * z - 1) * (f(z)[..., None] - np.moveaxis(f(flipped), 0, -1))
        return q.probs * Bernoulli(-q.logits).probs * gain  # Eq. 14.8
