"""REBAR and RELAX in steps, for the mistakes of both to change one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators import Claims, Estimator, Rebar, Relax, pathwise

__all__ = ["Parts", "Terms"]


@dataclass(frozen=True)
class Terms:
    """What an estimate is made of: values (..., 1), the score and the slopes (..., *event_shape)."""

    value: Any  # of f at z
    score: Array
    hard: Any  # of the control variate: at z, at the relaxed sample, at the relaxed sample given z
    relaxed: Any
    given: Any
    slope: Array  # of the last two
    slope_z: Array


@dataclass(frozen=True)
class Parts(Estimator):
    """REBAR, or with a control variate of its own RELAX; as it stands it is right.

    Parameters
    ----------
    temperature, coefficient : float
    control_variate : callable, optional
        In place of f.
    """

    temperature: float = 0.5
    coefficient: float = 0.75
    control_variate: Callable[[Any], Any] | None = None
    draws: ClassVar[int] = 2
    own: ClassVar[Claims] = replace(Rebar().claims, unbiased=False)

    def __post_init__(self) -> None:
        Rebar(self.temperature, self.coefficient)  # it refuses what is none

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Those of the mistake in REBAR; in RELAX f is not differentiated."""
        if self.control_variate is None:
            return self.own
        return replace(self.own, differentiates_f=False, symmetric=False, derivation="10-relax")

    def _shown(self, q: Distribution, z: Array, noise: Any) -> Array:  # noqa: ARG002
        return z

    def _relaxed(self, q: Distribution, noise: Any) -> Any:
        return q.relax(noise[0], self.temperature)  # Eq. 08.2

    def _relaxed_given_z(self, q: Distribution, z: Array, fresh: Array, held: Distribution) -> Any:  # noqa: ARG002
        return q.relax(q.noise_given(z, fresh), self.temperature)  # Eq. 08.3

    def _estimate(self, c: float, t: Terms) -> Array:
        return (t.value - c * t.given) * t.score + c * (t.slope - t.slope_z)

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:
        f, noise = self._prepare(q, f, noise)  # (draws, ..., *event_shape)
        b = f if self.control_variate is None else Relax(self.control_variate)._at(q)
        z = q.sample(noise[0])  # Eq. 08.1
        shown = self._shown(q, z, noise)
        relaxed, slope = pathwise(lambda own: b(self._relaxed(own, noise)), q, noise[0])
        given, slope_z = pathwise(lambda own: b(self._relaxed_given_z(own, z, noise[-1], q)), q, noise[0])
        value, hard, relaxed, given = map(q.expand, (f(shown), b(shown), relaxed, given))
        terms = Terms(value, q.score(shown), hard, relaxed, given, slope, slope_z)
        return self._estimate(self.coefficient, terms)  # Eq. 08.4
