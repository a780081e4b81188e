"""Mistakes of baselines: they saw the sample that they are taken from, or the wrong axis."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Claims, ConstantBaseline, Estimator, MovingAverageBaseline, Reinforce
from refgrad.testing.mistakes._mistake import Mistake

__all__ = ["MISTAKES", "Group"]


@dataclass(frozen=True)
class Group(Estimator):
    """One estimate from a group of samples, whose mean is all that a mistake gets wrong."""

    draws: int = 2  # type: ignore[misc]

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Biased, and a function of the samples."""
        return Claims(unbiased=False, reads=("z",) * self.draws, derivation="04-constant-baselines")

    @abstractmethod
    def _estimate(self, value: Array, score: Array) -> Array:
        """From the values (draws, ..., 1) and the scores (draws, ..., *event_shape)."""

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, noise = self._prepare(q, f, noise)  # (draws, ..., *event_shape)
        z = q.sample(noise)
        return self._estimate(q.expand(f(z)), q.score(z))


class OwnSampleInTheMean(Group):
    """The mean of the group as the baseline of each of its samples."""

    def _estimate(self, value: Array, score: Array) -> Array:
        return np.mean((value - value.mean(axis=0)) * score, axis=0)


class OwnBestConstant(Group):
    """The best constant of the very samples that it is taken from."""

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """As of the group; a constant for each component, so that they do not sum to zero."""
        return Claims(
            unbiased=False, reads=("z",) * self.draws, shift_invariant=False, derivation=super().claims.derivation
        )

    def _estimate(self, value: Array, score: Array) -> Array:
        best = (value * score**2).sum(axis=0) / (score**2).sum(axis=0)  # Eq. 04.3, of its own samples
        return np.mean((value - best) * score, axis=0)


class ProductOfMeans(Group):
    """Averaged before multiplied."""

    def _estimate(self, value: Array, score: Array) -> Array:
        return value.mean(axis=0) * score.mean(axis=0)


class UpdatedBeforeUsed(MovingAverageBaseline):
    """The average already has a share of the value that it is taken from."""

    claims: ClassVar[Claims] = replace(MovingAverageBaseline.claims, unbiased=False)

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z = q.sample(noise_z)
        average = self.decay * self.average + (1 - self.decay) * f(z)  # Eq. 04.6, too early
        return q.expand(f(z) - average) * q.score(z)


class WrongAxis(ConstantBaseline):
    """One baseline for each variable, spread over the categories: where there are as many of both, nobody complains."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = np.shape(self.baseline)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"WrongAxis needs a baseline of shape (D, D), but it has shape {shape}")

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        f, noise = self._prepare(q, f, noise)  # (1, ..., *event_shape)
        return ConstantBaseline(np.transpose(self.baseline))(q, f, noise)

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased: it is a constant baseline after all, though another one."""
        return Claims(
            unbiased=True,
            families=("categorical",),
            shift_invariant=False,
            symmetric=False,
            derivation=super().claims.derivation,
        )


def _groups(name: str, cls: type[Group], bug: str, seen_in: str = "textbook") -> tuple[Mistake, ...]:
    return tuple(Mistake(f"{name}-of-{n}", cls(n), Reinforce(), bug.format(n=n), seen_in) for n in (2, 4))


PER_VARIABLE = ((0.5, 0.5), (-1.0, -1.0))
MISTAKES = (
    *_groups(
        "own-sample-in-the-mean",
        OwnSampleInTheMean,
        "the mean of the batch, its own sample included, is the baseline, not that of the others: factor ({n} - 1)/{n}",
        "storchastic; GRPO code bases",
    ),
    *_groups(
        "own-best-constant",
        OwnBestConstant,
        "the best constant was estimated from the {n} samples that it is taken from, not from others",
    ),
    *_groups(
        "product-of-means",
        ProductOfMeans,
        "`mean(f) * mean(score)` for `mean(f * score)`, or (n,) against (n, 1): factor 1/{n}",
        "Bonnevie/rebar #2",
    ),
    Mistake(
        "moving-average-updated-before-use",
        UpdatedBeforeUsed(0.25, 0.9),
        MovingAverageBaseline(0.25, 0.9),
        "the average was updated with the value and then taken from it, not the other way round: factor decay",
        "storchastic",
    ),
    Mistake(
        "constant-baseline-wrong-axis",
        WrongAxis(PER_VARIABLE),
        ConstantBaseline(PER_VARIABLE),
        "a baseline for each variable was spread along the variables, not along the categories",
        effect="variance",
    ),
)
