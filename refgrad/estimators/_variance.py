"""Learning what changes the variance and not the mean: one sample of g**2 has an unbiased gradient. Derivation 09."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from refgrad._traces import make_vjp
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, namespace
from refgrad.estimators._base import Estimator
from refgrad.estimators._learning import Adam, learn, read_only

Self = TypeVar("Self", bound="VarianceMinimised")


class VarianceMinimised(Estimator):
    """An unbiased estimator with parameters that its mean does not depend on, on two draws of noise or one."""

    coupled: bool
    optimizer: Adam

    @property
    def draws(self) -> int:  # type: ignore[override]
        """One if coupled, else two."""
        return 1 if self.coupled else 2

    @abstractmethod
    def parameters(self, q: Distribution) -> Array:
        """What is learned, in one vector (P,): the log temperature and the coefficient come first."""

    @abstractmethod
    def at(self: Self, parameters: Any, q: Distribution) -> Self:
        """The same estimator with other parameters, which autograd may be following."""

    def variance_gradient(
        self,
        q: Distribution,
        f: Callable[[Any], Any],
        noise: Any,
        *,
        weights: Any = None,
        pairs: bool = False,
    ) -> Array:
        """Gradient in the parameters of the total variance: the sum over the components, unbiased from one repetition.

        Parameters
        ----------
        q, f, noise
            As in a call; noise of shape (draws, n, *batch_shape, *event_shape).
        weights : (n,) array_like of float64, optional
            Of the repetitions, or of the pairs (n / 2,). Default: their mean. With those of a design the result is the
            gradient of the exact variance.
        pairs : bool
            Take `(g - g')**2 / 2` of pairs of repetitions in place of `g**2`. The mean is the same.

        Returns
        -------
        (P,) ndarray of float64
            Squared units of f per logit, for each unit of a parameter. Eq. 09.3, or 09.5 with pairs; the variances of
            the rows of a batch are averaged.

        Raises
        ------
        ValueError
            If the noise has no axis of repetitions, before those of a batch, there is none, an odd number has to be
            paired, or the weights are not finite or not one for each.
        """

        def mean_square(parameters: Any) -> Any:
            estimates = self.at(parameters, q)(q, f, noise)  # (n, *batch_shape, *event_shape)
            if pairs:
                estimates = (estimates[::2] - estimates[1::2]) / np.sqrt(2)  # Eq. 09.5
            squares = namespace(estimates).sum(estimates**2, axis=event)  # Eq. 09.2
            rows = squares.reshape((squares.shape[0], -1)).mean(axis=1)
            return (share * rows).sum()

        event = tuple(range(-q.event_ndim, 0))
        shape = np.shape(noise)
        if len(shape) < 2 + np.ndim(q.logits) or not shape[1] or (pairs and shape[1] % 2):
            needed = "an even number of repetitions" if pairs else "an axis of repetitions"
            raise ValueError(f"variance_gradient needs noise with {needed} after the draws, but it has shape {shape}")
        count = shape[1] // 2 if pairs else shape[1]
        share = np.full(count, 1 / count) if weights is None else read_only(weights, "weights")
        if share.shape != (count,):
            raise ValueError(f"variance_gradient needs weights of shape ({count},), but they have shape {share.shape}")
        backward, _ = make_vjp(mean_square, self.parameters(q))
        return backward(1.0)  # Eq. 09.3

    def update(self: Self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Self:
        """Return the estimator after one step of its optimiser against the gradient of the variance.

        Parameters
        ----------
        q, f, noise
            As in `variance_gradient`.

        Returns
        -------
        Estimator
            A new one, of the same class. Eq. 09.4.
        """
        gradient = self.variance_gradient(q, f, noise)
        parameters, optimizer = self.optimizer.step(self.parameters(q), gradient)
        return replace(self.at(parameters, q), optimizer=optimizer)  # type: ignore[type-var]

    def tune(
        self: Self,
        q: Distribution,
        f: Callable[[Any], Any],
        rng: np.random.Generator,
        *,
        steps: int = 1000,
        n: int = 1,
        progress: bool = False,
    ) -> Self:
        """Update many times, on fresh noise each.

        Parameters
        ----------
        q : Distribution
        f : callable
        rng : numpy.random.Generator
        steps : int
        n : int
            Repetitions in one step.
        progress : bool
            Show a bar (needs tqdm).

        Returns
        -------
        Estimator
            A new one, of the same class; the exact optimum of small problems is `exact.tuned`.

        Raises
        ------
        ValueError
            If `steps` is negative or n is not positive.
        """
        return learn(self, q, f, rng, steps=steps, n=n, progress=progress)
