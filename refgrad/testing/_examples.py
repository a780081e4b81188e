"""A drawn problem, shown as the Python that rebuilds it; and the seed of a problem."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.testing.problem import Problem

__all__ = ["Example", "seed_of"]


@dataclass(frozen=True, eq=False, repr=False)
class Example(Problem):
    """A problem whose name is Python: `Problem({name}, "again")` makes the same."""

    @classmethod
    def of(cls, q: Distribution, f: Any) -> Example:
        """Name a problem by what it is made of."""
        return cls(q, f, f"{_python(q)}, {_python(f)}")

    def __repr__(self) -> str:
        return f"Problem({self.name}, 'example')"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002  (as Hypothesis and IPython call it)
        printer.text(repr(self))


def seed_of(problem: Problem) -> int:
    """A seed that the problem determines: a hash of its logits and its f, the same on every machine.

    Parameters
    ----------
    problem : Problem
        Its f is a dataclass of numbers, as those of `refgrad.objectives`. The name does not count.

    Returns
    -------
    int
        Below 2**32.

    Raises
    ------
    TypeError
        If f is no dataclass, or a field is made of something else.

    Examples
    --------
    >>> from refgrad import Bernoulli, objectives
    >>> problem = Problem(Bernoulli([0.0]), objectives.SquaredError(0.5), "toy")
    >>> seed_of(problem) == seed_of(Problem(Bernoulli([0.0]), objectives.SquaredError(0.5), "the same"))
    True
    """
    f = problem.f
    if not is_dataclass(f):
        raise TypeError(f"seed_of needs an f that is a dataclass of numbers, but f is {f!r}")
    digest = sha256(f"{problem.family} {_exact(problem.logits, 'logits')} {type(f).__name__}".encode())
    for field in fields(f):
        digest.update(f" {field.name} {_exact(getattr(f, field.name), field.name)}".encode())
    return int.from_bytes(digest.digest()[:4], "big")


def _python(what: Any) -> str:
    """Python that makes a distribution or an objective, every digit of it."""
    values = ((field.name, getattr(what, field.name)) for field in fields(what))
    shown = [f"{name}={v}" if name == "event_shape" else _digits(v) for name, v in values if v is not None]
    return f"{type(what).__name__}({', '.join(shown)})"


def _digits(array: Any) -> str:
    if array.ndim:
        return f"[{', '.join(map(_digits, array))}]"
    return "-np.inf" if array == -np.inf else f"{float(array):.17g}"


def _exact(value: Any, name: str) -> str:
    """Shape and digits of numbers; 0 and -0 are the same number."""
    array = np.asarray(() if value is None else value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"seed_of needs fields that are numbers, but {name} has dtype {array.dtype}")
    return f"{array.shape} {[(float(x) + 0.0).hex() for x in array.ravel()]}"
