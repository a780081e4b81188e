"""REINFORCE with a constant baseline: one number, or one for each component."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, as_float
from refgrad.estimators._base import Claims, Estimator

__all__ = ["ConstantBaseline"]


@dataclass(frozen=True)
class ConstantBaseline(Estimator):
    """Williams (1992), section 4, with a constant reinforcement baseline; unbiased for every constant.

    f is evaluated once, at z, and never differentiated. The best constants are `exact.best_constant(q, f)`.

    Parameters
    ----------
    baseline : float, or (*event_shape,) array_like of float64
        Units of f. With one for each component the rows of a Categorical need not sum to zero.

    Raises
    ------
    ValueError
        If a baseline is not finite; when called, if it is neither a number nor of the shape of one z.
    """

    baseline: Any
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"baseline": 0.5},)

    def __post_init__(self) -> None:
        baseline = as_float(self.baseline, "baseline")
        if not np.isfinite(baseline).all():
            raise ValueError(f"ConstantBaseline needs a finite baseline, but it is {self.baseline}")
        object.__setattr__(self, "baseline", _frozen(baseline.tolist()))

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased; components with baselines of their own do not sum to zero."""
        return Claims(unbiased=True, shift_invariant=np.ndim(self.baseline) == 0, derivation="04-constant-baselines")

    @classmethod
    def fit(
        cls, q: Distribution, f: Callable[[Any], Any], noise: Any, *, per_component: bool = False
    ) -> "ConstantBaseline":
        """Estimate the best constant from samples, which must not be those that it is then used on.

        Parameters
        ----------
        q, f, noise
            As in a call. The rows of a batch share the constants.
        per_component : bool
            One constant for each component in place of one for all.

        Returns
        -------
        ConstantBaseline
            Eq. 04.3 or 04.4 with means over the samples; the mean of f where every score is zero.

        Raises
        ------
        ValueError
            If there is no sample, or f is not finite at one.
        """
        f, (noise_z,) = cls(0.0)._prepare(q, f, noise)
        z = q.sample(noise_z)  # (..., *event_shape)
        if not z.size:
            raise ValueError(f"ConstantBaseline needs a sample, but noise has shape {np.shape(noise)}")
        values, scores = f(z), q.score(z)
        over = tuple(range(z.ndim - q.event_ndim)) if per_component else None
        largest = np.abs(scores).max(axis=over)  # its square may underflow
        weights = np.divide(scores, largest, out=np.ones_like(scores), where=largest > 0) ** 2
        return cls((q.expand(values) * weights).sum(axis=over) / weights.sum(axis=over))  # Eq. 04.3, Eq. 04.4

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        baseline = np.asarray(self.baseline)
        if baseline.shape not in {(), q.event_shape}:
            raise ValueError(
                f"ConstantBaseline needs a number or a baseline of shape {q.event_shape}, but it has {baseline.shape}"
            )
        z = q.sample(noise_z)
        return (q.expand(f(z)) - baseline) * q.score(z)  # Eq. 04.1


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
