"""Objectives as plain data, for programs in other languages: what JSON carries, and back.

Every objective has `values`, f at each configuration in the order of `q.support()`: the first variable slowest. Its
`kind` says what f is between them, at a z that is flattened to one axis.

    table           unknown: only the values
    multilinear     the sum over all configurations of value times weight, where the weight is the product over the
                    variables of the entry of z that the configuration picks (for a Bernoulli z or 1 - z)
    quadratic       constant + linear . z + z . matrix . z
    interacting     constant + squares . z**2 + (pairs . z)**2 + (triples . z)**3 + 1 / (1 + (bounded . z)**2)

A value of a table is null where the logits mask the configuration: f is never asked there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._evaluate import evaluate
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

__all__ = ["from_wire", "to_wire"]

LIMIT = 2**16  # configurations


def to_wire(f: Callable[[Any], Any], q: Distribution) -> dict[str, Any]:
    """Describe an objective on the support of q by lists of numbers.

    Parameters
    ----------
    f : callable
        From (n, *event_shape) to (n,).
    q : Distribution
        One row of logits.

    Returns
    -------
    dict
        `kind`, its coefficients (flat, `matrix` by rows), and `values`.

    Raises
    ------
    ValueError
        If there are more than 65,536 configurations; if f returns a wrong shape, or a value that is not finite at a z
        that has a probability.
    TypeError
        If f does not return real numbers.

    Examples
    --------
    >>> from refgrad import Bernoulli
    >>> to_wire(SquaredError(0.5), Bernoulli([0.0]))["linear"]
    [-1.0]
    """
    if q.support_size > LIMIT:
        raise ValueError(f"an objective goes to others with at most {LIMIT:,} values, but q has {q.support_size:,}")
    described = _described(f, q)
    if described is not None:
        return described | {"values": evaluate(f, q.support()).tolist()}
    z = q.support()
    values = np.full(len(z), None, dtype=object)
    possible = np.isfinite(q.log_prob(z))
    values[possible] = evaluate(f, z[possible])
    return {"kind": "table", "values": [None if value is None else float(value) for value in values]}


def from_wire(wire: dict[str, Any], event_shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Make the function again that `to_wire` described.

    Parameters
    ----------
    wire : dict
    event_shape : tuple of int
        (D,) or (D, K).

    Returns
    -------
    callable
        From (..., *event_shape) to (...). Of the kind `table` it takes only z on the support.

    Raises
    ------
    ValueError
        If the kind is not known.
    """

    def shaped(name: str) -> Array:
        return np.reshape(wire[name], event_shape)

    match wire["kind"]:
        case "multilinear":
            return Table(wire["values"], event_shape)
        case "quadratic":
            return Quadratic(wire["constant"], shaped("linear"), wire["matrix"])
        case "interacting":
            return Interacting(wire["constant"], *map(shaped, ("squares", "pairs", "triples", "bounded")))
        case "table":
            return _looked_up(np.array(wire["values"], dtype=float), event_shape)
    raise ValueError(f"kind needs to be table, multilinear, quadratic or interacting, but is {wire['kind']!r}")


def _described(f: Callable[[Any], Any], q: Distribution) -> dict[str, Any] | None:
    """The coefficients of a known kind; a subclass may be anything."""
    if type(f) is Table:
        return {"kind": "multilinear"}
    if type(f) is SquaredError:
        target = np.broadcast_to(f.target, q.event_shape).ravel()
        f = Quadratic((target * target).sum(), -2 * target, np.eye(target.size))
    if type(f) is Quadratic:
        linear, matrix = f.linear.ravel().tolist(), f.matrix.tolist()
        return {"kind": "quadratic", "constant": float(f.constant), "linear": linear, "matrix": matrix}
    if type(f) is Interacting:
        flat = {name: getattr(f, name).ravel().tolist() for name in ("squares", "pairs", "triples", "bounded")}
        return {"kind": "interacting", "constant": float(f.constant), **flat}
    return None


def _looked_up(values: Array, event_shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """f by its values alone."""
    variables, categories = event_shape[0], event_shape[1] if len(event_shape) > 1 else 2
    place = categories ** np.arange(variables)[::-1]

    def table(z: Any) -> Any:
        z = np.asarray(z, dtype=float)
        digits = z if len(event_shape) == 1 else (z * np.arange(categories)).sum(-1)
        hard = ((z == 0) | (z == 1)).all() and (len(event_shape) == 1 or (z.sum(-1) == 1).all())
        if z.shape[-len(event_shape) :] != tuple(event_shape) or not hard:
            raise ValueError("a table needs z on the support, of shape (..., " + ", ".join(map(str, event_shape)) + ")")
        return values[(digits * place).sum(-1).astype(np.int64)]

    return table
