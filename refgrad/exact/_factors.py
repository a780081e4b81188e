"""The oracle's own view of q: what each variable may be, and how likely, straight from the logits.

Nothing here calls a verb of the distribution: the probabilities are scipy's, so that a wrong `probs` or `score` cannot
agree with itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array


@dataclass(frozen=True)
class Factor:
    """One variable: its possible values (count, *tail), their probabilities and logs, and the columns they stand in."""

    values: Array
    probs: Array
    log_probs: Array
    columns: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.values)


def factors(q: Distribution) -> list[Factor]:
    """List the variables of one row of logits; masked categories are left out.

    Raises
    ------
    ValueError
        If q has a batch.
    """
    from scipy.special import expit, log_expit, log_softmax, softmax  # noqa: PLC0415  (loaded when needed)

    if q.batch_shape:
        raise ValueError(f"the oracle needs one row of logits, but the batch shape is {q.batch_shape}")
    if q.event_ndim == 1:
        bits, columns = np.array([0.0, 1.0]), np.array([0, 1])
        pairs = np.stack([-q.logits, q.logits], axis=1)
        return [Factor(bits, expit(pair), log_expit(pair), columns) for pair in pairs]
    kept = [np.flatnonzero(row > -np.inf) for row in q.logits]
    eye = np.eye(q.event_shape[1])
    return [Factor(eye[k], softmax(row[k]), log_softmax(row[k]), k) for row, k in zip(q.logits, kept, strict=True)]


def count(parts: Sequence[Factor]) -> int:
    """Number of configurations of the variables."""
    return prod(map(len, parts))


def configurations(parts: Sequence[Factor], index: Any) -> tuple[Array, Array]:
    """Configurations by their number in lexicographic order, and their logs of probability."""
    digits = []
    for part in reversed(parts):
        index, digit = np.divmod(index, len(part))
        digits.append(digit)
    digits.reverse()
    z = np.stack([part.values[digit] for part, digit in zip(parts, digits, strict=True)], axis=1)
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
