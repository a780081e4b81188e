"""What estimators ask of f: values that are checked, and derivatives by hand or by autograd; the relaxed path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

import numpy as np

from refgrad._traces import make_vjp
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, as_float, traced, untraced
from refgrad.distributions._planes import first_maximum

__all__ = ["checked", "derivative", "hessian", "pathwise"]


def pathwise(fn: Callable[[Any], Any], q: Distribution, noise: Any) -> tuple[Array, Array]:
    """Value and derivative in the logits of a relaxed path, for all repetitions in one call.

    The logits are broadcast to the noise first, so that every repetition has logits, and a gradient, of its own.

    Parameters
    ----------
    fn : callable
        From a distribution to values (...), through its logits.
    q : Distribution
    noise : (..., *event_shape) ndarray of float64
        Only its shape is used.

    Returns
    -------
    value : (...) ndarray of float64
    slope : (..., *event_shape) ndarray of float64
        Units of the value per logit.
    """
    from autograd.extend import vspace  # noqa: PLC0415  (loaded by estimators that differentiate)

    def followed(logits: Any) -> Any:
        own = replace(q, logits=logits)
        value = fn(own)
        return value if traced(value) else value + 0 * own.probs.sum(event)  # a constant has a slope too: zero

    event = tuple(range(-q.event_ndim, 0))
    backward, value = make_vjp(followed, np.broadcast_to(q.logits, np.shape(noise)))
    return value, backward(vspace(value).ones())


def derivative(f: Callable[[Any], Any], z: Any) -> tuple[Any, Any]:
    """Value (...) and gradient in z (..., *event_shape) of a function with one value for each z."""
    from autograd.extend import vspace  # noqa: PLC0415

    backward, value = make_vjp(lambda z: _reaching(f(z), z), z)
    return value, backward(vspace(value).ones())


def hessian(f: Callable[[Any], Any], z: Array, event_ndim: int) -> Array:
    """Second derivatives in z, (..., *event_shape, *event_shape), all in one call; symmetric even if `f.grad` is wrong.

    Raises
    ------
    TypeError
        If autograd cannot follow the gradient of f.
    """
    batch, event = z.shape[: z.ndim - event_ndim], z.shape[z.ndim - event_ndim :]
    size = int(np.prod(event))
    directions = np.eye(size).reshape((size,) + (1,) * len(batch) + event)
    many = np.broadcast_to(z, (size, *z.shape))
    try:
        backward, _ = make_vjp(lambda z: _reaching(derivative(f, z)[1], z), many)
    except (TypeError, AttributeError, ValueError) as error:
        derivative(f, many)  # a fault of f itself comes out here
        raise TypeError(
            "f needs to be differentiable twice, but autograd cannot follow its gradient: write f, and f.grad where it "
            "has one, with autograd.numpy in place of numpy"
        ) from error
    rows = backward(np.broadcast_to(directions, many.shape).copy())
    square = np.moveaxis(rows, 0, len(batch)).reshape((*batch, size, size))
    return ((square + square.swapaxes(-1, -2)) / 2).reshape(batch + event + event)


def _reaching(value: Any, z: Any) -> Any:
    """Connect a value that does not depend on z to it: it has a derivative too, zero, and autograd need not warn."""
    over = tuple(range(np.ndim(value), np.ndim(z)))
    return value if traced(value) else value + 0 * (z.sum(axis=over) if over else z)


def checked(f: Callable[[Any], Any], q: Distribution, name: str = "f") -> Callable[[Any], Any]:
    """f with the shape and kind of its values checked, and with its gradient by hand where it has one."""

    def evaluate(z: Any) -> Any:
        if traced(z) and hasattr(f, "grad"):
            value = _with_grad()(f, q, name, z)
        else:
            try:
                value = f(z if traced(z) else np.array(z))  # a copy: what f does to it is its own affair
            except (TypeError, AttributeError, ValueError) as error:
                if traced(z) and _serves(f, untraced(z)):
                    _unfollowed(f, name, error)
                raise
        value = _followed(value, f, name, traced(z))
        shape = np.shape(z)[: np.ndim(z) - q.event_ndim]
        if np.shape(value) != shape:
            raise ValueError(
                f"{name} needs to return one value for each z, shape {shape}, but returned shape {np.shape(value)}"
            )
        wrong = ~np.isfinite(untraced(value))
        if wrong.any():
            raise ValueError(f"{name} needs to return finite values, but {wrong.sum()} of {wrong.size} are not")
        if traced(z) and not traced(value) and _varies(f, value, untraced(z), q):
            _unfollowed(f, name, None)
        return value

    return evaluate


def _varies(f: Callable[[Any], Any], value: Array, z: Array, q: Distribution) -> bool:
    """Whether a function that autograd lost is no constant: by its values here, in the middle and at vertices."""
    if q.event_ndim == 1:
        places = [np.full_like(z, 0.5), np.zeros_like(z), np.ones_like(z), np.round(z), 1 - np.round(z)]
    else:
        inside = z > 0
        least = np.argmin(np.where(inside, z, np.inf), axis=-1)[..., None] == np.arange(z.shape[-1])
        places = [inside / inside.sum(axis=-1, keepdims=True), first_maximum(z) * 1.0, least * 1.0]
    values = np.concatenate([np.ravel(value), *(np.ravel(f(place)) for place in places)])
    return bool(values.size and np.ptp(as_float(values, "the value of f")))


def _followed(value: Any, f: Callable[[Any], Any], name: str, following: bool) -> Any:
    """Convert what f returned; an array of traced numbers inside an untraced one has lost its gradient."""
    kind = np.asarray(untraced(value)).dtype.kind
    if following and (kind == "O" if not traced(value) else kind != "f"):  # lost, or rounded to whole numbers
        _unfollowed(f, name, None)
    return as_float(value, f"the value of {name}")


@cache
def _with_grad() -> Callable[..., Any]:
    """The value of f at z as a primitive whose derivative is `f.grad`, which autograd may follow in turn."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    def slope(f: Any, name: str, z: Any) -> Any:
        value = _followed(f.grad(z), f, f"{name}.grad", traced(z))
        if np.shape(value) != np.shape(z):
            raise ValueError(f"{name}.grad needs to return shape {np.shape(z)}, but returned shape {np.shape(value)}")
        return value

    function: Callable[..., Any] = primitive(lambda f, _q, name, z: as_float(f(z), f"the value of {name}"))
    defvjp(function, lambda _, f, q, name, z: lambda g: q.expand(g) * slope(f, name, z), argnums=(3,))
    return function


def _serves(f: Callable[[Any], Any], z: Array) -> bool:
    """Whether f takes a plain array, so that it is the tracing that it cannot take."""
    try:
        f(z)
    except Exception:
        return False
    return True


def _unfollowed(f: Callable[[Any], Any], name: str, error: Exception | None) -> NoReturn:
    raise TypeError(
        f"{name} needs to be differentiable, but autograd cannot follow {f!r}: write it with autograd.numpy in place "
        "of numpy, or give it a method grad(z) that returns its gradient"
    ) from error
