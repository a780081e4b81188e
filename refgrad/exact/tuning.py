"""The temperature and coefficient of least variance, by scipy.optimize on the exact moments: derivation 09."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.exact.moments import moments

if TYPE_CHECKING:
    from refgrad.estimators import Estimator

__all__ = ["tuned"]

Tunable = TypeVar("Tunable", bound="Estimator")

GRID = 9  # temperatures that are tried before the best of them is refined


def tuned(
    estimator: Tunable,
    q: Distribution,
    f: Callable[[Any], Any],
    *,
    bounds: tuple[float, float] = (0.05, 20.0),
    **options: Any,
) -> Tunable:
    """Find the temperature and the coefficient with the least total variance.

    The best coefficient at a temperature is in closed form (Eq. 03.5); over the log temperature a grid is refined
    around its best point.

    Parameters
    ----------
    estimator : Rebar or Relax
        Unbiased, with the fields `temperature` and `coefficient`, linear in the coefficient.
    q : Distribution
        One row of logits; small, as every step is an exact integral.
    f : callable
    bounds : (float, float)
        Of the temperature. Where the variance falls towards zero or infinity the result is at the bound.
    **options
        As in `moments`.

    Returns
    -------
    Estimator
        A new one, of the same class. Derivation 09, Eq. 09.6.

    Raises
    ------
    TypeError
        If the estimator has no temperature or no coefficient.
    ValueError
        If the bounds are not positive and increasing, or as in `moments`.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  (loaded when needed)

    if not (hasattr(estimator, "temperature") and hasattr(estimator, "coefficient")):
        raise TypeError(f"tuned needs an estimator with a temperature and a coefficient, but it is {estimator!r}")
    low, high = bounds
    if not 0 < low < high < np.inf:
        raise ValueError(f"tuned needs bounds with 0 < low < high, but they are {bounds}")

    def total(temperature: float, coefficient: float) -> float:
        moved: Any = replace(estimator, temperature=temperature, coefficient=coefficient)  # type: ignore[type-var]
        return float(moments(moved, q, f, **options).variance.sum())

    without = total(1.0, 0.0)  # the temperature does not matter here

    def best(log_temperature: float) -> tuple[float, float]:
        """Coefficient, and variance, at the minimum of the parabola through -1, 0 and 1."""
        minus, plus = (total(np.exp(log_temperature), c) for c in (-1.0, 1.0))
        slope, curvature = (plus - minus) / 2, (plus + minus) / 2 - without
        if curvature <= 64 * np.finfo(float).eps * (plus + minus):
            return 0.0, without  # the control variate never varies
        return -slope / (2 * curvature), without - slope**2 / (4 * curvature)

    grid = np.linspace(np.log(low), np.log(high), GRID)
    around = int(np.argmin([best(x)[1] for x in grid]))
    bracket = grid[max(0, around - 1)], grid[min(GRID - 1, around + 1)]
    found = minimize_scalar(lambda x: best(x)[1], bounds=bracket, method="bounded", options={"xatol": 1e-6})
    at = min((found.x, *bracket), key=lambda x: best(x)[1])
    return replace(estimator, temperature=float(np.exp(at)), coefficient=best(at)[0])  # type: ignore[type-var]
