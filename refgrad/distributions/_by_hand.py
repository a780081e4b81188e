"""Functions whose derivatives are written by hand beside their value, from the same intermediate numbers."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from refgrad.distributions._array import namespace, traced

Rule = Callable[..., tuple[Callable[[], Any], tuple[Callable[[Any], Any], ...]]]


def by_hand(rule: Rule, *values: Any) -> Any:
    """Value of a function, which autograd follows by rules of ours.

    Parameters
    ----------
    rule : callable
        From the values to a function without arguments that computes what is wanted, and for each of the values a map
        from the gradient in that to the gradient in the value, still of the broadcast shape. Maps are asked for after
        the value; where autograd follows the values twice, they alone, in functions that it can follow.
    *values : array_like of float64
        They may be of different shapes, and each has a gradient of its own.
    """
    if not traced(*values):
        return rule(*values)[0]()
    return _primitive()(rule, [], *values)


@cache
def _primitive() -> Any:
    from autograd.extend import defvjp_argnums, primitive  # noqa: PLC0415

    def evaluate(rule: Rule, kept: list[Any], *values: Any) -> Any:
        value, maps = rule(*values)
        kept[:] = maps  # what they need of the value is there already
        return value()

    def pulled_back(argnums: Any, _: Any, args: Any, _kwargs: Any) -> Callable[[Any], Any]:
        rule, kept, *values = args
        maps = rule(*values)[1] if traced(*values) else kept
        return lambda g: tuple(summed(maps[i - 2](g), np.shape(values[i - 2])) for i in argnums)

    function = primitive(evaluate)
    defvjp_argnums(function, pulled_back)
    return function


def summed(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes that its value was broadcast along."""
    if np.shape(g) == shape:
        return g
    xp, over = namespace(g), np.ndim(g) - len(shape)
    along = tuple(over + i for i, length in enumerate(shape) if length == 1)
    return xp.reshape(xp.sum(g, axis=(*range(over), *along)), shape)


def distinct(x: Any) -> Any:
    """The rows that differ: of an array that was broadcast, the array."""
    if traced(x):
        return x
    return x[tuple(slice(1) if step == 0 else slice(None) for step in np.asarray(x).strides)]
