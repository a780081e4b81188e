"""What a call returned, as real numbers of the shape that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from refgrad.distributions._array import Array

__all__ = ["read", "real"]


def read(
    returned: Any, shape: tuple[int, ...], where: str, what: str, hints: dict[tuple[int, ...], str] | None = None
) -> tuple[Array, float]:
    """Check what a call returned, and convert it to float64; tell also the precision that it came in.

    Numbers that are float64 are not copied.

    Raises
    ------
    TypeError, ValueError
        If these are no real numbers, or of another shape; a known shape adds its hint.
    """
    estimates, precision = real(returned, where)
    if estimates.shape != shape:
        hint = (hints or {}).get(estimates.shape, "")
        raise ValueError(f"{where} needs to return shape {shape}, {what}, but returned shape {estimates.shape}{hint}")
    return estimates, precision


def real(returned: Any, where: str) -> tuple[Array, float]:
    """Convert what a call returned to float64, of whatever shape; tell also the precision that it came in.

    Numbers that are float64 are not copied.

    Raises
    ------
    TypeError
        If these are no real numbers.
    """
    if returned is None:
        raise TypeError(f"{where} needs to return numbers, but returned None: is a return missing?")
    if isinstance(returned, np.ma.MaskedArray):
        raise TypeError(f"{where} needs to return numbers, but returned a masked array: which of them count?")
    if getattr(returned, "requires_grad", False):
        raise TypeError(
            f"{where} needs to return numbers, but returned a tensor that requires grad; return it detached"
        )
    try:
        estimates = np.asarray(returned.cpu() if hasattr(returned, "cpu") else returned)
    except Exception as error:
        kind = type(returned).__name__
        raise TypeError(f"{where} needs to return real numbers, but returned a {kind}: {error}") from error
    if estimates.dtype.kind not in "buif":
        kind = f"dtype {estimates.dtype}" if estimates.dtype != object else f"a {type(returned).__name__} of objects"
        raise TypeError(f"{where} needs to return real numbers, but returned {kind}")
    precision = np.finfo(estimates.dtype).eps if estimates.dtype.kind == "f" else np.finfo(float).eps
    return np.asarray(estimates, dtype=np.float64), float(precision)
