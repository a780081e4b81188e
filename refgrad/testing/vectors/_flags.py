"""Which mistake a test catches, and what is said of it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing.mistakes import mistakes
from refgrad.testing.vectors._settings import distribution_of, made, objective_of
from refgrad.testing.vectors._situations import SITUATIONS

__all__ = ["answer_of", "caught", "estimate", "notes", "slipped"]

CLEAR = 10  # tolerances of float32 that a mistake is off by, where a test is said to catch it


def notes() -> dict[str, dict[str, str]]:
    """A note for every flag: situations first, then the catalogue of mistakes."""
    found = {}
    for situation in SITUATIONS:
        description = situation.description or "Logits and noise as they come."
        found[situation.flag] = {
            "bug": situation.bug or "none in particular",
            "description": description,
            "effect": situation.effect or "any",
        }
    for mistake in mistakes():
        doc = inspect.getdoc(type(mistake.estimator)) or ""
        description = f"{doc.splitlines()[0]} Seen in: {mistake.seen_in}."
        found[mistake.name] = {"bug": mistake.bug, "description": description, "effect": mistake.effect}
    return found


def caught(group: dict[str, Any], test: dict[str, Any]) -> list[str]:
    """Names of the known mistakes that are off by far on a test; of a design, those of the mean."""
    expected, limit = np.array(answer_of(test["expected"])), CLEAR * test["atol"]["float32"]
    found = []
    for name, wrong in slipped(group, mean="weights" in test).items():
        given = estimate(wrong, group, test)
        if given is not None and not (np.abs(given - expected) <= limit).all():
            found.append(name)
    return found


def answer_of(values: dict[str, Any]) -> Any:
    """What is asked for, among other values: the gradient, or the mean of a design."""
    return values.get("gradient", values.get("mean"))


def slipped(group: dict[str, Any], *, mean: bool = False) -> dict[str, Estimator]:
    """Known mistakes that can be made with the settings of a group, by name: of as many draws, or fewer.

    Parameters
    ----------
    group : dict
    mean : bool
        Only those that change the mean.

    Returns
    -------
    dict of Estimator
    """
    right, found = made(group), {}
    for mistake in mistakes(group["family"]):
        if type(mistake.of) is type(right) and not (mean and mistake.effect == "variance"):
            try:
                own = mistake.like(right).estimator
            except ValueError:
                continue
            if own.draws <= right.draws:
                found[mistake.name] = own
    return found


def estimate(estimator: Estimator, group: dict[str, Any], test: dict[str, Any]) -> Array | None:
    """What an estimator of the package returns on a test, of a design its mean; None where the logits forbid it.

    Parameters
    ----------
    estimator : Estimator
        Of no more draws than the test has.
    group, test : dict

    Returns
    -------
    (*event_shape) ndarray of float64, or None
    """
    q, weights = distribution_of(group, test["logits"]), np.array(test.get("weights", [1.0]))
    noise = np.reshape(np.array(test["noise"], dtype=float), (len(test["noise"]), len(weights), *q.event_shape))
    try:
        with np.errstate(all="ignore"):
            rows = estimator(q, objective_of(group), noise[: estimator.draws])
            return np.tensordot(weights, rows, axes=1) if "weights" in test else np.asarray(rows)[0]
    except ValueError:
        return None
