"""What the frameworks share: a surrogate in the two forms that the checks call, and the complaints about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from operator import index
from typing import Any

import numpy as np

from refgrad.distributions._array import Array, as_float
from refgrad.testing.problem import Problem

__all__ = ["Adapter", "Surrogate", "check_value", "framework", "no_gradient", "row_count"]

Surrogate = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Adapter:
    """`(problem, n, rng)` of a sampler and `(problem, noise)` of a function of noise, both from `rows`.

    Parameters
    ----------
    surrogate : callable
    rows : callable
        `rows(problem, n, rng, noise)`, where rng or noise is None, returns (n, *event_shape) array_like.

    Raises
    ------
    TypeError
        If the surrogate is not callable.
    """

    surrogate: Surrogate
    rows: Callable[[Problem, int, np.random.Generator | None, Array | None], Any]

    def __post_init__(self) -> None:
        if not callable(self.surrogate):
            raise TypeError(f"the surrogate needs to be callable, but is {self.surrogate!r}")

    @property
    def __name__(self) -> str:
        """The name of the surrogate: reports are about it."""
        return getattr(self.surrogate, "__name__", type(self.surrogate).__name__)

    @property
    def __code__(self) -> Any:
        """The code of the surrogate, in whose file a report looks for the line that raised."""
        return self.surrogate.__code__

    def __call__(self, problem: Problem, n: Any, rng: np.random.Generator | None = None) -> Any:
        """Return rows of the gradient: (n, *event_shape).

        Parameters
        ----------
        problem : Problem
        n : int, or (draws, n, *event_shape) array_like of float64
            With `rng` how many rows; without it the noise of every row.
        rng : numpy.random.Generator, optional

        Returns
        -------
        (n, *event_shape) array_like

        Raises
        ------
        ValueError
            If n is negative, the surrogate returns another shape, or no gradient reaches the logits.
        TypeError
            If n is no whole number.
        ImportError
            If the framework is not installed.
        """
        if rng is not None:
            return self.rows(problem, row_count(n), rng, None)
        noise = as_float(n, "noise")
        if noise.shape[2:] != problem.q.event_shape or noise.ndim < 2:
            needed = ", ".join(map(str, ("draws", "n", *problem.q.event_shape)))
            raise ValueError(f"noise needs shape ({needed}), but has shape {noise.shape}")
        return self.rows(problem, noise.shape[1], None, noise)


def row_count(n: Any) -> int:
    """Check how many rows are wanted.

    Raises
    ------
    ValueError
        If it is negative.
    TypeError
        If it is no whole number.
    """
    if index(n) < 0:
        raise ValueError(f"n needs to be at least 0, but is {n}")
    return index(n)


def framework(name: str, adapter: str) -> Any:
    """Import a framework when it is used.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{adapter} needs {name}, which is not installed here: {error}") from error


def check_value(value: Any, shapes: tuple[tuple[int, ...], ...], what: str, kind: type = object) -> None:
    """Refuse what a surrogate returns in another shape, or as another kind of array.

    Raises
    ------
    ValueError
        If it is of none of the shapes, or not of this kind.
    """
    if value is None:
        raise ValueError(f"the surrogate needs to return {what}, but returned None: is a return missing?")
    if not hasattr(value, "shape") or tuple(value.shape) not in shapes:
        given = f"shape {tuple(value.shape)}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise ValueError(f"the surrogate needs to return {what}, but returned {given}")
    if not isinstance(value, kind):
        given = f"a {type(value).__module__}.{type(value).__name__}"
        raise ValueError(f"the surrogate needs to return {what}, but returned {given}")


def no_gradient() -> ValueError:
    """The complaint where nothing leads from the value to the logits."""
    return ValueError(
        "the surrogate needs to depend on the logits, but no gradient reaches them: what leads there is detached, "
        "sampled without reparameterisation, or computed outside of the framework"
    )
