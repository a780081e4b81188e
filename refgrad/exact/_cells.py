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
from refgrad.exact._layers import layers
from refgrad.exact._relaxed_rule import RelaxedGauss
from refgrad.exact._rules import Rule, Trapezoid

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

    @property
    def in_turn(self) -> bool:
        """Whether coordinates enter one after the other, each through those before it: Eq. 00.6, 00.12."""
        return self.reduced and max(self.widths) > 1

    @property
    def has_layers(self) -> bool:
        """Whether there is a z, given which a sample that is relaxed changes along each coordinate: Eq. 00.16."""
        return set(self.reads) != {"smooth"} and (self.q.event_ndim == 1 or self.reduced)

    def nodes(self, rule: Rule | RelaxedGauss, index: Any) -> tuple[Array, Array, list[Array]]:
        """Noise (draws, n, *event_shape), weights given the cell (n,), and the z of each draw that has one.

        The numbers of the nodes follow one another; what the nodes of a cell share is computed once.
        """
        cell, point = np.divmod(index, len(rule))
        rest = np.arange(cell[0], cell[-1] + 1)
        alone = len(rest) == 1

        def spread(rows: Array) -> Array:
            return rows if alone else np.take(rows, cell - cell[0], axis=0)

        of_cell: dict[int, Array] = {}
        for draw in reversed([draw for draw, word in enumerate(self.reads) if word != "smooth"]):
            rest, digit = np.divmod(rest, count(self.parts))
            of_cell[draw], _ = configurations(self.parts, digit)
        of_node = {draw: spread(z) for draw, z in sorted(of_cell.items())}
        if isinstance(rule, RelaxedGauss):  # of the one draw that has a z
            (z,) = of_node.values()
            coordinates, weights = rule.points_given(z, point)
        elif isinstance(rule, Trapezoid) and rule.temperature:
            coordinates, weights = rule.points_around(spread(self._layers(of_cell, rule)), point)
        else:
            coordinates, weights = rule.points(point)
        noise, width = np.empty((len(self.reads), len(index), *self.q.event_shape)), sum(self.widths)
        for draw in reversed(range(len(self.reads))):
            if self._integrated(draw) and coordinates.shape[1]:
                noise[draw] = self._noise(draw, of_node, coordinates[:, :width])
                coordinates = coordinates[:, width:]
            else:
                at_rest = self._noise(draw, of_cell, np.zeros((1, width)))
                noise[draw] = spread(at_rest) if len(at_rest) > 1 else at_rest
        return noise, weights, [np.broadcast_to(z, noise.shape[1:]) for z in of_node.values()]

    def _layers(self, zs: dict[int, Array], rule: Trapezoid) -> Array:
        """Layers (n, axes) given the z of each draw; of a draw without one those beside the z of another."""
        beside = next(iter(zs.values()))
        draws = [draw for draw in reversed(range(len(self.reads))) if self._integrated(draw)]
        most = rule.farthest / len(draws)
        return np.concatenate([layers(self.parts, zs.get(d, beside), rule.temperature, most) for d in draws], axis=1)

    def _noise(self, draw: int, zs: dict[int, Array], coordinates: Array) -> Array:
        """Noise of a draw: given its z; without one beside the z of another, if there is one."""
        if draw in zs:
            return self.noise_of(zs[draw], coordinates)
        return self._free(coordinates, next(iter(zs.values()), None))

    def _columns(self, coordinates: Array) -> list[Array]:
        """Coordinates of each variable."""
        return np.split(coordinates, np.cumsum(self.widths)[:-1], axis=1)

    def _free(self, coordinates: Array, z: Array | None) -> Array:
        """Noise of a draw that is not conditioned; ratios are to the wait of the value that z has, or to the last."""
        if self.q.event_ndim == 1:
            return coordinates
        size = len(coordinates) if z is None else max(len(coordinates), len(z))
        noise = np.zeros((size, *self.q.event_shape))
        for d, (part, own) in enumerate(zip(self.parts, self._columns(coordinates), strict=True)):
            reference = np.full(1, len(part) - 1) if z is None else np.argmax(z[:, d, part.columns], axis=-1)
            noise[:, d, part.columns] = -self._log_waits(own, reference)
        return noise

    def noise_of(self, z: Array, coordinates: Array) -> Array:
        """Noise of a draw, given its z; one z, or one row of coordinates, serves for all of the other."""
        if self.q.event_ndim == 1:
            noise = _logistic_given(z, coordinates, np.array([part.log_probs for part in self.parts]))
            return self.q._inside(np.broadcast_to(z, noise.shape), noise)
        noise = np.zeros((max(len(z), len(coordinates)), *self.q.event_shape))
        for d, (part, own) in enumerate(zip(self.parts, self._columns(coordinates), strict=True)):
            columns = part.columns
            winner = np.argmax(z[:, d, columns], axis=-1)
            log_waits = self._log_waits(own, winner)
            # The first arrival takes log_waits[winner] at total rate 1; after it every other waits at its own rate.
            first = np.zeros((1, 1)) if self.reduced else np.take_along_axis(log_waits, winner[:, None], axis=1)
            won = z[:, d, columns] == 1
            noise[:, d, columns] = -np.where(
                won, part.log_probs + first, _sum_in_logs(part.log_probs + first, log_waits)
            )
        return self.q._inside(np.broadcast_to(z, noise.shape), noise)

    def _log_waits(self, coordinates: Array, reference: Any) -> Array:
        """Logs of independent standard exponentials; reduced, of their ratios to the one of the reference."""
        if not self.reduced:
            return _log_softplus(-coordinates)
        # Given the first j ratios with sum S, P(ratio > x) = ((1 + S) / (1 + S + x))**(j + 1): Eq. 00.6.
        log_ratios, log_sum = list(coordinates.T[:1]), _softplus(coordinates[:, :1].sum(axis=1))
        for j in range(1, coordinates.shape[1]):
            exponent, small = _softplus(coordinates[:, j]) / (j + 1), coordinates[:, j] < -SATURATED
            # log(1 - exp(-exponent)), which is log(exponent) where that is below the rounding of 1.
            rest = np.log(-np.expm1(-np.where(small, 1.0, exponent)))
            log_ratios.append(log_sum + exponent + np.where(small, coordinates[:, j] - np.log(j + 1), rest))
            log_sum = _sum_in_logs(log_sum, log_ratios[-1])
        ratios = np.stack([*log_ratios, np.zeros(len(coordinates))], axis=1)
        place = np.arange(ratios.shape[1])
        source = np.where(place == reference[:, None], len(place) - 1, place - (place > reference[:, None]))
        if len(source) == 1:
            return ratios[:, source[0]]
        return np.take_along_axis(ratios, source, axis=1)


def _softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    softplus: Array = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return softplus


def _sum_in_logs(one: Array, other: Array) -> Array:
    """log(exp(one) + exp(other)), which np.logaddexp takes four times as long for."""
    total: Array = np.maximum(one, other) + np.log1p(np.exp(-np.abs(one - other)))
    return total


def _log_softplus(x: Array) -> Array:
    """log(log(1 + exp(x))), which is x where exp(x) is below the rounding of 1."""
    small = x < -SATURATED
    return np.where(small, x, np.log(_softplus(np.where(small, 0.0, x))))


def _logistic_given(z: Array, coordinates: Array, log_probs: Array) -> Array:
    """Logistic noise given z: log-odds of `1 - p + p x` if z = 1, x = sigmoid(v); z = 0 is the mirror image."""
    log_zero, log_one = log_probs.T
    side = 2 * z - 1
    own, other = z * log_one + (1 - z) * log_zero, z * log_zero + (1 - z) * log_one
    noise: Array = side * (_sum_in_logs(side * coordinates, other) - own)
    return noise
