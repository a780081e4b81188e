"""Bias against variance: the exact error of estimators on one problem, over temperature and over logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad._workers import run
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing._names import short_name, short_names
from refgrad.testing._quality import Job, Quality, measure
from refgrad.testing.built_in import instances
from refgrad.testing.problem import Problem
from refgrad.testing.verdict import _plain

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from matplotlib.figure import Figure

__all__ = ["SCALES", "TEMPERATURES", "Comparison", "Curve", "Quality", "compare"]

TEMPERATURES = tuple(np.geomspace(0.1, 10.0, 13).tolist())
SCALES = tuple(np.linspace(-4.0, 4.0, 17).tolist())
LIMIT = 2**19  # evaluations of an estimator for one number
STAGES = (12_000, 150_000)  # the same for a point of a curve, tried in turn: enough for two rules in two and three axes


@dataclass(frozen=True, eq=False)
class Curve:
    """One estimator along an axis.

    Parameters
    ----------
    name : str
    constant : bool
        Whether it does not depend on what the axis shows: every point is the same.
    at : tuple of float
        Temperatures, or places on the line of logits.
    points : tuple of Quality
    """

    name: str
    constant: bool
    at: tuple[float, ...]
    points: tuple[Quality, ...]

    def values(self, what: str) -> Array:
        """One property of `Quality` at every point: (len(at),)."""
        return np.array([getattr(point, what) for point in self.points])

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {**vars(self), "at": list(self.at), "points": [point.to_dict() for point in self.points]}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    problem : Problem
    rows : tuple of Quality
        On the problem itself, the least root mean squared error first.
    temperature, logits : tuple of Curve
        Empty where they were not asked for.
    direction : (*event_shape,) ndarray of float64
        Places on the line are multiples of these logits.
    """

    problem: Problem
    rows: tuple[Quality, ...]
    temperature: tuple[Curve, ...]
    logits: tuple[Curve, ...]
    direction: Array

    def figure(self) -> Figure:
        """Draw the curves, one row of panels for each axis (needs matplotlib).

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no curves.
        """
        from refgrad.testing._figures import figure  # noqa: PLC0415  (an extra)

        return figure(self)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {
            "problem": str(self.problem),
            "problem_logits": _plain(self.problem.logits),
            "direction": _plain(self.direction),
            "rows": [row.to_dict() for row in self.rows],
            "temperature": [curve.to_dict() for curve in self.temperature],
            "logits": [curve.to_dict() for curve in self.logits],
        }


def compare(
    problem: Problem,
    estimators: Sequence[Estimator] | None = None,
    *,
    temperatures: Sequence[float] = (),
    scales: Sequence[float] = (),
    limit: int = LIMIT,
    progress: bool = False,
    executor: Executor | None = None,
) -> Comparison:
    """Compute bias, variance and error of estimators on a problem, exactly.

    Parameters
    ----------
    problem : Problem
    estimators : sequence of Estimator, optional
        By default every example of the package that serves the family.
    temperatures : sequence of float
        Curves over these: of every estimator with a field `temperature`, the others as constants. `TEMPERATURES` is a
        grid. Estimators that differ in the temperature alone are one curve.
    scales : sequence of float
        Curves over logits `scale * direction`, the direction being the logits of the problem (or, where these make all
        values alike, the first value of every variable). `SCALES` is a grid.
    limit : int
        Most evaluations of an estimator in one rule of quadrature.
    progress, executor
        As in `exact.value`; the work is shared out by estimator and point.

    Returns
    -------
    Comparison
        Moments that need more than `limit` evaluations, or that an estimator fails to give, are NaN with a note.

    Raises
    ------
    ValueError
        If an estimator does not serve the family, there is none, or a temperature or scale is out of range.

    Examples
    --------
    >>> from refgrad import estimators
    >>> from refgrad.testing import standard_problems
    >>> toy = standard_problems("bernoulli")[0]
    >>> for row in compare(toy, [estimators.Reinforce(), estimators.GumbelSoftmax(1.0)]).rows:
    ...     print(f"{row.name}: {row.total_bias:.4f} {row.standard_deviation:.4f} {row.crossover:.1f}")
    GumbelSoftmax(temperature=1.0): 0.0083 0.0694 69.4
    Reinforce(): 0.0000 0.1263 inf
    """
    family = problem.family
    chosen = [e for e in instances() if family in e.claims.families] if estimators is None else list(estimators)
    _check(chosen, family, temperatures, scales)
    names = short_names(chosen)
    direction = _direction(problem)
    stages = (*(stage for stage in STAGES if stage < limit), limit)
    jobs: list[Job] = [(e, name, problem, (limit,)) for e, name in zip(chosen, names, strict=True)]
    warm = _by_temperature(chosen) if temperatures else {}
    jobs += [
        (e if t is None else replace(e, temperature=t), name, problem, stages)  # type: ignore[type-var]
        for name, e in warm.items()
        for t in (temperatures if _has_temperature(e) else [None])
    ]
    along = [_moved(problem, direction, scale) for scale in scales]
    jobs += [(e, name, p, stages) for e, name in zip(chosen, names, strict=True) for p in along]
    found = run(measure, jobs, progress=progress, executor=executor)
    rows = sorted((next(found) for _ in chosen), key=_order)
    over_temperature = [_curve(name, temperatures, found, constant=not _has_temperature(e)) for name, e in warm.items()]
    over_logits = [_curve(name, scales, found) for name in names if scales]
    return Comparison(problem, tuple(rows), tuple(over_temperature), tuple(over_logits), direction)


