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

REACH = 42.0  # beyond it lies less than 1e-16 of the least likely value, with three axes too
# By the number of axes: steps; the scale beyond which they grow, at least and as a share of the largest -log p; the
# largest -log p that the reach follows.
STEPS = {
    1: ((0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06), 12.0, 1.0, np.inf),
    2: ((0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06), 3.0, 0.5, 60.0),
    3: ((0.6, 0.42, 0.27, 0.19, 0.14, 0.11), 3.0, 0.5, 20.0),
}
# Relative difference of two rules at which no finer one is tried.
GOAL = {0: 1e-12, 1: 1e-12, 2: 1e-11, 3: 1e-10}
TOGETHER = {0: 1, 1: 3}  # rules that are tried at once; with more axes two
SAMPLE = 2**10  # points of a lattice that tell the size of a mean
BEYOND = 1e-8  # the same for more axes, where a rule follows the relaxed sample


def ladder(plan: Plan, limit: int, what: str, temperature: object = None) -> Iterator[list[Rule | RelaxedGauss]]:
    """Rules of growing accuracy, as far as the limit allows; for many axes, one lattice with several shifts.

    Those that are needed in any case come together: all shifts, or as many rules as have to agree.

    With one positive number as the temperature of a relaxation of Bernoulli variables, a product of Gauss rules that
    follow it serves for more than three axes, and with three where the limit is too small for a trapezoid.

    Raises
    ------
    ValueError
        If even the second rule exceeds the limit: nothing could be said of the error.
    """
    stretch = max(-part.log_probs.min() for part in plan.parts)
    rules: list[Rule] = [single()]
    if 0 < plan.axes <= 3:
        steps, scale, share, most = STEPS[plan.axes]
        stretch = min(stretch, most)
        reach, scale = REACH + stretch, max(scale, share * stretch)
        rules = [Trapezoid(step, reach, plan.axes, scale, plan.in_turn) for step in steps]
    elif plan.axes:
        rules = [Lattice(2**13, plan.axes, shift, max(1.0, stretch / 6)) for shift in range(SHIFTS)]
    tried: Iterable[Rule | RelaxedGauss] = rules
    followed = float(temperature) if isinstance(temperature, int | float) and plan.one_z_each else 0.0
    fits = plan.cells * COUNTS[1] ** plan.axes <= limit
    if followed > 0 and fits and (plan.axes > 3 or (plan.axes == 3 and plan.cells * len(rules[1]) > limit)):
        tried = relaxed_rules(plan.parts, followed)
    found: list[Rule | RelaxedGauss] = []
    together = len(rules) if tried is rules and plan.axes > 3 else TOGETHER.get(plan.axes, 2)
    for number, rule in enumerate(tried):
        if number >= 2 and plan.cells * len(rule) > limit:
            break
        check_count(plan.cells * len(rule), limit, what)
        found.append(rule)
        if number + 1 >= together:
            yield found
            found = []
    if found:
        yield found


def rough(rule: Rule | RelaxedGauss) -> Rule | RelaxedGauss:
    """A rule of fewer points, which tell the size of a mean."""
    if isinstance(rule, Trapezoid):
        return replace(rule, step=2 * rule.step)
    return replace(rule, size=SAMPLE) if isinstance(rule, Lattice) else rule


def agree(totals: list[Sums], rule: Rule | RelaxedGauss, axes: int, rounding: Sums) -> bool:
    """Whether the last two rules agree as closely as anybody needs or rounding lets them, or the error is as small."""
    goal = BEYOND if isinstance(rule, RelaxedGauss) else GOAL.get(axes)
    if goal is None or len(totals) < 2:
        return False
    fine = totals[-1]
    errors = [_difference(totals[-2], fine)]
    if isinstance(rule, Trapezoid):
        errors.append(_nested(totals)[1])
    for error in errors:
        first = error.first <= goal * fine.absolute + rounding.first
        second = error.second <= goal * fine.second + rounding.second
        if first.all() and second.diagonal().all():
            return True
    return False


def remaining(totals: list[Sums], rule: Rule | RelaxedGauss) -> tuple[Sums, Sums]:
    """Moments by all rules of a kind, the last of which is given, and a bound on their error."""
    if isinstance(rule, Lattice):
        return _shifted(totals)
    return _together(totals) if isinstance(rule, RelaxedGauss) else _nested(totals)


def _nested(totals: list[Sums]) -> tuple[Sums, Sums]:
    """Moments by the finest rule, and a bound on their error: derivation 00, under Eq. 00.9.

    Where differences do not fall tenfold f has a kink or a jump, and two rules may agree by chance: three times the
    larger of the last two differences stands for the error. Where the largest of all components, in the scale of each,
    does, they fall faster and faster, and the next one would be smaller by at least as much again: by the root of it.
    """
    fine, coarse, coarser = totals[-1], *(totals[-min(back, len(totals))] for back in (2, 3))
    last = _difference(coarse, fine)
    if len(totals) < 3:
        return fine, last
    before, deviation = _difference(coarser, coarse), np.sqrt(fine.second.diagonal())
    scales = Sums(first=fine.absolute, second=np.outer(deviation, deviation))
    then, now = (_largest(moved, scales) for moved in (before, last))
    left = 2 * np.sqrt(now / then) * now if now < 0.1 * then else now
    first, second = (
        np.where(after > 0.1 * earlier, 3 * np.maximum(after, earlier), np.minimum(after, left * scale))
        for after, earlier, scale in (
            (last.first, before.first, scales.first),
            (last.second, before.second, scales.second),
        )
    )
    return fine, Sums(first=first, second=second)


def _largest(moved: Sums, scales: Sums) -> float:
    """The largest relative difference of all components."""
    return max(
        float(np.max(a / np.where(s > 0, s, np.inf), initial=0.0))
        for a, s in ((moved.first, scales.first), (moved.second, scales.second))
    )


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
