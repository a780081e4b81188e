"""What a check says, and the report of it."""

from dataclasses import dataclass, field
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
    causes : tuple of str
        Known mistakes that fit, the best first.
    seed : int
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
    causes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [
            f"{self.outcome}: {self.problem}, {self.n:,} samples",
            f"  {self.reason}",
            f"  {'component':<12}{'exact':>13}{'estimate':>13}{'std. error':>13}{'off by':>10}",
        ]
        for index in np.ndindex(*self.exact.shape):
            off = self.estimate[index] - self.exact[index]
            percent = f"{100 * off / self.exact[index]:+.1f} %" if self.exact[index] else f"{off:+.1e}"
            percent = percent if np.isfinite(off) else "-"
            mark = "  <- worst" if index == self.worst and self.outcome != "right" else ""
            name = f"[{', '.join(map(str, index))}]"
            lines.append(
                f"  {name:<12}{self.exact[index]:>13.6f}{self.estimate[index]:>13.6f}"
                f"{self.standard_error[index]:>13.6f}{percent:>10}{mark}"
            )
        lines += [
            f"  bias that could still hide: {self.certified:.2g} (tolerance {self.tolerance:.2g})",
            f"  evidence of a bias: 10^{self.evidence:.1f}; 'wrong' needs 10^{-np.log10(self.alpha):.1f}",
            f"  assumes {self.assumes}",
        ]
        lines += [f"  fits: {cause}" for cause in self.causes]
        lines.append(f"  repeat with alpha={self.alpha:g}, seed={self.seed}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them: numbers that are not finite become null."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
