"""What a known mistake is: a wrong estimator, the right one that it is taken for, and the slip between them."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from refgrad.distributions import Distribution
from refgrad.estimators import Claims, Estimator

__all__ = ["Biased", "Mistake"]

LEAST = 1e-150  # probability that may be divided by, and squared
EFFECTS = ("biased", "variance", "bias at extremes")


@dataclass(frozen=True)
class Mistake:
    """A wrong estimator with a name; its exact moments are `exact.moments(mistake.estimator, q, f)`.

    Parameters
    ----------
    name : str
        A slug; no two mistakes have the same.
    estimator : Estimator
        The wrong one, with claims of its own.
    of : Estimator
        The right one that it is taken for, with the same settings.
    bug : str
        What was written, and what was meant.
    seen_in : str
        Public code, or `"textbook"`.
    effect : {"biased", "variance", "bias at extremes"}
        Against the right one: another mean; the same mean, another covariance; another mean, which shows where
        outcomes are rare.
    same_as : str
        Name of another mistake with the same formula, which no moments can tell from this one.

    Raises
    ------
    ValueError
        For another effect.

    Examples
    --------
    >>> from refgrad.testing import mistakes
    >>> {m.name: m.bug for m in mistakes()}["reinforce-wrong-sign"]
    'a loss, `-f`, was taken for the reward f'
    """

    name: str
    estimator: Estimator
    of: Estimator
    bug: str
    seen_in: str = "textbook"
    effect: str = "biased"
    same_as: str = ""

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"Mistake needs an effect of {EFFECTS}, but {self.name} has {self.effect!r}")

    @property
    def families(self) -> tuple[str, ...]:
        """Distributions that it can be made on."""
        return self.estimator.claims.families

    @property
    def derivation(self) -> str:
        """Page of the right estimator."""
        return self.of.claims.derivation

    def serves(self, q: Distribution) -> bool:
        """Tell whether its moments are finite: its family, no value of no probability, the shape of a baseline."""
        shape = np.shape(getattr(self.of, "baseline", 0.0))
        fits = q.family in self.families and shape in {(), q.event_shape}
        least = q.probs.min() if q.event_ndim > 1 else np.exp(-np.logaddexp(0, np.abs(q.logits))).min()
        return fits and bool(least > LEAST)

    def like(self, right: Estimator) -> Mistake:
        """Return the same mistake with the settings of another right estimator.

        Parameters
        ----------
        right : Estimator
            Of the class of `of`.

        Raises
        ------
        TypeError
            If it is of another class.
        ValueError
            If the mistake cannot be made with these settings.
        """
        if type(right) is not type(self.of):
            raise TypeError(f"{self.name} needs a {type(self.of).__name__}, but was given {right!r}")
        if getattr(right, "coupled", False):
            raise ValueError(f"{self.name} needs an estimator with fresh noise of its own, but was given {right!r}")
        settings = {name: getattr(right, name) for name in _names(right) & _names(self.estimator)}
        return replace(self, of=right, estimator=replace(self.estimator, **settings))  # type: ignore[type-var]


def _names(estimator: Any) -> set[str]:
    return {field.name for field in fields(estimator)} if is_dataclass(estimator) else set()


class Biased(Estimator):
    """Stands before the right estimator among the bases of a wrong one: its claims, without those of its mean."""

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Those of the right one, but biased and exact for nothing."""
        return replace(super().claims, unbiased=False, exact_for=None)
