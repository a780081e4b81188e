"""NVIL: REINFORCE with a baseline that is learned as a function of x, centred and normalised."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator, keep_number
from refgrad.estimators._learning import Adam, ByValue, learn, read_only
from refgrad.estimators._regressors import Linear, OneHiddenLayer, Regressor

__all__ = ["Nvil"]


@dataclass(frozen=True, eq=False, repr=False)
class Nvil(ByValue, Estimator):
    """Mnih and Gregor (2014), sections 2.3.1 and 2.3.2; also input-dependent or data-dependent baseline.

    f is evaluated once, at z, and never differentiated. Unbiased unless it is normalised: then the mean is the gradient
    over `scale`. The state is used before it is updated, and a call does not change it. The paper is `normalised=True`.

    Parameters
    ----------
    features : (*batch_shape, F) or (F,) array_like of float64
        The x of each row of logits, or one x for all rows. It must not be made of z.
    baseline : Regressor
        From features to units of f: `Linear` or `OneHiddenLayer`. `Linear().fitted(features, values)` is one in closed
        form, from samples that it is not used on.
    average, variance : float
        Running mean and variance of f less the baseline: the state, in units of f and squared units of f.
    decay : float
        In [0, 1): the share of the old mean and variance that an update keeps.
    centred : bool
        Subtract `average`.
    normalised : bool
        Divide by `scale`.
    optimizer : Adam
        Of the baseline.

    Raises
    ------
    ValueError
        If a number is not finite or out of range, the baseline has parameters for another number of features, or, when
        called, the features do not have the batch shape of q.
    TypeError
        If the baseline is no regressor, the optimizer no Adam, or a choice no bool.
    """

    features: Any
    baseline: Regressor = field(default=Linear(), repr=False)  # repr shows these where they are no defaults
    average: float = field(default=0.0, repr=False)
    variance: float = field(default=0.0, repr=False)
    decay: float = field(default=0.9, repr=False)
    centred: bool = field(default=True, repr=False)
    normalised: bool = field(default=False, repr=False)
    optimizer: Adam = field(default=Adam(), repr=False)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"features": [0.5, -1.0], "baseline": Linear([1.0, 0.25, 0.5]), "average": 0.25},
        {"features": [0.5], "baseline": OneHiddenLayer(units=3, seed=1), "variance": 4.0, "normalised": True},
    )

    def __post_init__(self) -> None:
        for name, kind in (("baseline", Regressor), ("optimizer", Adam), ("centred", bool), ("normalised", bool)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"Nvil needs a {kind.__name__} as {name}, but it is {getattr(self, name)!r}")
        features = read_only(self.features, "Nvil features")
        if not features.ndim:
            raise ValueError("Nvil needs features of shape (*batch_shape, F) or (F,), but they have shape ()")
        object.__setattr__(self, "features", features)
        self.baseline.started(features.shape[-1])
        for name in ("average", "variance", "decay"):
            keep_number(self, name)
        if not (self.variance >= 0 and 0 <= self.decay < 1):
            raise ValueError(f"Nvil needs variance >= 0 and 0 <= decay < 1, but they are {self.variance}, {self.decay}")

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased where nothing is divided."""
        return Claims(unbiased=self.scale == 1, derivation="05-nvil")

    @property
    def scale(self) -> float:
        """What the estimate is divided by: 1, or if normalised the standard deviation where that is larger."""
        return max(1.0, float(np.sqrt(self.variance))) if self.normalised else 1.0

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        signal = f(z) - self.baseline(self.features) - self.centred * self.average  # Eq. 05.2
        return q.expand(signal / self.scale) * q.score(z)  # Eq. 05.3

    def update(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> "Nvil":
        """Return the estimator of the next step, learned from all repetitions and rows.

        Parameters
        ----------
        q, f, noise
            As in a call.

        Returns
        -------
        Nvil
            The baseline moves one step of the optimizer, the mean and the variance by `decay`.

        Raises
        ------
        ValueError
            If there is no sample, or f is not finite at one.
        """
        rest = self._values(q, f, noise) - self.baseline(self.features)  # (..., *batch_shape)
        signal = rest - self.centred * self.average
        started = self.baseline.started(self.features.shape[-1])
        gradient = -2 / signal.size * started.gradient(self.features, signal)  # Eq. 05.5
        parameters, optimizer = self.optimizer.step(started.parameters, gradient)
        kept, away = self.decay, float(rest.mean()) - self.average
        return replace(
            self,
            baseline=replace(started, parameters=parameters),
            average=self.average + (1 - kept) * away,  # Eq. 05.7
            variance=kept * self.variance + (1 - kept) * (float(rest.var()) + kept * away**2),  # Eq. 05.8
            optimizer=optimizer,
        )

    def fit(
        self,
        q: Distribution,
        f: Callable[[Any], Any],
        rng: np.random.Generator,
        *,
        steps: int = 1000,
        n: int = 1,
        progress: bool = False,
    ) -> "Nvil":
        """Update many times, on n fresh samples of every row each.

        Parameters
        ----------
        q, f
            As in a call.
        rng : numpy.random.Generator
        steps, n : int
        progress : bool
            Show a bar (needs tqdm).

        Returns
        -------
        Nvil

        Raises
        ------
        ValueError
            If `steps` is negative, n is not positive, or f is not finite at a sample.
        """
        return learn(self, q, f, rng, steps=steps, n=n, progress=progress)

    def _prepare(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> tuple[Callable[[Any], Any], Any]:
        f, noise = super()._prepare(q, f, noise)
        if self.features.shape[:-1] not in {(), q.batch_shape}:
            needed = ", ".join([*map(str, q.batch_shape), "F"])
            raise ValueError(
                f"Nvil needs features of shape ({needed}) or (F,) for logits of shape {np.shape(q.logits)}, but they "
                f"have shape {self.features.shape}"
            )
        return f, noise

    def _values(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        """Values of f at the samples: (..., *batch_shape)."""
        f, (noise_z,) = self._prepare(q, f, noise)
        values = f(q.sample(noise_z))
        if not np.size(values):
            raise ValueError(f"Nvil needs a sample, but noise has shape {np.shape(noise)}")
        return np.asarray(values)
