"""Independent Bernoulli variables, and their binary Concrete relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions._array import Array, namespace, untraced
from refgrad.distributions._base import Distribution, _first
from refgrad.distributions._by_hand import by_hand
from refgrad.distributions._functions import (
    chosen,
    log_complement,
    sigmoid,
    softplus,
)
from refgrad.distributions._given import noise_above
from refgrad.distributions._noise import logistic
from refgrad.distributions._relaxations import binary, binary_given
from refgrad.distributions._relaxed import binary_concrete

__all__ = ["Bernoulli"]


@dataclass(frozen=True, eq=False, repr=False)
class Bernoulli(Distribution):
    """D independent variables with values 0 and 1, and `P(z = 1) = sigmoid(logits)`.

    Parameters
    ----------
    logits : (..., D) array_like of float64
        Finite log-odds. Leading axes are a batch. Copied, read-only; other real types are converted to float64.

    Raises
    ------
    ValueError
        If there is no variable, or a logit is not finite.
    TypeError
        If the logits are not real numbers.

    Examples
    --------
    >>> q = Bernoulli([0.0, 700.0, -700.0])
    >>> print(q.probs[:2], q.probs[2] > 0)
    [0.5 1. ] True
    >>> print(q.sample([0.25, 0.0, 0.0]))
    [1. 1. 0.]
    """

    family: ClassVar[str] = "bernoulli"
    event_ndim: ClassVar[int] = 1

    def _check_logits(self, logits: Array) -> None:
        wrong = ~np.isfinite(logits)
        if wrong.any():
            raise ValueError(f"Bernoulli needs finite logits, but has {logits[wrong][0]} at {_first(wrong)}")

    @property
    def support_size(self) -> int:
        """Number of configurations, 2**D."""
        return 2 ** self.event_shape[0]

    @property
    def probs(self) -> Any:
        """Probability of a one: (..., D) ndarray of float64. Derivation 01, Eq. 01.1."""
        return sigmoid(self.logits)

    def log_prob(self, z: Any) -> Any:
        """Log-probability of z, computed in log space.

        Parameters
        ----------
        z : (..., D) array_like of float64
            Zeros and ones.

        Returns
        -------
        (...) ndarray of float64
            Log-probability, the sum over the D variables. Eq. 01.2.

        Raises
        ------
        ValueError
            If the last axis is not D, or an entry is neither 0 nor 1.
        """
        z = self._hard(z)
        return -namespace(self.logits).sum(softplus((1 - 2 * z) * self.logits), axis=-1)

    def score(self, z: Any) -> Any:
        """Gradient of `log_prob` in the logits, `z - probs`.

        Parameters
        ----------
        z : (..., D) array_like of float64

        Returns
        -------
        (..., D) ndarray of float64
            Log-probability per logit. Where z = 1 it is `sigmoid(-logits)`, which no subtraction rounds off. Eq. 01.3.
        """
        z = self._event(z, "z")
        return chosen(z, sigmoid(-self.logits), -sigmoid(self.logits))

    def support(self, start: int = 0, stop: int | None = None) -> Array:
        """Configurations `start` up to `stop` in lexicographic order.

        Returns
        -------
        (stop - start, D) ndarray of float64
            The last variable changes fastest.

        Raises
        ------
        ValueError
            If not 0 <= start <= stop <= 2**D, or D > 62.
        """
        index = self._indices(start, stop)
        return (index[:, None] >> np.arange(self.event_shape[0])[::-1] & 1).astype(np.float64)

    def draw_noise(self, shape: Any, rng: np.random.Generator) -> Array:
        """Standard logistic values.

        Parameters
        ----------
        shape : int or tuple of int
        rng : numpy.random.Generator

        Returns
        -------
        (*shape, D) ndarray of float64
            Always finite: at most 37.5 from zero. Values in one call, or as many in several, are the same. Eq. 01.21.
        """
        size = self._noise_shape(shape, rng)
        return logistic(size, rng)

    def sample(self, noise: Any) -> Array:
        """Threshold: z = 1 where `logits + noise > 0`.

        Parameters
        ----------
        noise : (..., D) array_like of float64
            Logistic noise.

        Returns
        -------
        (..., D) ndarray of float64
            Zeros and ones. Constant to autograd. Eq. 01.4.
        """
        return np.greater(untraced(self._event(noise, "noise")), -untraced(self.logits)).astype(np.float64)

    def noise_given(self, z: Any, v: Any) -> Any:
        """Logistic noise that yields z, from fresh standard logistic noise v; increasing in v.

        Parameters
        ----------
        z : (..., D) array_like of float64
            Zeros and ones.
        v : (..., D) array_like of float64
            Standard logistic noise.

        Returns
        -------
        (..., D) ndarray of float64
            Noise with `sample(noise) == z`; distributed as the noise of a draw of z, given z. Differentiable, twice, in
            the logits and in v. Eq. 01.6 and 01.15.

        Raises
        ------
        ValueError
            If an entry of z is neither 0 nor 1, or a last axis is not D.
        """
        z, v = self._hard(z), self._event(v, "v")
        side = 2 * z - 1
        return self._inside(z, side * noise_above(side * self.logits, side * v))

    def fresh_given(self, noise: Any) -> Array:
        """The fresh noise that `noise_given` turns into this noise.

        Parameters
        ----------
        noise : (..., D) array_like of float64
            Logistic noise.

        Returns
        -------
        (..., D) ndarray of float64
            The v with `noise_given(sample(noise), v) == noise`, to rounding: standard logistic, and independent of z.
            Constant to autograd. Eq. 01.10.
        """
        logits, noise = untraced(self.logits), untraced(self._event(noise, "noise"))
        side = 2 * self.sample(noise) - 1
        # On the threshold itself v is infinite; the nearest noise inside the cell stands for it.
        depth = np.maximum(side * (logits + noise), np.spacing(np.abs(logits) + np.abs(noise)))
        v: Array = side * (side * noise - softplus(-side * logits) + log_complement(depth))
        return v

    def _inside(self, z: Array, noise: Any) -> Any:
        """Move noise that rounding put across the threshold back, by ulps; the move is a constant to autograd."""
        rounded, threshold = untraced(noise), -untraced(self.logits)
        if ((rounded > threshold) == z).all():
            return noise
        moved = np.where(z == 1, np.maximum(rounded, np.nextafter(threshold, np.inf)), np.minimum(rounded, threshold))
        return noise + (moved - rounded) if noise is not rounded else moved

    def relax(self, noise: Any, temperature: Any) -> Any:
        """Binary Concrete: `sigmoid((logits + noise) / temperature)`.

        Parameters
        ----------
        noise : (..., D) array_like of float64
            Logistic noise.
        temperature : float
            Positive.

        Returns
        -------
        (..., D) ndarray of float64
            In [0, 1]; above a half where `sample(noise)` is one. Differentiable, twice, in the logits, the noise and
            the temperature. Maddison et al. (2017), appendix B; Eq. 01.8.

        Raises
        ------
        ValueError
            If the temperature is not positive and finite, or the last axis of the noise is not D.
        """
        return by_hand(binary, self.logits, self._event(noise, "noise"), self._positive(temperature))

    def relax_given(self, z: Any, v: Any, temperature: Any) -> Any:
        """Binary Concrete of the noise that yields z: `relax(noise_given(z, v), temperature)`, and more of its digits.

        Parameters
        ----------
        z : (..., D) array_like of float64
            Zeros and ones.
        v : (..., D) array_like of float64
            Standard logistic noise.
        temperature : float
            Positive.

        Returns
        -------
        (..., D) ndarray of float64
            In [0, 1]. Differentiable, twice, in the logits, v and the temperature. Eq. 01.16.

        Raises
        ------
        ValueError
            As in `noise_given` and `relax`.
        """
        z, v = self._hard(z), self._event(v, "v")
        return by_hand(partial(binary_given, z), self.logits, v, self._positive(temperature))

    def relaxed_log_prob(self, relaxed: Any, temperature: Any) -> Any:
        """Log-density of binary Concrete: of `relax(noise, temperature)` on (0, 1), in each variable.

        Parameters
        ----------
        relaxed : (..., D) array_like of float64
            In [0, 1].
        temperature : float
            Positive, up to 1e300.

        Returns
        -------
        (...) ndarray of float64
            Log-density, the sum over the D variables. At an entry 0 or 1 it is the limit: inf for a temperature below
            1, finite at 1, -inf above. Inside differentiable, twice, in the logits, the relaxed z and the temperature.
            Maddison et al. (2017), appendix B; Eq. 01.12 and 01.14.

        Raises
        ------
        ValueError
            If an entry is not in [0, 1], the last axis is not D, the temperature is not positive or above 1e300, or
            autograd follows an argument and an entry is 0 or 1.
        """
        return binary_concrete(self.logits, *self._relaxed(relaxed, temperature))

    def _check_relaxed(self, relaxed: Array, eps: float) -> None:  # noqa: ARG002  (a number in [0, 1] rounds to one)
        wrong = ~((relaxed >= 0) & (relaxed <= 1))
        if wrong.any():
            raise ValueError(f"relaxed needs entries in [0, 1], but has {relaxed[wrong][0]} at {_first(wrong)}")
