"""What refgrad's distributions compute, beside the same from definitions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf

from refgrad import Bernoulli, Categorical
from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import directional, flat, sub


@dataclass(frozen=True)
class Quantity:
    """A function of arrays by name, as refgrad computes it and as it is defined."""

    name: str
    inputs: tuple[str, ...]
    computed: Callable[..., Any]
    defined: Callable[..., Any]
    wrt: str = ""


def quantities() -> list[Quantity]:
    """Every verb, and its derivatives."""
    verbs: list[tuple[str, tuple[str, ...], Callable[..., Any], Callable[..., Any]]] = [
        ("probs", ("logits",), lambda q, z: q.probs, lambda q, z: q.probs),
        ("log_prob", ("logits",), lambda q, z: q.log_prob(z), lambda q, z: [q.log_prob(z)]),
        ("score", ("logits",), lambda q, z: q.score(z), lambda q, z: sub(z, q.probs)),
        ("relax", ("logits", "noise", "temperature"), lambda q, z, *on: q.relax(*on), lambda q, z, *on: q.relax(*on)),
        ("noise_given", ("logits", "v"), lambda q, z, v: q.noise_given(z, v), lambda q, z, v: q.noise_given(z, v)),
        (
            "relax_given",
            ("logits", "v", "temperature"),
            lambda q, z, v, t: q.relax_given(z, v, t),
            lambda q, z, v, t: q.relax(q.noise_given(z, v), t),
        ),
        (
            "relaxed_log_prob",
            ("logits", "relaxed", "temperature"),
            lambda q, z, *on: q.relaxed_log_prob(*on),
            lambda q, z, *on: [_density(q, *on)],
        ),
        ("fresh_given", ("logits", "noise"), lambda q, z, on: q.fresh_given(on), lambda q, z, on: q.fresh_given(on)),
    ]
    found = []
    for name, inputs, computed, defined in verbs:
        found.append(Quantity(name, inputs, computed, defined))
        if name != "fresh_given":
            found += [Quantity(f"d {name} / d {wrt}", inputs, computed, defined, wrt) for wrt in inputs]
    return found


def computed(own: Quantity, inputs: Mapping[str, Any], z: Any) -> Any:
    """The numbers of refgrad, flat."""
    from autograd import jacobian  # noqa: PLC0415

    def verb(logits: Any, *more: Any) -> Any:
        return own.computed(family(z)(logits), z, *more)

    values = [inputs[name] if np.ndim(inputs[name]) else float(inputs[name]) for name in own.inputs]
    if own.wrt:
        verb = jacobian(verb, own.inputs.index(own.wrt))
    return np.ravel(verb(*values))


def defined(own: Quantity, z: Any) -> Callable[[Mapping[str, Any]], list[Any]]:
    """The truth, flat, as a function of the inputs."""
    shape, hard = np.shape(z), np.ravel(z).astype(int).tolist()
    kind = "bernoulli" if len(shape) == 1 else "categorical"

    def verb(*values: Any) -> list[Any]:
        logits, *more = values
        return own.defined(distribution(kind, logits, shape), hard, *more)

    def truth(inputs: Mapping[str, Any]) -> list[Any]:
        values = [flat(inputs[name]) if name != "temperature" else inputs[name] for name in own.inputs]
        if not own.wrt:
            return verb(*values)
        place = own.inputs.index(own.wrt)

        def along(x: Any) -> list[Any]:
            return verb(*values[:place], x if own.wrt != "temperature" else x[0], *values[place + 1 :])

        at = values[place] if isinstance(values[place], list) else [values[place]]
        columns = []
        for j, x in enumerate(at):
            unit = [mpf(i == j) for i in range(len(at))]
            columns.append([mpf(0)] * len(along(at)) if x == mpf("-inf") else directional(along, at, unit))
        return [x for row in zip(*columns, strict=True) for x in row]

    return truth


def _density(q: Any, relaxed: list[Any], temperature: Any) -> Any:
    """Eq. 01.12 and Eq. 01.13 as they stand, with everything that cancels."""
    if q.family == "bernoulli":
        total = mpf(0)
        for x, y in zip(q.logits, relaxed, strict=True):
            noise = temperature * mp.log(y / (1 - y)) - x
            total += mp.log(temperature / (y * (1 - y)) / (1 + mp.exp(noise)) / (1 + mp.exp(-noise)))
        return total
    pairs = [(mp.exp(x), y) for x, y in zip(q.logits, relaxed, strict=True) if x > mpf("-inf")]
    if len(pairs) == 1:
        return mpf(0)
    size, race = len(pairs), [weight * y**-temperature for weight, y in pairs]
    product = mp.fprod(own / y for own, (_, y) in zip(race, pairs, strict=True))
    return mp.log(mp.factorial(size - 1) * temperature ** (size - 1) * product / sum(race) ** size)


def family(z: Any) -> Any:
    return Bernoulli if np.ndim(z) == 1 else Categorical
