"""NVIL: the mean times the scale is the gradient, exactly; the baseline goes to E[f | x]; every message."""

from dataclasses import replace
from importlib import import_module
from itertools import pairwise, product

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Adam, ConstantBaseline, Linear, Nvil, OneHiddenLayer, Reinforce
from refgrad.objectives import Interacting, Quadratic, SquaredError

MODULE = import_module("refgrad.estimators.nvil")
PAIR = Bernoulli([0.6, -1.1]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)
CATEGORIES = (
    Categorical([[1.0, 2.5, 0.5], [0.5, -1.0, 0.0]]),
    Interacting(0.5, *np.arange(-12, 12).reshape(4, 2, 3) / 8),
)
every_problem = pytest.mark.parametrize("problem", [PAIR, CATEGORIES], ids=["pair", "categories"])
BASELINES = [Linear([1.0, 0.25, 0.5]), OneHiddenLayer(units=3, seed=1)]
every_baseline = pytest.mark.parametrize("baseline", BASELINES, ids=["linear", "hidden"])
X = np.array([[0.5, -1.0], [2.0, 0.0], [-0.25, 1.5]])  # three rows, two features
ROWS = Bernoulli([[0.6, -1.1], [2.0, 0.5], [-1.5, 1.0]])
PRODUCT = Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
PLAIN = Adam(decay=0.0, decay_square=0.0)  # its state is the last gradient


def noise_of(q, z):
    """Noise of one draw that leads to z."""
    return q.noise_given(z, 0 * z)[None]


def outcomes(q):
    """Every z with its probability."""
    z = q.support()
    return list(zip(z, np.exp(q.log_prob(z)), strict=True))


def mean_of_draws(q, n, weight_of):
    """Exact mean over all outcomes of n draws of a function of them."""
    return sum(
        np.prod([p for _, p in some]) * weight_of(np.array([z for z, _ in some]))
        for some in product(outcomes(q), repeat=n)
    )


def in_quarters(row):
    """Sixteen equally likely repetitions of two bits whose probabilities are quarters: a mean over them is exact."""
    ones = np.round(4 * row).astype(int)
    first, second = (np.repeat([0.0, 1.0], [4 - k, k]) for k in ones)
    return np.stack([np.repeat(first, 4), np.tile(second, 4)], axis=-1)


class TestOneStepByHand:
    q, f = Bernoulli([0.0, np.log(3.0)]), SquaredError(0.25)
    noise = np.array([[[1.0, 1.0], [-1.0, -2.0]]])  # z = 11, f = 1.125; z = 00, f = 0.125
    nvil = Nvil([2.0, -1.0], Linear([0.25, 0.5, 0.125]), average=0.25, variance=4.0, decay=0.75)  # b(x) = 0.125

    @pytest.mark.parametrize(
        ("options", "signals"),
        [
            ({}, (0.75, -0.25)),
            ({"centred": False}, (1.0, 0.0)),
            ({"normalised": True}, (0.375, -0.125)),
            ({"normalised": True, "variance": 0.25}, (0.75, -0.25)),
            ({"normalised": True, "centred": False}, (0.5, 0.0)),
        ],
    )
    def test_an_estimate(self, options, signals):
        estimates = replace(self.nvil, **options)(self.q, self.f, self.noise)
        needed = [[signals[0] * 0.5, signals[0] * 0.25], [signals[1] * -0.5, signals[1] * -0.75]]
        np.testing.assert_allclose(estimates, needed, rtol=1e-15)

    @pytest.mark.parametrize(("centred", "signal"), [(True, 0.25), (False, 0.5)])
    def test_an_update(self, centred, signal):
        updated = replace(self.nvil, centred=centred, optimizer=PLAIN).update(self.q, self.f, self.noise)
        # f - b is 1 and 0: mean 0.5, variance 0.25.
        assert updated.average == 0.75 * 0.25 + 0.25 * 0.5
        assert updated.variance == 0.75 * 4.0 + 0.25 * (0.25 + 0.75 * 0.25**2)
        gradient = -2 * signal * np.array([2.0, -1.0, 1.0])
        np.testing.assert_array_equal(updated.optimizer.mean, gradient)
        parameters, _ = PLAIN.step(np.array([0.25, 0.5, 0.125]), gradient)
        np.testing.assert_array_equal(updated.baseline.parameters, parameters)

    def test_without_memory_mean_and_variance_are_those_of_the_step(self):
        updated = replace(self.nvil, decay=0.0).update(self.q, self.f, self.noise)
        assert (updated.average, updated.variance) == (0.5, 0.25)


