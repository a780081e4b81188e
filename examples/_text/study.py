"""The whole of a run of the example: train, compare with the oracle, write."""

import numpy as np
from _shared import command, record
from _shared.training import with_features

from _text import figures, model, oracle, training, words
from refgrad import Categorical, exact
from refgrad.estimators import Reinforce

ASKED = 201  # noises x, by the entropy of whose words those for the oracle are chosen
LIKELIEST = 6  # letters a place that a quick run enumerates


class Study:
    """Train a pair with each estimator; compare all estimators on what the first one trained.

    Parameters
    ----------
    options : argparse.Namespace
    estimators : list of Estimator
    """

    def __init__(self, options, estimators):
        self.options, self.sizes = options, training.QUICK if options.quick else training.FULL
        self.book = words.load()
        names = labels(estimators)
        self.runs = [training.started(one, name, options.seed) for one, name in zip(estimators, names, strict=True)]
        self.every, self.pairs = [], []  # compared on all words, on two letters a place
        self.size = 0
        self.at = "before the first step"

    def train(self):
        """The long work."""
        every = self.sizes.steps // self.sizes.looks
        for run in self.runs:
            rng = np.random.default_rng([self.options.seed, 1])
            for done in command.bar(range(self.sizes.steps), run.name):
                self.at = f"after {done:,} of {self.sizes.steps:,} steps of {run.name}"
                if done % every == 0:
                    training.look(run, self.book, self.options.seed)
                training.step(run, self.book, self.sizes.batch, rng)
            training.look(run, self.book, self.options.seed)
        self.at = "in the comparison with the oracle"
        self._ask()

    def _ask(self):
        """Compare with the oracle, on the generator and the discriminator of the first run."""
        rng = np.random.default_rng([self.options.seed, 3])
        first = self.runs[0]
        weights = first.discriminator.weights
        x = training.noise_of(ASKED, rng)
        logits = model.logits(first.generator.weights, x)
        probs = Categorical(logits).probs
        order = np.argsort((probs * -np.log(np.maximum(probs, 1e-300))).sum(axis=(-2, -1)))
        asked = [order[at] for at in self.sizes.quartiles]
        estimators = {run.name: run.estimator for run in self.runs}
        if "Reinforce" not in estimators:
            estimators = {"Reinforce": Reinforce(), **estimators}
        work = [(at, name) for at in asked for name in estimators]
        for at, name in command.bar(work, "oracle"):
            estimator = estimators[name]
            q, f, word = oracle.in_two_letters(Categorical(logits[at]), weights)
            own = oracle.for_two_letters(with_features(estimator, x[at]), word)
            self.pairs.append(oracle.by_quadrature(name, own, q, f, exact.gradient(q, f), self.sizes.draws, rng))
        at = asked[len(asked) // 2]
        q = Categorical(logits[at])
        if self.options.quick:
            q = oracle.kept(q, [LIKELIEST] * words.PLACES)

        def f(z):
            return model.realness(weights, z)

        gradient = exact.gradient(q, f)
        self.size = (LIKELIEST if self.options.quick else words.KINDS) ** words.PLACES
        for name, estimator in command.bar(list(estimators.items()), "oracle, every word"):
            own = with_features(estimator, x[at])
            self.every.append(oracle.by_enumeration(name, own, q, f, gradient, self.sizes.draws, rng))

    def report(self, partial):
        """Print the tables and write figures and results; returns the paths."""
        if not any(run.looks for run in self.runs):
            return []
        yardsticks = self.book.yardsticks(training.JUDGED, np.random.default_rng([self.options.seed, 4]))
        printed = [*self._end(yardsticks), "", *self._spelled()]
        if self.every:
            printed += ["", *self._against()]
        command.say("\n".join(printed))
        seen = [run for run in self.runs if run.looks]
        paths = figures.drawn(seen, yardsticks, self.pairs, self.options.out, partial)
        results = {
            "yardsticks": yardsticks,
            "runs": {run.name: _kept(run) for run in seen},
            "every word": [vars(one) for one in self.every],
            "two letters": [vars(one) for one in self.pairs],
        }
        return [*paths, record.write(self.options.out, self.options, printed, results)]

    def _end(self, yardsticks):
        """Table of the last look at each run."""
        head = ["trained with", "steps", "words", "distinct", "new", "bigrams off", "bits given x"]
        head += ["f relaxed - hard", "rows of f"]

        def counts(one):
            return [f"{one[key]:.0f}" for key in ("distinct", "new")]

        rows = [
            [name, "", f"{one['share']:.1%}", *counts(one), f"{one['distance']:.3f}", "", "", ""]
            for name, one in yardsticks.items()
        ]
        for run in self.runs:
            if run.looks:
                one = run.looks[-1]
                gap = f"{one['gap']:+.2f} +- {one['gap error']:.2f}" if "gap" in one else ""
                spent = f"{run.rows / run.steps / self.sizes.batch:.1f}" if run.steps else ""
                measured = [f"{one['share']:.1%}", *counts(one), f"{one['distance']:.3f}"]
                given = f"{one['bits given x']:.2f}"
                rows.append([run.name, f"{one['step']:,}", *measured, given, gap, spent])
        return record.table(head, rows)

    def _spelled(self):
        """Some words of each run, over time."""
        lines = ["some of its words, over the steps"]
        width = max(len(run.name) for run in self.runs)
        for run in self.runs:
            steps = list(run.spelled)
            for step in sorted({*steps[:: max(1, len(steps) // 4)], *steps[-1:]}):
                lines.append(f"{run.name if step == 0 else '':{width}}  {step:>5,}  {' '.join(run.spelled[step])}")
        return lines

    def _against(self):
        """Tables of what was measured and what is exact."""
        worst, count, limit = oracle.worst(self.pairs)
        count_of, turn = len(self.pairs) // len(self.sizes.quartiles), len(self.sizes.quartiles) // 2
        return [
            f"one x, {self.size:,} words, {self.sizes.draws:,} draws; norms over that of the exact gradient",
            *_table(self.every),
            "",
            f"the same x, two letters a place, 16 words, {self.sizes.draws:,} draws",
            *_table(self.pairs[turn * count_of : (turn + 1) * count_of]),
            "",
            f"two letters, every x, {count} comparisons of mean and variance: evidence of a difference at most "
            f"10^{worst:.1f};",
            f"if there is none, 10^{limit:.1f} or more has a chance of {oracle.RATE:g}",
        ]


def _kept(run):
    """What results.json has of a run."""
    return {"estimator": repr(run.estimator), "looks": run.looks, "spelled": run.spelled, "rows": run.rows}


def labels(estimators):
    """Names of classes, with the fields where a class is there twice."""
    names = [type(estimator).__name__ for estimator in estimators]
    return [name if names.count(name) == 1 else repr(one) for one, name in zip(estimators, names, strict=True)]


def _table(compared):
    head = ["estimator", "along the gradient", "exact", "std. dev.", "exact", "bias"]
    rows = [
        [
            one.name,
            f"{one.along:.3f} +- {one.error:.3f}",
            _shown(one.exact_along),
            f"{one.deviation:.3f}",
            _shown(one.exact_deviation),
            _shown(one.bias),
        ]
        for one in compared
    ]
    return record.table(head, rows)


def _shown(number):
    """Three decimals, and nothing where there is no number."""
    return "" if np.isnan(number) else f"{number:.3f}"
