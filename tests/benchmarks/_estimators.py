"""Each estimator on one sample, beside the same from definitions; f is a quadratic, whose coefficients are inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from _digits import apart, true

from refgrad import estimators
from refgrad.estimators import Estimator
from refgrad.objectives import Quadratic
from refgrad.testing.references import reference
from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import flat, scale, sub
from refgrad.testing.references._objectives import quadratic
from refgrad.testing.vectors._settings import Mean


@dataclass(frozen=True)
class Sampled:
    """An estimator, its reference, and the numbers that belong to it."""

    name: str
    make: Callable[..., Estimator]
    module: str
    inputs: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    control: bool = False
    draws: int = 1


_NVIL: Mapping[str, Any] = {
    "features": [0.3, -1.1],
    "baseline": {"kind": "quadratic", "constant": 0.4, "linear": [0.7, -0.2], "matrix": [[0.0, 0.0], [0.0, 0.0]]},
    "centred": True,
    "normalised": True,
}


def _nvil(*, features: Any, baseline: Mapping[str, Any], **settings: Any) -> Estimator:
    learned = estimators.Linear([*baseline["linear"], baseline["constant"]])
    return estimators.Nvil(features, learned, **settings)


def _control_variate(control_variate: Quadratic, coefficient: float) -> Estimator:
    return estimators.ControlVariate(control_variate, Mean(control_variate), coefficient)


def sampled() -> list[Sampled]:
    """Every estimator."""
    relaxed = {"temperature": 0.5, "coefficient": 0.75}
    found = [
        Sampled("Reinforce", estimators.Reinforce, "reinforce"),
        Sampled("ConstantBaseline", estimators.ConstantBaseline, "constant_baseline", {"baseline": 0.3}),
        Sampled(
            "MovingAverageBaseline",
            estimators.MovingAverageBaseline,
            "moving_average_baseline",
            {"average": 0.3, "decay": 0.9},
        ),
        Sampled("Nvil", _nvil, "nvil", {"average": 0.3, "variance": 2.1, "decay": 0.9}, _NVIL),
        Sampled("ControlVariate", _control_variate, "control_variate", {"coefficient": 0.75}, control=True),
        Sampled("MeanSubstitution", estimators.MeanSubstitution, "mean_substitution", draws=0),
        Sampled("GumbelSoftmax", estimators.GumbelSoftmax, "gumbel_softmax", {"temperature": 0.5}),
        Sampled("MuProp, order 1", estimators.MuProp, "mu_prop", {}, {"order": 1}),
        Sampled("MuProp, order 2", estimators.MuProp, "mu_prop", {}, {"order": 2}),
    ]
    for coupled in (False, True):
        name = f"Rebar{', coupled' if coupled else ''}"
        found.append(Sampled(name, estimators.Rebar, "rebar", relaxed, {"coupled": coupled}, draws=2 - coupled))
    for coupled in (False, True):
        name = f"Relax{', coupled' if coupled else ''}"
        found.append(Sampled(name, estimators.Relax, "relax", relaxed, {"coupled": coupled}, True, 2 - coupled))
    return found


def estimate(own: Sampled, q: Any, inputs: Mapping[str, Any]) -> Any:
    """One estimate of refgrad, flat."""
    f = Quadratic(inputs["constant"], inputs["linear"], inputs["matrix"])
    numbers = {name: float(inputs[name]) for name in own.inputs}
    control = {}
    if own.control:
        control = {"control_variate": Quadratic(inputs["control"], inputs["control_linear"], inputs["control_matrix"])}
    estimator = own.make(**control, **numbers, **own.fixed)
    return np.ravel(estimator(q, f, np.expand_dims(inputs["noise"], 1)))


def both(own: Sampled, q: Any, inputs: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Distances of an estimate from the truth: in units of the sum, and in units of its terms."""
    size = q.logits.size
    values, units = true(lambda exact: _truth(own, q, exact), inputs)
    found = estimate(own, q, inputs).tolist()
    terms = [sum(units[size + i :: size]) for i in range(size)]
    return tuple([apart(*of) for of in zip(found, values, own, strict=False)] for own in (units, terms))  # type: ignore[return-value]


def _truth(own: Sampled, q: Any, inputs: Mapping[str, Any]) -> list[Any]:
    """The gradient, and then the terms that it is the sum of."""
    exact = distribution(q.family, flat(inputs["logits"]), q.event_shape)
    wire = _wire(inputs["constant"], inputs["linear"], inputs["matrix"])
    f, draws = quadratic(wire), [flat(draw) for draw in inputs["noise"]]
    parameters = {**{name: inputs[name] for name in own.inputs}, **own.fixed}
    if own.control:
        parameters["control_variate"] = _wire(*(inputs[f"control{name}"] for name in ("", "_linear", "_matrix")))
    found = reference(own.module)(exact, f, draws, **parameters)
    terms = list(found["terms"].values())
    if own.module == "mu_prop":
        terms = [*terms, *_expansion(found, inputs["matrix"], own.fixed["order"])]
    return [found["gradient"], *terms]


def _expansion(found: Mapping[str, Any], matrix: Any, order: int) -> list[Any]:
    """The products that the expansion is the sum of, each times the score."""
    rest, score = sub(found["z"], found["mean"]), found["score"]
    products = [found["value_at_mean"], *(s * x for s, x in zip(found["slope_at_mean"], rest, strict=True))]
    if order == 2:
        products += [m * x * y for row, x in zip(matrix, rest, strict=True) for m, y in zip(row, rest, strict=True)]
    return [scale(own, score) for own in products]


def _wire(constant: Any, linear: Any, matrix: Any) -> dict[str, Any]:
    return {"constant": constant, "linear": flat(linear), "matrix": matrix}
