"""Train the same VAE with each estimator from the same start, on the same batches, and keep what is seen on the way."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from _shared import command, digits

from _vae import bound, steps
from _vae.audit import applies, audit, watched_ratios
from _vae.control import shown_to
from _vae.model import Vae, untrained
from _vae.probe import probe
from refgrad.estimators import GumbelSoftmax, MeanSubstitution

BATCH = 127  # eleven to an epoch of 1,397 images: each image once


@dataclass(frozen=True)
class Sizes:
    """How long and how closely: a full run and a quick one.

    `checkpoints` are epochs, `images` the number that is watched, `draws` of each at a checkpoint, `limit` the most
    evaluations of an estimator in one rule of the oracle.
    """

    epochs: int
    checkpoints: tuple
    images: int
    draws: int
    limit: int


FULL = Sizes(epochs=50, checkpoints=(0, 1, 3, 10, 25, 50), images=4, draws=4000, limit=2**15)
QUICK = Sizes(epochs=4, checkpoints=(0, 4), images=2, draws=2000, limit=2**14)


@dataclass
class Run:
    """What was seen of one estimator; `estimator` is None for exact gradients. Entries of `curve` are by epoch.

    `saw` has the estimates of the variance that training made of the watched images: epoch, which of them, estimate.
    """

    name: str
    estimator: Any
    vae: Vae
    curve: list = field(default_factory=list)
    probes: list = field(default_factory=list)
    audits: list = field(default_factory=list)
    saw: list = field(default_factory=list)

    @property
    def relaxes(self):
        """Whether it trains on relaxed codes."""
        return isinstance(self.estimator, GumbelSoftmax | MeanSubstitution)

    def column(self, name):
        """One number of each epoch."""
        return np.array([point[name] for point in self.curve])


class Study:
    """All runs.

    Parameters
    ----------
    code : Bits or Symbols
    estimators : list of (str, Estimator)
    sizes : Sizes
    seed : int
    """

    def __init__(self, code, estimators, sizes, seed):
        self.code, self.sizes, self.seed = code, sizes, seed
        self.train_set, self.held_out = digits.load(self._rng(0))
        self.watched = np.arange(sizes.images)  # the order is random already
        start = untrained(code, self._rng(1))
        self.runs = [Run(name, own, start) for name, own in [("exact gradient", None), *estimators]]
        self.at = "before the first step"

    @property
    def seen(self):
        """The runs that have begun."""
        return [run for run in self.runs if run.curve]

    def results(self):
        """The numbers behind tables and figures."""
        return {
            run.name: {
                "curve": run.curve,
                "probes": [probe.summary() for probe in run.probes],
                "audits": [vars(audit) for audit in run.audits],
                "watched_ratios": watched_ratios(run.probes, run.saw),
            }
            for run in self.seen
        }

    def _rng(self, *key):
        return np.random.default_rng([self.seed, *key])

    def train(self):
        """Train all, one after the other; an interrupt leaves what was seen so far."""
        for number, run in enumerate(self.runs):
            self._train(run, number)

    def _train(self, run, number):
        epochs = self.sizes.epochs
        order, noise, aside = self._rng(2), self._rng(3, number), self._rng(4, number)
        rows, to_learn, seconds = 0, 0, 0.0
        for epoch in command.bar(range(epochs + 1), run.name):
            self.at = f"after {epoch} of {epochs} epochs of {run.name}"
            spent = {"evaluations": rows, "to_learn": to_learn, "seconds": seconds}
            run.curve.append({"epoch": epoch, **spent, **self._seen(run, aside)})
            if run.estimator is not None and epoch in self.sizes.checkpoints:
                images = self.train_set.pixels[self.watched]
                run.probes.append(probe(run.vae, run.estimator, images, epoch, self.sizes, aside))
            if epoch == epochs:
                break
            permuted = order.permutation(len(self.train_set))
            batches = np.split(permuted, range(BATCH, len(permuted), BATCH))
            for turn, index in enumerate(batches):
                before, began = (run.vae, run.estimator), time.perf_counter()
                evaluations, variances = self._step(run, self.train_set.pixels[index], noise)
                seconds += time.perf_counter() - began
                rows, to_learn = rows + evaluations[0], to_learn + evaluations[1]
                if run.estimator is None:
                    continue
                time_of = epoch + turn / len(batches)
                for image in np.flatnonzero(np.isin(self.watched, index)):
                    run.saw.append((time_of, int(image), float(variances[index == self.watched[image]][0])))
                if turn == 0 and applies(run.estimator):
                    run.audits.append(audit(*before, self.train_set.pixels[index], variances, epoch))

    def _step(self, run, pixels, noise):
        """One step: the evaluations of the decoder, and what it saw of the variance."""
        if run.estimator is None:
            run.vae, rows = steps.enumerated(run.vae, pixels)
            return (rows, 0), None
        run.vae, run.estimator, rows, variances = steps.sampled(run.vae, run.estimator, pixels, noise)
        return rows, variances

    def _seen(self, run, rng):
        """Exact bounds; for a relaxation also what it is trained on."""
        of_training = bound.evidence_bound(run.vae, self.train_set.pixels)
        pixels = self.held_out.pixels
        seen = {
            "training": of_training,
            "held_out": bound.evidence_bound(run.vae, pixels),
            "log_evidence": bound.log_evidence(run.vae, pixels),
        }
        if run.relaxes:
            relaxed, error = bound.relaxed_bound(run.vae, shown_to(run.estimator, pixels), pixels, rng)
            seen |= {"relaxed": relaxed, "relaxed_error": error}
        return seen
