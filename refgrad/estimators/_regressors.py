"""Functions of features with parameters that can be learned: NVIL's baselines, RELAX's control variate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from refgrad.distributions._array import Array, namespace
from refgrad.estimators._learning import ByValue, read_only

__all__ = ["Linear", "OneHiddenLayer", "Regressor"]

Self = TypeVar("Self", bound="Regressor")


@dataclass(frozen=True, eq=False, repr=False)
class Regressor(ByValue, ABC):
    """A function from features (..., inputs) to numbers (...), with all its parameters in one vector.

    Products are sums of plain operators, not BLAS, whose bits depend on the number of rows; autograd can follow both
    the features and the parameters.

    Parameters
    ----------
    parameters : (P,) array_like of float64, optional
        None stands for those that `started` chooses when the number of inputs is known.
    """

    parameters: Any = None

    def __post_init__(self) -> None:
        if self.parameters is not None:
            object.__setattr__(self, "parameters", read_only(self.parameters, f"{type(self).__name__} parameters"))

    @abstractmethod
    def count(self, inputs: int) -> int:
        """Number of parameters for a number of inputs."""

    @abstractmethod
    def _first(self, inputs: int) -> Array:
        """Parameters before anything is learned: (P,)."""

    @abstractmethod
    def __call__(self, features: Any) -> Any:
        """Return the values: (...), from features of shape (..., inputs)."""

    @abstractmethod
    def gradient(self, features: Any, signal: Any) -> Array:
        """Sum over all rows of `signal` times the derivative of the value in the parameters: (P,), by hand.

        The signal has the axes of the rows of features, after those of the repetitions, if any.
        """

    def started(self: Self, inputs: int) -> Self:
        """Return the regressor with parameters that fit the number of inputs.

        Raises
        ------
        ValueError
            If it has parameters of another number.
        """
        if self.parameters is None:
            return replace(self, parameters=self._first(inputs))
        if np.shape(self.parameters) != (self.count(inputs),):
            raise ValueError(
                f"{type(self).__name__} needs {self.count(inputs)} parameters for {inputs} inputs, but they have shape "
                f"{np.shape(self.parameters)}"
            )
        return self


def _rows(features: Any, signal: Any) -> tuple[Array, Array]:
    """Rows of features (rows, inputs), and of each the sum of the signal over repetitions (rows, 1)."""
    shape = np.shape(features)
    total = np.sum(signal, axis=tuple(range(np.ndim(signal) - len(shape) + 1)))
    if np.shape(total) != shape[:-1]:
        needed = ", ".join(["...", *map(str, shape[:-1])])
        raise ValueError(f"features of shape {shape} need values of shape ({needed}), but they have {np.shape(signal)}")
    return np.reshape(features, (np.size(total), shape[-1])), np.reshape(total, (-1, 1))


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Regressor):
    """`weights . x + constant`: P = inputs + 1, the constant last; zeros before anything is learned.

    Examples
    --------
    >>> print(Linear([2.0, -1.0, 0.5])(np.array([1.0, 1.0])))
    1.5
    """

    def count(self, inputs: int) -> int:
        return inputs + 1

    def _first(self, inputs: int) -> Array:
        return np.zeros(inputs + 1)

    def __call__(self, features: Any) -> Any:
        own = self.started(np.shape(features)[-1]).parameters
        return (features * own[:-1]).sum(-1) + own[-1]

    def gradient(self, features: Any, signal: Any) -> Array:
        self.started(np.shape(features)[-1])
        rows, signal = _rows(features, signal)
        return np.append((signal * rows).sum(axis=0), signal.sum())

    def fitted(self, features: Any, values: Any) -> Linear:
        """Return the regressor with the least squared error on samples, in closed form.

        Parameters
        ----------
        features : (..., inputs) array_like of float64
        values : (repetitions, ...) array_like of float64
            At least one of each row, all finite.

        Returns
        -------
        Linear
            Eq. 05.6; of several that fit as well, the one with the shortest parameters.

        Raises
        ------
        ValueError
            If the shapes do not belong together, there is no value, or one is not finite.
        """
        features, values = read_only(features, "features"), read_only(values, "values")
        if not values.size:
            raise ValueError(f"a fit needs a value, but they have shape {values.shape}")
        rows, total = _rows(features, values)
        columns = np.column_stack([rows, np.ones(len(rows))])
        means = total[:, 0] * (len(rows) / np.size(values))
        return replace(self, parameters=np.linalg.lstsq(columns, means, rcond=None)[0])


@dataclass(frozen=True, eq=False, repr=False)
class OneHiddenLayer(Regressor):
    """`out . tanh(weights x + shift) + constant`: P = units (inputs + 2) + 1, in this order.

    Before anything is learned the weights are normal with variance 1 / (inputs + 1), and `out` with 1 / units, drawn
    from `seed`: a function of the two sizes alone.

    Parameters
    ----------
    parameters : (P,) array_like of float64, optional
    units : int
        Positive.
    seed : int

    Raises
    ------
    ValueError
        If there is no unit, or a parameter is not finite.
    """

    units: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"OneHiddenLayer needs units >= 1, but it is {self.units}")

    def count(self, inputs: int) -> int:
        return self.units * (inputs + 2) + 1

    def _first(self, inputs: int) -> Array:
        rng = np.random.default_rng(self.seed)
        weights = rng.normal(size=self.units * inputs) / np.sqrt(inputs + 1)
        out = rng.normal(size=self.units) / np.sqrt(self.units)
        return np.concatenate([weights, np.zeros(self.units), out, [0.0]])

    def __call__(self, features: Any) -> Any:
        weights, shift, out, constant = self._parts(np.shape(features)[-1])
        hidden = self._hidden(features, weights, shift)
        return (out * hidden).sum(-1) + constant

    def gradient(self, features: Any, signal: Any) -> Array:
        rows, signal = _rows(features, signal)
        weights, shift, out, _ = self._parts(rows.shape[-1])
        hidden = self._hidden(rows, weights, shift)  # (rows, units)
        back = signal * out * (1 - hidden**2)  # (rows, units)
        by_weight = (back[:, :, None] * rows[:, None, :]).sum(axis=0)
        return np.concatenate([by_weight.ravel(), back.sum(axis=0), (signal * hidden).sum(axis=0), signal.sum(axis=0)])

    @staticmethod
    def _hidden(features: Any, weights: Any, shift: Any) -> Any:
        xp = namespace(features, weights)
        rows = features.reshape((*np.shape(features)[:-1], 1, np.shape(features)[-1]))
        return xp.tanh((weights * rows).sum(-1) + shift)

    def _parts(self, inputs: int) -> tuple[Any, Any, Any, Any]:
        own, edge = self.started(inputs).parameters, self.units * inputs
        weights = own[:edge].reshape((self.units, inputs))
        return weights, own[edge : edge + self.units], own[edge + self.units : -1], own[-1]
