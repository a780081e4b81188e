"""From samples to causes: what is tried, what is left standing, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.estimators import Estimator, GumbelSoftmax
from refgrad.testing._candidates import STRAIGHT, Candidate, at_temperature, candidates, known
from refgrad.testing._fit import Expectation, Sample, averaged
from refgrad.testing._patterns import EXACT, Pattern, described, patterns
from refgrad.testing.mistakes import mistakes

__all__ = ["ALPHA", "Cause", "ranked"]

ALPHA = 1e-6  # probability with which a true cause is said not to fit
MARGIN = 25.0  # of log-likelihood behind the best, beyond which a candidate is given up
CHOICE = 5.0  # of log-likelihood: the price of one among some hundred means, against that there is no bias
TIED = 3.0  # of log-likelihood: less than 20 to 1
MOST = 5
ROUGH, FINE = {"xatol": 0.02}, {"xatol": 1e-3}  # of a log temperature


@dataclass(frozen=True)
class Cause:
    """One explanation of what a sampler returns.

    Parameters
    ----------
    name : str
        Of the mistake, the estimator or the pattern; `"unknown"` where none fits.
    text : str
        One line; it begins with the name of a mistake or an estimator.
    mean_only : bool
        The mean fits; of the covariance nothing is known, or it does not fit.
    score : float
        Log-likelihood, relative to the best cause.
    average : int
        Each row fits as the mean of so many estimates.
    alike : tuple of str
        Others that these samples do not tell from this one.
    mistake : bool
        Whether it is a mistake of the catalogue, or a relaxation with its bias.
    by_design : bool
        Whether it is that relaxation.
    biased : bool
        Whether its mean is not the exact gradient.
    """

    name: str
    text: str
    mean_only: bool
    score: float = 0.0
    average: int = 1
    alike: tuple[str, ...] = ()
    mistake: bool = False
    by_design: bool = False
    biased: bool = True

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False)
class _Track:
    """A candidate on its way through the problems."""

    candidate: Candidate
    both: float = 0.0  # log-likelihood of mean and covariance
    mean: float = 0.0  # log-likelihood of the mean alone
    seen: list[tuple[Sample, Expectation]] = field(default_factory=list)
    filled: float = 0.0  # log-likelihood where it was not computed

    @property
    def by_mean(self) -> bool:
        """Whether its mean alone would say more than that there is no bias."""
        biased = any((np.abs(e.mean - s.gradient) > 1e-4).any() for s, e in self.seen)
        return self.candidate.named or (biased and not self.candidate.unbiased)

    @property
    def best(self) -> float:
        """The larger log-likelihood."""
        return max(self.both, self.mean - CHOICE) if self.by_mean else self.both

    def add(self, sample: Sample, expected: Expectation | None) -> None:
        """Go on to another problem."""
        if expected is None:
            self.both, self.mean = self.both + sample.unknown, self.mean + sample.unknown
            self.filled += sample.unknown
            return
        self.seen.append((sample, expected))
        self.both += sample.score(averaged(expected, sample.weight, sample.pairs))
        self.mean += sample.score_of_mean(expected.mean, expected.doubt)

    def cause(self, parameters: int = 0) -> Cause | None:
        """The best way in which the candidate fits, if there is one."""
        found = [(self.both, self._against(1), 1)]
        ratios = [_trace(e, s) / (s.weight * s.scatter.trace()) for s, e in self.seen if s.scatter.trace() > 0]
        k = int(np.clip(np.round(np.median(ratios)), 0, 2**31)) if ratios else 1
        if k > 1:
            score = self.filled - CHOICE - np.log(self.seen[0][0].n) / 2
            for sample, expected in self.seen:
                score += sample.score(averaged(expected, k * sample.weight, sample.pairs))
            found.append((score, self._against(k), k))
        if self.by_mean:
            found.append((self.mean - CHOICE, sum(s.against_mean(e.mean, e.doubt) for s, e in self.seen), 0))
        fits = [(score, k) for score, against, k in found if against < -np.log(ALPHA)]
        if not fits:
            return None
        score, k = max(fits)
        how = {0: "mean fits", 1: "mean and covariance fit"}.get(k, f"mean and covariance fit, averaged over {k}")
        c = self.candidate
        return Cause(
            c.name,
            f"{c.text} ({how})",
            k == 0,
            score - parameters * np.log(self.seen[0][0].n) / 2,
            max(k, 1),
            mistake=bool(c.bug) or not c.unbiased,
            by_design=c.by_design,
            biased=not c.unbiased,
        )

    def near(self) -> bool:
        """Whether it fits by and by, with twice the evidence against it that is allowed in the end."""
        by_mean = sum(s.against_mean(e.mean, e.doubt) for s, e in self.seen)
        return bool(self.seen) and min(by_mean, self._against(1)) < -2 * np.log(ALPHA)

    def _against(self, k: int) -> float:
        return sum(s.against(averaged(e, k * s.weight, s.pairs)) for s, e in self.seen)


def _trace(expected: Expectation, sample: Sample) -> float:
    return float(expected.products[sample.pairs[0] == sample.pairs[1]].sum())


def ranked(samples: list[Sample], estimator: Estimator | None) -> tuple[tuple[Cause, ...], int, int]:
    """Causes, the best first; how many candidates were tried, and how many were not computed somewhere."""
    simple = list(patterns(samples))
    tried = candidates(estimator)
    tracks, skipped = _standing(samples, tried, simple)
    found = [cause for track in tracks if (cause := track.cause()) is not None]
    plain = [cause for pattern in simple if (cause := _simple(pattern, samples)) is not None]
    if all(cause.mean_only or cause.average > 1 for cause in found):
        fitted, _ = _standing(samples, tuple(_fitted(samples)), simple)
        found += [cause for track in fitted if (cause := track.cause(parameters=1)) is not None]
    if not found and not plain:
        text = "none of the known mistakes; as multiples of the exact gradient, " + "; ".join(map(described, samples))
        return (Cause("unknown", text, mean_only=True),), len(tried), skipped
    return _in_order(found, _told_apart(plain), samples), len(tried), skipped


def _standing(samples: list[Sample], tried: Any, simple: list[Pattern]) -> tuple[list[_Track], int]:
    """Candidates that no problem rules out, by rehearsal and then exactly; and how many were skipped on one."""
    rough, _ = _survivors(samples, tried, Sample.rehearse, [])
    honest = sum(s.score_of_mean(s.gradient) for s in samples)
    best = max((track.best for track in rough), default=0.0)
    near = [t.candidate for t in rough if t.both >= best - MARGIN or t.mean - CHOICE >= honest - CHOICE]
    return _survivors(samples, near, Sample.expect, simple)


def _survivors(samples: list[Sample], tried: Any, expect: Any, simple: list[Pattern]) -> tuple[list[_Track], int]:
    skipped: set[str] = set()
    tracks = [_Track(candidate) for candidate in tried]
    running = [-pattern.price(samples[0].n) for pattern in simple]
    for at, sample in enumerate(samples):
        for track in tracks:
            track.add(sample, expect(sample, track.candidate))
            if expect is Sample.expect and known(track.candidate, sample.problem) is None:
                skipped.add(track.candidate.name)
        running = [r + sample.score_of_mean(p.means[at]) for r, p in zip(running, simple, strict=True)]
        best = max([track.best for track in tracks if track.seen] + running, default=0.0)
        tracks = [track for track in tracks if track.best >= best - MARGIN]
    return [track for track in tracks if track.seen], len(skipped)


def _simple(pattern: Pattern, samples: list[Sample]) -> Cause | None:
    against = sum(s.against_mean(m) for s, m in zip(samples, pattern.means, strict=True))
    if against >= -np.log(ALPHA):
        return None
    score = sum(s.score_of_mean(m) for s, m in zip(samples, pattern.means, strict=True))
    return Cause(
        pattern.name,
        f"{pattern.text} (mean fits)",
        mean_only=True,
        score=score - pattern.price(samples[0].n),
        biased=pattern.name != EXACT,
    )


def _told_apart(plain: list[Cause]) -> list[Cause]:
    """Patterns without those that a simpler one makes needless."""
    kept: list[Cause] = []
    for cause in plain:
        if all(cause.score > other.score for other in kept):
            kept.append(cause)
    best = max((cause.score for cause in kept), default=0.0)
    return [cause for cause in kept if cause.score >= best + np.log(ALPHA) or cause.name == EXACT]


def _in_order(found: list[Cause], plain: list[Cause], samples: list[Sample]) -> tuple[Cause, ...]:
    """Best first; a plain factor before mistakes of which only that factor is seen; the alike together."""
    found = sorted(found, key=lambda cause: (-round(cause.score, 6), cause.mistake))
    groups: list[list[Cause]] = []
    for cause in found:
        if groups and groups[-1][0].score - cause.score <= TIED and groups[-1][0].mean_only == cause.mean_only:
            groups[-1].append(cause)
        else:
            groups.append([cause])
    # A relaxation before a slip in it that these samples do not show.
    together = [_group(sorted(g, key=lambda c: (c.mistake, not c.by_design))) for g in groups]
    best = max(cause.score for cause in together + plain)
    order = sorted(together + plain, key=lambda cause: -cause.score)
    order = [c for c in order if c.score >= best + np.log(ALPHA) or c.name == EXACT]
    honest = next((cause.score for cause in plain if cause.name == EXACT), -np.inf)
    order = [c for c in order if not (c.mean_only and c.mistake) or c.score > honest + TIED]
    if order[0].mean_only and order[0].mistake:
        near = best - TIED - np.log(samples[0].n)
        order.sort(key=lambda c: not (c.name == "multiple-of-the-gradient" and c.score >= near))
    last = [cause for cause in order[MOST:] if cause.name == EXACT]
    return tuple(_relative(cause, best) for cause in order[: MOST - len(last)] + last)


def _group(group: list[Cause]) -> Cause:
    first, others = group[0], tuple(cause.name for cause in group[1:])
    text = first.text + (f"; not told apart: {', '.join(others)}" if others else "")
    return replace(first, text=text, alike=others, mistake=all(cause.mistake for cause in group))


def _relative(cause: Cause, best: float) -> Cause:
    return replace(cause, score=cause.score - best)


def _fitted(samples: list[Sample]) -> Iterator[Candidate]:
    """Gumbel-Softmax and its straight-through form at the temperature that fits best."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  (loaded when needed)

    slip = next(m for m in mistakes() if m.name == STRAIGHT)

    def soft(t: float) -> Candidate:
        return Candidate(f"GumbelSoftmax(temperature={t:.3g})", GumbelSoftmax(t))

    for make in (soft, partial(at_temperature, slip)):
        cheap = [sample for sample in samples if sample.problem.q.support_size == 2] or samples[:1]
        near = minimize_scalar(
            _misfit, bounds=np.log([0.05, 10.0]), args=(make, samples, Sample.rehearse), method="bounded", options=ROUGH
        ).x
        track = _Track(make(float(np.exp(near))))
        for sample in samples:
            track.add(sample, sample.rehearse(track.candidate))
        if track.near():
            ends = (near - 0.1, near + 0.1)
            best = minimize_scalar(
                _misfit, bounds=ends, args=(make, cheap, Sample.expect), method="bounded", options=FINE
            ).x
            yield make(float(np.exp(best)))


def _misfit(log_t: float, make: Any, samples: list[Sample], expect: Any) -> float:
    """Minus the Gaussian log-likelihood of the rows, at a temperature."""
    total, candidate = 0.0, make(float(np.exp(log_t)))
    for sample in samples:
        expected = expect(sample, candidate)
        if expected is not None:
            delta: Array = sample.mean - expected.mean
            covariance = expected.square(sample.pairs) / sample.weight + 1e-6 * np.eye(len(delta))
            spread = sample.scatter + np.outer(delta, delta)
            total += sample.n / 2 * (np.linalg.slogdet(covariance)[1] + np.trace(np.linalg.solve(covariance, spread)))
    return float(total)
