"""E f and its gradient by enumeration, in two halves: derivation 00."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._factors import check_count, probabilities
from refgrad.exact._halves import halves

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["gradient", "value"]

LIMIT = 2**26


def value(
    q: Distribution,
    f: Callable[[Any], Any],
    *,
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> float:
    """Compute `E f(z)` as the sum over all configurations.

    Parameters
    ----------
    q : Distribution
        One row of logits.
    f : callable
        From (n, *event_shape) to (n,).
    limit : int
        Most configurations that are enumerated without asking.
    progress : bool
        Show a bar (needs tqdm).
    executor : concurrent.futures.Executor, optional
        Where f is called: threads, processes, Dask's `Client.get_executor()`, mpi4py's pool. The result has the same
        bits as without it. f travels with every task, so it must be picklable for processes, and small; it must not
        use the same executor. A `Table` is read where it is, in memory, by BLAS in the threads that BLAS has.

    Returns
    -------
    float
        In the units of f. Derivation 00, Eq. 00.1.

    Raises
    ------
    ValueError
        If q has a batch, there are more configurations than `limit`, or f returns a wrong shape or a value that is not
        finite (the configuration is named).
    TypeError
        If f does not return real numbers.

    Examples
    --------
    >>> from refgrad import Bernoulli, objectives
    >>> print(value(Bernoulli([0.0]), objectives.SquaredError(0.5)))
    0.25
    """
    probs = probabilities(q)
    check_count(prod(map(len, probs)), limit, "enumeration")
    half = halves(q, probs, f, progress, executor)
    return float(half.left[-1] @ half.given_left)


def gradient(
    q: Distribution,
    f: Callable[[Any], Any],
    *,
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> Array:
    """Compute the gradient of `E f(z)` in the logits from the means of f given each value of each variable.

    Parameters
    ----------
    q, f, limit, progress, executor
        As in `value`.

    Returns
    -------
    (D,) or (D, K) ndarray of float64
        Units of f per logit, exactly zero at masked categories. Derivation 00, Eq. 00.3.

    Raises
    ------
    ValueError, TypeError
        As in `value`.

    Examples
    --------
    >>> from refgrad import Bernoulli, objectives
    >>> print(gradient(Bernoulli([0.0]), objectives.SquaredError(0.375)))
    [0.0625]
    """
    probs = probabilities(q)
    means = conditional_means(q, probs, f, limit=limit, progress=progress, executor=executor)
    possible = q.logits > -np.inf if q.event_ndim == 2 else np.ones((len(probs), 2), dtype=bool)
    slopes = _softmax_slope(_rows(probs, possible), _rows(means, possible))
    return slopes[:, 1].copy() if q.event_ndim == 1 else slopes


def _rows(values: Sequence[Array], possible: np.ndarray[Any, np.dtype[np.bool]]) -> Array:
    """One row for each variable, zero at masked categories."""
    rows = np.zeros(possible.shape)
    rows[possible] = np.concatenate(values)
    return rows


def conditional_means(
    q: Distribution,
    probs: Sequence[Array],
    f: Callable[[Any], Any],
    *,
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> list[Array]:
    """Means of f given each value of each variable: Eq. 00.5."""
    check_count(prod(map(len, probs)), limit, "enumeration")
    half = halves(q, probs, f, progress, executor)
    left, right = probs[: half.split], probs[half.split :]
    return _given_one(half.given_left, left, half.left) + _given_one(half.given_right, right, half.right)


def _given_one(table: Array, probs: Sequence[Array], before: Sequence[Array]) -> list[Array]:
    """Mean of a table given each value of each of its variables, the last first: Eq. 00.5."""
    means = []
    for own, weights in zip(reversed(probs), before[-2::-1], strict=True):
        table = table.reshape(-1, len(own))
        means.append(weights.dot(table))
        table = table.dot(own)
    return means[::-1]


def _softmax_slope(probs: Array, means: Array) -> Array:
    """`p_k (m_k - sum_j p_j m_j)` over the last axis, without what rounding leaves of the mean: Eq. 00.3."""
    for _ in range(2):
        means = means - (probs * means).sum(axis=-1, keepdims=True)
    return probs * means + 0.0  # a zero is not -0
