"""Each check broken on purpose: what is wrong must be seen, or the check is worth nothing."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from autograd import numpy as anp

from refgrad import Bernoulli, Categorical, exact
from refgrad.distributions import _relaxations
from refgrad.distributions._functions import sigmoid, softplus
from refgrad.estimators import Estimator, GumbelSoftmax, Reinforce
from refgrad.exact import _cells
from refgrad.objectives import Interacting, SquaredError
from refgrad.testing import (
    Problem,
    _expected,
    _facts,
    built_in,
    check_unbiased,
    exact_problems,
    mistakes,
    standard_problems,
)
from refgrad.testing.mistakes import reinforce

FAMILIES = {
    "bernoulli": Problem(Bernoulli([0.6, -1.1]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4), "mutants"),
    "categorical": Problem(
        Categorical([[1.0, 2.5, 0.5]]), Interacting(0.5, *np.arange(-6, 6).reshape(4, 1, 3) / 4), "mutants"
    ),
}


def bias(estimator, problem):
    moments = exact.moments(estimator, problem.q, problem.f)
    return np.abs(moments.mean - problem.gradient), moments.error


@dataclass(frozen=True)
class Claiming(Estimator):
    """A known mistake that claims to be unbiased."""

    of: Estimator

    @property
    def draws(self):
        return self.of.draws

    @property
    def claims(self):
        return replace(self.of.claims, unbiased=True)

    def __call__(self, q, f, noise):
        return self.of(q, f, noise)


class Scaled(reinforce.Parts):
    def _estimate(self, q, value, z):
        return 1.001 * value * q.score(z)


class DetachedProbs(reinforce.Parts):
    def _estimate(self, q, value, z):  # noqa: ARG002
        return value * (z - 0.5)


class OneComponent(reinforce.Parts):
    def _estimate(self, q, value, z):
        return value * q.score(z) * (np.arange(z[0].size).reshape(z[0].shape) > 0)


MISTAKEN = {problem.family: problem for problem in exact_problems() if problem.q.event_shape[0] == 2}


def wrong(family):
    """Mistakes of the catalogue that can be enumerated, and some that are nobody's."""
    known = [m.estimator for m in mistakes(family) if m.effect == "biased" and m.of.claims.unbiased]
    return [e for e in known if set(e.claims.reads) == {"z"}] + [Scaled(), DetachedProbs(), OneComponent()]


@pytest.mark.parametrize(("family", "estimator"), [(f, e) for f in MISTAKEN for e in wrong(f)], ids=repr)
def test_a_wrong_estimator_has_a_wrong_row(family, estimator):
    assert built_in.row(Claiming(estimator), MISTAKEN[family]).verdict == "wrong"


def test_a_right_one_that_claims_it_has_not():
    for problem in FAMILIES.values():
        assert built_in.row(Claiming(Reinforce()), problem).verdict == "unbiased"
        assert built_in.row(Claiming(reinforce.Parts()), problem).verdict == "unbiased"
        assert built_in.row(Claiming(GumbelSoftmax(1.0)), problem).verdict == "wrong"


class TestBrokenVerbs:
    """The oracle shares no verb with what it judges, so a broken verb cannot agree with itself."""

    @pytest.mark.parametrize("family", FAMILIES)
    def test_score(self, monkeypatch, family):
        problem = FAMILIES[family]
        cls = type(problem.q)
        monkeypatch.setattr(cls, "score", lambda self, z: 1.0001 * (z - self.probs))
        off, error = bias(Reinforce(), problem)
        assert (off > 100 * error).any()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_sample(self, monkeypatch, family):
        problem = FAMILIES[family]
        cls = type(problem.q)
        true = cls.sample
        z = problem.q.support().repeat(100, axis=0)
        noise = problem.q.noise_given(z, problem.q.draw_noise(len(z), np.random.default_rng(0)))
        np.testing.assert_array_equal(problem.q.sample(noise), z)
        monkeypatch.setattr(cls, "sample", lambda self, noise: true(self, 0.9 * noise))
        assert (problem.q.sample(noise) != z).any()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_relax(self, monkeypatch, family):
        problem = FAMILIES[family]
        cls = type(problem.q)
        before = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        true = cls.relax
        monkeypatch.setattr(cls, "relax", lambda self, noise, temperature: true(self, noise, 1.01 * temperature))
        after = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        assert (np.abs(after.mean - before.mean) > 100 * before.error).any()

    def test_the_slope_of_a_softmax(self, monkeypatch):
        problem = FAMILIES["categorical"]
        before = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        monkeypatch.setattr(_relaxations, "softmax_slope", lambda y, g: y * g)  # the mean is not taken off
        after = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        assert (np.abs(after.mean - before.mean) > 100 * before.error).any()

    def test_the_slope_of_a_sigmoid(self, monkeypatch):
        problem = FAMILIES["bernoulli"]
        before = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        monkeypatch.setattr(_relaxations, "sigmoid_and_slope", lambda x: (sigmoid(x), sigmoid(x)))
        after = exact.moments(GumbelSoftmax(0.5), problem.q, problem.f)
        assert (np.abs(after.mean - before.mean) > 100 * before.error).any()

    def test_a_slip_of_sign_in_the_noise_given_z(self):
        """`log p + log1p(p)` in place of `log p - log1p(-p)`: it is no longer the noise of a draw of z."""
        q = Bernoulli([0.6])
        v = q.draw_noise(4000, np.random.default_rng(0))
        right = q.noise_given(np.ones_like(v), v)
        slipped = softplus(v) + np.logaddexp(q.logits, -softplus(-v))
        # Given z = 1 the noise exceeds -logits, and P(noise > x) / P(noise > -logits) is uniform.
        for noise, honest in ((right, True), (slipped, False)):
            uniform = sigmoid(-noise) / sigmoid(q.logits)
            distance = np.abs(np.sort(uniform.ravel()) - np.arange(4000) / 4000).max()
            assert (distance < 0.05) == honest  # Kolmogorov: 0.05 is exceeded once in 10**8 by chance


