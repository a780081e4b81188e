"""All runs, one after the other: every estimator at every price, and beside them what helps to read the result."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from _shared import digits, training
from _shared.command import bar

from _attention import oracle
from _attention.flips import Flips
from _attention.judge import Quality, biased, by_size, judge, objectives, quality
from _attention.learner import BATCH, Learner, attention, masks, name
from refgrad.estimators import GumbelSoftmax

TEMPERATURES = (0.25, 1.0)  # of more runs with Gumbel-Softmax, if it was asked for


@dataclass(frozen=True)
class Sizes:
    """How long and how closely: a full run and a quick one.

    `judge` and `steps` are steps, `points` the number of them at which the curves are measured; `patches` are open on
    the image of the oracle, and `open` where relaxed estimators are exact too; `n` estimates are made there, after
    `warm` batches to learn from; `limit` is that of the oracle's rules; masks are judged by `draws` of each image.
    """

    judge: int
    steps: int
    points: int
    n: int
    warm: int
    patches: int
    open: int
    limit: int
    draws: int = 10


FULL = Sizes(judge=1500, steps=800, points=20, n=20_000, warm=50, patches=16, open=6, limit=2**17)
QUICK = Sizes(judge=100, steps=24, points=4, n=4000, warm=10, patches=9, open=4, limit=2**13, draws=3)


@dataclass
class Run:
    """One run: where it is, and its curve, rows of (step, objective, relaxed objective)."""

    learner: Learner
    part: str
    curve: list = field(default_factory=list)
    quality: Quality | None = None

    def __post_init__(self):
        self.estimator = self.learner.estimator  # as it was at the start: what it learned is no part of its name
        self.name = name(self.estimator)


class Study:
    """All runs.

    Parameters
    ----------
    estimators : list of Estimator
    prices : list of float
    kind : {"likelihood", "accuracy"}
    sizes : Sizes
    seed : int
    """

    def __init__(self, estimators, prices, kind, sizes, seed):
        self.estimators, self.prices, self.kind, self.sizes, self.seed = estimators, sorted(prices), kind, sizes, seed
        self.middle = self.prices[len(prices) // 2]
        self.train_set, self.held_out = digits.load(self._rng(0))
        self.trusted, self.runs, self.snapshot = None, [], None
        self.lines = {}
        self.at = "before the first step"

    def _rng(self, *key):
        return np.random.default_rng([self.seed, *key])

    def train(self):
        """The judge, all runs, the oracle; an interrupt leaves what was done so far."""
        self.at = "while the judge learned"
        self.trusted = judge(self.train_set, self.sizes.judge, self._rng(1))
        for estimator, price, part in self._plan():
            start = Learner(
                estimator, price, self.kind, attention(self._rng(2)), self.trusted, fixed=part == "fixed classifier"
            )
            self._train(Run(start, part))
        self.at = "before the oracle had spoken"
        self._ask()

    def _plan(self):
        """The middle price first, for its runs are what the figures are about."""
        for price in sorted(self.prices, key=lambda price: (price != self.middle, price)):
            for estimator in self.estimators:
                yield estimator, price, "both learn"
        for estimator in self.estimators:
            yield estimator, self.middle, "fixed classifier"
        for t in self._temperatures():
            yield GumbelSoftmax(t), self.middle, "temperature"
        for part in ("both learn", "fixed classifier"):
            yield Flips(), self.middle, part

    def _temperatures(self):
        there = [own.temperature for own in self.estimators if isinstance(own, GumbelSoftmax)]
        return [t for t in TEMPERATURES if there and t not in there]

    def _train(self, run):
        batches, noise, aside = self._rng(3), self._rng(4), self._rng(5)
        every = self.sizes.steps // self.sizes.points
        self.runs.append(run)
        for step in bar(range(1, self.sizes.steps + 1), f"{run.name} at {run.learner.price:g}"):
            batch = self.train_set.take(batches.integers(len(self.train_set), size=BATCH))
            run.learner = run.learner.step(batch, noise)
            self.at = f"after {step} of {self.sizes.steps} steps of {run.name} at price {run.learner.price:g}"
            if step % every == 0:
                run.curve.append((step, *objectives(run.learner, self.held_out, aside)))
                self.snapshot = self.snapshot or run.learner
        run.quality = quality(run.learner, self.trusted, self.train_set, self.held_out, self._rng(6), self.sizes.draws)

    def _ask(self):
        """Every estimator on one held-out image, at weights of the first run, early in its training."""
        learner, rng = self.snapshot, self._rng(7)
        image = self._image(learner)
        q, f = masks(learner.attention.weights, image.pixels), learner.reward(image)
        batches = [self.train_set.take(rng.integers(len(self.train_set), size=BATCH)) for _ in range(self.sizes.warm)]
        for estimator in bar([*self.estimators, Flips()], "oracle"):
            own = training.with_features(oracle.warmed(estimator, learner, batches, self._rng(8)), image.pixels)
            self.lines[name(estimator)] = tuple(
                oracle.line(*oracle.problem(own, q, f, count), self.sizes.n, self._rng(9), self.sizes.limit)
                for count in (self.sizes.patches, self.sizes.open)
            )

    def _image(self, learner):
        """The first held-out image whose class depends on the open patches; the first of all where none does."""
        for image in map(self.held_out.take, range(len(self.held_out))):
            q, gain = masks(learner.attention.weights, image.pixels), replace(learner, price=0.0).reward(image)
            _, q, gain = oracle.problem(Flips(), q, gain, self.sizes.open)
            if np.ptp(gain(q.support())) > 0:
                return image
        return self.held_out.take(0)

    @property
    def done(self):
        """The runs that have reached their end."""
        return [run for run in self.runs if run.quality]

    @property
    def seen(self):
        """The runs that have a curve."""
        return [run for run in self.runs if run.curve]

    def of(self, part, price=None):
        """Finished runs of a part of the plan."""
        return [run for run in self.done if run.part == part and price in {None, run.learner.price}]

    @cached_property
    def at_random(self):
        """Accuracy of the judge on random masks of every size."""
        return by_size(self.trusted, self.held_out, self._rng(10), self.sizes.draws)

    def mismatched(self):
        """Runs at the middle price, of estimators that are trained on relaxed masks."""
        return [
            run
            for run in self.seen
            if run.part != "fixed classifier" and run.learner.price == self.middle and biased(run.estimator)
        ]

    def results(self):
        """The numbers behind tables and figures."""
        return {
            "runs": [
                {
                    "estimator": run.name,
                    "price": run.learner.price,
                    "part": run.part,
                    "steps": run.learner.steps,
                    "curve": run.curve,
                    "quality": vars(run.quality) if run.quality else None,
                }
                for run in self.seen
            ],
            "random masks by size": self.at_random,
            "oracle": {
                own: {f"{self.sizes.patches} patches": vars(most), f"{self.sizes.open} patches": vars(few)}
                for own, (most, few) in self.lines.items()
            },
        }
