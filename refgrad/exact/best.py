"""The best constant and the best coefficient of a control variate, exactly: derivations 03 and 04."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, abbreviated, as_float
from refgrad.exact._factors import factors
from refgrad.exact._ladder import ROUNDING
from refgrad.exact.enumeration import conditional_means, value
from refgrad.exact.moments import moments

if TYPE_CHECKING:
    from refgrad.estimators import Estimator

__all__ = ["best_coefficient", "best_constant", "best_value_coefficient"]


def best_constant(q: Distribution, f: Callable[[Any], Any], *, per_component: bool = False, **options: Any) -> Any:
    """Constant baseline with the least variance of REINFORCE.

    Parameters
    ----------
    q : Distribution
        One row of logits.
    f : callable
        From (n, *event_shape) to (n,).
    per_component : bool
        One constant for each component, in place of one that minimises the sum of their variances.
    **options
        As in `value`.

    Returns
    -------
    float, or (*event_shape,) ndarray of float64
        Units of f. A component whose score never varies (a masked category, the only one) takes the mean of f.
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
    from scipy.special import logsumexp, softmax  # noqa: PLC0415  (loaded when needed)

    parts = factors(q)
    constants, log_weights = np.zeros(q.event_shape), np.full(q.event_shape, -np.inf)
    for row, (part, means) in enumerate(
        zip(parts, conditional_means(q, [part.probs for part in parts], f, **options), strict=True)
    ):
        constants[row] = part.probs @ means
        if len(part) == 1:
            continue
        # In logs, and E[f | not k] from the others alone: nothing is taken from a whole, nothing underflows.
        others = np.where(np.eye(len(part), dtype=bool), -np.inf, part.log_probs)
        log_other = logsumexp(others, axis=1)
        best = np.exp(log_other) * means + part.probs * (softmax(others, axis=1) @ means)  # Eq. 04.3
        log_weight = part.log_probs + log_other
        if q.event_ndim == 1:
            constants[row], log_weights[row] = best[1], log_weight[1]
        else:
            constants[row, part.columns], log_weights[row, part.columns] = best, log_weight
    if per_component:
        return constants
    largest = log_weights.max()
    weights = np.exp(log_weights - largest) if largest > -np.inf else np.ones(q.event_shape)
    return float((constants * weights).sum() / weights.sum())  # Eq. 04.4


def best_value_coefficient(
    q: Distribution, f: Callable[[Any], Any], control_variate: Callable[[Any], Any], **options: Any
) -> float:
    """Coefficient of a control variate with the least variance of `f - coefficient * (control_variate - mean)`.

    Parameters
    ----------
    q : Distribution
        One row of logits.
    f, control_variate : callable
        From (n, *event_shape) to (n,).
    **options
        As in `value`.

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
    one, other = _centred(q, f, "f", options), _centred(q, control_variate, "the control variate", options)
    covariance = value(q, _Product(one, other), **options)
    variance = value(q, _Product(other, other), **options)
    return covariance / variance if variance > 0 else 0.0  # Eq. 03.2


@dataclass(frozen=True)
class _Less:
    """A function less two numbers, one after the other."""

    fn: Callable[[Any], Any]
    level: Array
    mean: float

    def __call__(self, z: Any) -> Any:
        return self.fn(z) - self.level - self.mean


@dataclass(frozen=True)
class _Product:
    """The product of two functions."""

    one: Callable[[Any], Any]
    other: Callable[[Any], Any]

    def __call__(self, z: Any) -> Any:
        return self.one(z) * self.other(z)


def _centred(q: Distribution, fn: Callable[[Any], Any], name: str, options: dict[str, Any]) -> _Less:
    """fn less its mean, by way of its value at the likeliest z: what never varies is exactly zero."""
    likeliest = np.stack([part.values[np.argmax(part.log_probs)] for part in factors(q)])[None]
    level = as_float(fn(likeliest), f"the value of {name}")
    if level.shape != (1,):
        raise ValueError(
            f"{name} needs to return one value for each z, but returned shape {level.shape} for z of shape "
            f"{likeliest.shape}"
        )
    return _Less(fn, level, value(q, _Less(fn, level, 0.0), **options))


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
    weights : (*event_shape,) array_like of float64, optional
        Of the variances of the components in the sum; not negative. Default: ones.
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
        If the variance does not depend on the coefficient, the weights are negative, not finite or not of the shape of
        one z, or as in `moments`.
    """
    if not hasattr(estimator, "coefficient"):
        raise TypeError(f"best_coefficient needs an estimator with a coefficient, but it is {estimator!r}")
    share = np.ones(q.event_shape) if weights is None else as_float(weights, "weights")
    if share.shape != q.event_shape or not (np.isfinite(share) & (share >= 0)).all():
        raise ValueError(
            f"weights need shape {q.event_shape}, finite and not negative, but have shape {share.shape}: "
            f"{abbreviated(share)}"
        )
    low, middle, high = (
        float((share * moments(replace(estimator, coefficient=c), q, f, **options).variance).sum())  # type: ignore[type-var]
        for c in (-1.0, 0.0, 1.0)
    )
    curvature = high + low - 2 * middle
    if curvature <= ROUNDING * (high + low + 2 * middle):
        raise ValueError(f"the variance of {estimator!r} needs to depend on its coefficient, but it does not")
    return (low - high) / (2 * curvature)  # Eq. 03.5
