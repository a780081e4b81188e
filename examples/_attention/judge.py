"""How good masks are: by the classifier they were learned with, and by one that no mask can whisper to."""

from dataclasses import dataclass, replace

import numpy as np
from _shared import training
from _shared.command import bar
from _shared.digits import CLASSES
from _shared.networks import Model, layers

from _attention.glimpse import PATCHES, right
from _attention.learner import BATCH, PIXELS, masks, taught
from refgrad.estimators import Adam

WIDTH = 64  # hidden units of a classifier
DRAWS = 10  # masks of each held-out image


def largest(scores, counts):
    """Masks of the `counts` largest scores (..., 16); counts (...)."""
    rank = (-scores).argsort(axis=-1).argsort(axis=-1)
    return (rank < np.asarray(counts)[..., None]) * 1.0


def random_masks(counts, rng):
    """Masks (..., 16) with so many patches each (...), any of that size alike."""
    return largest(rng.random((*np.shape(counts), PATCHES)), counts)


def judge(digits, steps, rng):
    """A classifier that learned on masks of every size that say nothing of the digit: Eq. 14.6."""
    classifier = Model(layers((PIXELS, WIDTH, CLASSES), rng), Adam(rate=0.003))
    for _ in bar(range(steps), "classifier, random masks"):
        batch = digits.take(rng.integers(len(digits), size=BATCH))
        classifier = taught(classifier, batch, random_masks(rng.integers(PATCHES + 1, size=BATCH), rng))
    return replace(classifier, optimizer=Adam(rate=0.001))


@dataclass(frozen=True)
class Quality:
    """Means over held-out images and some masks of each.

    Parameters
    ----------
    objective : float
        E f at masks of zeros and ones.
    relaxed : float
        The objective that a relaxation was trained on; NaN for the others.
    patches : float
        How many are seen.
    own, judged : float
        Share of digits that are right: by the classifier of the run, and by the judge.
    at_random, same_for_all : float
        By the judge, of random masks with as many patches each, and of the most used patches, as many, for every image.
    from_mask : float
        Share that is right when the mask alone is shown, without any ink.
    commonest : float
        Share of images whose likeliest mask is the commonest.
    """

    objective: float
    relaxed: float
    patches: float
    own: float
    judged: float
    at_random: float
    same_for_all: float
    from_mask: float
    commonest: float


def objectives(learner, digits, rng, draws=4):
    """E f at masks of zeros and ones, and at what a relaxation is trained on (NaN for the others)."""
    q, f = masks(learner.attention.weights, digits.pixels), learner.reward(digits)
    noise = q.draw_noise((1, draws, len(digits)), rng)
    trained = training.shown(learner.estimator, q, noise)
    discrete = q.sample(noise[0])
    relaxed = float(f(trained).mean()) if biased(learner.estimator) else np.nan
    return float(f(discrete).mean()), relaxed


def biased(estimator):
    """Whether it is the gradient of another objective: Eq. 14.7."""
    return estimator.claims.differentiates_f and not estimator.claims.unbiased


def quality(learner, trusted, train, held_out, rng, draws=DRAWS):
    """Judge a run.

    Parameters
    ----------
    learner : Learner
    trusted : Model
        The judge.
    train, held_out : Digits
    rng : numpy.random.Generator
    draws : int
        Masks of each held-out image.
    """
    q = masks(learner.attention.weights, held_out.pixels)
    z = q.sample(q.draw_noise((draws, len(held_out)), rng))
    counts = z.sum(axis=-1)
    chosen = largest(q.probs.mean(axis=0), round(counts.mean()))
    objective, relaxed = objectives(learner, held_out, rng, draws)
    reader = mask_reader(masks(learner.attention.weights, train.pixels), train.labels, z)
    _, repeats = np.unique(q.logits > 0, axis=0, return_counts=True)
    return Quality(
        objective=objective,
        relaxed=relaxed,
        patches=float(counts.mean()),
        own=_share(learner.classifier, held_out, z),
        judged=_share(trusted, held_out, z),
        at_random=_share(trusted, held_out, random_masks(counts, rng)),
        same_for_all=_share(trusted, held_out, np.broadcast_to(chosen, z.shape)),
        from_mask=float((reader == held_out.labels).mean()),
        commonest=float(repeats.max() / len(held_out)),
    )


def by_size(trusted, digits, rng, draws=DRAWS):
    """Accuracy of the judge on random masks with 0, 1, ..., 16 patches: (17,)."""
    return [
        _share(trusted, digits, random_masks(np.full((draws, len(digits)), count), rng)) for count in range(PATCHES + 1)
    ]


def _share(classifier, digits, z):
    return float(right(classifier.weights, digits, z).mean())


def mask_reader(q, labels, z):
    """The likeliest class of each mask (..., 16) when images are those of q, all alike, and no ink is shown."""
    logs = z @ q.logits.T - np.logaddexp(0, q.logits).sum(axis=-1)  # (..., images)
    joint = np.exp(logs - logs.max(axis=-1, keepdims=True)) @ np.eye(CLASSES)[labels]
    return joint.argmax(axis=-1)  # Eq. 14.5
