"""Rules that are tried in turn, when two of them agree, and how far the last is off: derivation 00."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from refgrad.exact._cells import Plan
from refgrad.exact._factors import check_count
from refgrad.exact._integrate import Sums
from refgrad.exact._relaxed_rule import COUNTS, RelaxedGauss, relaxed_rules
from refgrad.exact._rules import SHIFTS, Lattice, Rule, Trapezoid, single
from refgrad.exact._trapezoids import RATIO, rarest, trapezoids

GOAL = {1: 1e-12, 2: 1e-10, 3: 1e-10}  # relative error at which no finer rule is tried
TOGETHER = 3  # trapezoids that are tried in any case; with two there is no fall
SAMPLE = 2**10  # points of a lattice that tell the size of a mean
BELIEVED, FAST = 1e-2, 1e-5  # relative differences, below which a fall is believed, and the next one is foreseen
CLEAR, SMALL = 1e-4, 1e-3  # a fall that is no chance, from a difference below the other
POWER = RATIO  # the next fall, in logs, is larger by as much as the step is shorter
ROUNDING = 64 * np.finfo(float).eps  # of one estimate, in units of the mean of its absolute value
MARGIN = 10.0  # in units of the last differences, where these do not fall
BEYOND = 1e-8  # relative difference of two rules that follow the relaxed sample, at which no finer one is tried


def ladder(plan: Plan, limit: int, what: str, temperature: object = None) -> Iterator[list[Rule | RelaxedGauss]]:
    """Rules of growing accuracy, as far as the limit allows; for many axes, one lattice with several shifts.

    Those that are needed in any case come together: all shifts, or as many rules as have to agree.

    With one positive number as the temperature of a relaxation of Bernoulli variables, a product of Gauss rules that
    follow it serves for more than three axes, and with three where the limit is too small for a trapezoid.

    Raises
    ------
    ValueError
        If even the third trapezoid, or the second rule of another kind, exceeds the limit: nothing could be said of
        the error.
    """
    warmth = float(temperature) if isinstance(temperature, int | float) else 0.0
    rules: list[Rule] = [single()]
    if 0 < plan.axes <= 3:
        rules = trapezoids(plan, warmth)
    elif plan.axes:
        rules = [Lattice(2**13, plan.axes, shift, max(1.0, rarest(plan) / 6)) for shift in range(SHIFTS)]
    tried: Iterable[Rule | RelaxedGauss] = rules
    followed = warmth if plan.one_z_each else 0.0
    fits = plan.cells * COUNTS[1] ** plan.axes <= limit
    if followed > 0 and fits and (plan.axes > 3 or (plan.axes == 3 and plan.cells * len(rules[TOGETHER - 1]) > limit)):
        tried = relaxed_rules(plan.parts, followed)
    found: list[Rule | RelaxedGauss] = []
    together = min(len(rules), TOGETHER if plan.axes <= 3 else SHIFTS) if tried is rules else 2
    least = min(together, TOGETHER)
    for number, rule in enumerate(tried):
        if number >= least and plan.cells * len(rule) > limit:
            break
        check_count(plan.cells * len(rule), limit, what)
        found.append(rule)
        if number + 1 >= together:
            yield found
            found = []
    if found:
        yield found


def rough(rule: Rule | RelaxedGauss) -> Rule | RelaxedGauss:
    """The first rule, with no more points than tell the size of a mean."""
    return replace(rule, size=SAMPLE) if isinstance(rule, Lattice) else rule


def agree(totals: list[Sums], rule: Rule | RelaxedGauss, axes: int, rounding: Sums) -> bool:
    """Whether the error, or of Gauss rules the last difference, is as small as anybody needs or rounding allows."""
    if isinstance(rule, Trapezoid):
        return len(totals) >= TOGETHER and _left(_moved(totals, _granted(rule, totals[-1], rounding))) <= GOAL[axes]
    if not isinstance(rule, RelaxedGauss) or len(totals) < 2:
        return False
    fine, error = totals[-1], _difference(totals[-2], totals[-1])
    first = error.first <= BEYOND * fine.absolute + rounding.first
    second = error.second <= BEYOND * fine.second + rounding.second
    return bool(first.all() and second.diagonal().all())


def remaining(totals: list[Sums], rule: Rule | RelaxedGauss, rounding: Sums) -> tuple[Sums, Sums]:
    """Moments by all rules of a kind, the last of which is given, and a bound on their error beside rounding."""
    if isinstance(rule, Lattice):
        return _shifted(totals)
    if isinstance(rule, RelaxedGauss):
        return _together(totals)
    return _nested(totals, _granted(rule, totals[-1], rounding) if isinstance(rule, Trapezoid) else rounding)


def _nested(totals: list[Sums], granted: Sums) -> tuple[Sums, Sums]:
    """Moments by the finest rule, and a bound on their error, which all components share, each in its own scale."""
    fine, left = totals[-1], _left(_moved(totals, granted))
    scales = _scales(fine)
    return fine, Sums(first=left * scales.first, second=left * scales.second)


def _granted(rule: Trapezoid, fine: Sums, rounding: Sums) -> Sums:
    """What the error counts beside the differences: rounding, and the largest estimate beyond the reach."""
    beyond, squares, scales = rule.beyond(), np.multiply.outer(fine.largest, fine.largest), _scales(fine)
    rounded = ROUNDING * (scales.first + np.sqrt(scales.second.diagonal()))  # of rows, and of these less the center
    return Sums(
        first=rounding.first + rounded + beyond * fine.largest,
        second=rounding.second + ROUNDING * scales.second + beyond * squares,
    )


def _moved(totals: list[Sums], granted: Sums) -> list[float]:
    """Largest relative difference of each rule to the one before, less what is granted."""
    scales, found = _scales(totals[-1]), []
    for coarse, fine in pairwise(totals):
        off = _difference(coarse, fine)
        found.append(
            max(
                float(np.max((a - r) / np.where(s > 0, s, np.inf), initial=0.0))
                for a, r, s in (
                    (off.first, granted.first, scales.first),
                    (off.second, granted.second, scales.second),
                )
            )
        )
    return found


def _left(moved: list[float]) -> float:
    """Relative error after these differences of rules: derivation 00, Eq. 00.15.

    A difference may be small by chance. A fall to a ten-thousandth is none, a smaller one is believed as far as the one
    before goes; where differences do not fall, f has a kink, or steps are too long, and nothing is.
    """
    before, then, now = [0.0, 0.0, 0.0, *moved][-3:]
    fall = now / then if then > 0 else 1.0
    if fall > CLEAR or then > SMALL:
        fall = max(fall, (then / before) ** POWER if then < before else 1.0)
    if fall > 0.1 or then > BELIEVED:
        return MARGIN * max(then, now)
    return fall * then * (2 * fall**0.5 if then < FAST else 1.0)


def _scales(fine: Sums) -> Sums:
    """In which components are compared: the mean absolute estimate, and the products of the deviations."""
    deviation = np.sqrt(fine.second.diagonal())
    return Sums(first=fine.absolute, second=np.outer(deviation, deviation))


def _together(totals: list[Sums]) -> tuple[Sums, Sums]:
    """Moments by the finest Gauss rule, and a bound on their error from how much they still move.

    Components share their largest relative difference, as one of them may agree by chance; for paths through noise
    given z, errors fall like the square of the number of nodes, and four differences cover them.
    """
    fine = totals[-1]
    scale = np.sqrt(fine.second.diagonal())
    scales = Sums(first=scale, second=np.outer(scale, scale))
    moved = [_difference(coarse, finer) for coarse, finer in pairwise(totals[-3:])]
    if len(moved) == 1:
        return fine, _relative(moved[0], scales, 2.0)
    before, last = (_relative(one, scales, factor) for one, factor in zip(moved, (0.1, 4.0), strict=True))
    return fine, Sums(np.maximum(before.first, last.first), second=np.maximum(before.second, last.second))


def _relative(moved: Sums, scales: Sums, factor: float) -> Sums:
    """The largest relative difference of all components, in the scale of each."""
    first, second = (
        factor * np.max(a / np.where(s > 0, s, np.inf), initial=0.0) * s
        for a, s in ((moved.first, scales.first), (moved.second, scales.second))
    )
    return Sums(first=first, second=second)


def _difference(coarse: Sums, fine: Sums) -> Sums:
    return Sums(first=np.abs(fine.first - coarse.first), second=np.abs(fine.second - coarse.second))


def _shifted(totals: list[Sums]) -> tuple[Sums, Sums]:
    """Moments by lattices with several shifts, and 5.4 standard errors.

    With 7 degrees of freedom Student's t exceeds 5.4 once in a thousand.
    """
    mean = Sums(*(np.mean([getattr(t, name) for t in totals], axis=0) for name in ("first", "absolute", "second")))
    width = 5.4 / np.sqrt(len(totals) - 1)
    first, second = (width * np.std([getattr(t, name) for t in totals], axis=0) for name in ("first", "second"))
    return mean, Sums(first=first, second=second)
