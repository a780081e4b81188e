"""The oracle's own view of q: what each variable may be, and how likely, straight from the logits.

Nothing here calls a verb of the distribution: the probabilities are scipy's, so that a wrong `probs` or `score` cannot
agree with itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array

ONE = np.ones(1)
BOTH = np.array([0, 1])
SIGNS = np.array([-1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Factor:
    """One variable: the columns of its possible values, their probabilities and logs, and the shape of a value."""

    columns: np.ndarray[Any, np.dtype[np.int64]]
    probs: Array
    log_probs: Array
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def values(self) -> Array:
        """The possible values: (count, *shape)."""
        values = np.empty((len(self), *self.shape))
        self.write(values, np.arange(len(self)))
        return values

    def write(self, values: Array, digit: Any) -> None:
        """Write the possible values with these numbers, or the one with this number, into (n, *shape)."""
        if self.shape:
            values[:] = 0.0
            values[np.arange(len(values)), self.columns[digit]] = 1.0
        else:
            values[:] = self.columns[digit]


def probabilities(q: Distribution) -> list[Array]:
    """Probabilities of the possible values of each variable of one row of logits; masked categories are left out.

    Raises
    ------
    ValueError
        If q has a batch.
    """
    import scipy.special  # noqa: PLC0415  (loaded when needed)

    if q.batch_shape:
        raise ValueError(f"the oracle needs one row of logits, but the batch shape is {q.batch_shape}")
    if q.event_ndim == 1:
        return list(scipy.special.expit(q.logits[:, None] * SIGNS))
    probs, possible = scipy.special.softmax(q.logits, axis=1), q.logits > -np.inf
    return list(probs if possible.all() else map(np.compress, possible, probs))


def factors(q: Distribution) -> list[Factor]:
    """List the variables of one row of logits; masked categories are left out.

    Raises
    ------
    ValueError
        If q has a batch.
    """
    from scipy.special import log_expit, log_softmax  # noqa: PLC0415  (loaded when needed)

    probs = probabilities(q)
    if q.event_ndim == 1:
        logs = log_expit(q.logits[:, None] * SIGNS)
        return [Factor(BOTH, *both, ()) for both in zip(probs, logs, strict=True)]
    rows = zip(columns_of(q), probs, log_softmax(q.logits, axis=1), strict=True)
    return [Factor(columns, own, logs[columns], q.event_shape[1:]) for columns, own, logs in rows]


def columns_of(q: Distribution) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Columns of the categories that are not masked, of each variable."""
    return [row.nonzero()[0] for row in q.logits > -np.inf]


def count(parts: Sequence[Factor]) -> int:
    """Number of configurations of the variables."""
    return prod(map(len, parts))


def joints(probs: Sequence[Array]) -> list[Array]:
    """Probabilities of the configurations of the first 0, 1, ... and of all of some variables, from those of each."""
    return list(accumulate(probs, lambda before, own: before[:, None].dot(own[None]).ravel(), initial=ONE))


def event_shape(parts: Sequence[Factor]) -> tuple[int, ...]:
    """Shape of one z."""
    return (len(parts), *parts[0].shape)


def digits_of(parts: Sequence[Factor], index: Any) -> Any:
    """Place of the value of each variable in configurations given by their number: (n, D), the last changes fastest."""
    digits = np.empty((len(index), len(parts)), dtype=np.int64)
    for d in reversed(range(len(parts))):
        above = index // len(parts[d])
        digits[:, d] = index - above * len(parts[d])
        index = above
    return digits


def configurations(parts: Sequence[Factor], index: Any) -> tuple[Array, Array]:
    """Configurations by their number in lexicographic order, and their logs of probability."""
    digits = digits_of(parts, index).T
    z = np.empty((len(index), *event_shape(parts)))
    for d, (part, digit) in enumerate(zip(parts, digits, strict=True)):
        part.write(z[:, d], digit)
    log_prob = sum(part.log_probs[digit] for part, digit in zip(parts, digits, strict=True))
    return z, np.asarray(log_prob)


def check_count(needed: int, limit: int, what: str) -> None:
    """Refuse work that is too large.

    Raises
    ------
    ValueError
        If more is needed than the limit allows.
    """
    if needed > limit:
        raise ValueError(
            f"{what} needs {needed:,} evaluations, more than the limit of {limit:,}; pass limit={needed} to allow it"
        )
