"""The parameters of a group as an estimator of refgrad, and the modules that have vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from refgrad import estimators
from refgrad.distributions import Bernoulli, Categorical, Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator, Linear
from refgrad.objectives import Quadratic
from refgrad.testing._wire import from_wire

__all__ = ["FAMILIES", "distribution_of", "estimator_class", "made", "modules", "objective_of", "stem"]

FAMILIES = {"bernoulli": Bernoulli, "categorical": Categorical}


@cache
def modules() -> dict[str, str]:
    """Module of each estimator, by the name of its class."""
    found = {}
    for info in iter_modules(estimators.__path__):
        if not info.name.startswith("_"):
            found[estimator_class(info.name).__name__] = info.name
    return found


def estimator_class(module: str) -> Any:
    """The estimator of a module."""
    own = vars(import_module(f"refgrad.estimators.{module}"))
    return next(own[name] for name in own["__all__"] if issubclass(own[name], Estimator))


def stem(module: str, family: str) -> str:
    """Name of the file of an estimator and a family, and the start of the names of its tests."""
    return f"{module.replace('_', '-')}-{family}"


def made(group: dict[str, Any]) -> Estimator:
    """The estimator of a group.

    Raises
    ------
    ValueError, TypeError
        If its parameters make none.
    """
    cls, shape = estimator_class(modules()[group["estimator"]]), tuple(group["shape"])
    parameters = {name: _parameter(value, shape) for name, value in group["parameters"].items()}
    if cls is estimators.ControlVariate:
        parameters["mean"] = Mean(parameters["control_variate"])
    if cls is estimators.Nvil:
        parameters["baseline"] = _linear(group["parameters"]["baseline"])
    return cls(**parameters)


def distribution_of(group: dict[str, Any], logits: Any) -> Distribution:
    """The distribution of a test; null is minus infinity."""
    array = np.array(logits, dtype=object)
    array[array == None] = -np.inf  # noqa: E711  (elementwise)
    return FAMILIES[group["family"]](array.astype(float))


def objective_of(group: dict[str, Any]) -> Callable[[Any], Any]:
    """The f of a group; a table is extended, so that arrays of other libraries are served too."""
    kind = {"table": "multilinear"}.get(group["objective"]["kind"], group["objective"]["kind"])
    return from_wire(group["objective"] | {"kind": kind}, tuple(group["shape"]))


@dataclass(frozen=True)
class Mean:
    """Mean of a quadratic of z: two entries of one variable have no product but that of an entry with itself."""

    control: Quadratic

    def __call__(self, q: Distribution) -> Any:
        """Return the mean: (*batch_shape,)."""
        size, own = self.control.linear.size, self.control
        variable = np.arange(size) // (q.event_shape[1] if q.event_ndim == 2 else 1)
        apart: Array = np.where(variable[:, None] == variable, 0.0, own.matrix)
        once = own.linear.ravel() + np.diag(own.matrix)
        p = q.probs.reshape((*q.batch_shape, size))
        return own.constant + (once * p).sum(-1) + (p[..., :, None] * apart * p[..., None, :]).sum((-2, -1))


def _parameter(value: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(value, dict):
        return value
    linear = np.array(value["linear"])
    return Quadratic(
        value["constant"], linear.reshape(shape) if linear.size == np.prod(shape) else linear, value["matrix"]
    )


def _linear(value: dict[str, Any]) -> Linear:
    """A learned baseline without products.

    Raises
    ------
    ValueError
        If it has some: refgrad's baselines are no quadratics.
    """
    if np.any(value["matrix"]):
        raise ValueError("Nvil needs a baseline with a matrix of zeros, but it has products of features")
    return Linear([*value["linear"], value["constant"]])
