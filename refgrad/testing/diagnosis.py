"""Which known mistake explains what a sampler returns: fresh samples, small problems, exact moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.estimators import Estimator
from refgrad.testing._candidates import diagnosis_problems
from refgrad.testing._fit import Sample, common_average
from refgrad.testing._patterns import multiple, suggestion
from refgrad.testing._ranking import ALPHA, Cause, ranked
from refgrad.testing._sampler import Form, Sampler, Source
from refgrad.testing.problem import Problem
from refgrad.testing.verdict import _plain

__all__ = ["Cause", "Diagnosis", "diagnose", "diagnosis_problems"]

FRESH = 0xD1A6_0515  # no call of a check has this number: its samples, where it stopped, were selected
ROWS = 2**15  # most rows asked for in one call
LEAST = 100
FEW, PROBE = 2, 2**31  # rows of a first call, and its number
LONGEST = 100  # characters of an error that a report repeats


@dataclass(frozen=True)
class Diagnosis:
    """What explains a sampler; `str(diagnosis)` is a short report.

    Parameters
    ----------
    causes : tuple of Cause
        What fits, the best first; one of name `"unknown"` where nothing does.
    factor, factor_error : float
        The c for which c times the exact gradient fits best, and its standard error.
    factor_fits : bool
        Whether it fits.
    n : int
        Rows on each problem.
    problems : tuple of str
        Those that it rests on.
    seed : int
    sampler : str
    alpha : float
        Bound on the probability that the true cause, if it was tried, is said not to fit.
    tried, skipped : int
        Candidates; and those of them that were too costly, or not defined, on some problem.
    not_finite : int
        Rows that were left out: a NaN or an infinity is in them.
    failures : tuple of str
        Problems that could not be used, and why.
    """

    causes: tuple[Cause, ...]
    factor: float
    factor_error: float
    factor_fits: bool
    n: int
    problems: tuple[str, ...]
    seed: int
    sampler: str = ""
    alpha: float = ALPHA
    tried: int = 0
    skipped: int = 0
    not_finite: int = 0
    failures: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"diagnosis of {self.sampler}: {self.n:,} fresh rows on each of {len(self.problems)} problems"]
        lines += [f"  {number}. {cause.text}" for number, cause in enumerate(self.causes, 1)]
        if np.isfinite(self.factor_error):
            hint = suggestion(self.factor, self.factor_error, self.n) if self.factor_fits else ", which does not fit"
            lines.append(f"  as a multiple of the exact gradient: {self.factor:.4g} +- {self.factor_error:.1g}{hint}")
        if self.not_finite:
            lines.append(f"  left out: {self.not_finite:,} rows that are not finite")
        lines += [f"  left out: {failure}" for failure in self.failures]
        if not self.problems:
            return "\n".join(lines)
        lines.append(f"  on: {', '.join(self.problems)}")
        costly = f", {self.skipped} of them not on every problem" if self.skipped else ""
        lines.append(f"  {self.tried} candidates{costly}; the true one is missed with probability {self.alpha:g}")
        lines.append(f"  repeat with n={self.n}, seed={self.seed}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them: numbers that are not finite become null."""
        causes = [{name: _plain(value) for name, value in vars(cause).items()} for cause in self.causes]
        return {name: _plain(value) for name, value in vars(self).items()} | {"causes": causes}


