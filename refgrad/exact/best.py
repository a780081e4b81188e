"""The best constant and the best coefficient of a control variate, exactly: derivations 03 and 04."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._factors import factors
from refgrad.exact.enumeration import conditional_means, value
from refgrad.exact.moments import moments

if TYPE_CHECKING:
    from refgrad.estimators import Estimator

__all__ = ["best_coefficient", "best_constant", "best_value_coefficient"]


def best_constant(q: Distribution, f: Callable[[Any], Any], *, per_component: bool = False) -> Any:
    """Constant baseline with the least variance of REINFORCE.

    Parameters
    ----------
    q : Distribution
        One row of logits.
    f : callable
        From (n, *event_shape) to (n,).
    per_component : bool
        One constant for each component, in place of one that minimises the sum of their variances.

    Returns
    -------
    float, or (*event_shape,) ndarray of float64
        Units of f. A component whose score never varies (a masked category, a certain one) takes the mean of f.
        Derivation 04, Eq. 04.3 and 04.4.

    Raises
    ------
    ValueError, TypeError
        As in `value`.

    Examples
    --------
    >>> from refgrad import Bernoulli, objectives
    >>> print(best_constant(Bernoulli([0.0]), objectives.SquaredError(0.25)))
    0.3125
    """
    parts = factors(q)
    constants, weights = np.zeros((2, *q.event_shape))
    for row, (part, means) in enumerate(zip(parts, conditional_means(parts, f), strict=True)):
        probs, others = part.probs, -np.expm1(part.log_probs)
        total = probs @ means
        constants[row] = total
        # E[f | not k], from the other values alone: nothing is taken from a whole.
        rest = np.where(np.eye(len(part), dtype=bool), 0.0, probs * means).sum(axis=1)
        without = np.divide(rest, others, out=np.full(len(part), total), where=others > 0)
        best = np.where(others > 0, others * means + probs * without, total)
        if q.event_ndim == 1:
            constants[row], weights[row] = best[1], probs[1] * others[1]
        else:
            constants[row, part.columns], weights[row, part.columns] = best, probs * others
    if per_component:
        return constants
    return float((constants * weights).sum() / weights.sum()) if weights.any() else value(q, f)


def best_value_coefficient(q: Distribution, f: Callable[[Any], Any], control_variate: Callable[[Any], Any]) -> float:
    """Coefficient of a control variate with the least variance of `f - coefficient * (control_variate - mean)`.

    Parameters
    ----------
    q : Distribution
        One row of logits.
    f, control_variate : callable
        From (n, *event_shape) to (n,).

    Returns
    -------
    float
        `Cov[f, control_variate] / Var[control_variate]`; zero for a control variate that never varies. Derivation 03,
        Eq. 03.2.

    Raises
    ------
    ValueError, TypeError
        As in `value`.
    """
    middle, center = value(q, f), value(q, control_variate)
    covariance = value(q, lambda z: (f(z) - middle) * (control_variate(z) - center))
    variance = value(q, lambda z: (control_variate(z) - center) ** 2)
    return covariance / variance if variance > 0 else 0.0


def best_coefficient(
    estimator: "Estimator", q: Distribution, f: Callable[[Any], Any], *, weights: Array | None = None, **options: Any
) -> float:
    """Coefficient with the least total variance of an estimator that has the field `coefficient` and is linear in it.

    Parameters
    ----------
    estimator : Estimator
        `ControlVariate`, `Rebar` or `Relax`.
    q : Distribution
        One row of logits.
    f : callable
    weights : (*event_shape,) ndarray of float64, optional
        Of the variances of the components in the sum. Default: ones.
    **options
        As in `moments`.

    Returns
    -------
    float
        The minimum of the parabola through the exact variances at -1, 0 and 1. Derivation 03, Eq. 03.5.

    Raises
    ------
    TypeError
        If the estimator has no coefficient.
    ValueError
        If the variance does not depend on the coefficient, or as in `moments`.
    """
    if not hasattr(estimator, "coefficient"):
        raise TypeError(f"best_coefficient needs an estimator with a coefficient, but it is {estimator!r}")
    share: Any = np.ones(q.event_shape) if weights is None else weights
    low, middle, high = (
        float((share * np.asarray(moments(replace(estimator, coefficient=c), q, f, **options).variance)).sum())  # type: ignore[type-var]
        for c in (-1.0, 0.0, 1.0)
    )
    curvature = high + low - 2 * middle
    if curvature <= 64 * np.finfo(float).eps * (high + low + 2 * middle):
        raise ValueError(f"the variance of {estimator!r} needs to depend on its coefficient, but it does not")
    return (low - high) / (2 * curvature)
