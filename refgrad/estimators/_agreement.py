"""A control variate with a tractable mean, for any number of variables: the example of page 03."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions import Distribution

__all__ = ["Agreement"]


@dataclass(frozen=True)
class Agreement:
    """An example of a control variate and its mean: how many pairs of variables are both one, or agree. Eq. 03.6.

    Parameters
    ----------
    event_ndim : {1, 2}
        1 for Bernoulli, 2 for Categorical.
    """

    event_ndim: int

    @property
    def families(self) -> tuple[str, ...]:
        """What it serves."""
        return ("bernoulli",) if self.event_ndim == 1 else ("categorical",)

    def __call__(self, z: Any) -> Any:
        """Return the number of pairs: (...), from z of shape (..., *event_shape)."""
        return self._pairs(z)

    def mean(self, q: Distribution) -> Any:
        """Return its mean under q: (*batch_shape,). The variables are independent, so it is the same polynomial."""
        return self._pairs(q.probs)

    def _pairs(self, x: Any) -> Any:
        if self.event_ndim == 1:
            products = x[..., :, None] * x[..., None, :]
        else:
            products = (x[..., :, None, :] * x[..., None, :, :]).sum(-1)
        return (np.triu(np.ones(products.shape[-2:]), 1) * products).sum((-2, -1))  # Eq. 03.6
