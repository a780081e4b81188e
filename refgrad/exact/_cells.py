"""Noise of a draw whose z is known, from independent logistic coordinates: derivation 00, Eq. 00.6.

The oracle's own formulas, in probabilities and arrival times. They are not `q.noise_given`, which is under test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._factors import Factor, configurations, count
from refgrad.exact._relaxed_rule import RelaxedGauss
from refgrad.exact._rules import Rule

SATURATED = 40.0  # exp(-40) is below the rounding of 1


@dataclass(frozen=True)
class Plan:
    """How the draws of an estimator are integrated: over the z of some, over the coordinates of others.

    Parameters
    ----------
    q : Distribution
    parts : sequence of Factor
    reads : tuple of str
        For each draw `"z"`, `"cell"` or `"smooth"`.
    reduced : bool
        Whether a shift of all Gumbel values of a variable changes nothing: K - 1 coordinates serve for K.
    vary : int or None
        The only draw that takes coordinates of the rule, while the others rest at their medians; None for all.
    """

    q: Distribution
    parts: Sequence[Factor]
    reads: tuple[str, ...]
    reduced: bool
    vary: int | None = None

    @property
    def widths(self) -> list[int]:
        """Coordinates of each variable."""
        if self.q.event_ndim == 1:
            return [1] * len(self.parts)
        return [len(part) - self.reduced for part in self.parts]

    @property
    def axes(self) -> int:
        """Coordinates of the rule."""
        return sum(self.widths) * sum(map(self._integrated, range(len(self.reads))))

    @property
    def cells(self) -> int:
        """Number of combinations of z over the draws that have one."""
        return int(count(self.parts) ** sum(word != "smooth" for word in self.reads))

    @property
    def integrates_both(self) -> bool:
        """Whether there are two draws, and both take coordinates."""
        return len(self.reads) == 2 and "z" not in self.reads

    @property
    def one_z_each(self) -> bool:
        """Whether each axis belongs to one Bernoulli variable, and there is one z for all that is integrated."""
        return (
            self.q.event_ndim == 1
            and self.axes == len(self.parts)
            and sum(word != "smooth" for word in self.reads) == 1
        )

    def _integrated(self, draw: int) -> bool:
        """Whether a draw takes coordinates of the rule."""
        return self.reads[draw] != "z" and self.vary in {None, draw}

    def cell_probs(self) -> Array:
        """Probabilities of the cells."""
        _, log_prob = configurations(self.parts, np.arange(count(self.parts)))
        return reduce(
            np.multiply.outer, [np.exp(log_prob)] * sum(word != "smooth" for word in self.reads), np.ones(1)
        ).ravel()

    def nodes(self, rule: Rule | RelaxedGauss, index: Any) -> tuple[Array, Array, list[Array]]:
        """Noise (draws, n, *event_shape), weights given the cell (n,), and the z of each draw that has one."""
        cell, point = np.divmod(index, len(rule))
        if isinstance(rule, RelaxedGauss):  # of the one draw that has a z
            coordinates, weights = rule.points_given(configurations(self.parts, cell)[0], point)
        else:
            coordinates, weights = rule.points(point)
        noise, zs, used = [], [], 0
        for draw, word in reversed(list(enumerate(self.reads))):
            own = np.zeros((len(index), sum(self.widths)))
            if self._integrated(draw) and coordinates.shape[1]:
                own = coordinates[:, used : used + own.shape[1]]
                used += own.shape[1]
            if word == "smooth":
                noise.append(self._free(own))
                continue
            cell, digit = np.divmod(cell, count(self.parts))
            z, _ = configurations(self.parts, digit)
            noise.append(self.noise_of(z, own))
            zs.append(z)
        shape = (len(self.reads), len(index), *self.q.event_shape)
        return np.array(noise[::-1]).reshape(shape), weights, zs[::-1]

    def _columns(self, coordinates: Array) -> list[Array]:
        """Coordinates of each variable."""
        return np.split(coordinates, np.cumsum(self.widths)[:-1], axis=1)

    def _free(self, coordinates: Array) -> Array:
        """Noise of a draw that is not conditioned."""
        if self.q.event_ndim == 1:
            return coordinates
        noise = np.zeros((len(coordinates), *self.q.event_shape))
        for d, (part, own) in enumerate(zip(self.parts, self._columns(coordinates), strict=True)):
            noise[:, d, part.columns] = -self._log_waits(own, np.full(len(own), len(part) - 1))
        return noise

    def noise_of(self, z: Array, coordinates: Array) -> Array:
        """Noise of a draw, given its z."""
        if self.q.event_ndim == 1:
            noise = _logistic_given(z, coordinates, np.array([part.log_probs for part in self.parts]))
            return self.q._inside(z, noise)
        noise = np.zeros((len(coordinates), *self.q.event_shape))
        for d, (part, own) in enumerate(zip(self.parts, self._columns(coordinates), strict=True)):
            columns = part.columns
            winner = np.argmax(z[:, d, columns], axis=-1)
            log_waits = self._log_waits(own, winner)
            # The first arrival takes log_waits[winner] at total rate 1; after it every other waits at its own rate.
            first = np.take_along_axis(log_waits, winner[:, None], axis=1)
            others = -np.logaddexp(part.log_probs + first, log_waits)
            won = z[:, d, columns] == 1
            noise[:, d, columns] = np.where(won, -part.log_probs - first, others)
        return self.q._inside(z, noise)

    def _log_waits(self, coordinates: Array, reference: Any) -> Array:
        """Logs of independent standard exponentials; reduced, of their ratios to the one of the reference."""
        from scipy.special import log_expit  # noqa: PLC0415  (loaded when needed)

        softplus = -log_expit(-coordinates)
        if not self.reduced:
            return _log_softplus(-coordinates)
        if not coordinates.shape[1]:
            return np.zeros((len(coordinates), 1))
        # Given the first j ratios with sum S, P(ratio > x) = ((1 + S) / (1 + S + x))**(j + 1): Eq. 00.6.
        log_sum, log_ratios = np.zeros(len(coordinates)), []
        for j in range(coordinates.shape[1]):
            exponent = softplus[:, j] / (j + 1)
            # log(1 - exp(-exponent)), which is log(exponent) where that is below the rounding of 1.
            small = coordinates[:, j] < -SATURATED
            rest = np.log(-np.expm1(-np.where(small, 1.0, exponent)))
            log_ratio = log_sum + exponent + np.where(small, coordinates[:, j] - np.log(j + 1), rest)
            log_ratios.append(log_ratio)
            log_sum = np.logaddexp(log_sum, log_ratio)
        ratios = np.stack([*log_ratios, np.zeros(len(coordinates))], axis=1)
        place = np.arange(ratios.shape[1])
        source = np.where(place == reference[:, None], len(place) - 1, place - (place > reference[:, None]))
        return np.take_along_axis(ratios, source, axis=1)


def _log_softplus(x: Array) -> Array:
    """log(log(1 + exp(x))), which is x where exp(x) is below the rounding of 1."""
    from scipy.special import log_expit  # noqa: PLC0415  (loaded when needed)

    small = x < -SATURATED
    return np.where(small, x, np.log(-log_expit(-np.where(small, 0.0, x))))


def _logistic_given(z: Array, coordinates: Array, log_probs: Array) -> Array:
    """Logistic noise given z, inverting its distribution function: u in (1 - p, 1) if z = 1, else in (0, 1 - p)."""
    from scipy.special import log_expit  # noqa: PLC0415  (loaded when needed)

    log_zero, log_one = log_probs.T
    low, high = log_expit(-coordinates), log_expit(coordinates)
    upper = np.logaddexp(log_zero, log_one + high) - (log_one + low)
    lower = (log_zero + high) - np.logaddexp(log_one, log_zero + low)
    return np.where(z == 1, upper, lower)
