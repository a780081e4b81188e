"""An exponent: least squares in logs, and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Fit:
    """`y = factor * x**exponent`, from so many points; `low` and `high` are the limits of the exponent."""

    exponent: float
    low: float
    high: float
    factor: float
    points: int


def fit(x: Sequence[float], y: Sequence[float]) -> Fit:
    """Fit a straight line in logs.

    Raises
    ------
    ValueError
        If there are fewer than three points, or a number is not positive.
    """
    if len(x) < 3 or len(x) != len(y) or min(*x, *y) <= 0:
        raise ValueError(f"an exponent needs three points or more, all positive, but x is {x} and y is {y}")
    from scipy.special import stdtrit  # noqa: PLC0415  (a run of the rows alone does without)

    u, v = np.log(x), np.log(y)
    spread = u - u.mean()
    exponent = float(spread @ v / (spread @ spread))
    rest = v - v.mean() - exponent * spread
    free = len(x) - 2
    width = float(stdtrit(free, (1 + LEVEL) / 2)) * sqrt(rest @ rest / free / (spread @ spread))
    factor = float(np.exp(v.mean() - exponent * u.mean()))
    return Fit(exponent, exponent - width, exponent + width, factor, len(x))
