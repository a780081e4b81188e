"""Mean, variance and bias of an estimator, exactly: sum over z, quadrature inside each cell. Derivation 00."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._integrate import Sums, integrate, plan_for, sensitivity
from refgrad.exact._ladder import ROUNDING, agree, ladder, remaining, rough
from refgrad.exact._rules import Trapezoid
from refgrad.exact.enumeration import gradient

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from refgrad.estimators import Estimator

__all__ = ["Moments", "bias", "moments"]

LIMIT = 2**22
ULPS = 32  # of the noise: rounding that a low temperature magnifies


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact moments of one estimate.

    Parameters
    ----------
    mean, variance : (*event_shape,) ndarray of float64
    covariance : (*event_shape, *event_shape) ndarray of float64
    error : (*event_shape,) ndarray of float64
        Bound on the numerical error of the mean and of the variance, from two rules that agree, and rounding.
    covariance_error : (*event_shape, *event_shape) ndarray of float64
        The same of the covariance alone.
    mean_error : (*event_shape,) ndarray of float64
        The same of the mean alone.
    """

    mean: Array
    covariance: Array
    error: Array
    covariance_error: Array
    mean_error: Array

    @property
    def variance(self) -> Array:
        """Diagonal of the covariance, in the shape of one z."""
        size = self.mean.size
        return self.covariance.reshape(size, size).diagonal().reshape(self.mean.shape)


def moments(
    estimator: Estimator,
    q: Distribution,
    f: Callable[[Any], Any],
    *,
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> Moments:
    """Integrate an estimator and its square over its noise.

    Parameters
    ----------
    estimator : Estimator
        Its claim `reads` says how: draws that are read through z alone are enumerated, the others integrated inside
        the cell of z.
    q : Distribution
        One row of logits.
    f : callable
        From (n, *event_shape) to (n,).
    limit : int
        Most evaluations of the estimator in one rule.
    progress : bool
        Show a bar for every rule that is tried, the first ones together (needs tqdm).
    executor : concurrent.futures.Executor, optional
        Where blocks are computed. The result has the same bits as without it.

    Returns
    -------
    Moments
        Derivation 00, Eq. 00.6. Relaxations of 4 or more Bernoulli variables take `(2 n)**D` evaluations, n = 2, 3, 4,
        as far as `limit` goes (Eq. 00.13); with `limit=8**D` the variance has two or three digits.

    Raises
    ------
    ValueError
        If q has a batch, more than `limit` evaluations are needed, or the estimator returns a wrong shape or a value
        that is not finite (with the z).

    Examples
    --------
    >>> from refgrad import Bernoulli, estimators, objectives
    >>> m = moments(estimators.Reinforce(), Bernoulli([0.0]), objectives.SquaredError(0.5))
    >>> print(m.mean, m.variance)
    [0.] [0.015625]
    """
    plan = plan_for(estimator, q, f)
    center = gradient(q, f, progress=progress, executor=executor)
    totals: list[Sums] = []
    rounding = Sums()
    temperature = getattr(estimator, "temperature", None)
    for rules in ladder(plan, limit, f"quadrature of {estimator!r}", temperature):
        rule = rules[-1]
        if not totals:
            rounding = sensitivity(estimator, f, plan, rough(rules[0]), center, executor=executor)
        totals += integrate(estimator, f, plan, rules, center, progress=progress, executor=executor)
        if agree(totals, rule, plan.axes, rounding):
            break
    sums, difference = remaining(totals, rule, rounding)
    first, second = sums.first, sums.second
    beyond, missing = (0.0, 0.0) if not isinstance(rule, Trapezoid) else (rule.beyond(), totals[-1].missing)
    relative, largest, deviations = ROUNDING + missing, totals[-1].largest, np.sqrt(second.diagonal())
    error = difference.first + relative * (sums.absolute + np.abs(center.ravel())) + ULPS * rounding.first
    error += beyond * largest
    of_second = difference.second + relative * np.outer(deviations, deviations) + ULPS * rounding.second
    of_second += beyond * np.outer(largest, largest) + np.outer(np.abs(first), error) + np.outer(error, np.abs(first))
    least = 64 * np.finfo(float).smallest_subnormal
    shape = q.event_shape
    return Moments(
        mean=center + first.reshape(shape),
        covariance=(second - np.outer(first, first)).reshape(shape + shape),
        error=np.maximum(error, of_second.diagonal()).reshape(shape) + least,
        covariance_error=of_second.reshape(shape + shape) + least,
        mean_error=error.reshape(shape) + least,
    )


def bias(estimator: Estimator, q: Distribution, f: Callable[[Any], Any], **options: Any) -> Array:
    """Exact mean of an estimator less the exact gradient.

    Parameters
    ----------
    estimator, q, f, **options
        As in `moments`.

    Returns
    -------
    (*event_shape,) ndarray of float64
        Zero, to `moments(...).error`, for an unbiased estimator.
    """
    shared = {name: options[name] for name in ("progress", "executor") if name in options}
    return moments(estimator, q, f, **options).mean - gradient(q, f, **shared)
