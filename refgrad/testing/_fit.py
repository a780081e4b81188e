"""How well an expected mean and covariance fit a sample, by likelihood and by a test that holds for any tails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._candidates import REFERENCE, STRATIFIED, Candidate, known, rehearsal
from refgrad.testing._covariances import larger, of_a_mean
from refgrad.testing.evidence import Evidence
from refgrad.testing.problem import Problem

__all__ = ["Expectation", "Sample", "averaged", "common_average", "log_density"]

RIDGE = 1e-6  # variance, in units of a row's, below which nothing is told apart


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is expected of a row.

    Parameters
    ----------
    mean : (d,) ndarray of float64
    products : (p,) ndarray of float64
        Its covariance, of every pair of components.
    covariance : (d + p, d + p) ndarray of float64
        Of its components and of their products, centred; with what is not known of their mean.
    doubt : (d, d) ndarray of float64
        Covariance of what is not known of the mean.
    wider : float
        By how much what is not known widens the covariance of the sum of all rows.
    """

    mean: Array
    products: Array
    covariance: Array
    doubt: Any = 0.0
    wider: float = 1.0

    def square(self, pairs: Any) -> Array:
        """The products as a matrix (d, d)."""
        covariance = np.zeros((len(self.mean), len(self.mean)))
        one, other = pairs
        covariance[one, other] = covariance[other, one] = self.products
        return covariance