def diagnose(
    sampler: Sampler,
    problems: Sequence[Problem] | Problem | str | None = None,
    *,
    estimator: Estimator | None = None,
    n: int = 20_000,
    seed: int = 0,
    rows: int | None = None,
    wrt: str = "logits",
    loss: bool = False,
) -> Diagnosis:
    """Find the known mistakes whose exact moments fit what a sampler returns.

    Parameters
    ----------
    sampler : callable
        As in `check_unbiased`.
    problems : sequence of Problem, Problem or str, optional
        Those to look at, or the family whose `diagnosis_problems` these are. Without it those of every family on which
        the sampler runs. Problems on which it does not run are left out.
    estimator : Estimator, optional
        What the sampler implements: mistakes of its class are tried with its settings too.
    n : int
        Samples on each problem, at least 100.
    seed : int
    rows, wrt, loss
        What the sampler returns, as in `check_unbiased`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError
        If there are no problems, the family is unknown, n is too small, or the estimator does not serve the problems.
    TypeError
        If the estimator or a problem is none.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> def half(problem, n, rng):
    ...     return 0.5 * Reinforce().sample(problem.q, problem.f, n, rng)
    >>> print(diagnose(half, "bernoulli", n=1000).causes[0].name)
    reinforce-mean-of-2-rows
    """
    form = Form(rows, wrt, loss)
    chosen = _chosen(problems, estimator)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < LEAST:
        raise ValueError(f"n needs to be a whole number of at least {LEAST}, but is {n!r}")
    count = max(LEAST, -(-int(n) // form.weight))
    samples, failures, not_finite = [], [], 0
    for at, problem in enumerate(chosen):
        source = Source(sampler, problem, seed, form)
        try:
            source.draw(FEW, FRESH, at, PROBE)  # code for the other family may ask for memory without end
            sizes = [min(ROWS, count - start) for start in range(0, count, ROWS)]
            drawn = np.concatenate([source.draw(size, FRESH, at, call).rows for call, size in enumerate(sizes)])
            finite = np.isfinite(drawn).all(axis=1)
            not_finite += int((~finite).sum())
            if finite.sum() < LEAST // 2:
                raise ValueError(f"{finite.sum():,} of {count:,} rows are finite")
            samples.append(Sample(problem, drawn[finite], form.weight))
        except Exception as error:  # whatever the sampler does is a finding
            failures.append(f"{problem}: {_brief(error)}")
    name = getattr(sampler, "__name__", type(sampler).__name__)
    common: dict[str, Any] = {
        "n": count,
        "seed": seed,
        "sampler": name,
        "not_finite": not_finite,
        "failures": tuple(failures),
    }
    if not samples:
        nothing = Cause(
            "unknown", "none of the known mistakes can be tried: the sampler ran on no problem", mean_only=True
        )
        return Diagnosis((nothing,), np.nan, np.inf, factor_fits=False, problems=(), **common)
    samples.sort(key=lambda sample: sample.problem.q.support_size)
    found = _of_samples(samples, estimator, common)
    families = sorted({sample.problem.family for sample in samples})
    if found.causes[0].name == "unknown" and len(families) > 1:
        # A sampler may be made for one family, and return nonsense for the other.
        alone = [
            _of_samples([s for s in samples if s.problem.family == family], estimator, common) for family in families
        ]
        return next((d for d in alone if d.causes[0].name != "unknown"), found)
    return found


def _brief(error: BaseException) -> str:
    """One line of what went wrong, without the call."""
    inner = error.__cause__ or error
    text = " ".join(str(inner).split())
    return f"{type(inner).__name__}: {text[:LONGEST]}{'...' if len(text) > LONGEST else ''}"


def _of_samples(samples: list[Sample], estimator: Estimator | None, common: dict[str, Any]) -> Diagnosis:
    samples = [Sample(s.problem, s.rows * s.scale, s.weight) for s in samples]
    average = common_average(samples)
    for sample in samples:
        sample.average = average
    causes, tried, skipped = ranked(samples, estimator)
    factor, error = multiple(samples)
    fits = np.isfinite(error) and sum(s.against_mean(factor * s.gradient) for s in samples) < -np.log(ALPHA)
    problems = tuple(str(sample.problem) for sample in samples)
    return Diagnosis(causes, factor, error, bool(fits), problems=problems, tried=tried, skipped=skipped, **common)


def _chosen(problems: Sequence[Problem] | Problem | str | None, estimator: Estimator | None) -> list[Problem]:
    """The problems to look at."""
    if problems is None or isinstance(problems, str):
        chosen = list(diagnosis_problems(problems))
    else:
        chosen = [problems] if isinstance(problems, Problem) else list(problems)
    for problem in chosen:
        if not isinstance(problem, Problem):
            raise TypeError(f"problems needs instances of Problem, but has {problem!r}")
    if not chosen:
        raise ValueError("diagnose needs at least one problem, but was given none")
    if estimator is None:
        return chosen
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator needs to be an instance of an Estimator, but is {estimator!r}")
    served = [problem for problem in chosen if problem.family in estimator.claims.families]
    if not served:
        families = " and ".join(sorted({problem.family for problem in chosen}))
        raise ValueError(
            f"{estimator!r} serves {' and '.join(estimator.claims.families)}, but the problems are {families}"
        )
    return served
