"""What every estimator shares: its claims, its noise, and the checks of its arguments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, as_float, traced, untraced
from refgrad.estimators._blocks import in_blocks
from refgrad.estimators._derivatives import checked

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Claims", "Estimator", "keep_number", "keep_temperature"]


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
        """Draw noise for n repetitions: all of the first draw, then all of the next.

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

    def noise_in_blocks(self, q: Distribution, n: int, step: int, rng: np.random.Generator) -> Iterator[Array]:
        """Draw what `draw_noise` draws, `step` repetitions at a time; all draws but the last come first, as a whole.

        Parameters
        ----------
        q : Distribution
        n, step : int
        rng : numpy.random.Generator

        Yields
        ------
        (draws, step or less, *batch_shape, *event_shape) ndarray of float64
        """
        starts = range(0, n, step)
        if type(self).draw_noise is not Estimator.draw_noise:  # nothing is known of another's order
            noise = self.draw_noise(q, n, rng)
            yield from (noise[:, start : start + step] for start in starts)
            return
        before = q.draw_noise((max(0, self.draws - 1), n, *q.batch_shape), rng)
        latest = min(1, self.draws)
        for start in starts:
            last = q.draw_noise((latest, min(step, n - start), *q.batch_shape), rng)
            yield np.concatenate([before[:, start : start + step], last]) if len(before) else last

    def sample(
        self,
        q: Distribution,
        f: Callable[[Any], Any],
        n: int,
        rng: np.random.Generator,
        *,
        executor: Executor | None = None,
    ) -> Array:
        """Draw n independent estimates: those of `draw_noise`, computed in blocks that fit a cache.

        Parameters
        ----------
        q : Distribution
        f : callable
            With an executor of threads it is called from several of them at once.
        n : int
        rng : numpy.random.Generator
            Noise is drawn in order, so that the estimates are the same whoever computes them.
        executor : concurrent.futures.Executor, optional
            Computes blocks of estimates: threads, or other workers, to which noise is sent. Without it one block is
            computed after the other, here.

        Returns
        -------
        (n, *batch_shape, *event_shape) ndarray of float64
        """
        return in_blocks(self, q, f, n, rng, executor)

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
