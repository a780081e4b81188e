"""What a check says, and the report of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array

__all__ = ["Undecided", "Verdict"]


class Undecided(AssertionError):  # noqa: N818  (not a failure of the sampler, and never a pass)
    """The samples were spent before the bias was bounded or shown."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """Outcome of a check on one problem; `str(verdict)` is the report.

    Parameters
    ----------
    outcome : {"right", "wrong", "undecided"}
        Right means within tolerance.
    problem : str
    reason : str
        What decided.
    alpha : float
        Bound on the probability of "wrong" for a correct sampler, and of "right" for one that is off by more than the
        tolerance.
    tolerance : float
        Bias, in units of f per logit, up to which "right" is said.
    n : int
        Samples that were tested; those of the pilot are not among them.
    exact, estimate, standard_error : (*event_shape,) ndarray of float64
    worst : tuple of int
        Component that is furthest from the exact gradient, in its own units of noise.
    certified : float
        Bias that could still hide in some component, in units of f per logit.
    evidence : float
        Decimal logarithm of the evidence against an unbiased sampler; wrong at `-log10(alpha)`.
    assumes : str
        Whose covariance the rate rests on.
    seed : int
    causes : tuple of str
        Known mistakes that fit, the best first.
    off : tuple of tuple of int
        Components that are not the exact gradient, each judged alone.
    notes : tuple of str
        What the problem cannot show, or the check could not do.
    battery : bool
        Decided by what was returned, not by its mean: numbers that are not finite, rows that are not independent.
    low, high : (*event_shape,) ndarray of float64
        Interval of the mean of each component, infinite where nothing is known: it misses the true one with probability
        alpha at most, whenever one stops.
    history : tuple of (int, float)
        At every look the number of samples, and the evidence of a bias.
    check, sampler : str
        What was asked, `"unbiased"`, `"moments"`, `"expectation"` or `"pathwise"`; and of whom.
    counted : str
        What n counts: samples, nodes or rows.
    exact_covariance, covariance, covariance_error : (*event_shape, *event_shape) ndarray of float64, or None
        Where second moments were compared.
    """

    outcome: str
    problem: str
    reason: str
    alpha: float
    tolerance: float
    n: int
    exact: Array
    estimate: Array
    standard_error: Array
    worst: tuple[int, ...]
    certified: float
    evidence: float
    assumes: str
    seed: int
    causes: tuple[str, ...] = ()
    off: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()
    battery: bool = False
    low: Array | None = None
    high: Array | None = None
    history: tuple[tuple[int, float], ...] = ()
    check: str = ""
    sampler: str = ""
    counted: str = "samples"
    exact_covariance: Array | None = None
    covariance: Array | None = None
    covariance_error: Array | None = None

    def raised(self) -> "Verdict":
        """Return the verdict if it is "right".

        Raises
        ------
        AssertionError
            If it is "wrong"; the message is the report.
        Undecided
            If it is "undecided".
        """
        if self.outcome == "wrong":
            raise AssertionError(str(self))
        if self.outcome == "undecided":
            raise Undecided(str(self))
        return self

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.problem}, {self.n:,} {self.counted}", f"  {self.reason}"]
        lines += [f"  {'component':<16}{'exact':>13}{'estimate':>13}{'std. error':>13}{'off by':>10}"]
        lines += [self._line(index) for index in np.ndindex(*self.exact.shape)]
        if self.covariance is not None:
            lines += [f"  {'covariance':<16}{'exact':>13}{'estimate':>13}{'std. error':>13}{'off by':>10}"]
            lines += [self._line_of_pair(pair) for pair in self._pairs()]
        lines.append(f"  bias that could still hide: {self.certified:.2g} (tolerance {self.tolerance:.2g})")
        if self.alpha and not self.battery:
            limit = -np.log10(self.alpha)
            lines.append(f"  evidence of a bias: 10^{self.evidence:.1f}; 'wrong' needs 10^{limit:.1f}")
        lines.append(f"  assumes {self.assumes}")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  fits: {cause}" for cause in self.causes]
        if self.alpha:
            lines.append(f"  repeat with alpha={self.alpha:g}, seed={self.seed}")
        return "\n".join(lines)

    def _line(self, index: tuple[int, ...]) -> str:
        mark = ""
        if self.outcome != "right" and not self.battery:
            mark = "  <- worst" if index == self.worst else "  <- off" if index in self.off else ""
        return _columns(index, self.exact[index], self.estimate[index], self.standard_error[index]) + mark

    def _pairs(self) -> list[tuple[int, ...]]:
        """The variances and, if it is the worst, a covariance."""
        own = [index + index for index in np.ndindex(*self.exact.shape)]
        return own if self.worst in own or len(self.worst) == self.exact.ndim else [*own, self.worst]

    def _line_of_pair(self, pair: tuple[int, ...]) -> str:
        assert self.exact_covariance is not None
        assert self.covariance is not None
        assert self.covariance_error is not None
        mark = "  <- worst" if pair == self.worst and self.outcome != "right" else ""
        return _columns(pair, self.exact_covariance[pair], self.covariance[pair], self.covariance_error[pair]) + mark

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them: numbers that are not finite become null."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _columns(index: tuple[int, ...], exact: float, estimate: float, error: float) -> str:
    off = estimate - exact
    percent = f"{100 * off / exact:+.1f} %" if abs(exact) > 1e-6 * abs(off) else f"{off:+.1e}"
    percent = percent if np.isfinite(off) else "-"
    name = f"[{', '.join(map(str, index))}]"
    return f"  {name:<16}{_number(exact)}{_number(estimate)}{_number(error)}{percent:>10}"


def _number(value: float) -> str:
    return f"{value:>13.6f}" if value == 0 or abs(value) >= 1e-4 else f"{value:>13.2e}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
