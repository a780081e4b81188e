"""Whether a peer answers what refgrad does."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

DEVIATIONS = 6  # of a mean, or of a random walk of roundings


def same_gradient(gradient: Any, size: int, largest: float) -> Callable[[Mapping[str, Any], str], str | None]:
    """Compare with the exact gradient: a sum of so many values rounds like a random walk."""

    def check(answer: Mapping[str, Any], precision: str) -> str | None:
        slack = DEVIATIONS * np.sqrt(size) * np.finfo(precision).eps * largest
        off = _distance(answer["gradient"], gradient)
        return None if off <= slack else f"its gradient is off by {off:.2g}, and roundings explain {slack:.2g}"

    return check


def same_mean(rows: Any) -> Callable[[Mapping[str, Any], str], str | None]:
    """Compare means of estimates with that of our own rows."""
    mean, error = rows.mean(axis=0), rows.std(axis=0) / np.sqrt(len(rows))

    def check(answer: Mapping[str, Any], precision: str) -> str | None:
        both = np.hypot(error, answer["error"]) if np.shape(answer["error"]) == mean.shape else 1.0
        off = _distance(np.asarray(answer["mean"]) / both, mean / both)
        return None if off <= DEVIATIONS else f"its mean is off by {off:.1f} standard errors"

    return check


def _distance(one: Any, other: Any) -> float:
    if np.shape(one) != np.shape(other):
        return float("inf")
    distance = np.abs(np.asarray(one) - other).max()
    return float(distance) if np.isfinite(distance) else float("inf")
