"""The rules of decision: from the sums so far to "wrong", "right" or to go on; and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._expected import Expected, Settings
from refgrad.testing._schedule import EARLIEST
from refgrad.testing._sums import Sums
from refgrad.testing.evidence import MEAN_SHARE, OTHER_SHARE, Evidence
from refgrad.testing.problem import Problem
from refgrad.testing.verdict import Verdict

DEPENDENT = (
    "shared noise, a chain, or antithetic or quasi-random numbers? Of such rows a mean over M can be judged: rows=M"
)


@dataclass(frozen=True, eq=False)
class Court:
    """What decides on one problem."""

    problem: Problem
    expected: Expected
    settings: Settings
    weight: int  # samples in a row

    def judge(self, sums: Sums, last: bool, seen: float | None = None) -> tuple[str | None, str]:
        """Decide, or say None to go on; `last` tells that there will be no more samples; `seen` is `log_evidence`."""
        n = sums.evidence.n
        if wrong := self._wrong(sums, self.log_evidence(sums) if seen is None else seen):
            return "wrong", wrong
        if not last and n * self.weight < EARLIEST:
            return None, ""
        if n < self.ripe:
            most = int(self.ripe) * self.weight
            return None, f"rare outcomes carry the variance: {most:,} samples are needed, or a named estimator"
        if not last and n < self.soonest:
            return None, ""
        within = self.expected.allowed, self.settings.log_limit
        off, complete = self._constant_and_off(sums), n >= self.expected.complete
        exact = ~np.isnan(sums.fixed) & ~off & complete
        if ((sums.evidence.within(*within) & (complete | ~off)) | exact).all():
            what = "moment" if self.expected.second else "component"
            return "right", f"the bias of every {what} is within the tolerance"
        return None, self._open(off)

    def _open(self, off: Any) -> str:
        """Why there is no answer, if no more samples come."""
        if not off.any():
            return "the samples are spent: neither a bias is shown, nor is every component within the tolerance"
        decide = f"{self.expected.complete * self.weight:,} samples would decide"
        return f"{self.name(int(np.argmax(off)))} does not vary, and is not {self._answer()}: {decide}"

    @cached_property
    def ripe(self) -> float:
        """Rows before every feature is judged."""
        return float(self.expected.ready.max())

    @cached_property
    def soonest(self) -> float:
        """Rows before which no interval can lie within the tolerance: log e <= S**2 / (2 U), U >= 2 n / 3."""
        variance = self.expected.covariance.diagonal()
        return float((4 / 3 * self.settings.log_limit * variance / self.expected.allowed**2).max())

    @cached_property
    def likely(self) -> float:
        """Rows at which a sampler of mean and covariance as expected is called "right", to 5 %; or all there may be."""
        covariance, most = self.expected.covariance, self.settings.max_samples / self.weight
        n: Any = max(EARLIEST / self.weight, self.ripe, self.soonest)
        evidence = Evidence(covariance, 1)
        while n < most:
            seen = replace(evidence, n=n, total=np.zeros(len(covariance)), squares=n * covariance)
            if seen.within(self.expected.allowed, self.settings.log_limit).all():
                break
            n *= 1.05
        return float(n)

    def _wrong(self, sums: Sums, seen: float) -> str | None:
        """What is shown to be wrong."""
        off = self._constant_and_off(sums)
        if off.any() and sums.evidence.n >= self.expected.complete:
            return f"{self.name(int(np.argmax(off)))} never varies, and is not {self._answer()}"
        # What a bias explains is taken away there, so these come first: shared noise makes the mean look wrong too.
        if sums.evidence.n >= self.ripe:
            mean = self._whitened_mean(sums)
            if sums.sharing.convicts(mean, self.other_limit):
                return f"rows of one call are not independent: {DEPENDENT}"
            if sums.echo.convicts(mean, self.other_limit):
                return "a call repeats the rows of the call before, in part: noise is kept, or seeded, between calls"
        if seen >= self.mean_limit:
            return f"the mean{' or the covariance' * self.expected.second} is not {self._answer()}"
        return None

    def _constant_and_off(self, sums: Sums) -> Any:
        """Features that have not varied yet, and are not as expected: (m,) of bool."""
        return np.abs(sums.fixed) > self.expected.rounding  # NaN, where one has varied, is not

    def log_evidence(self, sums: Sums) -> float:
        """Log of the evidence against the mean of the features that may be judged already."""
        if self.ripe <= sums.evidence.n:
            return sums.evidence.log_against_zero()
        ripe = self.expected.ready <= sums.evidence.n
        return sums.evidence.part(ripe).log_against_zero() if ripe.any() else 0.0

    def _whitened_mean(self, sums: Sums) -> Array:
        """Mean of a row, less what is expected, where a row has the identity as covariance: (d,)."""
        size = len(self.expected.center)
        return np.asarray(np.asarray(sums.evidence.total)[:size] / sums.evidence.n @ self.expected.whiten)

    @property
    def other_limit(self) -> float:
        """Evidence that convicts of anything but the mean."""
        return self.settings.log_limit - float(np.log(OTHER_SHARE))

    @cached_property
    def mean_limit(self) -> float:
        """Evidence that convicts: features become ripe in stages, and each has its share of alpha."""
        return self.settings.log_limit + float(np.log(len(np.unique(self.expected.ready)) / MEAN_SHARE))

    def _answer(self) -> str:
        return "that of the named estimator" if self.expected.second else "the exact gradient"

    def name(self, feature: int) -> str:
        """What a feature is called in a report."""
        size = len(self.expected.center)
        if feature < size:
            return f"component {list(self._index(feature))}"
        one, other = (int(index[feature - size]) for index in np.triu_indices(size))
        return f"covariance of {list(self._index(one))} and {list(self._index(other))}"

    def _index(self, component: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(component, self.problem.gradient.shape)))

    def verdict(self, outcome: str, reason: str, sums: Sums, seed: int, **more: Any) -> Verdict:
        """Write down what was decided, and how far the evidence reaches."""
        expected, evidence, shape = self.expected, sums.evidence, self.problem.gradient.shape
        size, n, limit = len(expected.center), sums.evidence.n, self.settings.log_limit
        if n:
            mean = np.asarray(evidence.total) / n
            variance = np.maximum(np.asarray(evidence.squares).diagonal() / n - mean**2, 0)
            error = np.where(np.isnan(sums.fixed), np.sqrt(variance / n), 0.0)
            low, high = evidence.interval(limit)
            hidden = np.maximum(np.abs(low), np.abs(high))
            hidden = np.where((error == 0) & (n >= expected.complete), np.abs(mean), hidden)
            off = (
                (low > 0) | (high < 0) | ((error == 0) & (np.abs(mean) > expected.rounding) & (n >= expected.complete))
            )
        else:
            mean = error = np.full(len(expected.target), np.nan)
            high = np.full(len(mean), np.inf)
            low = -high
            hidden, off = np.full(len(mean), np.inf), np.zeros(len(mean), bool)
        if outcome == "undecided" and n and np.isfinite(hidden).all() and (hidden > expected.allowed).any():
            most = int(np.argmax(hidden / expected.allowed))
            reason += (
                f"; {self.name(most)} could be off by {hidden[most]:.2g}, and {expected.allowed[most]:.2g} is allowed"
            )
        # In units of what is expected, or of what is seen where that is less: a variance that is too small shows there.
        seen = np.where(error > 0, error * np.sqrt(max(n, 1)), np.inf)
        distance = np.abs(mean) / np.minimum(np.sqrt(expected.covariance.diagonal()), seen)
        worst = int(np.nanargmax(distance)) if np.isfinite(distance).any() else 0
        return Verdict(
            outcome=outcome,
            problem=str(self.problem),
            reason=reason or "no samples were left after the pilot",
            alpha=self.settings.alpha,
            tolerance=float(expected.allowed[:size].max()),
            n=n * self.weight,
            exact=expected.center.reshape(shape),
            estimate=(expected.center + mean[:size]).reshape(shape),
            standard_error=error[:size].reshape(shape),
            worst=self._index(worst) if worst < size else self._pair(worst),
            certified=float(hidden[:size].max()),
            evidence=self.log_evidence(sums) / float(np.log(10)) if n else 0.0,
            assumes=expected.assumes,
            seed=seed,
            off=tuple(self._index(int(j)) for j in np.flatnonzero(off[:size])),
            notes=expected.notes,
            low=(expected.center + low[:size]).reshape(shape),
            high=(expected.center + high[:size]).reshape(shape),
            **self._second(mean, error) if expected.second else {},
            **more,
        )

    def _pair(self, feature: int) -> tuple[int, ...]:
        size = len(self.expected.center)
        one, other = (int(index[feature - size]) for index in np.triu_indices(size))
        return self._index(one) + self._index(other)

    def _second(self, mean: Array, error: Array) -> dict[str, Any]:
        """Covariances, expected and observed, and their standard errors: each (*event_shape, *event_shape)."""
        size, shape = len(self.expected.center), self.problem.gradient.shape
        upper = np.triu_indices(size)
        target = self.expected.target[size:]
        found = {
            "exact_covariance": target,
            "covariance": target + mean[size:],
            "covariance_error": error[size:],
        }
        filled: dict[str, Any] = {}
        for name, values in found.items():
            matrix = np.zeros((size, size))
            matrix[upper] = matrix.T[upper] = values
            filled[name] = matrix.reshape(shape + shape)
        return filled
