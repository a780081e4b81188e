"""Judge a function of noise row by row: on the same noise it must return what the reference returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing._deterministic import Function, Rows, at, check_arguments, identify, precision_of, wrong_numbers
from refgrad.testing._rounding import rounding
from refgrad.testing._sampler import Form
from refgrad.testing.problem import Problem, exact_problems, standard_problems
from refgrad.testing.session import judged
from refgrad.testing.verdict import Verdict

__all__ = ["Case", "assert_pathwise", "cases", "check_pathwise"]

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


def cases(
    estimator: Estimator, problems: Iterable[Problem] | None = None, *, n: int = 256, seed: int = 0
) -> Iterator[Case]:
    """Draw noise for every problem, none of it near an edge where rounding decides z.

    Parameters
    ----------
    estimator : Estimator
    problems : iterable of Problem, optional
        Without them the standard and the exact ones that the reference takes.
    n : int
        Rows of each problem.
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


@judged
def check_pathwise(  # noqa: PLR0913
    fn: Function,
    estimator: Estimator,
    problems: Iterable[Problem] | None = None,
    *,
    n: int = 256,
    seed: int = 0,
    block: int | None = None,
    precision: Any = None,
    wrt: str = "logits",
    loss: bool = False,
) -> Verdict:
    """Compare a function of noise with a reference, row by row.

    Parameters
    ----------
    fn : callable
        `fn(problem, noise)` takes noise of shape (draws, n, *event_shape) and returns array-like (n, *event_shape).
    estimator : Estimator
        The reference, whose draws come in its order.
    problems : iterable of Problem, optional
        Without them the standard and the exact ones that the reference takes.
    n : int
        Rows of each problem.
    seed : int
        Of the noise.
    block, precision, wrt, loss
        As in `check_expectation`.

    Returns
    -------
    Verdict
        Of the first problem with a row that is off; or of all, with the row that comes closest to its bound. `exact` is
        the row of the reference, `estimate` the other one.

    Raises
    ------
    SamplerError
        If `fn` raises; the message names the call.
    TypeError, ValueError
        If `fn` returns no real numbers or another shape, an option makes no sense, or the reference takes no problem.

    Notes
    -----
    Code that is right but uses its noise in another way is off here: `check_expectation` is for that. A row may be off
    by what rounding does to the reference itself in the precision that was returned.

    Examples
    --------
    >>> from refgrad.estimators import Rebar
    >>> from refgrad.testing import exact_problems
    >>> def swapped(problem, noise):
    ...     return Rebar()(problem.q, problem.f, noise[::-1])
    >>> verdict = check_pathwise(swapped, Rebar(), exact_problems("bernoulli"), n=4)
    >>> print(verdict.outcome)
    wrong
    >>> print(verdict.reason.split(";")[0])
    4 of 4 rows (100.0%) are not those of Rebar(temperature=0.5, coefficient=1.0, coupled=False)
    """
    check_arguments(fn, estimator, block)
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n needs to be a whole number of at least 1, but is {n!r}")
    form, stated = Form(None, wrt, loss), precision_of(precision)
    return judge(cases(estimator, problems, n=n, seed=seed), fn, block=block, precision=stated, form=form, seed=seed)


def assert_pathwise(
    fn: Function, estimator: Estimator, problems: Iterable[Problem] | None = None, **options: Any
) -> Verdict:
    """Raise unless `check_pathwise` says "right".

    Parameters
    ----------
    fn, estimator, problems, **options
        As in `check_pathwise`.

    Returns
    -------
    Verdict

    Raises
    ------
    AssertionError
        If a row is off; the message is the report.
    SamplerError, TypeError, ValueError
        As in `check_pathwise`.
    """
    return check_pathwise(fn, estimator, problems, **options).raised()


@dataclass(frozen=True, eq=False)
class _Compared:
    """A case, what was returned, and the place that is furthest off in units of its bound."""

    case: Case
    rows: Array
    bound: Array
    ratio: Array  # (n, d)
    precision: float

    @property
    def wrong(self) -> Array:
        """Whether each row is off: (n,)."""
        return np.asarray(~(self.ratio <= 1).all(axis=1))

    @property
    def place(self) -> tuple[int, int]:
        """Row and component: the first row that is off, or the one that comes closest to its bound."""
        ratio = np.where(np.isnan(self.ratio), np.inf, self.ratio)
        row = int(np.argmax(self.wrong)) if self.wrong.any() else int(np.argmax(ratio.max(axis=1)))
        return row, int(np.argmax(ratio[row]))


def judge(
    given: Iterable[Case], fn: Function, *, block: int | None, precision: float | None, form: Form, seed: int
) -> Verdict:
    """Compare the rows of every case, and stop at the first that is off."""
    closest, total, problems = None, 0, 0
    for case in given:
        rows = Rows.of(fn, case.problem, case.noise, block, form)
        unit = precision or rows.precision
        bound = case.bound(unit)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            off = np.abs(rows.rows - case.expected)
            ratio = np.where(off == 0, 0.0, off / bound)
        now = _Compared(case, rows.rows, bound, ratio, unit)
        total, problems = total + len(rows.rows), problems + 1
        if now.wrong.any():
            return _verdict(now, "wrong", _what_is_off(now), len(rows.rows), seed)
        if closest is None or ratio.max() > closest.ratio.max():
            closest = now
    assert closest is not None
    reason = f"all {total:,} rows of {problems} problems are those of {closest.case.estimator!r}"
    return _verdict(closest, "right", reason, total, seed)


def _what_is_off(found: _Compared) -> str:
    case, (row, component) = found.case, found.place
    bad = wrong_numbers(case.problem, case.noise, found.rows)
    if bad is not None:
        return bad
    share = f"{found.wrong.sum():,} of {len(found.wrong):,} rows ({found.wrong.mean():.1%}) are not those of"
    index = list(map(int, np.unravel_index(component, case.problem.q.event_shape)))
    return (
        f"{share} {case.estimator!r}; the first at {at(case.problem, case.noise[:, row])}: component {index} is "
        f"{found.rows[row, component]:.9g}, not {case.expected[row, component]:.9g}, and rounding explains "
        f"{found.bound[row, component]:.1e}"
    )


def _verdict(found: _Compared, outcome: str, reason: str, n: int, seed: int) -> Verdict:
    case, (row, component) = found.case, found.place
    shape = case.problem.q.event_shape
    causes: tuple[str, ...] = ()
    if outcome == "wrong":
        causes = identify(found.rows, case.noise, case.expected, case.estimator, case.problem, found.precision)
    off = np.abs(found.rows[row] - case.expected[row])
    return Verdict(
        outcome=outcome,
        problem=str(case.problem),
        reason=reason,
        alpha=0.0,
        tolerance=float(found.bound[row, component]),
        n=n,
        exact=case.expected[row].reshape(shape),
        estimate=found.rows[row].reshape(shape),
        standard_error=np.zeros(shape),
        worst=tuple(map(int, np.unravel_index(component, shape))),
        certified=float((off + found.bound[row]).max()),
        evidence=np.inf if outcome == "wrong" else 0.0,
        assumes=f"nothing: {n:,} rows on the noise of the reference",
        seed=seed,
        causes=causes,
        low=(found.rows[row] - found.bound[row]).reshape(shape),
        high=(found.rows[row] + found.bound[row]).reshape(shape),
        counted="rows",
    )


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