def _check(chosen: Sequence[Estimator], family: str, temperatures: Sequence[float], scales: Sequence[float]) -> None:
    if not chosen:
        raise ValueError(f"compare needs at least one estimator, but was given none for the family {family}")
    for estimator in chosen:
        if family not in estimator.claims.families:
            serves = " or ".join(estimator.claims.families)
            raise ValueError(f"{estimator!r} serves the family {serves}, but the problem is {family}")
    for t in temperatures:
        if not 0 < t < np.inf:
            raise ValueError(f"compare needs positive and finite temperatures, but one is {t}")
    for scale in scales:
        if not np.isfinite(scale):
            raise ValueError(f"compare needs finite scales of the logits, but one is {scale}")


def _curve(name: str, at: Sequence[float], found: Iterator[Quality], *, constant: bool = False) -> Curve:
    points = [next(found)] * len(at) if constant else [next(found) for _ in at]
    return Curve(name, constant, tuple(map(float, at)), tuple(points))


def _has_temperature(estimator: Estimator) -> bool:
    return is_dataclass(estimator) and "temperature" in {field.name for field in fields(estimator)}


def _by_temperature(chosen: Sequence[Estimator]) -> dict[str, Estimator]:
    """Estimators that differ in more than the temperature, by name."""
    alike: dict[str, Estimator] = {}
    for e in chosen:
        alike.setdefault(repr(replace(e, temperature=1.0)) if _has_temperature(e) else repr(e), e)  # type: ignore[type-var]
    names = [short_name(e, without=["temperature"]) for e in alike.values()]
    return {n if names.count(n) == 1 else key: e for n, (key, e) in zip(names, alike.items(), strict=True)}


def _direction(problem: Problem) -> Array:
    """The logits, or where these leave q uniform, one for the first value of every variable."""
    logits = problem.logits
    inside = np.isfinite(logits)
    level = logits if problem.q.event_ndim == 1 else logits - np.max(logits, axis=-1, keepdims=True)
    if np.any(level[inside] != 0):
        return logits
    first = np.argmax(inside, axis=-1)[..., None] == np.arange(logits.shape[-1]) if problem.q.event_ndim > 1 else inside
    return np.where(inside, first, logits).astype(float)


def _moved(problem: Problem, direction: Array, scale: float) -> Problem:
    """The problem with other logits; what is masked stays masked."""
    inside = np.isfinite(direction)
    logits = np.where(inside, scale * np.where(inside, direction, 0.0), direction)
    return Problem(replace(problem.q, logits=logits), problem.f, problem.name)


def _order(row: Quality) -> tuple[bool, float, str]:
    """By error, to the digits that do not depend on rounding; then by name."""
    return (bool(row.note), 0.0 if row.note else float(f"{row.rms:.6g}"), row.name)