class TestTheMean:
    @every_problem
    @every_baseline
    @pytest.mark.parametrize("centred", [True, False])
    @pytest.mark.parametrize("variance", [0.0, 1.0, 6.25])
    def test_times_the_scale_it_is_the_gradient(self, problem, baseline, centred, variance):
        gradient = exact.gradient(*problem)
        for normalised in (False, True):
            nvil = Nvil(X[0], baseline, average=0.7, variance=variance, centred=centred, normalised=normalised)
            m = exact.moments(nvil, *problem)
            biased = normalised and variance > 1
            assert nvil.scale == (2.5 if biased else 1.0)
            assert nvil.claims.unbiased is not biased
            assert (m.error <= 1e-12).all()
            assert (np.abs(nvil.scale * m.mean - gradient) <= nvil.scale * m.error).all()
            assert (np.abs(m.mean - gradient) > 100 * m.error).any() == biased

    @every_problem
    def test_every_step_of_a_run_is_unbiased(self, problem):
        q, f = problem
        start = Nvil(X[0], OneHiddenLayer(units=2), average=2.0, decay=0.75, optimizer=Adam(rate=0.1))
        means = np.zeros((2, *q.event_shape))
        for run in product(outcomes(q), repeat=2):  # every run, with its probability
            weight, nvil = np.prod([p for _, p in run]), start
            for step, (z, _) in enumerate(run):
                means[step] += weight * nvil(q, f, noise_of(q, z))
                nvil = nvil.update(q, f, noise_of(q, z))
        np.testing.assert_allclose(means, np.broadcast_to(exact.gradient(q, f), means.shape), atol=1e-13)

    @every_problem
    def test_used_on_the_sample_that_it_was_updated_with_it_is_biased(self, problem):
        q, f = problem
        start = Nvil(X[0], Linear(np.zeros(3)), optimizer=Adam(rate=0.1))
        mean = sum(p * start.update(q, f, noise_of(q, z))(q, f, noise_of(q, z)) for z, p in outcomes(q))
        assert (np.abs(mean - exact.gradient(q, f)) > 1e-3).any()

    @every_problem
    def test_with_nothing_learned_it_is_reinforce_and_with_one_x_a_constant(self, problem):
        noise = Nvil([0.5]).draw_noise(problem[0], 50, np.random.default_rng(0))
        np.testing.assert_array_equal(Nvil([0.5])(*problem, noise), Reinforce()(*problem, noise))
        nvil = Nvil([0.5], Linear([1.0, 0.25]), average=0.125)
        np.testing.assert_allclose(nvil(*problem, noise), ConstantBaseline(0.875)(*problem, noise), atol=1e-14)


class Early(Nvil):
    """The printed order with one sample: the running mean has the current signal in it."""

    def __call__(self, q, f, noise):
        z = q.sample(noise[0])
        rest = f(z) - self.baseline(self.features)
        average = self.decay * self.average + (1 - self.decay) * rest
        return q.expand(rest - average) * q.score(z)


class TestUpdatedTooEarly:
    @every_problem
    @every_baseline
    @pytest.mark.parametrize("decay", [0.25, 0.5, 0.95])
    def test_with_one_sample_the_mean_is_decay_times_the_gradient(self, problem, baseline, decay):
        m, gradient = exact.moments(Early(X[0], baseline, average=0.3, decay=decay), *problem), exact.gradient(*problem)
        assert (np.abs(m.mean - decay * gradient) <= m.error).all()
        assert (np.abs(m.mean - gradient) > 100 * m.error).any()

    def test_without_memory_nothing_is_left(self):
        noise = Early([0.5]).draw_noise(PAIR[0], 50, np.random.default_rng(0))
        assert not Early([0.5], Linear([1.0, 0.25]), decay=0.0)(*PAIR, noise).any()

    @pytest.mark.parametrize("n", [1, 2, 3])
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
    def test_with_n_samples_a_share_of_one_in_n_is_lost(self, n, decay):
        q, f = PAIR

        def early(z):
            average = decay * 0.3 + (1 - decay) * f(z).mean()
            return (q.expand(f(z) - average) * q.score(z)).mean(axis=0)

        needed = (1 - (1 - decay) / n) * exact.gradient(q, f)
        np.testing.assert_allclose(mean_of_draws(q, n, early), needed, atol=1e-14)

    def test_where_their_own_variance_divides_no_multiple_of_the_gradient_is_left(self):
        q, f = PAIR
        nvil = Nvil([], Linear([0.0]), average=0.3, variance=4.0, decay=0.5, normalised=True)

        def early(z):
            own = nvil.update(q, f, noise_of(q, z))
            return replace(own, baseline=nvil.baseline)(q, f, noise_of(q, z)).mean(axis=0)

        factors = mean_of_draws(q, 2, early) / exact.gradient(q, f)
        assert np.ptp(factors) > 1e-3
        usual = mean_of_draws(q, 2, lambda z: nvil(q, f, noise_of(q, z)).mean(axis=0)) / exact.gradient(q, f)
        np.testing.assert_allclose(usual, 0.5, rtol=1e-13)


