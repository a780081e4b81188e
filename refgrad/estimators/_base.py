"""What every estimator shares: its claims, its noise, the checks of its arguments, and the relaxed path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, as_float, traced, untraced

__all__ = ["Claims", "Estimator", "pathwise"]

BLOCK = 2**16  # numbers of noise in one call of `sample`


@dataclass(frozen=True)
class Claims:
    """What an estimator promises, and the tests try to refute.

    Parameters
    ----------
    unbiased : bool
        The mean is the gradient. Where it is False the bias must be visible too.
    exact_for : str or None
        Class of f (`"linear"`, `"quadratic"`) for which the variance is zero.
    differentiates_f : bool
        Needs f at relaxed points, and its gradient there.
    families : tuple of str
        Names of the distributions that it serves.
    reads : tuple of str
        For each draw `"z"` (through its z only), `"cell"` (smooth inside the cell of z) or `"smooth"` (everywhere).
    additive : bool
        Given z, a function of the first draw plus a function of the second.
    shift_invariant : bool
        Estimates for a Categorical sum to zero over the categories.
    symmetric : bool
        Treats the variables alike, and the categories: in another order they have the same estimates.
    derivation : str
        Name of its page.
    """

    unbiased: bool
    exact_for: str | None = None
    differentiates_f: bool = False
    families: tuple[str, ...] = ("bernoulli", "categorical")
    reads: tuple[str, ...] = ("z",)
    additive: bool = False
    shift_invariant: bool = True
    symmetric: bool = True
    derivation: str = ""


class Estimator(ABC):
    """A deterministic function of noise: `estimator(q, f, noise)` returns one estimate for every repetition."""

    draws: ClassVar[int] = 1
    claims: ClassVar[Claims]
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)

    @abstractmethod
    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        """Estimate the gradient of E f(z) in the logits.

        Parameters
        ----------
        q : Distribution
            Logits of shape (*batch_shape, *event_shape).
        f : callable
            From (..., *event_shape) to (...). With `f.grad` that gradient is used; without it autograd follows f where
            `claims.differentiates_f` says so, and f is written in autograd.numpy.
        noise : (draws, ..., *event_shape) array_like of float64
            Standard noise of q; the axes between are repetitions, then the batch.

        Returns
        -------
        (..., *event_shape) ndarray of float64
            Units of f per logit.
        """

    def draw_noise(self, q: Distribution, n: int, rng: np.random.Generator) -> Array:
        """Draw noise for n repetitions: (draws, n, *batch_shape, *event_shape).

        Parameters
        ----------
        q : Distribution
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        (draws, n, *batch_shape, *event_shape) ndarray of float64
        """
        return q.draw_noise((self.draws, n, *q.batch_shape), rng)

    def sample(self, q: Distribution, f: Callable[[Any], Any], n: int, rng: np.random.Generator) -> Array:
        """Draw n independent estimates, in blocks that fit a cache.

        Parameters
        ----------
        q : Distribution
        f : callable
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        (n, *batch_shape, *event_shape) ndarray of float64
        """
        step = max(1, BLOCK // max(1, self.draws * int(np.prod(np.shape(q.logits)))))
        estimates = np.empty((n, *np.shape(q.logits)))
        for start in range(0, n, step):
            stop = min(start + step, n)
            estimates[start:stop] = self(q, f, self.draw_noise(q, stop - start, rng))
        return estimates

    def breaks(self, q: Distribution) -> Array:
        """Noise values where the estimate may jump: the edges of the cells of z."""
        return -np.asarray(q.logits)

    def _prepare(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> tuple[Callable[[Any], Any], Any]:
        """Check the family, f and the noise; return f with its values checked, and the noise."""
        name = type(self).__name__
        if not isinstance(q, Distribution) or q.family not in self.claims.families:
            raise TypeError(f"{name} needs q of family {' or '.join(self.claims.families)}, but q is {q!r}")
        if not callable(f):
            raise TypeError(f"{name} needs a callable f, but f is {f!r}")
        noise = as_float(noise, "noise")
        shape, own = np.shape(noise), np.shape(q.logits)
        if shape[:1] != (self.draws,) or shape[1:][-len(own) :] != own:
            needed = ", ".join(map(str, (self.draws, "...", *own)))
            raise ValueError(f"{name} needs noise of shape ({needed}), but it has shape {shape}")
        if not traced(noise) and not np.isfinite(noise).all():
            raise ValueError(f"{name} needs finite noise, but {np.sum(~np.isfinite(noise))} entries are not")
        return checked(f, q), noise

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in cls.__dict__ and cls.__call__.__doc__ is None:
            cls.__call__.__doc__ = Estimator.__call__.__doc__


def keep_number(estimator: Estimator, name: str) -> float:
    """Keep a field as a float, unless autograd follows it, and return its value.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is an array, infinite or not a number.
    """
    value = getattr(estimator, name)
    number = np.asarray(as_float(untraced(value), name))
    if number.ndim or not np.isfinite(number):
        raise ValueError(f"{type(estimator).__name__} needs a finite number as {name}, but it is {value}")
    if not traced(value):
        object.__setattr__(estimator, name, float(number))
    return float(number)


def keep_temperature(estimator: Estimator) -> None:
    """Keep the field `temperature` as a float, unless autograd follows it.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is an array, or not positive and finite.
    """
    value = untraced(estimator.temperature)  # type: ignore[attr-defined]
    if np.ndim(value) or not 0 < as_float(value, "temperature") < np.inf:
        name = type(estimator).__name__
        raise ValueError(f"{name} needs a positive and finite temperature, but it is {value}")
    keep_number(estimator, "temperature")


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
    from autograd.core import make_vjp  # noqa: PLC0415
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
    from autograd.core import make_vjp  # noqa: PLC0415
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
    from autograd.core import make_vjp  # noqa: PLC0415

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
            value = _by_hand(f, q, name)(z)
        else:
            try:
                value = f(z)
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
        return value

    return evaluate


def _followed(value: Any, f: Callable[[Any], Any], name: str, following: bool) -> Any:
    """Convert what f returned; an array of traced numbers inside an untraced one has lost its gradient."""
    if not traced(value) and following and np.asarray(value).dtype == object:
        _unfollowed(f, name, None)
    return as_float(value, f"the value of {name}")


def _by_hand(f: Any, q: Distribution, name: str) -> Callable[[Any], Any]:
    """f as a primitive whose derivative is `f.grad`, which autograd may follow in turn."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415

    def slope(z: Any) -> Any:
        value = _followed(f.grad(z), f, f"{name}.grad", traced(z))
        if np.shape(value) != np.shape(z):
            raise ValueError(f"{name}.grad needs to return shape {np.shape(z)}, but returned shape {np.shape(value)}")
        return value

    function = primitive(lambda z: as_float(f(z), f"the value of {name}"))
    defvjp(function, lambda _, z: lambda g: q.expand(g) * slope(z))
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