class Sample:
    """Rows of a sampler on a problem, in units of their scale, and what they scatter like.

    Parameters
    ----------
    problem : Problem
    rows : (n, d) ndarray of float64
        Finite.
    weight : int
        Samples that a row is the mean of.
    """

    def __init__(self, problem: Problem, rows: Array, weight: int = 1) -> None:
        self.problem, self.weight, self.n = problem, weight, len(rows)
        gradient = problem.gradient.ravel()
        reference = known(REFERENCE, problem)
        if reference is None:
            raise ValueError(f"{problem} is too large for exact moments")
        size = len(gradient)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = reference.covariance.reshape(size, size).diagonal() / weight + rows.var(axis=0)
            scale = np.sqrt(spread) + np.abs(gradient)
        if not np.isfinite(scale).all():
            raise ValueError(f"rows are too large for their squares: the largest entry is {np.abs(rows).max():.3g}")
        self.scale = np.where(scale > 0, scale, scale.max(initial=0.0) or 1.0)
        self.gradient = gradient / self.scale
        self.rows = rows / self.scale
        self.mean = self.rows.mean(axis=0)
        self.scatter = np.atleast_2d(np.cov(self.rows, rowvar=False))
        self.pairs = np.triu_indices(size)
        self.average = float(weight)

    @property
    def size(self) -> int:
        """Features: components, and products of two."""
        return len(self.mean) + len(self.pairs[0])

    def features(self, rows: Array, mean: Array, products: Array) -> Array:
        """Components less the mean, and their products less what these should be: (n, m)."""
        rest = rows - mean
        one, other = self.pairs
        return np.concatenate([rest, rest[:, one] * rest[:, other] - products], axis=1)

    def rehearse(self, candidate: Candidate) -> Expectation | None:
        """Mean and covariance of a candidate as its rehearsal has them, with the error of both; None where it fails."""
        trial = rehearsal(candidate, self.problem)
        if trial is None:
            return None
        unit = np.multiply.outer(self.scale, self.scale)
        mean, products = trial.mean / self.scale, (trial.covariance / unit)[self.pairs]
        features = self.features(trial.rows / self.scale, mean, products)
        weighted = trial.weights[:, None] * features
        together, size = weighted.T @ features, len(mean)
        share = ((weighted**2).sum(axis=0) / np.maximum(together.diagonal(), RIDGE)).max()
        return Expectation(mean, products, together, share * together[:size, :size], float(1 + self.n * share))

    def expect(self, candidate: Candidate) -> Expectation | None:
        """Exact mean and covariance of a candidate, and how its features scatter; rehearsed where too costly."""
        trial = rehearsal(candidate, self.problem)
        moments = known(candidate, self.problem) if trial is not None else None
        if moments is None or trial is None:
            return self.rehearse(candidate)
        size = len(self.mean)
        covariance = moments.covariance.reshape(size, size) / np.multiply.outer(self.scale, self.scale)
        mean, products = moments.mean.ravel() / self.scale, covariance[self.pairs]
        features = self.features(trial.rows / self.scale, mean, products)
        together = (trial.weights[:, None] * features).T @ features
        if self.problem.q.support_size > STRATIFIED:  # what the rehearsal may have missed
            missed = trial.weights @ features
            together += self.n * np.outer(missed, missed)
        error = moments.error.ravel() / self.scale
        doubt = np.concatenate([error, error[self.pairs[0]] + error[self.pairs[1]]]) ** 2
        # In proportion, so that what never varies stays exact: the nodes of the oracle are rows too.
        share = float((doubt / np.maximum(together.diagonal(), RIDGE)).max())
        return Expectation(mean, products, together, share * together[:size, :size], 1 + self.n * share)

    @cached_property
    def features_covariance(self) -> Array:
        """Of an honest row of which nothing more is known: the larger of REINFORCE's, scaled, and the sample's."""
        own = self.features(self.rows, self.mean, self.scatter[self.pairs])
        seen = own.T @ own / self.n
        ridge = RIDGE * np.eye(self.size)
        reference = self.expect(REFERENCE)
        if reference is None or not np.isfinite(self.average):
            return np.asarray(seen + ridge)
        return larger(averaged(reference, self.average, self.pairs).covariance + ridge, seen)

    @property
    def noise(self) -> Array:
        """Covariance of a row (d, d), by the same rule."""
        size = len(self.mean)
        return self.features_covariance[:size, :size]

    @cached_property
    def free(self) -> float:
        """Log-likelihood of second moments that may be anything, less the price of estimating them."""
        half = np.linalg.slogdet(self.features_covariance)[1] / 2
        return float(-half - len(self.pairs[0]) / 2 * np.log(self.n))

    @property
    def unknown(self) -> float:
        """Log-likelihood where the mean may be anything too."""
        return float(self.free - len(self.mean) / 2 * np.log(self.n))

    def score_of_mean(self, mean: Array, doubt: Any = 0.0) -> float:
        """Log-likelihood of a mean, with second moments that may be anything."""
        delta = self.mean - mean
        return float(self.free - delta @ np.linalg.solve(self.noise / self.n + doubt, delta) / 2)

    def against_mean(self, mean: Array, doubt: Any = 0.0) -> float:
        """Log of the evidence against a mean."""
        return Evidence(self.noise + self.n * doubt).add(self.rows - mean).log_against_zero()

    def score(self, expected: Expectation) -> float:
        """Log-likelihood of mean and covariance."""
        one, other = self.pairs
        delta = self.mean - expected.mean
        second = self.scatter[one, other] * (self.n - 1) / self.n + delta[one] * delta[other] - expected.products
        delta = np.concatenate([delta, second])
        return log_density(delta, expected.covariance + RIDGE * np.eye(self.size), self.n, expected.wider)

    def against(self, expected: Expectation) -> float:
        """Log of the evidence against mean and covariance."""
        rows = self.features(self.rows, expected.mean, expected.products)
        return Evidence(expected.wider * expected.covariance + RIDGE * np.eye(self.size)).add(rows).log_against_zero()


def log_density(delta: Array, covariance: Array, n: int, wider: float = 1.0) -> float:
    """Log of a Gaussian density at the mean of n rows, up to what all share; what is not known widens it freely."""
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, delta)
    return float(-n / 2 / wider * white @ white - np.log(root.diagonal()).sum())


def averaged(expected: Expectation, k: float, pairs: Any) -> Expectation:
    """The same of the mean of k rows."""
    if k == 1:
        return expected
    together = of_a_mean(expected.covariance, expected.square(pairs), pairs, k)
    return Expectation(expected.mean, expected.products / k, together, expected.doubt, expected.wider)


def common_average(samples: list[Sample]) -> float:
    """How many samples of REINFORCE a row is the mean of, at least, by its scatter on every problem."""
    ratios = []
    for sample in samples:
        expected = sample.expect(REFERENCE)
        if expected is not None:
            wide = expected.products[sample.pairs[0] == sample.pairs[1]].sum()
            own = sample.scatter.trace()
            ratios += [wide / own if own > 0 else np.inf] if wide > 0 else []
    return max([min(ratios, default=1.0), samples[0].weight if samples else 1.0])