class TestRegression:
    def objective(self, nvil, parameters):
        """The mean squared signal over all rows and all z, exactly."""
        total = 0.0
        for x, logits in zip(nvil.features, ROWS.logits, strict=True):
            b = replace(nvil.baseline, parameters=parameters)(x) + nvil.centred * nvil.average
            total += exact.value(Bernoulli(logits), lambda z, b=b: (PRODUCT(z) - b) ** 2)
        return total / len(nvil.features)

    def expected_gradient(self, nvil):
        """What an update descends along, in the mean over all z of every row; the rows add up."""
        total = 0.0
        for x, logits in zip(nvil.features, ROWS.logits, strict=True):
            row = replace(nvil, features=x, optimizer=PLAIN)
            q = Bernoulli(logits)
            total += sum(p * row.update(q, PRODUCT, noise_of(q, z)).optimizer.mean for z, p in outcomes(q))
        return total / len(nvil.features)

    @every_baseline
    @pytest.mark.parametrize("centred", [True, False])
    def test_an_update_descends_the_exact_objective(self, baseline, centred):
        nvil = Nvil(X, baseline.started(2), average=0.3, centred=centred)
        own = nvil.baseline.parameters
        step = np.finfo(float).eps ** (1 / 3)  # central differences: error of order step**2
        slopes = [
            (self.objective(nvil, own + step * e) - self.objective(nvil, own - step * e)) / (2 * step)
            for e in np.eye(len(own))
        ]
        np.testing.assert_allclose(self.expected_gradient(nvil), slopes, atol=100 * step**2)
        assert np.abs(slopes).max() > 0.1

    @every_baseline
    def test_an_update_of_a_batch_is_the_mean_over_rows_and_repetitions(self, baseline):
        nvil = Nvil(X, baseline, average=0.3, optimizer=PLAIN)
        noise = nvil.draw_noise(ROWS, 6, np.random.default_rng(0))
        together = nvil.update(ROWS, PRODUCT, noise)
        one = [
            replace(nvil, features=X[r]).update(Bernoulli(ROWS.logits[r]), PRODUCT, noise[:, k, r])
            for k in range(6)
            for r in range(3)
        ]
        gradient = np.mean([u.optimizer.mean for u in one], axis=0)
        np.testing.assert_allclose(together.optimizer.mean, gradient, rtol=1e-12, atol=1e-14)
        rest = PRODUCT(ROWS.sample(noise[0])) - baseline.started(2)(X)
        assert together.average == pytest.approx(0.9 * 0.3 + 0.1 * rest.mean(), rel=1e-13)
        # The variance of the mixture: of the old mean and variance with weight 0.9, of all values with 0.1.
        square = 0.9 * (0.0 + 0.3**2) + 0.1 * (rest**2).mean()
        assert together.variance == pytest.approx(square - together.average**2, rel=1e-12)

    def test_the_gradient_vanishes_at_the_exact_means_and_nowhere_else(self):
        means = np.array([exact.value(Bernoulli(logits), PRODUCT) for logits in ROWS.logits])
        start = Nvil(np.eye(3), Linear([*(means - 0.3), 0.0]), average=0.3)
        assert (np.abs(self.expected_gradient(start)) < 1e-14).all()
        for moved in 0.01 * np.eye(3):
            off = replace(start, baseline=Linear([*(means - 0.3 + moved), 0.0]))
            assert np.abs(self.expected_gradient(off)).max() > 1e-3

    def test_with_the_exact_mean_in_every_step_the_baseline_converges_to_the_exact_values(self):
        probs = np.array([[0.5, 0.25], [0.75, 0.5], [0.25, 0.75]])
        q = Bernoulli(np.log(probs / (1 - probs)))
        noise = noise_of(q, np.stack([in_quarters(row) for row in probs], axis=1))
        means = [exact.value(Bernoulli(logits), PRODUCT) for logits in q.logits]
        nvil, distances = Nvil(np.eye(3), optimizer=Adam(rate=0.05)), []
        for _ in range(4):
            distances.append(np.abs(nvil.baseline(nvil.features) + nvil.average - means).max())
            for _ in range(500):
                nvil = nvil.update(q, PRODUCT, noise)
        rounding = 16 * np.finfo(float).eps
        assert all(after < before or after <= rounding for before, after in pairwise(distances))
        assert distances[-1] < 1e-9
        spread = np.mean(
            [
                exact.value(Bernoulli(row), lambda z, m=m: (PRODUCT(z) - m) ** 2)
                for row, m in zip(q.logits, means, strict=True)
            ]
        )
        assert nvil.variance == pytest.approx(spread, rel=1e-9)

    def test_a_hidden_layer_comes_nearer_than_the_best_line(self):
        x = np.linspace(-2.0, 2.0, 9)[:, None]
        q = Bernoulli(x @ [[3.0, -2.0]])
        means = np.array([exact.value(Bernoulli(logits), PRODUCT) for logits in q.logits])
        nvil, rng, distances = Nvil(x, OneHiddenLayer(), optimizer=Adam(rate=0.02)), np.random.default_rng(0), []
        for rate, steps in ((0.02, 0), (0.02, 100), (0.02, 500), (0.002, 500)):
            nvil = replace(nvil, optimizer=replace(nvil.optimizer, rate=rate)).fit(q, PRODUCT, rng, steps=steps, n=100)
            distances.append(np.abs(nvil.baseline(x) + nvil.average - means).max())
        assert all(after < before for before, after in pairwise(distances))
        best = Linear().fitted(x, means)
        assert distances[-1] < np.abs(best(x) - means).max() / 10

    def test_least_squares_of_equally_likely_outcomes_is_the_exact_mean(self):
        probs = np.array([[0.5, 0.25], [0.75, 0.5], [0.25, 0.75]])
        q = Bernoulli(np.log(probs / (1 - probs)))
        z = np.stack([in_quarters(row) for row in probs], axis=1)
        means = [exact.value(Bernoulli(logits), PRODUCT) for logits in q.logits]
        np.testing.assert_allclose(Linear().fitted(np.eye(3), PRODUCT(z))(np.eye(3)), means, rtol=1e-14)
        np.testing.assert_allclose(Linear().fitted([1.0], PRODUCT(z))(np.ones(1)), np.mean(means), rtol=1e-14)