class TestBrokenOracle:
    """Each part of the quadrature, broken, disagrees with enumeration or with itself."""

    def test_cells_of_a_bernoulli(self, monkeypatch):
        true = _cells._logistic_given
        monkeypatch.setattr(_cells, "_logistic_given", lambda z, v, log_probs: true(z, v, log_probs[:, ::-1]))
        problem = FAMILIES["bernoulli"]
        assert relaxed_value_is_off(problem)

    def test_cells_of_a_categorical(self, monkeypatch):
        true = _cells.Plan._log_waits
        monkeypatch.setattr(_cells.Plan, "_log_waits", lambda self, v, winner: 0.9 * true(self, v, winner))
        assert relaxed_value_is_off(FAMILIES["categorical"])

    def test_neither_is_broken(self):
        assert not any(map(relaxed_value_is_off, FAMILIES.values()))

    def test_probabilities_of_the_cells(self, monkeypatch):
        true = _cells.Plan.cell_probs
        monkeypatch.setattr(_cells.Plan, "cell_probs", lambda self: true(self)[::-1])
        off, error = bias(Reinforce(), FAMILIES["bernoulli"])
        assert (off > 100 * error).any()


def relaxed_value_is_off(problem):
    """Compare E GumbelSoftmax with a central difference of the relaxed objective, integrated by plain quantiles."""
    q, size = problem.q, 400
    estimator = GumbelSoftmax(1.0)
    moments = exact.moments(estimator, q, problem.f)
    # One coordinate a variable of noise: for the categorical, differences of Gumbels to the last are enough.
    if q.family == "bernoulli":
        u = (np.arange(size) + 0.5) / size
        grid = np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1).reshape(-1, 2)
        noise = np.log(grid) - np.log1p(-grid)
    else:
        u = (np.arange(90) + 0.5) / 90
        grid = np.stack(np.meshgrid(u, u, u, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        noise = -np.log(-np.log(grid))
    plain = estimator(q, problem.f, noise[None]).mean(axis=0)
    # The midpoint rule on a bounded integrand: its error falls with the square of the step; 1e-2 of the size is ample.
    return bool((np.abs(plain - moments.mean) > 1e-2 * np.abs(moments.mean).max()).any())


class TestBrokenStatistics:
    def test_no_patience_is_a_false_alarm_waiting(self, monkeypatch):
        """With a pilot's covariance alone, an honest sampler of rare events is called wrong."""
        problem = Problem(Bernoulli([-9.0]), SquaredError(-3.0), "rare")

        def honest(problem, n, rng):
            return Reinforce().sample(problem.q, problem.f, n, rng)

        sound = [
            check_unbiased(honest, problem, alpha=1e-2, max_samples=20_000, seed=s, causes=False).outcome
            for s in range(20)
        ]
        assert "wrong" not in sound
        monkeypatch.setattr(_expected, "larger", lambda first, second: second + 1e-12 * np.eye(len(first)))
        monkeypatch.setattr(_facts.Facts, "ready", lambda self, *_: np.zeros(len(self.answer)))
        broken = [
            check_unbiased(honest, problem, alpha=1e-2, max_samples=20_000, seed=s, causes=False).outcome
            for s in range(20)
        ]
        assert "wrong" in broken

    def test_a_component_that_never_varies(self):
        """Deterministic, nearly right, and inside the tolerance: compared to rounding, not to the tolerance."""
        problem = standard_problems("bernoulli")[2]

        def nearly(problem, n, rng):
            return np.broadcast_to(problem.gradient * (1 + 1e-6), (n, *problem.gradient.shape))

        assert check_unbiased(nearly, problem, causes=False).outcome == "wrong"

    def test_everybody_named_is_caught_as_a_black_box(self):
        problem = standard_problems("bernoulli")[2]
        named = {m.name: m.estimator for m in mistakes("bernoulli")}
        names = ("reinforce-wrong-sign", "reinforce-score-not-centred", "own-sample-in-the-mean-of-2")
        for mistake in (*map(named.get, names), DetachedProbs(), OneComponent()):
            verdict = check_unbiased(lambda p, n, rng, m=mistake: m.sample(p.q, p.f, n, rng), problem, causes=False)
            assert verdict.outcome == "wrong", mistake


def test_a_gradient_of_f_by_hand_that_is_wrong_shows():
    class WrongSlope(SquaredError):  # noqa: N818  (it is a square, not an exception)
        def grad(self, z):
            return 0.999 * super().grad(z)

    problem = Problem(Bernoulli([0.4]), SquaredError(0.45), "true")
    followed = exact.moments(GumbelSoftmax(0.5), problem.q, lambda z: anp.sum((z - 0.45) ** 2, axis=-1))
    slipped = exact.moments(GumbelSoftmax(0.5), problem.q, WrongSlope(0.45))
    assert (np.abs(followed.mean - slipped.mean) > 100 * followed.error).all()
