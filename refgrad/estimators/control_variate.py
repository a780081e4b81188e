"""REINFORCE on what a control variate leaves of f, beside the gradient of the control variate's known mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refgrad import exact
from refgrad.distributions import Distribution
from refgrad.distributions._array import Array, as_float, untraced
from refgrad.estimators._agreement import Agreement
from refgrad.estimators._base import Claims, Estimator, keep_number
from refgrad.estimators._derivatives import checked, pathwise
from refgrad.exact._ladder import ROUNDING

__all__ = ["ControlVariate"]


@dataclass(frozen=True)
class ControlVariate(Estimator):
    """Any control variate with a tractable mean; unbiased if the two belong together.

    One call cannot see whether they do: `check` can. f and the control variate are evaluated once, at z, and never
    differentiated; the mean is, by autograd.

    Parameters
    ----------
    control_variate : callable
        From z, (..., *event_shape), to (...); units of f. Its `families`, if it has them, are those that are served.
    mean : callable, optional
        From a distribution to (*batch_shape,): the mean of the control variate, written in autograd.numpy in terms of
        `q.probs`, say. Default: `control_variate.mean`.
    coefficient : float
        Of the control variate. Zero gives REINFORCE; `exact.best_coefficient` gives the best.

    Raises
    ------
    ValueError
        If the coefficient is not a finite number; when called, if the control variate does not return one number for
        each z, or the mean one for each row of logits.
    TypeError
        If the control variate or the mean is not callable; when called, if autograd cannot follow the mean.
    """

    control_variate: Callable[[Any], Any]
    mean: Callable[[Distribution], Any] | None = None
    coefficient: float = 1.0
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"control_variate": Agreement(1)},
        {"control_variate": Agreement(2), "coefficient": 0.5},
    )

    def __post_init__(self) -> None:
        for name, value in (("control_variate", self.control_variate), ("mean", self._mean_of)):
            if not callable(value):
                raise TypeError(f"ControlVariate needs a callable {name}, but it is {value!r}")
        keep_number(self, "coefficient")

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased on what the control variate serves."""
        families = getattr(self.control_variate, "families", ("bernoulli", "categorical"))
        return Claims(unbiased=True, families=families, derivation="03-control-variates")

    def check(self, q: Distribution) -> None:
        """Compare the mean, and its derivative, with those of the control variate by enumeration.

        The control variate is held fixed, as in Eq. 03.3: a mean whose derivative moves it along is refused too.

        Parameters
        ----------
        q : Distribution
            One row of logits, not saturated: where every derivative is near zero a wrong one is too.

        Raises
        ------
        ValueError
            If they differ by more than the rounding of the largest value of the control variate; as in `exact.value`.
        TypeError
            As in a call.
        """
        self._prepare(q, self.control_variate, np.zeros((1, *np.shape(q.logits))))
        control_variate, largest = self._at(q), 0.0

        def watched(z: Array) -> Array:
            nonlocal largest
            values = control_variate(z)
            largest = max(largest, np.abs(values).max())
            return values

        pairs = (
            ("the mean", self._mean(q), exact.value(q, watched)),
            ("the derivative of the mean", self._mean_slope(q), exact.gradient(q, control_variate)),
        )
        for name, given, needed in pairs:
            off = np.abs(given - needed)
            if not (off <= ROUNDING * np.size(q.logits) * largest).all():
                at = np.unravel_index(np.argmax(off), np.shape(off))
                where = f" at {tuple(map(int, at))}" if at else ""
                raise ValueError(
                    f"{name} needs to be that of {self.control_variate!r}, {np.asarray(needed)[at]:.12g}, but is "
                    f"{np.asarray(given)[at]:.12g}{where}, for q = {q!r}"
                )

    def value(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        """Estimate E f(z) itself, with the same control variate.

        Parameters
        ----------
        q, f, noise
            As in a call.

        Returns
        -------
        (...) ndarray of float64
            Units of f.
        """
        f, (noise_z,) = self._prepare(q, f, noise)
        z = q.sample(noise_z)
        return f(z) - self.coefficient * (self._at(q)(z) - self._mean(q))  # Eq. 03.1

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        slope = self._mean_slope(q)  # (*batch_shape, *event_shape)
        rest = f(z) - self.coefficient * self._at(q)(z)
        return q.expand(rest) * q.score(z) + self.coefficient * slope  # Eq. 03.4

    @property
    def _mean_of(self) -> Any:
        return self.mean or getattr(self.control_variate, "mean", None)

    def _at(self, q: Distribution) -> Callable[[Any], Any]:
        return checked(self.control_variate, q, "the control variate")

    def _mean(self, q: Distribution) -> Any:
        mean = as_float(self._mean_of(q), "the mean")
        if np.shape(mean) != q.batch_shape:
            raise ValueError(
                f"the mean needs shape {q.batch_shape}, one for each row of logits, but has {np.shape(mean)}"
            )
        if not np.isfinite(untraced(mean)).all():
            raise ValueError(f"the mean needs to be finite, but is {untraced(mean)}")
        return mean

    def _mean_slope(self, q: Distribution) -> Array:
        self._mean(q)  # a fault of the mean itself comes out here
        try:
            return pathwise(self._mean, q, q.logits)[1]
        except (TypeError, AttributeError, ValueError) as error:
            raise TypeError(
                f"the mean needs to be differentiable, but autograd cannot follow {self._mean_of!r}: write it with "
                "autograd.numpy in place of numpy"
            ) from error
