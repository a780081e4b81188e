"""Numbers and sizes in words that need no statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["DASH", "MINUS", "chance", "component", "deviation", "number", "power", "size", "superscript"]

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
NEGLIGIBLE = 1e-6  # times the largest component: a share of less is a share of nothing
ROUNDING = 1e-9  # times the same
TIMES = 10.0  # from here on a share is said as a multiple


def number(value: float | None, digits: int = 4) -> str:
    """A number in few digits; a dash for what is not finite."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    small = 1e-4 <= abs(value) < 10.0**6
    text = f"{value:.{digits}g}" if small else f"{value:.{digits - 2}e}"
    if small and "e" in text:
        text = f"{value:,.0f}"
    return text.replace("-", MINUS)


def deviation(estimate: float | None, exact: float | None, largest: float = 0.0, tolerance: float = math.inf) -> str:
    """How far off: in per cent of the exact value, or in its units where that is zero beside the largest one."""
    if estimate is None or exact is None:
        return DASH
    off = estimate - exact
    if off == 0:
        return "0 %"
    if max(abs(exact), abs(estimate)) <= min(ROUNDING * largest, tolerance):
        return "0 (rounding)"
    share = math.inf if _none(exact, largest) else 100 * (off / exact)
    if not math.isfinite(share):
        return f"{off:+.1e}".replace("-", MINUS) if math.isfinite(off) else DASH
    text = f"{share:+.1f}" if 0.1 <= abs(share) < 1e4 else f"{share:+.2g}"
    return f"{text} %".replace("-", MINUS)


def size(estimate: float | None, exact: float | None, largest: float = 0.0) -> str:
    """The same as the end of a sentence."""
    if estimate is None or exact is None:
        return "has no estimate"
    if estimate == exact:
        return f"agrees: {number(estimate)}"
    digits = 4 if number(estimate) != number(exact) else 12
    pair = f"{number(estimate, digits)} instead of {number(exact, digits)}"
    ratio = math.inf if _none(exact, largest) else estimate / exact
    if not math.isfinite(ratio):
        return f"is not zero: {pair}"
    if ratio < 0:
        return f"has the wrong sign: {pair}"
    if ratio >= TIMES:
        return f"is {number(ratio, 3)} times too large: {pair}"
    share = 100 * abs(ratio - 1)
    text = f"{share:.1f}" if share >= 0.1 else f"{share:.2g}".replace("-", MINUS)
    return f"is {text} % too {'large' if ratio > 1 else 'small'}: {pair}"


def _none(exact: float, largest: float) -> bool:
    return exact == 0 or abs(exact) <= NEGLIGIBLE * largest


def component(index: Sequence[int]) -> str:
    """Name a component as Python does."""
    return f"[{', '.join(map(str, index))}]"


def chance(alpha: float) -> str:
    """A small probability: one in so many."""
    return f"1 in {1 / alpha:,.0f}" if 1e-12 <= alpha <= 0.1 else f"{alpha:.2g}".replace("-", MINUS)


def superscript(exponent: int) -> str:
    """Ten to a whole power, as the axis of a figure has it."""
    if abs(exponent) >= 10**6:
        return f"10^{exponent:.3g}"
    return "1" if exponent == 0 else "10" + str(exponent).translate(RAISED)


def power(exponent: float | None) -> str:
    """A number by its decimal logarithm, in words."""
    if exponent is None:
        return "unbounded"
    return "less than 1" if exponent < 0 else f"10 to the power {exponent:.1f}"
