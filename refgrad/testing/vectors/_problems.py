"""Which objectives and shapes an estimator is tried on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refgrad.testing.vectors._draw import Draw

__all__ = ["objectives"]

TARGET = 29 / 64  # of the toy, (z - target)**2
SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "bernoulli": ((1,), (2,), (3,)),
    "categorical": ((1, 3), (2, 2), (2, 3)),
}


def objectives(name: str, family: str, differentiates: bool) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """Shapes, and an objective on each: a toy, all values by a table or its multilinear extension, a quadratic.

    Parameters
    ----------
    name : str
        Seeds the coefficients.
    family : {"bernoulli", "categorical"}
    differentiates : bool
        Whether f is needed between the configurations.

    Yields
    ------
    shape : tuple of int
    objective : dict
    """
    small, middle, large = (Draw(f"{name} {shape}", family, shape) for shape in SHAPES[family])
    if family == "bernoulli":
        toy = {"kind": "quadratic", "constant": TARGET**2, "linear": [-2 * TARGET], "matrix": [[1.0]]}
        yield small.shape, toy
    else:
        yield small.shape, small.quadratic()
    yield middle.shape, middle.values("multilinear" if differentiates else "table")
    yield large.shape, large.quadratic()
