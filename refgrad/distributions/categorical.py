"""Independent categorical variables as one-hot rows, and their Gumbel-Softmax relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions._array import Array, as_float, namespace, select, untraced
from refgrad.distributions._base import Distribution, _first
from refgrad.distributions._by_hand import by_hand, distinct
from refgrad.distributions._functions import (
    chosen,
    complement,
    log_complement,
    log_softmax,
    logaddexp,
    softmax,
)
from refgrad.distributions._noise import gumbel
from refgrad.distributions._planes import first_maximum, planes, rows
from refgrad.distributions._relaxations import race, race_given
from refgrad.distributions._relaxed import concrete

__all__ = ["Categorical"]


@dataclass(frozen=True, eq=False, repr=False)
class Categorical(Distribution):
    """D independent variables with K categories each, and `P(z = k) = softmax(logits)_k`.

    Parameters
    ----------
    logits : (..., D, K) array_like of float64
        Unnormalised log-probabilities, finite or -inf (a masked category: its probability and every gradient of it
        are exactly zero). Leading axes are a batch. Copied, read-only; other real types are converted to float64.

    Raises
    ------
    ValueError
        If there is no variable or no category, a logit is NaN or +inf, or every category of a variable is masked.
    TypeError
        If the logits are not real numbers.

    Examples
    --------
    >>> q = Categorical([[0.0, 0.0, -np.inf]])
    >>> print(q.probs)
    [[0.5 0.5 0. ]]
    >>> print(q.score([[1.0, 0.0, 0.0]]))
    [[ 0.5 -0.5  0. ]]
    """

    family: ClassVar[str] = "categorical"
    event_ndim: ClassVar[int] = 2

    def _check_logits(self, logits: Array) -> None:
        wrong = np.isnan(logits) | (logits == np.inf)
        if wrong.any():
            raise ValueError(
                f"Categorical needs logits that are finite or -inf, but has {logits[wrong][0]} at {_first(wrong)}"
            )
        empty = ~self._keep(logits).any(axis=-1)
        if empty.any():
            raise ValueError(f"Categorical needs a finite logit in each variable, but all of {_first(empty)} are -inf")

    @staticmethod
    def _keep(logits: Any) -> Any:
        """Categories that are not masked."""
        return untraced(logits) > -np.inf

    @property
    def _few_kept(self) -> Any:
        """Categories that are not masked, in as few rows as differ."""
        return self._keep(distinct(untraced(self.logits)))

    @property
    def support_size(self) -> int:
        """Number of configurations, K**D, masked ones included."""
        variables, categories = self.event_shape
        return categories**variables

    @property
    def probs(self) -> Any:
        """Probabilities: (..., D, K) ndarray of float64. Derivation 01, Eq. 01.1."""
        return rows(softmax(planes(self.logits), planes(self._keep(self.logits))))

    @property
    def _log_probs(self) -> Any:
        """Log-probabilities, -inf where masked."""
        return log_softmax(self.logits, self._keep(self.logits))

    def log_prob(self, z: Any) -> Any:
        """Log-probability of z, computed in log space.

        Parameters
        ----------
        z : (..., D, K) array_like of float64
            One-hot rows.

        Returns
        -------
        (...) ndarray of float64
            Log-probability, the sum over the D variables; -inf where z has a masked category. Eq. 01.2.

        Raises
        ------
        ValueError
            If the last axes are not (D, K), or a row is not one-hot.
        """
        chosen = self._one_hot(z) == 1
        return namespace(self.logits).sum(select(chosen, self._log_probs, 0.0), axis=(-2, -1))

    def score(self, z: Any) -> Any:
        """Gradient of `log_prob` in the logits, `z - probs`.

        Parameters
        ----------
        z : (..., D, K) array_like of float64

        Returns
        -------
        (..., D, K) ndarray of float64
            Log-probability per logit. Where z = 1 it is the sum of the other probabilities, which no subtraction
            rounds off. Eq. 01.3.
        """
        z, probs = self._event(z, "z"), self.probs
        return chosen(z, rows(complement(planes(probs))), -probs)

    def support(self, start: int = 0, stop: int | None = None) -> Array:
        """Configurations `start` up to `stop` in lexicographic order, masked ones included.

        Returns
        -------
        (stop - start, D, K) ndarray of float64
            The last variable changes fastest.

        Raises
        ------
        ValueError
            If not 0 <= start <= stop <= K**D, or K**D > 2**62.
        """
        variables, categories = self.event_shape
        index = self._indices(start, stop)
        # A variable of one category has a place value of 1; so no power overflows below 2**62 configurations.
        place = np.array([categories**d for d in reversed(range(variables))], dtype=np.int64)
        digits = index[:, None] // place % categories
        return (digits[..., None] == np.arange(categories)).astype(np.float64)

    def draw_noise(self, shape: Any, rng: np.random.Generator) -> Array:
        """Standard Gumbel values.

        Parameters
        ----------
        shape : int or tuple of int
        rng : numpy.random.Generator

        Returns
        -------
        (*shape, D, K) ndarray of float64
            Always finite: at most 40.3. Values in one call, or as many in several, are the same. Eq. 01.21.
        """
        size = self._noise_shape(shape, rng)
        return gumbel(size, rng)

    def sample(self, noise: Any) -> Array:
        """Gumbel-max: the one-hot argmax of `logits + noise`, the first of equals.

        Parameters
        ----------
        noise : (..., D, K) array_like of float64
            Gumbel noise.

        Returns
        -------
        (..., D, K) ndarray of float64
            One-hot rows. Constant to autograd. Eq. 01.5.
        """
        perturbed = untraced(self.logits) + untraced(self._event(noise, "noise"))
        return first_maximum(perturbed).astype(np.float64)

    def noise_given(self, z: Any, v: Any) -> Any:
        """Gumbel noise that yields z, from fresh standard Gumbel noise v.

        Parameters
        ----------
        z : (..., D, K) array_like of float64
            One-hot rows.
        v : (..., D, K) array_like of float64
            Standard Gumbel noise.

        Returns
        -------
        (..., D, K) ndarray of float64
            Noise with `sample(noise) == z`; distributed as the noise of a draw of z, given z. A masked category keeps
            its v. Differentiable, twice, in the logits and in v. Eq. 01.7.

        Raises
        ------
        ValueError
            If a row of z is not one-hot or has probability zero, or the last axes are not (D, K).
        """
        z, v = self._possible(z), self._event(v, "v")
        keep, log_probs = self._keep(self.logits), self._log_probs
        xp = namespace(log_probs, v)
        winner = xp.sum(z * v, axis=-1, keepdims=True)
        others = -logaddexp(log_probs - winner, -v)
        noise = z * (v - xp.where(keep, log_probs, 0.0)) + (1 - z) * others
        return self._inside(z, noise)

    def fresh_given(self, noise: Any) -> Array:
        """The fresh noise that `noise_given` turns into this noise.

        Parameters
        ----------
        noise : (..., D, K) array_like of float64
            Gumbel noise.

        Returns
        -------
        (..., D, K) ndarray of float64
            The v with `noise_given(sample(noise), v) == noise`, to rounding: standard Gumbel, and independent of z; a
            masked category keeps its noise. Constant to autograd. Eq. 01.11.
        """
        noise = untraced(self._event(noise, "noise"))
        z, keep = self.sample(noise), self._keep(self.logits)
        log_probs = np.where(keep, untraced(self._log_probs), 0.0)
        perturbed = np.where(keep, untraced(self.logits), 0.0) + noise
        winner = np.sum(z * perturbed, axis=-1, keepdims=True)
        # In a tie v is infinite; the nearest noise inside the cell stands for it.
        depth = np.maximum(winner - perturbed, np.spacing(np.abs(perturbed - noise) + np.abs(noise)))
        loser = noise - np.where(keep, log_complement(np.where(keep, depth, 1.0)), 0.0)
        v: Array = np.where(z == 1, noise + log_probs, loser)
        return v

    def _inside(self, z: Array, noise: Any) -> Any:
        """Lower the losers that rounding put at or above the winner, by ulps; the move is a constant to autograd."""
        won, keep, rounded = z == 1, self._keep(self.logits), untraced(noise)
        logits = np.where(keep, untraced(self.logits), 0.0)
        perturbed = np.where(keep, logits + rounded, -np.inf)
        best = np.max(perturbed, axis=-1, keepdims=True, where=won, initial=-np.inf)
        wrong = ~won & (perturbed >= best)
        if not wrong.any():
            return noise
        moved = rounded
        step = np.spacing(np.abs(best) + np.abs(logits) + np.abs(rounded))
        while wrong.any():
            moved = np.where(wrong, moved - step, moved)
            step = 2 * step
            wrong &= logits + moved >= best
        return noise + (moved - rounded) if noise is not rounded else moved

    def relax(self, noise: Any, temperature: Any) -> Any:
        """Gumbel-Softmax (Concrete): `softmax((logits + noise) / temperature)`.

        Parameters
        ----------
        noise : (..., D, K) array_like of float64
            Gumbel noise.
        temperature : float
            Positive.

        Returns
        -------
        (..., D, K) ndarray of float64
            Rows in the simplex, exactly zero at masked categories; largest where `sample(noise)` is one.
            Differentiable, twice, in the logits, the noise and the temperature. Jang et al. (2017), Eq. 2; Eq. 01.9.

        Raises
        ------
        ValueError
            If the temperature is not positive and finite, or the last axes of the noise are not (D, K).
        """
        noise, temperature = self._event(noise, "noise"), self._positive(temperature)
        return by_hand(partial(race, self._few_kept), self.logits, noise, temperature)

    def relax_given(self, z: Any, v: Any, temperature: Any) -> Any:
        """Gumbel-Softmax of the noise that yields z: `relax(noise_given(z, v), temperature)`, and more of its digits.

        Parameters
        ----------
        z : (..., D, K) array_like of float64
            One-hot rows.
        v : (..., D, K) array_like of float64
            Standard Gumbel noise.
        temperature : float
            Positive.

        Returns
        -------
        (..., D, K) ndarray of float64
            Rows in the simplex. Differentiable, twice, in the logits, v and the temperature. Eq. 01.16.

        Raises
        ------
        ValueError
            As in `noise_given` and `relax`.
        """
        z, v = self._possible(z), self._event(v, "v")
        return by_hand(partial(race_given, self._few_kept, z), self.logits, v, self._positive(temperature))

    def relaxed_log_prob(self, relaxed: Any, temperature: Any) -> Any:
        """Log-density of Concrete: of `relax(noise, temperature)` in the simplex of each variable.

        Parameters
        ----------
        relaxed : (..., D, K) array_like of float64
            Rows in the simplex.
        temperature : float
            Positive, up to 1e300.

        Returns
        -------
        (...) ndarray of float64
            Log-density, the sum over the D variables, with respect to Lebesgue measure on all but one of the
            categories that are not masked; 0 for a variable that has one. With one entry zero among K' it is the limit:
            inf for a temperature below 1 / (K' - 1), finite at it (as rounded), -inf above. -inf where a masked
            category is not zero. Inside differentiable, twice, in the logits, the temperature and the relaxed z (each
            entry on its own; only directions that keep the sum have a meaning). Maddison et al. (2017), Eq. 10;
            Eq. 01.13 and 01.14.

        Raises
        ------
        ValueError
            If an entry is negative or NaN, a row does not sum to 1 within the rounding of its type, K times eps, the
            last axes are not (D, K), the temperature is not positive or above 1e300, autograd follows an argument and
            an entry that is not masked is 0, or the limit depends on the way there: with m > 1 zeros at a temperature
            above 1 / (K' - 1) and up to m / (K' - m), or where one variable grows and another vanishes.
        """
        relaxed, temperature = self._relaxed(relaxed, temperature)
        return concrete(self.logits, self._keep(self.logits), relaxed, temperature)

    def _check_relaxed(self, relaxed: Array, eps: float) -> None:
        wrong = ~(relaxed >= 0)
        if wrong.any():
            raise ValueError(f"relaxed needs entries of at least 0, but has {relaxed[wrong][0]} at {_first(wrong)}")
        total = relaxed.sum(axis=-1)
        # A softmax sums to one within (2 K - 1) eps / 2: its own sum, a division, and this sum.
        wrong = ~(np.abs(total - 1) <= relaxed.shape[-1] * eps)
        if wrong.any():
            raise ValueError(
                f"relaxed needs rows that sum to 1, but the row at {_first(wrong)} sums to {total[wrong][0]}"
            )

    def _possible(self, z: Any) -> Array:
        """Convert a z, whose rows must be one-hot and not masked."""
        z = self._one_hot(z)
        keep = self._few_kept
        impossible = (z == 1) & ~keep
        if not keep.all() and impossible.any():
            raise ValueError(f"z needs a positive probability, but has a masked category at {_first(impossible)}")
        return z

    def _one_hot(self, z: Any) -> Array:
        """Convert a z, whose rows must be one-hot."""
        z = self._hard(as_float(z, "z"))
        wrong = np.einsum("...k->...", z) != 1
        if wrong.any():
            raise ValueError(f"z needs one-hot rows, but the row at {_first(wrong)} is {z[wrong][0]}")
        return z
