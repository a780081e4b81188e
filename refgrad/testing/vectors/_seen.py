"""Which mistakes a design shows: the weighted sum of what a wrong estimator returns at its nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing.mistakes import mistakes
from refgrad.testing.vectors._flags import CLEAR
from refgrad.testing.vectors._settings import distribution_of, made, objective_of

__all__ = ["seen", "weighted"]


def weighted(estimator: Estimator, group: dict[str, Any], test: dict[str, Any]) -> Array:
    """The mean of an estimator of the package, by the design.

    Parameters
    ----------
    estimator : Estimator
        Of no more draws than the design has.
    group, test : dict

    Returns
    -------
    (*event_shape) ndarray of float64

    Raises
    ------
    ValueError
        If the logits are not for it.
    """
    q, f, weights = distribution_of(group, test["logits"]), objective_of(group), np.array(test["weights"])
    noise = np.array(test["noise"], dtype=float).reshape(len(test["noise"]), len(weights), *q.event_shape)
    with np.errstate(all="ignore"):
        return np.tensordot(weights, estimator(q, f, noise[: estimator.draws]), axes=1)


def seen(group: dict[str, Any], test: dict[str, Any]) -> list[str]:
    """Names of the known mistakes of the mean whose weighted sum is off by far."""
    right, found = made(group), []
    expected, limit = np.array(test["expected"]["mean"]), CLEAR * test["atol"]["float32"]
    for mistake in mistakes(group["family"]):
        if type(mistake.of) is not type(right) or mistake.effect == "variance":
            continue
        try:
            own = mistake.like(right).estimator
            if own.draws <= right.draws and not (np.abs(weighted(own, group, test) - expected) <= limit).all():
                found.append(mistake.name)
        except ValueError:  # it cannot be made with these settings, or of these logits
            continue
    return found
