"""Nodes of a design in many digits: a rule for logistic coordinates, and the noise that coordinates stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from math import prod
from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references._numbers import Vector

__all__ = ["DIGITS", "axes", "free", "gauss", "nodes", "products", "steps"]

DIGITS = 75  # of the arithmetic: a difference quotient keeps fifty

Rule = list[tuple[Any, Any]]


def gauss(count: int, stretch: int) -> Rule:
    """Gauss-Legendre nodes of the unit interval, clustered at its ends and mapped to the line. Eq. 00.9.

    Parameters
    ----------
    count : int
        Of nodes, even.
    stretch : int
        Of the map: 1 for probabilities of ordinary size, more where the tails count.

    Returns
    -------
    list of (node, weight)
        Of a logistic variable; the rule is its own mirror image.
    """
    rule = []
    for x, weight in _legendre(count):
        y, other = (1 + x) / 2, (1 - x) / 2
        below, above = (end**3 * (10 - 15 * end + 6 * end**2) for end in (y, other))
        v = stretch * (mp.log(below) - mp.log(above))
        slope = stretch * 30 * y**2 * other**2 / (below * above)
        rule.append((v, _density(v) * slope * weight / 2))
    return rule


def steps(step: Any, reach: Any, scale: Any) -> Rule:
    """A trapezoid on the line whose steps grow far out. Eq. 00.12, on all indices."""
    last = int(mp.ceil(scale * mp.asinh(reach / scale) / step))
    rule = []
    for i in range(-last, last + 1):
        v = scale * mp.sinh(i * step / scale)
        rule.append((v, step * mp.cosh(i * step / scale) * _density(v)))
    return rule


def products(rule: Rule, count: int) -> Iterator[tuple[Vector, Any]]:
    """The product of a rule with itself: coordinates and their weight."""
    for chosen in product(rule, repeat=count):
        yield [v for v, _ in chosen], prod((weight for _, weight in chosen), start=mpf(1))


def axes(family: str, shape: Sequence[int]) -> int:
    """Coordinates of one draw: one for a Bernoulli variable, K - 1 for a Categorical one."""
    return shape[0] if family == "bernoulli" else shape[0] * (shape[1] - 1)


def nodes(q: Any, claims: Any, rule: Rule) -> Iterator[tuple[Any, list[Vector]]]:
    """Weights and noise, the draws first, for an estimator that reads its noise as its claims say.

    Every z has nodes of its own. A draw that is read through its z alone rests in the middle of the cell; the others
    move through the rule, and where the estimate is a sum over two draws they move together, one as the mirror image
    of the other: the law of each is the rule's.

    Parameters
    ----------
    q : Reference
    claims : Claims
        `reads` and `additive`.
    rule : list of (node, weight)

    Yields
    ------
    weight : mpf
    noise : list of list of mpf
    """
    moving = [word != "z" for word in claims.reads]
    own = axes(q.family, q.shape)
    size = own * (min(1, sum(moving)) if claims.additive else sum(moving))
    possible = [z for z in q.support() if q.possible(z)]
    for cell in product(possible, repeat=sum(word != "smooth" for word in claims.reads)):
        prob = prod((mp.exp(q.log_prob(z)) for z in cell), start=mpf(1))
        for coordinates, weight in products(rule, size):
            noise, zs, used = [], iter(cell), 0
            for word in claims.reads:
                z = next(zs) if word != "smooth" else None
                fresh = [mpf(0)] * len(q.logits)
                if word != "z":
                    start = 0 if claims.additive else used * own
                    mirrored = -1 if claims.additive and used else 1
                    fresh = free(q, [mirrored * v for v in coordinates[start : start + own]], z or cell[0])
                    used += 1
                noise.append(fresh if z is None else q.noise_given(z, fresh))
            yield prob * weight, noise


def free(q: Any, coordinates: Vector, first: list[int]) -> Vector:
    """Standard noise from independent logistic coordinates; Gumbel noise but for a shift of each variable.

    Given the first j of the ratios of exponential times to the time of one category, with the sum S, the next one is
    larger than x with probability `((1 + S) / (1 + S + x))**(j + 1)`. Eq. 00.6.

    Parameters
    ----------
    q : Reference
    coordinates : list of mpf
    first : list of int
        One-hot, flat: the category of each variable whose time is one.
    """
    if q.family == "bernoulli":
        return coordinates
    noise, left = [], iter(coordinates)
    for start in range(0, len(first), q.shape[1]):
        total, j = mpf(0), 0
        for chosen in first[start : start + q.shape[1]]:
            if chosen:
                noise.append(mpf(0))
                continue
            j += 1
            ratio = (1 + total) * mp.expm1(mp.log1p(mp.exp(next(left))) / j)
            total += ratio
            noise.append(-mp.log(ratio))
    return noise


def _density(v: Any) -> Any:
    """Density of the standard logistic."""
    return mp.exp(-v) / (1 + mp.exp(-v)) ** 2


@cache
def _legendre(count: int) -> Rule:
    """Roots of a Legendre polynomial between -1 and 1, by Newton's method, and their weights."""
    with mp.workdps(DIGITS + 10):
        right = []
        for i in range(count // 2):
            x, step = mp.cos(mp.pi * (i + mpf(3) / 4) / (count + mpf(1) / 2)), mpf(1)
            while abs(step) > mpf(10) ** -(2 * DIGITS // 3):
                value, slope = _polynomial(count, x)
                step = value / slope
                x -= step
            right.append((x, 2 / ((1 - x**2) * _polynomial(count, x)[1] ** 2)))
        return [*((-x, weight) for x, weight in right), *reversed(right)]


def _polynomial(count: int, x: Any) -> tuple[Any, Any]:
    """Value and slope of a Legendre polynomial."""
    before, now = mpf(1), x
    for k in range(2, count + 1):
        before, now = now, ((2 * k - 1) * x * now - (k - 1) * before) / k
    return now, count * (x * now - before) / (x**2 - 1)