class TestRunningVariance:
    @pytest.mark.parametrize("n", [1, 2])
    def test_its_mean_follows_the_recursion_and_rests_where_the_page_says(self, n):
        q, f, decay = *PAIR, 0.6
        mean = exact.value(q, f)
        spread = exact.value(q, lambda z: (f(z) - mean) ** 2)
        fixed = Linear([0.0])
        start = Nvil([], fixed, average=2.0, variance=3.0, decay=decay)

        def two_steps(z):
            first = replace(start.update(q, f, noise_of(q, z[:n])), baseline=fixed)
            return first.update(q, f, noise_of(q, z[n:])).variance

        averages, variances = (2.0, 0.0), 3.0  # mean and variance of the average, mean of the variance
        for step in range(200):
            away = spread / n + averages[1] + (averages[0] - mean) ** 2
            variances = decay * variances + (1 - decay) * ((n - 1) / n * spread + decay * away)
            averages = (
                decay * averages[0] + (1 - decay) * mean,
                decay**2 * averages[1] + (1 - decay) ** 2 * spread / n,
            )
            if step == 1:
                assert mean_of_draws(q, 2 * n, two_steps) == pytest.approx(variances, rel=1e-13)
        assert variances == pytest.approx(spread * (1 - (1 - decay) / ((1 + decay) * n)), rel=1e-13)


