"""The game: a generator goes up an estimated gradient, a discriminator goes after it."""

from dataclasses import dataclass, field

import numpy as np
from _shared.networks import Model
from _shared.training import Counted, learned, shown, with_features
from autograd import grad

from _text import model, words
from refgrad import Categorical
from refgrad.estimators import Adam, Estimator

JUDGED = 1000  # words that a measure is taken of
LEARNED_EVERY = 5  # steps between updates of what differentiates f twice
APART = 0.2  # worth of words that differ


@dataclass(frozen=True)
class Sizes:
    """How long a run is.

    Parameters
    ----------
    steps, batch, looks : int
        Of the training: steps, words in a step, and how often it is looked at.
    draws : int
        Of each estimator, to compare with the oracle.
    quartiles : tuple of int
        Places, among 201 by the entropy of their words, of the noises x for which it is compared.
    """

    steps: int
    batch: int
    looks: int
    draws: int
    quartiles: tuple


FULL = Sizes(steps=2000, batch=96, looks=20, draws=20_000, quartiles=(50, 100, 150))
QUICK = Sizes(steps=100, batch=64, looks=4, draws=2000, quartiles=(100,))


def about(start):
    """Adam for a game: a short memory of the gradient."""
    return Model(start, Adam(rate=0.01, decay=0.5))


@dataclass
class Run:
    """A generator, its discriminator and its estimator, and what was seen of them."""

    name: str
    estimator: Estimator
    generator: Model
    discriminator: Model
    steps: int = 0
    rows: int = 0  # of z that f was shown, a derivative counted once more
    looks: list = field(default_factory=list)
    spelled: dict = field(default_factory=dict)  # words by the step at which they were drawn


def started(estimator, name, seed):
    """A run before its first step: the networks are the same for every estimator."""
    rng = np.random.default_rng([seed, 0])
    first = about(model.first_generator(rng)), about(model.first_discriminator(rng))
    return Run(name, estimator, *first)


def noise_of(count, rng):
    """The continuous noise x of a number of words."""
    return rng.normal(size=(count, model.INPUTS))


def step(run, book, batch, rng):
    """One step of the generator and one of the discriminator."""
    x = noise_of(batch, rng)
    logits, back = run.generator.back(lambda weights: model.logits(weights, x))
    q = Categorical(logits)
    estimator = with_features(run.estimator, x)
    f = Counted(lambda z: model.realness(run.discriminator.weights, z))
    noise = estimator.draw_noise(q, 1, rng)
    rows = estimator(q, f, noise).mean(axis=0) / batch
    ascent = back(rows - APART * grad(model.alike)(logits))  # Eq. 15.4
    if run.steps % LEARNED_EVERY == 0 or not hasattr(estimator, "tune"):
        estimator = learned(estimator, q, f, noise)
    fake = shown(estimator, q, noise)[0]
    real = book.drawn(batch, rng)
    _, apart = run.discriminator.back(lambda weights: model.told_apart(weights, real, fake))
    run.estimator, run.generator = estimator, run.generator.ascend(ascent)
    run.discriminator = run.discriminator.ascend(apart(1.0))
    run.steps, run.rows = run.steps + 1, run.rows + f.rows


def look(run, book, seed):
    """Draw words and keep what they are worth; what is drawn for it does not touch the training."""
    rng = np.random.default_rng([seed, 2, run.steps])
    q = Categorical(model.logits(run.generator.weights, noise_of(JUDGED, rng)))
    noise = q.draw_noise(JUDGED, rng)
    z = q.sample(noise)
    hard = model.realness(run.discriminator.weights, z)
    some = words.spelled(z)
    seen = {"step": run.steps, **book.measured(some), "bits given x": bits(q), "hard": hard.mean()}
    temperature = getattr(run.estimator, "temperature", None)
    soft = shown(run.estimator, q, noise[None, None])[0] if temperature is None else q.relax(noise, temperature)
    if not np.array_equal(soft, z):
        relaxed = model.realness(run.discriminator.weights, soft)  # Eq. 15.9
        seen |= {"relaxed": relaxed.mean(), "gap": (relaxed - hard).mean(), "gap error": spread(relaxed - hard)}
    run.looks.append(seen)
    run.spelled[run.steps] = [shown_as(word) for word in some[:8]]


def bits(q):
    """Entropy of a word given its x, in bits, as a mean over the rows of q."""
    return -(q.probs * np.log2(np.maximum(q.probs, 1e-300))).sum(axis=(-2, -1)).mean()


def shown_as(word):
    """A word without the blanks that fill it up; others are made visible."""
    return word.rstrip().replace(" ", "_") or "_"


def spread(values):
    """Standard error of a mean."""
    return values.std(ddof=1) / np.sqrt(len(values))
