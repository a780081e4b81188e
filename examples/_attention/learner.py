"""One run: attention and classifier learn together, one batch at a time. Derivation 14, Eq. 14.3 and 14.4."""

from dataclasses import MISSING, dataclass, fields, replace

from _shared import training
from _shared.digits import SIDE
from _shared.networks import Model, forward, layers

from _attention.glimpse import PATCHES, Reward
from refgrad import Bernoulli
from refgrad.estimators import Adam, Estimator

PIXELS, HIDDEN = SIDE * SIDE, 32
BATCH = 100
EVERY = 5  # steps from one update of REBAR or RELAX to the next: it differentiates twice


def attention(rng):
    """A network that starts with every patch seen about half of the time."""
    return Model(layers((PIXELS, HIDDEN, PATCHES), rng, last=0.3), Adam(rate=0.005))


def masks(weights, pixels):
    """q: one row of logits for each image."""
    return Bernoulli(forward(weights, 2 * pixels - 1))


@dataclass(frozen=True)
class Learner:
    """Everything that a step changes; immutable.

    Parameters
    ----------
    estimator : Estimator
    price : float
    kind : {"likelihood", "accuracy"}
        What attention is rewarded for; the classifier learns by likelihood.
    attention, classifier : Model
    fixed : bool
        The classifier stays as it is.
    steps : int
        How many were taken.
    """

    estimator: Estimator
    price: float
    kind: str
    attention: Model
    classifier: Model
    fixed: bool = False
    steps: int = 0

    def step(self, digits, rng):
        """The learner after one batch."""
        logits, back = self.attention.back(lambda weights: forward(weights, 2 * digits.pixels - 1))
        q = Bernoulli(logits)
        estimator = training.with_features(self.estimator, digits.pixels)
        f = self.reward(digits)
        noise = estimator.draw_noise(q, 1, rng)
        estimates = estimator(q, f, noise)  # (1, B, 16)
        return replace(
            self,
            estimator=self._learned(estimator, q, f, noise),
            attention=self.attention.ascend(back(estimates.mean(axis=0) / len(digits))),  # Eq. 14.3
            classifier=self._taught(digits, training.shown(estimator, q, noise)),
            steps=self.steps + 1,
        )

    def reward(self, digits):
        """F of some images, with the classifier of this moment."""
        return Reward(self.classifier.weights, digits, self.price, self.kind)

    def _learned(self, estimator, q, f, noise):
        if hasattr(estimator, "variance_gradient") and self.steps % EVERY:
            return estimator
        return training.learned(estimator, q, f, noise)

    def _taught(self, digits, z):
        return self.classifier if self.fixed else taught(self.classifier, digits, z)


def taught(classifier, digits, z):
    """The classifier after one step up the mean log-probability of the digits under masks z."""

    def mean(weights):
        return Reward(weights, digits, 0.0).log_likelihood(z).mean()

    _, back = classifier.back(mean)
    return classifier.ascend(back(1.0))  # Eq. 14.4


def name(estimator):
    """Class and the fields that are no defaults, for tables."""
    shown = [
        str(getattr(estimator, own.name))
        for own in fields(estimator)
        if own.name not in {"features", "optimizer"}
        and (own.default is MISSING or own.default != getattr(estimator, own.name))
    ]
    return type(estimator).__name__ + (f"({', '.join(shown)})" if shown else "")
