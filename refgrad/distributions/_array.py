"""Arrays that may be traced by autograd, without importing autograd before somebody traces."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SPARE = 2**21  # numbers


def traced(*values: Any) -> bool:
    """Tell whether autograd is following any of the values."""
    tracer = sys.modules.get("autograd.tracer")
    return tracer is not None and not tracer.Box.types.isdisjoint(map(type, values))


def namespace(*values: Any) -> Any:
    """Return `numpy`, or `autograd.numpy` when any of the values is traced."""
    if not traced(*values):
        return np
    import autograd.numpy  # noqa: PLC0415  (whoever traces has already paid for it)

    return autograd.numpy


def untraced(value: Any) -> Any:
    """Return the plain array behind a value, however many traces are on it: a constant to autograd."""
    while traced(value):
        value = value._value
    return value


def select(mask: Any, x: Any, other: float) -> Any:
    """`where(mask, x, other)` for a mask that may be larger than x: autograd's gradient would have the mask's shape."""
    return namespace(x).where(mask, x + np.zeros(np.shape(mask)), other)


def as_float(value: Any, name: str) -> Any:
    """Convert to float64; a traced value passes through.

    Raises
    ------
    TypeError
        If the value is not an array of real numbers.
    """
    if traced(value):
        return value
    array = np.asarray(value, order="C")
    if array.dtype == np.float64:
        return array
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} needs real numbers, but has dtype {array.dtype}")
    return array.astype(np.float64)


def keep_freed_memory() -> None:
    """Free one large array: once it did, glibc keeps what smaller ones free, and does not ask the system each time."""
    np.empty(SPARE)


def abbreviated(array: Any) -> str:
    """Return a short one-line text of an array."""
    if traced(array):
        return f"<traced, shape {np.shape(array)}>"
    text = np.array2string(np.asarray(array), precision=4, threshold=12, edgeitems=2, separator=", ")
    return " ".join(text.split())
