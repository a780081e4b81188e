"""Numbers of many digits: a vector is a list of mpf, a derivative is a central difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp, mpf

__all__ = ["DIGITS", "add", "directional", "dot", "flat", "gradient", "numbers", "scale", "settled", "sub"]

DIGITS = 50
LEAST = mpf(10) ** -330  # below it float64 has nothing but zero
LADDER = (150, 400, 800, 1600, 3200)  # decimal digits of the arithmetic

Vector = list[Any]


def numbers(values: Any) -> Any:
    """Floats, exact, as mpf; in nested lists. None, a masked logit, is -inf."""
    if isinstance(values, (list, tuple)):
        return [numbers(value) for value in values]
    return mpf("-inf") if values is None else mpf(values)


def flat(nested: Any) -> Vector:
    """All numbers of nested lists in one."""
    return [x for own in nested for x in flat(own)] if isinstance(nested, list) else [nested]


def scale(factor: Any, vector: Vector) -> Vector:
    """A vector times a number."""
    return [factor * x for x in vector]


def add(*vectors: Vector) -> Vector:
    """Sum of vectors."""
    return [sum(column) for column in zip(*vectors, strict=True)]


def sub(one: Vector, other: Vector) -> Vector:
    """Difference of two vectors."""
    return [x - y for x, y in zip(one, other, strict=True)]


def dot(one: Vector, other: Vector) -> Any:
    """Inner product of two vectors."""
    return sum((x * y for x, y in zip(one, other, strict=True)), mpf(0))


def directional(fn: Callable[[Vector], Any], at: Vector, direction: Vector) -> Any:
    """Derivative along a direction: right to two thirds of the digits of the arithmetic."""
    step = mpf(10) ** -(mp.dps // 3)
    ahead, behind = (fn(add(at, scale(side * step, direction))) for side in (1, -1))
    if isinstance(ahead, list):
        return scale(1 / (2 * step), sub(ahead, behind))
    return (ahead - behind) / (2 * step)  # Eq. 16.1


def gradient(fn: Callable[[Vector], Any], at: Vector) -> Vector:
    """Gradient of a number, by central differences; exactly zero for a masked logit."""
    unit = [[mpf(i == j) for j in range(len(at))] for i in range(len(at))]
    return [0 if x == mpf("-inf") else directional(fn, at, along) for x, along in zip(at, unit, strict=True)]


def settled(compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Compute in more and more digits, until twice as many change none of the first fifty. Eq. 16.2.

    Parameters
    ----------
    compute : callable
        Returns numbers in nested dicts and lists; it reads `mp.dps`.

    Returns
    -------
    dict
        Of the last computation. A number below 1e-330 is zero.

    Raises
    ------
    ArithmeticError
        If not even the most digits are enough.
    """
    before = None
    for digits in LADDER:
        with mp.workdps(digits):
            try:
                now = compute()
            except ZeroDivisionError:  # of what these digits cannot tell from zero
                before = None
                continue
            if before is not None and _agree(before, now, mpf(10) ** -(2 * digits // 3)):
                return _rounded(now)
        before = now
    raise ArithmeticError(f"{DIGITS} digits need an arithmetic of more than {LADDER[-1]}")


def _agree(before: Any, now: Any, seen: Any) -> bool:
    """Whether fifty digits agree; zero is believed of an arithmetic that would have seen what float64 can hold."""
    if isinstance(now, dict):
        return before.keys() == now.keys() and all(_agree(before[name], now[name], seen) for name in now)
    if isinstance(now, list):
        return len(before) == len(now) and all(_agree(x, y, seen) for x, y in zip(before, now, strict=True))
    if isinstance(now, (int, str)):
        return bool(before == now)
    size = max(abs(now), abs(before))
    if size < LEAST:
        return bool(seen < LEAST)
    return bool(abs(now - before) <= mpf(10) ** -DIGITS * size)


def _rounded(value: Any) -> Any:
    """What float64 cannot tell from zero is zero."""
    if isinstance(value, dict):
        return {name: _rounded(own) for name, own in value.items()}
    if isinstance(value, list):
        return [_rounded(own) for own in value]
    return 0 if isinstance(value, mpf) and abs(value) < LEAST else value
