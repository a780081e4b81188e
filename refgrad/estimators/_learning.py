"""What estimators that learn share: arrays as fields, the optimiser whose state is a field, and the loop of steps."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from refgrad.distributions._array import Array, abbreviated, as_float, traced, untraced

if TYPE_CHECKING:
    from collections.abc import Callable

    from refgrad.distributions import Distribution

__all__ = ["Adam", "ByValue", "learn", "read_only"]

Learner = TypeVar("Learner")


def read_only(value: Any, name: str) -> Any:
    """Copy to a finite float64 array that nobody can write to; what autograd follows passes through.

    Raises
    ------
    TypeError
        If the value is not an array of real numbers.
    ValueError
        If an entry is not finite.
    """
    if traced(value):
        return value
    array = np.array(as_float(value, name))
    if not np.isfinite(array).all():
        raise ValueError(f"{name} needs finite entries, but is {abbreviated(array)}")
    array.flags.writeable = False
    return array


class ByValue:
    """For frozen dataclasses with arrays: equal if every entry is; `repr` shows what differs from the defaults."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        # A zero of either sign has the same bytes once 0.0 is added, as equal values must.
        return hash((type(self), *((v + 0.0).tobytes() if isinstance(v, np.ndarray) else v for v in values)))

    def __repr__(self) -> str:
        shown = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.default is MISSING or not _same(value, field.default):
                text = abbreviated(value) if isinstance(value, np.ndarray) or traced(value) else repr(value)
                shown.append(f"{field.name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _same(one: Any, other: Any) -> bool:
    """Equality of two fields, arrays or not, followed by autograd or not."""
    one, other = untraced(one), untraced(other)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is not None and other is not None and np.array_equal(one, other)
    return bool(one == other)


@dataclass(frozen=True, eq=False, repr=False)
class Adam(ByValue):
    """Kingma and Ba (2015), algorithm 1: a step against the gradient, scaled by running moments. Immutable.

    Parameters
    ----------
    rate : float
        Length of a step. Positive.
    decay, decay_square : float
        In [0, 1): of the running mean of the gradient, and of its square.
    epsilon : float
        Positive. Keeps the division finite.
    mean, square : (P,) array_like of float64, optional
        The state: both or neither.
    steps : int
        How many were taken.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the state does not belong together.
    """

    rate: float = 0.01
    decay: float = 0.9
    decay_square: float = 0.999
    epsilon: float = 1e-8
    mean: Any = None
    square: Any = None
    steps: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.rate < np.inf and 0 < self.epsilon < np.inf):
            raise ValueError(f"Adam needs a positive rate and epsilon, but they are {self.rate} and {self.epsilon}")
        if not (0 <= self.decay < 1 and 0 <= self.decay_square < 1):
            raise ValueError(f"Adam needs decays in [0, 1), but they are {self.decay} and {self.decay_square}")
        for name in ("mean", "square"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name), f"Adam {name}"))
        if self.square is not None and (self.square < 0).any():
            raise ValueError(f"Adam needs a square that is not negative, but it is {abbreviated(self.square)}")
        shapes = [None if moment is None else np.shape(moment) for moment in (self.mean, self.square)]
        if shapes[0] != shapes[1] or self.steps < 0 or (self.steps > 0) != (shapes[0] is not None):
            raise ValueError(
                "Adam needs a mean and a square of one shape if it has taken steps, else neither, but they have shapes "
                f"{shapes[0]} and {shapes[1]} after {self.steps} steps"
            )

    def step(self, parameters: Array, gradient: Array) -> tuple[Array, Adam]:
        """Move against the gradient.

        Parameters
        ----------
        parameters, gradient : (P,) ndarray of float64

        Returns
        -------
        parameters : (P,) ndarray of float64
        optimizer : Adam
            With the state of the next step.

        Raises
        ------
        ValueError
            If the gradient is not finite, or not of the shape of the parameters and of the state.
        """
        gradient = read_only(gradient, "Adam gradient")
        if np.shape(parameters) != gradient.shape:
            raise ValueError(
                f"Adam needs a gradient of the shape of the parameters, {np.shape(parameters)}, but it has shape "
                f"{gradient.shape}"
            )
        mean = np.zeros_like(gradient) if self.mean is None else self.mean
        square = np.zeros_like(gradient) if self.square is None else self.square
        if mean.shape != gradient.shape:
            raise ValueError(f"Adam has a state of shape {mean.shape}, but the gradient has shape {gradient.shape}")
        steps = self.steps + 1
        mean = self.decay * mean + (1 - self.decay) * gradient
        square = self.decay_square * square + (1 - self.decay_square) * gradient**2
        scale = np.sqrt(square / (1 - self.decay_square**steps)) + self.epsilon
        moved = parameters - self.rate * mean / (1 - self.decay**steps) / scale
        return moved, replace(self, mean=mean, square=square, steps=steps)


def learn(
    estimator: Learner,
    q: Distribution,
    f: Callable[[Any], Any],
    rng: np.random.Generator,
    *,
    steps: int,
    n: int = 1,
    progress: bool = False,
) -> Learner:
    """Update an estimator `steps` times, on n fresh samples each.

    Raises
    ------
    ValueError
        If `steps` is negative or n is not positive.
    ImportError
        If `progress` is asked for and tqdm is not there.
    """
    from refgrad._workers import bar  # noqa: PLC0415

    if steps < 0 or n < 1:
        raise ValueError(f"learning needs steps >= 0 and n >= 1, but they are {steps} and {n}")
    turns: Any = range(steps)
    for _ in bar(turns, steps, "step") if progress else turns:
        estimator = estimator.update(q, f, estimator.draw_noise(q, n, rng))  # type: ignore[attr-defined]
    return estimator
