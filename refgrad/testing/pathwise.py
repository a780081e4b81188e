"""Judge a function of noise row by row: on the same noise it must return what the reference returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing._cases import Case, Vector, cases, vectors_of
from refgrad.testing._deterministic import Function, Rows, at, check_arguments, identify, precision_of, wrong_numbers
from refgrad.testing._sampler import Form
from refgrad.testing.problem import Problem
from refgrad.testing.session import judged
from refgrad.testing.verdict import Verdict

__all__ = ["Case", "assert_pathwise", "cases", "check_pathwise", "check_vectors"]

UNSEEN = "other values than the gradient are compared on golden vectors alone, and there were none for these settings"


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
        `fn(problem, noise)` takes noise of shape (draws, n, *event_shape) and returns array-like (n, *event_shape); or
        a mapping with that as `gradient` and, if it likes, other values under the names that vectors have for them
        (`z`, `relaxed`, `terms`, ...), with n first: then the first that is off is named.
    estimator : Estimator
        The reference, whose draws come in its order.
    problems : iterable of Problem, optional
        Without them the golden vectors for these settings, if there are some, and the standard and the exact problems
        that the reference takes.
    n : int
        Rows of each problem; a vector has one.
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
        If `fn` returns no real numbers, another shape or a value with a name that no vector has, an option makes no
        sense, or the reference takes no problem.

    Notes
    -----
    Code that is right but uses its noise in another way is off here: `check_expectation` is for that. A row may be off
    by what rounding does to the reference itself in the precision that was returned; of a vector, which comes from an
    arithmetic of fifty digits, by its own tolerance (`refgrad vectors`).

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


def check_vectors(fn: Function, estimator: Estimator, family: str) -> Verdict | None:
    """Compare a function of noise with the golden vectors of a reference and a family alone.

    Parameters
    ----------
    fn, estimator
        As in `check_pathwise`.
    family : {"bernoulli", "categorical"}

    Returns
    -------
    Verdict or None
        None if there are no vectors for these settings.

    Raises
    ------
    SamplerError, TypeError, ValueError
        As in `check_pathwise`.
    """
    check_arguments(fn, estimator, None)
    given = list(vectors_of(estimator, family))
    if not given:
        return None
    verdict = judge(given, fn, block=None, precision=None, form=Form(), seed=0)
    return replace(verdict, check="pathwise", sampler=getattr(fn, "__name__", type(fn).__name__))


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
    off: str | None  # another value than the estimate that is off first

    @property
    def wrong(self) -> Array:
        """Whether each row is off: (n,)."""
        return np.asarray(~(self.ratio <= 1).all(axis=1) | (self.off is not None))

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
    closest, total, problems, seen, unseen = None, 0, 0, False, False
    for case in given:
        rows = Rows.of(fn, case.problem, case.noise, block, form)
        unit = precision or rows.precision
        bound = case.bound(unit)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            off = np.abs(rows.rows - case.expected)
            ratio = np.where(off == 0, 0.0, off / bound)
        gradient = rows.rows.reshape(-1, *case.problem.q.event_shape)
        other = case.off(rows.values | {"gradient": gradient}, unit) if rows.values else None
        now = _Compared(case, rows.rows, bound, ratio, unit, other)
        unseen = unseen or bool(rows.values)
        seen = seen or isinstance(case, Vector)
        total, problems = total + len(rows.rows), problems + 1
        if now.wrong.any():
            causes = _causes(now, fn, form)
            return _verdict(now, "wrong", _what_is_off(now), len(rows.rows), seed, causes)
        if closest is None or ratio.max() > closest.ratio.max():
            closest = now
    assert closest is not None
    reason = f"all {total:,} rows of {problems} problems are those of {closest.case.estimator!r}"
    verdict = _verdict(closest, "right", reason, total, seed)
    return replace(verdict, notes=(*verdict.notes, UNSEEN)) if unseen and not seen else verdict


def _what_is_off(found: _Compared) -> str:
    case, (row, component) = found.case, found.place
    bad = wrong_numbers(case.problem, case.noise, found.rows)
    if bad is not None:
        return bad
    if isinstance(case, Vector):
        flags = ", ".join(case.test["flags"][:1])
        first = found.off or (
            f"gradient {_index(found)} is {found.rows[row, component]:.9g}, not {case.expected[row, component]:.9g}; "
            f"rounding explains {found.bound[row, component]:.1e}"
        )
        where = at(case.problem, case.noise[:, row])
        return f"the golden vector {case.problem.name} ({flags}) is not met: {first}, at {where}"
    share = f"{found.wrong.sum():,} of {len(found.wrong):,} rows ({found.wrong.mean():.1%}) are not those of"
    return (
        f"{share} {case.estimator!r}; the first at {at(case.problem, case.noise[:, row])}: component {_index(found)} "
        f"is {found.rows[row, component]:.9g}, not {case.expected[row, component]:.9g}, and rounding explains "
        f"{found.bound[row, component]:.1e}"
    )


def _index(found: _Compared) -> list[int]:
    """The component that is off, as Python indexes it."""
    return list(map(int, np.unravel_index(found.place[1], found.case.problem.q.event_shape)))


def _causes(found: _Compared, fn: Function, form: Form) -> tuple[str, ...]:
    """Known mistakes that return the same rows; of a vector, the same on all vectors of the settings."""
    case = found.case
    if isinstance(case, Vector):
        return case.causes(lambda problem, noise: Rows.of(fn, problem, noise, None, form).rows, found.precision)
    return identify(found.rows, case.noise, case.expected, case.estimator, case.problem, found.precision)


def _verdict(found: _Compared, outcome: str, reason: str, n: int, seed: int, causes: tuple[str, ...] = ()) -> Verdict:
    case, (row, component) = found.case, found.place
    shape = case.problem.q.event_shape
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
