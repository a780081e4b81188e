"""Every estimator of the package against the oracle: its exact bias and variance, and whether its claim holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad import estimators, exact
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing.problem import Problem, exact_problems

__all__ = ["Row", "classes", "instances", "pairs", "row"]

VISIBLE = 100  # times the error: a bias that is claimed


@dataclass(frozen=True, eq=False)
class Row:
    """Exact moments of one estimator on one problem.

    Parameters
    ----------
    estimator, problem : str
    gradient, mean, bias, variance, error : (*event_shape,) ndarray of float64
    verdict : {"unbiased", "biased, as claimed", "unbiased here", "wrong"}
    """

    estimator: str
    problem: str
    gradient: Array
    mean: Array
    variance: Array
    error: Array
    verdict: str

    @property
    def bias(self) -> Array:
        """Mean less gradient."""
        return self.mean - self.gradient

    @property
    def worst(self) -> tuple[int, ...]:
        """Component with the largest bias, or gradient where there is none."""
        size = np.abs(self.bias) if (np.abs(self.bias) > self.error).any() else np.abs(self.gradient)
        return tuple(map(int, np.unravel_index(np.argmax(size), size.shape)))

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        values = {**vars(self), "bias": self.bias}
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}


def classes() -> list[type[Estimator]]:
    """Every estimator class that the package exports, in order of name."""
    members = [getattr(estimators, name) for name in estimators.__all__]
    return [m for m in members if isinstance(m, type) and issubclass(m, Estimator) and m is not Estimator]


def instances() -> list[Estimator]:
    """Every example of every estimator."""
    return [cls(**example) for cls in classes() for example in cls.examples]


def pairs(family: str | None = None) -> list[tuple[Estimator, Problem]]:
    """Every example with every exact problem of a family that it serves."""
    return [
        (estimator, problem)
        for estimator in instances()
        for problem in exact_problems(family)
        if problem.family in estimator.claims.families
    ]


def row(estimator: Estimator, problem: Problem) -> Row:
    """Compute the exact moments, and compare them with the claim."""
    moments = exact.moments(estimator, problem.q, problem.f)
    bias = np.abs(moments.mean - problem.gradient)
    if (bias <= moments.error).all():
        verdict = "unbiased" if estimator.claims.unbiased else "unbiased here"
    elif not estimator.claims.unbiased and (bias > VISIBLE * moments.error).any():
        verdict = "biased, as claimed"
    else:
        verdict = "wrong"
    return Row(repr(estimator), str(problem), problem.gradient, moments.mean, moments.variance, moments.error, verdict)


def invisible(rows: list[Row]) -> Iterator[str]:
    """Estimators that claim a bias which no row shows."""
    for name in dict.fromkeys(r.estimator for r in rows):
        verdicts = {r.verdict for r in rows if r.estimator == name}
        if verdicts == {"unbiased here"}:
            yield name
