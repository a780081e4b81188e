"""E f and its gradient by enumeration, in two halves: derivation 00."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor, check_count, configurations, count, factors

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["gradient", "value"]

LIMIT = 2**26
BLOCK = 2**14  # configurations shown to f at once


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
        Where blocks are computed. The result has the same bits as without it.

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
    parts = factors(q)
    by_left, _, split = _halves(parts, f, limit, progress, executor)
    return float(_joint(parts[:split]) @ by_left)


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
    parts = factors(q)
    means = conditional_means(parts, f, limit=limit, progress=progress, executor=executor)
    result = np.zeros(q.event_shape)
    for row, (part, mean) in enumerate(zip(parts, means, strict=True)):
        slopes = _softmax_slope(part.probs, mean)
        if q.event_ndim == 1:
            result[row] = slopes[1]
        else:
            result[row, part.columns] = slopes
    return result


def conditional_means(
    parts: list[Factor],
    f: Callable[[Any], Any],
    *,
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> list[Array]:
    """Means of f given each value of each variable: Eq. 00.5."""
    by_left, by_right, split = _halves(parts, f, limit, progress, executor)
    return _given_one(by_left, parts[:split]) + _given_one(by_right, parts[split:])


@dataclass(frozen=True)
class _Block:
    """Rows `start` up to `stop` of the table of f, whose columns are the right half."""

    f: Callable[[Any], Any]
    parts: list[Factor]
    split: int
    start: int
    stop: int


def _halves(
    parts: list[Factor], f: Callable[[Any], Any], limit: int, progress: bool, executor: Executor | None
) -> tuple[Array, Array, int]:
    """Mean of f given the left half, and given the right half: one pass over the table of f, Eq. 00.4."""
    check_count(count(parts), limit, "enumeration")
    split = (len(parts) + 1) // 2
    rows, columns = count(parts[:split]), count(parts[split:])
    step = max(1, BLOCK // columns)
    tasks = [_Block(f, parts, split, start, min(start + step, rows)) for start in range(0, rows, step)]
    by_left, by_right = [], np.zeros(columns)
    for left, right in run(_one_block, tasks, progress=progress, executor=executor):
        by_left.append(left)
        by_right += right
    return np.concatenate(by_left), by_right, split


def _one_block(block: _Block) -> tuple[Array, Array]:
    columns = count(block.parts[block.split :])
    index = np.arange(block.start * columns, block.stop * columns)
    z, _ = configurations(block.parts, index)
    table = evaluate(block.f, z).reshape(-1, columns)
    weights = _joint(block.parts[: block.split])[block.start : block.stop]
    return table @ _joint(block.parts[block.split :]), weights @ table


def evaluate(f: Callable[[Any], Any], z: Array) -> Array:
    """Call f on configurations (n, *event_shape) and check what it returns."""
    values = np.asarray(f(z))
    if values.dtype.kind not in "buif":
        raise TypeError(f"f needs to return real numbers, but returned dtype {values.dtype}")
    if values.shape != z.shape[:1]:
        raise ValueError(
            f"f needs to return one value for each z, but returned shape {values.shape} for z of shape {z.shape}, "
            f"which begins with {_text(z[0])}"
        )
    wrong = ~np.isfinite(values)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(f"f needs to return finite values, but f(z) = {values[first]} at z = {_text(z[first])}")
    return values.astype(np.float64, copy=False)


def _text(z: Array) -> str:
    return str(z.astype(int).tolist())


def _joint(parts: Sequence[Factor]) -> Array:
    """Probability of every configuration of some variables."""
    return reduce(lambda joint, part: np.multiply.outer(joint, part.probs).ravel(), parts, np.ones(1))


def _given_one(table: Array, parts: Sequence[Factor]) -> list[Array]:
    """Mean of a table given each value of each of its variables: halve and recurse, Eq. 00.5."""
    if len(parts) <= 1:
        return [table] * len(parts)
    split = len(parts) // 2
    left, right = parts[:split], parts[split:]
    matrix = table.reshape(count(left), count(right))
    return _given_one(matrix @ _joint(right), left) + _given_one(_joint(left) @ matrix, right)


def _softmax_slope(probs: Array, mean: Array) -> Array:
    """`p_k (m_k - sum_j p_j m_j)`, measured from a value that is near certain, or from the mean, Eq. 00.3."""
    heavy = probs > 0.5
    rise = mean - (heavy if heavy.any() else probs) @ mean
    return probs * (rise - probs @ rise)
