"""Estimators against the oracle, on a trained pair: every word enumerated; two letters a place, every moment exact."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from _shared.networks import forward

from _text.words import KINDS, PLACES
from refgrad import Bernoulli, Categorical, exact
from refgrad.testing.evidence import Evidence

ROUNDING = 1e-9  # of an estimate that is constant
EACH, MARGIN = 1024, 1.25  # rows for each z, and the factor that makes up for what they miss
LIMIT = 2**17  # evaluations of an estimator in one rule of quadrature
RATE = 1e-6  # of a false alarm, over all comparisons of a run


@dataclass(frozen=True)
class Compared:
    """One estimator on one word: norms and deviations over that of the exact gradient.

    Parameters
    ----------
    name : str
    along, error : float
        Component of the mean along the exact gradient, 1 where there is no bias, and its standard error.
    deviation : float
        Root of the total variance of one draw, measured.
    exact_along, exact_deviation : float
        The same by the oracle; NaN where it cannot be had.
    bias : float
        Norm of the exact bias; NaN where it cannot be had.
    evidence : float
        That the mean or the variance is not the exact one, as a power of ten; NaN where it was not judged.
    """

    name: str
    along: float
    error: float
    deviation: float
    exact_along: float
    exact_deviation: float
    bias: float
    evidence: float


def kept(q, letters):
    """The likeliest letters at each place, so many of them, and no others: q given that the word is made of these."""
    ranks = np.argsort(np.argsort(-q.logits, axis=-1), axis=-1)
    return Categorical(np.where(ranks < np.asarray(letters)[:, None], q.logits, -np.inf))


def in_two_letters(q, weights):
    """The two likeliest letters at each place alone, of which one is a Bernoulli variable. Eq. 15.8.

    A relaxed pair of letters is a binary Concrete variable: the difference of two Gumbel values is logistic.

    Returns
    -------
    q : Bernoulli
        Logits (4,).
    f : callable
        The discriminator, from (..., 4).
    word : callable
        From (..., 4) to the rows (..., 4, 27) of the same letters.
    """
    ranks = np.argsort(-q.logits, axis=-1)[:, :2]  # the likeliest, then the other
    likeliest, other = np.take_along_axis(q.logits, ranks, axis=-1).T
    one, two = np.moveaxis(np.eye(KINDS)[ranks], 1, 0)
    ((matrix, shift), *later) = weights
    to_one, to_two = (np.einsum("tk,tku->tu", way, matrix.reshape(PLACES, KINDS, -1)) for way in (one, two))
    reduced = [(to_one - to_two, shift + to_two.sum(axis=0)), *later]

    def word(z):
        return z.reshape((*z.shape, 1)) * (one - two) + two

    return Bernoulli(likeliest - other), lambda z: forward(reduced, z)[..., 0], word


def for_two_letters(estimator, word):
    """The estimator of words, as it is, for these: a control variate that was learned on words goes on seeing words."""
    if not hasattr(estimator, "control_variate"):
        return estimator
    own = estimator.control_variate
    return replace(estimator, control_variate=lambda z: own(word(z).reshape((*z.shape[:-1], PLACES * KINDS))))


def reads_z(estimator):
    """Whether an estimate is a function of z alone."""
    return all(word == "z" for word in estimator.claims.reads[: estimator.draws])


def total_variance(estimator, q, f, gradient):
    """Exact total variance of an unbiased estimator that reads z alone, as a mean over all words: Eq. 15.7."""

    def square(z):
        noise = q.noise_given(z, np.zeros(z.shape))[None]
        return np.square(estimator(q, f, noise) - gradient).sum(axis=(-2, -1))

    with ThreadPoolExecutor(2) as pool:
        return exact.value(q, square, executor=pool)


def by_enumeration(name, estimator, q, f, gradient, draws, rng):
    """An estimator on all the words of q, of which only the gradient is exact, and the variance where z says it all."""
    rows = estimator.sample(q, f, draws, rng)
    unbiased = estimator.claims.unbiased
    variance = np.nan
    if unbiased and reads_z(estimator):
        variance = total_variance(estimator, q, f, gradient)
    along, bias = (1.0, 0.0) if unbiased else (np.nan, np.nan)
    return _compared(name, rows, gradient, along, variance, bias, np.nan)


def by_quadrature(name, estimator, q, f, gradient, draws, rng):
    """An estimator on so few words that its mean and its variance are exact: Eq. 00.6."""
    rows = estimator.sample(q, f, draws, rng)
    moments = exact.moments(estimator, q, f, limit=LIMIT)
    size = np.linalg.norm(gradient)
    along = (moments.mean * gradient).sum() / size**2
    bias = np.linalg.norm(moments.mean - gradient) / size
    evidence = _evidence(rows, spread_evenly(estimator, q, f, rng), moments, size)
    return _compared(name, rows, gradient, along, moments.variance.sum(), bias, evidence)


def spread_evenly(estimator, q, f, rng):
    """Rows (n, D) of an estimator in which each z is as frequent as any other, and their weights (n,)."""
    z = np.repeat(q.support(), EACH, axis=0)
    noise = estimator.draw_noise(q, len(z), rng)
    if estimator.draws:
        noise[0] = q.noise_given(z, noise[0])
    return estimator(q, f, noise), np.exp(q.log_prob(z)) / EACH


def _evidence(rows, even, moments, size):
    """Evidence against the exact mean and total variance together, for any tails: Eq. 11.3, as a power of ten.

    The covariance of an estimate and of its square is that of rows in which no z is rare, times a margin.
    """

    def features(rows):
        rest = (rows - moments.mean) / size
        return np.column_stack([rest, np.square(rest).sum(axis=1) - moments.variance.sum() / size**2])

    known, weights = features(even[0]), even[1]
    covariance = MARGIN * (weights[:, None] * known).T @ known
    floor = ROUNDING**2 * np.eye(len(covariance))
    return Evidence(covariance + floor).add(features(rows)).log_against_zero() / np.log(10)


def _compared(name, rows, gradient, along, variance, bias, evidence):
    """Measure rows (n, *event_shape) of an estimator beside what is known of them."""
    size, n, event = np.linalg.norm(gradient), len(rows), tuple(range(1, rows.ndim))
    way = (rows * gradient).sum(axis=event) / size**2
    squares = np.square(rows - rows.mean(axis=0)).sum(axis=event)
    return Compared(
        name=name,
        along=way.mean(),
        error=way.std(ddof=1) / np.sqrt(n),
        deviation=np.sqrt(squares.sum() / (n - 1)) / size,
        exact_along=along,
        exact_deviation=np.sqrt(max(variance, 0.0)) / size,
        bias=bias,
        evidence=evidence,
    )


def worst(compared):
    """The strongest evidence, how many there were, and what one exceeds at the declared rate if all is right."""
    every = [one.evidence for one in compared if not np.isnan(one.evidence)]
    return max(every), len(every), float(np.log10(len(every) / RATE))
