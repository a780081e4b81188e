"""What the two checks without samples share: how code is called on given noise, and which known mistake it repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing._reading import read, real
from refgrad.testing._rounding import FLOAT64, rounding
from refgrad.testing._sampler import Form, SamplerError
from refgrad.testing.mistakes import Mistake, mistakes
from refgrad.testing.problem import Problem

__all__ = ["Function", "Rows", "at", "check_arguments", "identify", "precision_of", "wrong_numbers"]

Function = Callable[[Problem, Any], Any]

CLOSE = 16  # runs of shaken arithmetic for a known mistake


@dataclass(frozen=True, eq=False)
class Rows:
    """What a function returned: rows (n, d) in the gradient of the logits, their precision, other values by name."""

    rows: Array
    precision: float
    values: dict[str, Array]  # a term of the sum is `terms.name`

    @classmethod
    def of(cls, fn: Function, problem: Problem, noise: Array, block: int | None, form: Form) -> Rows:
        """Call a function on noise (draws, n, *event_shape), `block` repetitions at a time, and read what it returns.

        Raises
        ------
        SamplerError
            If it raises; the message names the call.
        TypeError, ValueError
            If it returns no real numbers, or another shape.
        """
        name = getattr(fn, "__name__", type(fn).__name__)
        n, event = noise.shape[1], problem.q.event_shape
        found, precision = [], FLOAT64
        values: dict[str, Array] = {}
        for start in range(0, n, block or n):
            part = noise[:, start : start + (block or n)].copy()
            where = f"{name}({problem}, noise of shape {part.shape})"
            try:
                returned = fn(problem, part)
            except Exception as error:
                raise SamplerError(f"{where} raised {type(error).__name__}: {error}") from error
            if isinstance(returned, Mapping):
                if "gradient" not in returned:
                    names = ", ".join(map(str, returned)) or "nothing"
                    raise ValueError(f"{where} needs to return a gradient, but returned {names}")
                values, coarsest = _others(returned, where)
                precision, returned = max(precision, coarsest), returned["gradient"]
            what = f"one estimate of the gradient for each of {part.shape[1]} repetitions"
            hints = {
                part.shape: "; the axis of the draws is not one of the repetitions",
                event: "; a mean over the repetitions hides the rows",
            }
            rows, own = read(returned, (part.shape[1], *event), where, what, hints)
            found.append(rows.copy())
            precision = max(precision, own)
        # A value that is not finite stays one: it is counted.
        with np.errstate(invalid="ignore", over="ignore"):
            return cls(form.in_logits(problem, np.concatenate(found)).reshape(n, -1), precision, values)


def _others(returned: Mapping[str, Any], where: str) -> tuple[dict[str, Array], float]:
    """Other values than the gradient, by name, and the coarsest of their precisions."""
    values, precision = {}, FLOAT64
    for name, value in returned.items():
        if name == "gradient":
            continue
        if name == "terms" and not isinstance(value, Mapping):
            raise TypeError(f"{where} needs to return terms by name, but returned {type(value).__name__}")
        named = {f"terms.{own}": x for own, x in value.items()} if name == "terms" else {name: value}
        for own, x in named.items():
            numbers, coarse = real(x, f"{where}, {own},")
            values[own] = numbers.copy()
            precision = max(precision, coarse)
    return values, precision


def check_arguments(fn: Any, estimator: Any, block: int | None) -> None:
    """Refuse what cannot be called, and what is no reference."""
    if not callable(fn):
        raise TypeError(f"fn needs to be callable, as fn(problem, noise), but is {fn!r}")
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator needs to be an instance of an Estimator, but is {estimator!r}")
    if block is not None and (not isinstance(block, (int, np.integer)) or block < 1):
        raise ValueError(f"block needs to be None or a whole number of at least 1, but is {block!r}")


def precision_of(precision: Any) -> float | None:
    """Distance of 1 to the next larger number, of a dtype by its name; None stays None.

    Raises
    ------
    ValueError
        If it is no floating type.
    """
    if precision is None:
        return None
    try:
        return max(float(np.finfo(np.dtype(precision)).eps), FLOAT64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"precision needs to be None or a floating type as 'float32', but is {precision!r}") from error


def wrong_numbers(problem: Problem, noise: Array, rows: Array) -> str | None:
    """Say which rows are not finite: how many, and the first with its noise and z."""
    wrong: Any = ~np.isfinite(rows).all(axis=1)
    if not wrong.any():
        return None
    first = int(np.argmax(wrong))
    share = f"{wrong.sum():,} of {len(wrong):,} estimates ({wrong.mean():.2%}) are not finite"
    return f"{share}; the first is {rows[first].tolist()}, at {at(problem, noise[:, first])}"


def at(problem: Problem, noise: Array) -> str:
    """One draw of noise (draws, *event_shape), and the z of the first."""
    z = f", z = {problem.q.sample(noise[0]).astype(int).tolist()}" if len(noise) else ""
    return f"noise = {noise.tolist()}{z}"


def identify(
    rows: Array, noise: Array, expected: Array, estimator: Estimator, problem: Problem, precision: float
) -> tuple[str, ...]:
    """Known mistakes that return the very same rows (n, d), the closest first; or a multiple of the reference."""
    q, f = problem.q, problem.f
    if not np.isfinite(rows).all():
        return ()
    largest = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    factor = rows[largest] / expected[largest] if expected[largest] else 0.0
    multiple, own = factor * expected, rounding(estimator, q, f, noise, precision, CLOSE)
    found = []
    if factor and (np.abs(rows - multiple) <= own * max(1.0, abs(factor))).all():
        found.append((np.abs(rows - multiple).mean(), f"{factor:.6g} times the reference, in every row"))
    for mistake in _mistakes_of(estimator, problem):
        same = np.asarray(mistake.estimator(q, f, noise)).reshape(rows.shape)
        # What rounding explains is far less than what it does not: the bound is worked out for few.
        near = np.abs(rows - same).mean() <= np.abs(rows - expected).mean() / 2
        if near and (np.abs(rows - same) <= rounding(mistake.estimator, q, f, noise, precision, CLOSE)).all():
            found.append((np.abs(rows - same).mean(), f"{mistake.name}: {mistake.bug} (the same in every row)"))
    return tuple(text for _, text in sorted(found, key=lambda pair: pair[0]))


def _mistakes_of(estimator: Estimator, problem: Problem) -> Iterator[Mistake]:
    """Those that can be made with these settings, and are functions of as many draws."""
    for mistake in mistakes(problem.family):
        if type(mistake.of) is not type(estimator) or not mistake.serves(problem.q):
            continue
        try:
            made = mistake.like(estimator)
        except ValueError:
            continue
        if made.estimator.draws == estimator.draws:
            yield made
