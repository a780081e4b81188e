"""How far one estimate is from the gradient, exactly: bias, standard deviation, and what follows from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing.problem import Problem
from refgrad.testing.verdict import _plain

__all__ = ["Job", "Quality", "measure"]

Job = tuple[Estimator, str, Problem, tuple[int, ...]]  # with its name, and limits of evaluations to try in turn


@dataclass(frozen=True, eq=False)
class Quality:
    """How good one estimate is, exactly. Where the moments cannot be had they are NaN, and `note` says why.

    A bias, or a variance, that lies within `error` in every component counts as zero.

    Parameters
    ----------
    estimator : str
        Its `repr`.
    name : str
        The same in few words.
    draws : int
        Draws of noise of one estimate.
    unbiased : bool
        What it claims.
    gradient, bias, variance, error : (*event_shape,) ndarray of float64
    note : str
    """

    estimator: str
    name: str
    draws: int
    unbiased: bool
    gradient: Array
    bias: Array
    variance: Array
    error: Array
    note: str = ""

    @property
    def visible(self) -> bool:
        """Whether some component of the bias exceeds its error."""
        return bool((np.abs(self.bias) > self.error).any())

    @property
    def worst(self) -> tuple[int, ...]:
        """Component with the largest bias."""
        return tuple(map(int, np.unravel_index(np.argmax(np.abs(self.bias)), self.bias.shape)))

    @property
    def total_bias(self) -> float:
        """Euclidean norm of the bias."""
        return float(np.linalg.norm(self.bias)) if self.visible or self.note else 0.0

    @property
    def relative_bias(self) -> float:
        """Total bias over the norm of the gradient; NaN for 0 over 0."""
        return _ratio(self.total_bias, float(np.linalg.norm(self.gradient)))

    @property
    def standard_deviation(self) -> float:
        """Root of the total variance, the trace of the covariance."""
        noisy = (self.variance > self.error).any() or self.note
        return float(np.sqrt(np.maximum(self.variance, 0.0).sum())) if noisy else 0.0

    @property
    def rms(self) -> float:
        """Root of the mean squared distance of one estimate from the gradient."""
        return float(np.hypot(self.total_bias, self.standard_deviation))

    @property
    def ratio(self) -> float:
        """Total bias over standard deviation; NaN for 0 over 0."""
        return _ratio(self.total_bias, self.standard_deviation)

    @property
    def crossover(self) -> float:
        """Samples whose mean has as much bias as noise, `(standard deviation / bias)**2`; averaging more is in vain."""
        return _ratio(self.standard_deviation, self.total_bias) ** 2

    def to_dict(self) -> dict[str, Any]:
        """The fields and what follows from them, as JSON holds them; what is not finite becomes null."""
        names = ("total_bias", "relative_bias", "standard_deviation", "rms", "ratio", "crossover")
        values = {**vars(self), **{name: getattr(self, name) for name in names}}
        return {name: _plain(value) for name, value in values.items()}


def measure(job: Job) -> Quality:
    """Moments of an estimator, known by a name, on a problem: within the first limit that is enough."""
    estimator, name, problem, limits = job
    missing = np.full(problem.q.event_shape, np.nan)
    numbers, note = (missing, missing, missing), ""
    for limit in limits:
        try:
            moments = exact.moments(estimator, problem.q, problem.f, limit=limit)
        except (ValueError, TypeError) as error:
            note = str(error)
        else:
            numbers, note = (moments.mean - problem.gradient, moments.variance, moments.error), ""
            break
    claims = estimator.claims
    return Quality(repr(estimator), name, estimator.draws, claims.unbiased, problem.gradient, *numbers, note)


def _ratio(one: float, other: float) -> float:
    if other == 0:
        return np.nan if one == 0 or np.isnan(one) else np.inf
    return one / other