class TestValues:
    def test_an_update_returns_a_new_one_and_the_old_is_unchanged(self):
        nvil = Nvil(X, OneHiddenLayer(units=2), variance=0.5)
        noise = nvil.draw_noise(ROWS, 5, np.random.default_rng(0))
        before = nvil(ROWS, PRODUCT, noise)
        updated = nvil.update(ROWS, PRODUCT, noise)
        assert nvil == Nvil(X, OneHiddenLayer(units=2), variance=0.5)
        assert updated != nvil
        assert (updated.decay, updated.centred, updated.normalised) == (nvil.decay, nvil.centred, nvil.normalised)
        assert updated.optimizer.steps == 1
        np.testing.assert_array_equal(before, nvil(ROWS, PRODUCT, noise))
        assert np.abs(updated(ROWS, PRODUCT, noise) - before).max() > 0

    def test_features_are_copied_and_read_only(self):
        own = X.copy()
        nvil = Nvil(own)
        own[:] = 0
        np.testing.assert_array_equal(nvil.features, X)
        with pytest.raises(ValueError, match="read-only"):
            nvil.features[0] = 0

    def test_a_run_is_a_function_of_the_generator(self):
        one, other = (Nvil(X).fit(ROWS, PRODUCT, np.random.default_rng(7), steps=5, n=3) for _ in range(2))
        assert one == other
        assert hash(one) == hash(other)
        assert one.optimizer.steps == 5
        assert Nvil(X).fit(ROWS, PRODUCT, np.random.default_rng(0), steps=0) == Nvil(X)

    def test_a_fit_is_a_thousand_steps_of_one_sample_unless_asked(self, monkeypatch):
        asked = []
        monkeypatch.setattr(MODULE, "learn", lambda *_, **options: asked.append(options))
        Nvil(X).fit(ROWS, PRODUCT, np.random.default_rng(0))
        Nvil(X).fit(ROWS, PRODUCT, np.random.default_rng(0), steps=3, n=2, progress=True)
        assert asked == [{"steps": 1000, "n": 1, "progress": False}, {"steps": 3, "n": 2, "progress": True}]

    def test_repr_shows_what_is_no_default(self):
        assert repr(Nvil([0.5, -1.0])) == "Nvil(features=[ 0.5, -1. ])"
        other = Nvil([1], average=np.float32(0.5), normalised=True, optimizer=Adam(rate=0.5))
        assert repr(other) == "Nvil(features=[1.], average=0.5, normalised=True, optimizer=Adam(rate=0.5))"
        assert len(repr(Nvil(np.zeros((1000, 784))))) < 120

    @every_baseline
    def test_a_row_of_a_batch_has_the_bits_that_it_has_alone(self, baseline):
        rng = np.random.default_rng(0)
        for q in (Bernoulli(rng.normal(size=(2, 3, 2))), Categorical(rng.normal(size=(2, 3, 1, 4)))):
            features, f = rng.normal(size=(2, 3, 2)), Interacting(0.5, *rng.normal(size=(4, *q.event_shape)))
            nvil = Nvil(features, baseline, average=0.3, variance=2.0, normalised=True)
            noise = nvil.draw_noise(q, 7, rng)
            together = nvil(q, f, noise)
            assert together.shape == (7, *q.logits.shape)
            for row in np.ndindex(2, 3):
                alone = replace(nvil, features=features[row])
                np.testing.assert_array_equal(together[:, *row], alone(type(q)(q.logits[row]), f, noise[:, :, *row]))

    @every_baseline
    def test_one_x_for_all_rows(self, baseline):
        noise = Nvil(X[0]).draw_noise(ROWS, 5, np.random.default_rng(0))
        one, repeated = Nvil(X[0], baseline), Nvil(np.tile(X[0], (3, 1)), baseline)
        np.testing.assert_array_equal(one(ROWS, PRODUCT, noise), repeated(ROWS, PRODUCT, noise))
        after, other = one.update(ROWS, PRODUCT, noise), repeated.update(ROWS, PRODUCT, noise)
        np.testing.assert_allclose(after.optimizer.mean, other.optimizer.mean, rtol=1e-12, atol=1e-15)

    def test_no_feature_leaves_the_constant(self):
        noise = Nvil([]).draw_noise(ROWS, 5, np.random.default_rng(0))
        nvil = Nvil([], Linear([0.75]))
        np.testing.assert_array_equal(nvil(ROWS, PRODUCT, noise), ConstantBaseline(0.75)(ROWS, PRODUCT, noise))
        assert nvil.update(ROWS, PRODUCT, noise).baseline.parameters.shape == (1,)

    def test_integers_and_float32(self):
        nvil = Nvil(np.array([[1, 2], [0, 1], [3, 0]]), average=1, variance=np.float32(2))
        noise = nvil.draw_noise(ROWS, 4, np.random.default_rng(0)).astype(np.float32)
        assert nvil.features.dtype == np.float64
        assert nvil(ROWS, PRODUCT, noise).dtype == np.float64
        assert isinstance(nvil.average, float)


