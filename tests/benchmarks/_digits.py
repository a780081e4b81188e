"""How far a number is from the truth, in units of the best that its conditioning allows.

Inputs are float64 and exact; the truth is computed from them in as many digits as it takes to settle fifty. A unit is
`eps |y| + eps sum_i |dy / dx_i| |x_i|`, which rounding the result and every input once may cost, plus what underflow
may: the least subnormal, or where a temperature divides what has underflowed, at arguments up to 745, that many of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from mpmath import mp, mpf

from refgrad.testing.references._numbers import flat, settled

EPS = mpf(float(np.finfo(float).eps))
LEAST = mpf(float(np.finfo(float).smallest_subnormal))
STEP = mpf(10) ** -20  # relative, of the differences that measure the conditioning

Exact = Mapping[str, Any]  # inputs by name: numbers of many digits, in nested lists


def figures(computed: Any, truth: Callable[[Exact], Any], inputs: Mapping[str, Any]) -> list[float]:
    """Distance of each number from the truth, in units.

    Parameters
    ----------
    computed : array_like of float64
        What is judged.
    truth : callable
        From the inputs, in many digits, to numbers in nested lists in the order of `computed`.
    inputs : dict
        Arrays of float64 by name.

    Returns
    -------
    list of float
        Infinite where the number is infinite or not a number and the truth is neither.
    """
    values, units = true(truth, inputs)
    found = np.ravel(computed).tolist()
    return [apart(*own) for own in zip(found, values, units, strict=True)]


def true(truth: Callable[[Exact], Any], inputs: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The truth, and the unit of each of its numbers."""
    digits = []
    # 1 - p may be as small as the least float: digits in which it is zero would agree with each other.
    largest = max((abs(x) for own in inputs.values() for x in np.ravel(own) if np.isfinite(x)), default=0.0)
    more = int(min(largest, 2000) / np.log(10)) + 50 if largest > 100 else 0

    def compute(moved: Exact | None = None) -> list[Any]:
        with mp.workdps(mp.dps + more):
            return flat(truth(exact(inputs) if moved is None else moved))

    def settling() -> dict[str, Any]:
        digits.append(mp.dps)
        try:
            return {"values": compute()}
        except ZeroDivisionError:  # what is not zero was, in so few digits: no two of these agree
            return {"values": [mpf(mp.dps)]}

    values = settled(settling)["values"]
    with mp.workdps(digits[-1]):
        here, total = compute(), [mpf(0)] * len(values)
        for name, array in inputs.items():
            for index in np.ndindex(np.shape(array)):
                if np.isfinite(array[index]) and array[index]:
                    ahead = compute(exact(inputs, name, index))
                    total = [t + abs(x - y) / STEP for t, x, y in zip(total, ahead, here, strict=True)]
        lost = LEAST * (1 + 745 / mpf(float(inputs["temperature"]))) if "temperature" in inputs else LEAST
        units = [EPS * (abs(y) + t) + lost for y, t in zip(values, total, strict=True)]
    return values, units


def exact(inputs: Mapping[str, Any], name: str = "", index: Any = None) -> Exact:
    """The inputs in many digits, one of them moved by a relative step."""
    found = {own: np.array(array, dtype=object) for own, array in inputs.items()}
    for array in found.values():
        for place in np.ndindex(array.shape):
            array[place] = mpf(float(array[place]))
    if name:
        found[name][index] *= 1 + STEP
    return {own: array.tolist() for own, array in found.items()}


def apart(computed: float, value: Any, unit: Any) -> float:
    if not np.isfinite(computed):
        return 0.0 if mpf(computed) == value else float("inf")
    return float(abs(mpf(computed) - value) / unit) if mp.isfinite(value) else float("inf")
