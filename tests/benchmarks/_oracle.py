"""The value and the gradient of the oracle, beside sums over every configuration in many digits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from _digits import figures
from mpmath import mp, mpf

from refgrad import exact
from refgrad.objectives import Table
from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import flat, sub


def oracle_figures(q: Any, rng: np.random.Generator) -> dict[str, float]:
    """Largest figure of each; the values of f are inputs, and one may be 1e16 times the others."""
    values = rng.normal(size=q.support_size)
    values[rng.integers(len(values))] *= rng.choice([1.0, 1e16])
    f = Table(values, event_shape=q.event_shape)
    inputs = {"logits": q.logits, "values": values}

    def truth(given: Mapping[str, Any]) -> list[Any]:
        """`sum_z q(z) f(z)`, and the same times `z - probs`."""
        own = distribution(q.family, flat(given["logits"]), q.event_shape)
        probs, value, gradient = own.probs, mpf(0), [mpf(0)] * q.logits.size
        for z, f_z in zip(own.support(), given["values"], strict=True):
            factors = (p if one else 1 - p for p, one in zip(probs, z, strict=True) if one or q.event_ndim == 1)
            weight = mp.fprod(factors) * f_z
            value += weight
            gradient = [x + weight * s for x, s in zip(gradient, sub(z, probs), strict=True)]
        return [value, *gradient]

    found = figures([exact.value(q, f), *exact.gradient(q, f).ravel()], truth, inputs)
    return {"exact.value": found[0], "exact.gradient": max(found[1:])}