class TestErrors:
    @pytest.mark.parametrize("shape", [(2, 2), (3, 1, 2), (1, 2), (4, 2)])
    def test_features_of_another_batch(self, shape):
        needed = (
            rf"needs features of shape \(3, F\) or \(F,\) for logits of shape \(3, 2\), but they have shape {shape}"
        )
        with pytest.raises(ValueError, match=needed.replace(f"{shape}", rf"\({', '.join(map(str, shape))}\)")):
            Nvil(np.ones(shape)).sample(ROWS, PRODUCT, 2, np.random.default_rng(0))

    def test_a_batch_of_features_for_one_row(self):
        with pytest.raises(ValueError, match=r"features of shape \(F\) or \(F,\) for logits of shape \(2,\), but they"):
            Nvil(X).update(Bernoulli([0.5, -1.0]), PRODUCT, np.zeros((1, 2)))

    def test_features_that_are_none(self):
        with pytest.raises(ValueError, match=r"Nvil needs features of shape .* but they have shape \(\)"):
            Nvil(0.5)
        with pytest.raises(ValueError, match=r"Nvil features needs finite entries, but is \[ *1\., nan\]"):
            Nvil([1.0, np.nan])
        with pytest.raises(TypeError, match="Nvil features needs real numbers, but has dtype <U1"):
            Nvil("a")

    @pytest.mark.parametrize(
        ("name", "value", "kind"),
        [
            ("baseline", 0.5, "Regressor"),
            ("baseline", Linear, "Regressor"),
            ("optimizer", None, "Adam"),
            ("centred", 1, "bool"),
            ("normalised", "no", "bool"),
        ],
    )
    def test_a_field_of_the_wrong_kind(self, name, value, kind):
        with pytest.raises(TypeError, match=f"Nvil needs a {kind} as {name}, but it is"):
            Nvil([1.0], **{name: value})

    @pytest.mark.parametrize("name", ["average", "variance", "decay"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, [0.5]])
    def test_a_number_that_is_none(self, name, value):
        with pytest.raises(ValueError, match=f"Nvil needs a finite number as {name}, but it is"):
            Nvil([1.0], **{name: value})

    @pytest.mark.parametrize(("name", "value"), [("variance", -0.1), ("decay", -0.1), ("decay", 1.0)])
    def test_a_number_out_of_range(self, name, value):
        with pytest.raises(ValueError, match="Nvil needs variance >= 0 and 0 <= decay < 1, but they are"):
            Nvil([1.0], **{name: value})

    def test_a_baseline_for_another_number_of_features(self):
        with pytest.raises(ValueError, match=r"Linear needs 3 parameters for 2 inputs, but they have shape \(2,\)"):
            Nvil(X, Linear([1.0, 2.0]))

    def test_an_update_without_finite_values(self):
        nvil, q = Nvil([1.0]), Bernoulli([0.5, -1.0])
        with pytest.raises(ValueError, match=r"Nvil needs a sample, but noise has shape \(1, 0, 2\)"):
            nvil.update(q, SquaredError(0.5), np.zeros((1, 0, 2)))
        with pytest.raises(ValueError, match="f needs to return finite values, but 2 of 3 are not"):
            nvil.update(q, lambda z: z[..., 0] + [1.0, np.nan, np.inf], np.zeros((1, 3, 2)))

    def test_no_steps(self):
        with pytest.raises(ValueError, match="learning needs steps >= 0 and n >= 1, but they are -1 and 1"):
            Nvil(X).fit(ROWS, PRODUCT, np.random.default_rng(0), steps=-1)
