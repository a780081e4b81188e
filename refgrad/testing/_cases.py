"""What a function of noise is compared on: problems with noise that is drawn, and golden vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing._rounding import FLOAT32, FLOAT64, rounding
from refgrad.testing.problem import Problem, exact_problems, standard_problems
from refgrad.testing.vectors._compare import compared
from refgrad.testing.vectors._format import shipped
from refgrad.testing.vectors._settings import FAMILIES, distribution_of, made, modules, objective_of, stem
from refgrad.testing.vectors._suggest import suggested

__all__ = ["Case", "Vector", "cases", "vectors_of"]

TIE = 0.05  # distance of noise from an edge, below which it is drawn again


@dataclass(frozen=True, eq=False)
class Case:
    """Noise (draws, n, *event_shape) for a problem, and the rows (n, d) that the reference returns on it."""

    problem: Problem
    estimator: Estimator
    noise: Array
    expected: Array

    def bound(self, precision: float) -> Array:
        """Largest deviation of a correct row in a precision: (n, d)."""
        return rounding(self.estimator, self.problem.q, self.problem.f, self.noise, precision)

    def off(self, values: Mapping[str, Array], precision: float) -> str | None:  # noqa: ARG002
        """What is off among other values than the estimate: here nothing, since nothing is known of them."""
        return None


@dataclass(frozen=True, eq=False)
class Vector(Case):
    """A golden vector: one row, with all values on the way to it. Eq. 16.3."""

    test: dict[str, Any]
    group: dict[str, Any]
    file: str

    def bound(self, precision: float) -> Array:
        return np.full(self.expected.shape, _atol(self.test, precision))

    def off(self, values: Mapping[str, Array], precision: float) -> str | None:
        answer: dict[str, Any] = {"terms": {}}
        for name, value in values.items():
            first, _, term = name.partition(".")
            row = (value[0] if value.ndim and len(value) == 1 else value).tolist()
            answer |= {first: row} if not term else {"terms": answer["terms"] | {term: row}}
        failure, _ = compared(self._within(precision), answer, "float64")
        return None if failure is None else f"{failure.field} {failure.reason}"

    def _within(self, precision: float) -> dict[str, Any]:
        """The test with the tolerance of a precision."""
        return self.test | {"atol": {"float64": _atol(self.test, precision)}}

    def causes(self, estimate: Callable[[Problem, Array], Array], precision: float) -> tuple[str, ...]:
        """Known mistakes that return the same on all vectors of this file and these settings."""
        answers, failures, groups = {}, {}, []
        for other in vectors_of(self.estimator, self.problem.family):
            rows = estimate(other.problem, other.noise)
            answers[other.problem.name] = {"gradient": rows.reshape(other.problem.q.event_shape).tolist()}
            if not (np.abs(rows - other.expected) <= other.bound(precision)).all():
                failures[other.problem.name] = "gradient"
            groups.append(other.group | {"tests": [other._within(precision)]})
        document = {"groups": groups, "notes": shipped(self.file)["notes"]}
        return tuple(suggested(document, answers, failures, "float64"))


def _atol(test: Mapping[str, Any], precision: float) -> float:
    """The tolerance in a precision; one that is coarser than both is in proportion."""
    if precision <= FLOAT64:
        return float(test["atol"]["float64"])
    return float(test["atol"]["float32"]) * max(1.0, precision / FLOAT32)


def vectors_of(estimator: Estimator, family: str | None = None) -> Iterator[Vector]:
    """Golden vectors of an estimator, if there are some for its settings."""
    module = modules().get(type(estimator).__name__)
    if module is None or module != type(estimator).__module__.rpartition(".")[2]:
        return
    for own in FAMILIES if family is None else (family,):
        file = stem(module, own)
        for group in shipped(file)["groups"]:
            if not _same(made(group), estimator):
                continue
            f = objective_of(group)
            for test in group["tests"]:
                q = distribution_of(group, test["logits"])
                noise = np.reshape(np.array(test["noise"], dtype=float), (estimator.draws, 1, *q.event_shape))
                expected = np.reshape(test["expected"]["gradient"], (1, -1))
                yield Vector(Problem(q, f, test["id"]), estimator, noise, expected, test, group, file)


def _same(one: Any, other: Any) -> bool:
    """Whether two settings are equal, those in arrays too."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        return all(_same(getattr(one, own.name), getattr(other, own.name)) for own in fields(one))
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)


def cases(
    estimator: Estimator, problems: Iterable[Problem] | None = None, *, n: int = 256, seed: int = 0
) -> Iterator[Case]:
    """Golden vectors, then noise for every problem, none of it near an edge where rounding decides z.

    Parameters
    ----------
    estimator : Estimator
    problems : iterable of Problem, optional
        Without them the golden vectors for these settings, if there are some, and the standard and the exact ones that
        the reference takes.
    n : int
        Rows of each problem that is no vector.
    seed : int

    Yields
    ------
    Case

    Raises
    ------
    ValueError
        If the reference takes none of the problems; if it does not take one that was given.
    """
    found = 0
    for vector in vectors_of(estimator) if problems is None else ():
        found += 1
        yield vector
    chosen = [*standard_problems(), *exact_problems()] if problems is None else problems
    for number, problem in enumerate(chosen):
        if problems is None and problem.family not in estimator.claims.families:
            continue
        noise = _untied(estimator, problem.q, n, np.random.default_rng([seed, number]))
        try:
            expected = np.asarray(estimator(problem.q, problem.f, noise)).reshape(n, -1)
        except ValueError:  # its settings are for logits of another shape
            if problems is not None:
                raise
            continue
        found += 1
        yield Case(problem, estimator, noise, expected)
    if not found:
        raise ValueError(f"check_pathwise needs a problem, but {estimator!r} takes none; pass problems of its own")


def _untied(estimator: Estimator, q: Distribution, n: int, rng: np.random.Generator) -> Array:
    """Noise with no draw near an edge; whole rows are drawn again."""
    noise = estimator.draw_noise(q, n, rng)
    while (near := _near(estimator, q, noise)).any():
        noise[:, near] = estimator.draw_noise(q, int(near.sum()), rng)
    return noise


def _near(estimator: Estimator, q: Distribution, noise: Array) -> Any:
    """Rows in which some |logit + noise|, or the gap of the two best categories, is below the limit: (n,)."""
    perturbed = q.logits + noise
    if q.event_ndim == 1:
        breaks = np.reshape(estimator.breaks(q), (-1, *q.event_shape))
        gaps = np.abs(noise[..., None, :] - breaks).min(axis=-2)
    elif q.event_shape[1] == 1:
        return np.zeros(noise.shape[1], dtype=bool)
    else:
        two = np.sort(perturbed, axis=-1)[..., -2:]
        gaps = two[..., 1] - two[..., 0]
    return (gaps < TIE).any(axis=(0, -1))
