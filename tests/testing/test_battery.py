"""What is looked at beside the mean: each fault is found, and honest samplers that look alike are not accused."""

import copy
import re

import numpy as np
import pytest
from scipy.stats import binom

from refgrad.estimators import ConstantBaseline, Reinforce
from refgrad.testing import Problem, check_unbiased, standard_problems
from refgrad.testing import _battery as battery
from refgrad.testing._battery import Products, lag_evidence
from refgrad.testing.evidence import chunk_sums
from testing import samplers

BERNOULLI, CATEGORICAL = standard_problems("bernoulli")[2], standard_problems("categorical")[1]
PROBLEMS = [BERNOULLI, CATEGORICAL]
reinforce = samplers.reinforce


def other_generator(problem, n, rng):
    return reinforce(problem, n, np.random.default_rng())


def seeded(problem, n, rng):
    return reinforce(problem, n, np.random.default_rng(0))


def seeded_by_n(problem, n, rng):
    rng.random()
    return reinforce(problem, n, np.random.default_rng(n))


def copied(problem, n, rng):
    return reinforce(problem, n, copy.deepcopy(rng))


def half_seeded(problem, n, rng):
    return (reinforce(problem, n, rng) + reinforce(problem, n, np.random.default_rng(7))) / 2


def repeated(times):
    return lambda p, n, rng: np.repeat(reinforce(p, -(-n // times), rng), times, axis=0)[:n]


def tiled(times):
    return lambda p, n, rng: np.concatenate([reinforce(p, -(-n // times), rng)] * times)[:n]


def autoregressive(rho):
    def sampler(problem, n, rng):
        rest = reinforce(problem, n, rng) - problem.gradient
        for i in range(1, n):
            rest[i] = rho * rest[i - 1] + np.sqrt(1 - rho**2) * rest[i]
        return rest + problem.gradient

    return sampler


def shifted_together(size):
    return lambda p, n, rng: reinforce(p, n, rng) + size * rng.normal(size=p.gradient.shape)


def mean_for_rows(problem, n, rng):
    return np.broadcast_to(reinforce(problem, n, rng).mean(axis=0), (n, *problem.gradient.shape))


class Kept:
    """Noise is drawn once for every five calls, after the first three."""

    def __init__(self):
        self.calls = 0

    def __call__(self, problem, n, rng):
        self.calls += 1
        seed = rng.integers(2**60)
        if self.calls <= 3 or self.calls % 5 == 4:
            self.seed = seed
        return reinforce(problem, n, np.random.default_rng(self.seed))


def in_large_calls(fault):
    return lambda p, n, rng: fault(p, n, rng) if n > 4096 else reinforce(p, n, rng)


def markov_chain(problem, n, rng):
    """Each row is the row before with probability .3."""
    rows = reinforce(problem, n, rng)
    source = np.maximum.accumulate(np.where(rng.random(n) < 0.7, np.arange(n), 0))
    return rows[source]


FAULTS = {
    "kept": (Kept(), "related rows|repeats the rows of the call before"),
    "seeded in large calls": (in_large_calls(seeded_by_n), "two calls with different generators return related rows"),
    "repeated 8 in large calls": (in_large_calls(repeated(8)), "those 1 apart are correlated"),
    "chunks of one seed": (in_large_calls(tiled(2)), "those 4096 apart are correlated"),
    "markov chain": (markov_chain, "those 1 apart are correlated"),
    "other generator": (other_generator, "the generator is ignored"),
    "seeded": (seeded, "the same rows: seeded inside the call"),
    "seeded by n": (seeded_by_n, "the same rows: seeded inside the call"),
    "copied": (copied, "the generator is not drawn from, only copied"),
    "half seeded": (half_seeded, "some noise is seeded inside the call"),
    "repeated 2": (repeated(2), "those 1 apart are correlated"),
    "repeated 100": (repeated(100), "those 1 apart are correlated"),
    "tiled 2": (tiled(2), "those 512 apart are correlated"),
    "tiled 10": (tiled(10), "those 103 apart are correlated"),
    "autoregressive .3": (autoregressive(0.3), "those 1 apart are correlated"),
    "autoregressive .9": (autoregressive(0.9), "those 1 apart are correlated"),
    "shifted together": (shifted_together(0.1), "not independent|the mean is not"),
    "mean for rows": (mean_for_rows, "all rows of a call are the same: .* say rows=M"),
}


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
@pytest.mark.parametrize(("sampler", "reason"), FAULTS.values(), ids=FAULTS)
def test_faults(problem, sampler, reason):
    sampler = sampler.__class__() if isinstance(sampler, Kept) else sampler
    verdict = check_unbiased(sampler, problem)
    assert verdict.outcome == "wrong"
    assert re.search(reason, verdict.reason), verdict.reason


def test_noise_that_is_kept_between_small_calls():
    verdict = check_unbiased(Kept(), standard_problems("bernoulli")[0])
    assert "a call repeats the rows of the call before" in verdict.reason


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_what_only_large_calls_share(problem):
    """After the calls that are compared lag by lag, and with a mean that is right on average."""

    def sampler(problem, n, rng):
        return shifted_together(0.1 * (n > 10_000))(problem, n, rng)

    verdict = check_unbiased(sampler, problem, tolerance=1e-3)
    assert "rows of one call are not independent" in verdict.reason


class PerRow:
    """An honest moving average: each row has the baseline of the rows before."""

    def __init__(self, decay=0.9):
        self.baseline, self.decay = 0.0, decay

    def __call__(self, problem, n, rng):
        z = samplers.draw(problem, n, rng)
        values, baselines = problem.f(z), np.empty(n)
        for i, value in enumerate(values.tolist()):
            baselines[i] = self.baseline
            self.baseline = self.decay * self.baseline + (1 - self.decay) * value
        return samplers.times(problem, values - baselines, problem.q.score(z))


class PerCall:
    """An honest moving average: each call has the baseline of the calls before."""

    baseline = 0.0

    def __call__(self, problem, n, rng):
        z = samplers.draw(problem, n, rng)
        values, baseline = problem.f(z), self.baseline
        self.baseline = 0.9 * baseline + 0.1 * values.mean()
        return samplers.times(problem, values - baseline, problem.q.score(z))


def leave_one_out_of_the_call(problem, n, rng):
    z = samplers.draw(problem, n, rng)
    values = problem.f(z)
    return samplers.times(problem, values - (values.sum() - values) / (n - 1), problem.q.score(z))


def one_baseline_for_the_call(problem, n, rng):
    z = samplers.draw(problem, n, rng)
    return samplers.times(problem, problem.f(z) - problem.f(samplers.draw(problem, 1, rng)), problem.q.score(z))


def spawned(problem, n, rng):
    return reinforce(problem, n, rng.spawn(1)[0])


def in_pairs_that_cancel(problem, n, rng):
    """Rows of a pair are negatively related, which makes the mean better."""
    rows = reinforce(problem, n, rng)
    rest = rows - problem.gradient
    rest[1::2] = -0.5 * rest[: 2 * (n // 2) : 2] + 0.5 * np.sqrt(3) * rest[1::2]
    return rest + problem.gradient


HONEST = [
    PerRow,
    lambda: PerRow(0.5),
    PerCall,
    lambda: leave_one_out_of_the_call,
    lambda: one_baseline_for_the_call,
    lambda: spawned,
    lambda: in_pairs_that_cancel,
]


@pytest.mark.parametrize("make", HONEST)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_honest_samplers_are_right(make, problem):
    verdict = check_unbiased(make(), problem)  # each accused with probability 1e-9
    assert verdict.outcome == "right", verdict


def test_rows_that_vary_without_the_generator_by_right():
    """A stateful sampler cannot repeat its rows: a note, and no fault."""
    verdict = check_unbiased(PerRow(), BERNOULLI)
    assert "the same generator gave other rows the second time" in verdict.notes[0]
    assert check_unbiased(reinforce, BERNOULLI).notes == ()


def test_nothing_random_needs_no_generator():
    assert check_unbiased(samplers.exact_gradient, BERNOULLI).outcome == "right"


def test_a_sampler_that_seldom_varies_is_not_called_seeded():
    """P(z = 1) is 1e-4: most pilots have no such row at all."""
    problem = Problem(type(BERNOULLI.q)([-9.2]), BERNOULLI.f.__class__(0.5, [1.0], [2.0], [0.5], [0.3]), "rare")
    for seed in range(30):
        verdict = check_unbiased(reinforce, problem, alpha=1e-2, max_samples=5000, seed=seed, estimator=Reinforce())
        assert "generator" not in verdict.reason
        assert "rows of" not in verdict.reason
        assert "apart" not in verdict.reason


class TestLags:
    def test_the_sums_are_those_of_a_loop(self, monkeypatch):
        monkeypatch.setattr(battery, "STRONG", -1.0)
        x = np.random.default_rng(0).normal(size=(40, 2)) + 0.1
        n, mean = len(x), x.mean(axis=0)
        logs = []
        for k in range(1, n):
            products = x[k:] * x[:-k]
            total = products.sum(axis=0) - (n - k) * mean**2
            used = ((products**2).sum(axis=0) + 2 * (x[:-k] ** 2).sum(axis=0)) / 3
            logs.append(np.where(total > 0, battery.log_scalar_mixture(total, used), -np.inf))
        value, lag = lag_evidence(x)
        assert value == pytest.approx(np.logaddexp.reduce(np.ravel(logs)) - np.log(np.size(logs)), abs=1e-9)
        assert lag == 1 + np.argmax(np.max(logs, axis=1))
        monkeypatch.undo()
        assert lag_evidence(x)[0] <= value

    @pytest.mark.parametrize(("strong", "scale"), [(0.05, 0.3), (1.0, 1.0), (battery.STRONG, 1.0)])
    def test_lags_that_are_left_out_are_those_that_are_not_strong(self, monkeypatch, strong, scale):
        """Lags are passed over by what is known of their squares; those that are weak by the squares count no more."""
        monkeypatch.setattr(battery, "STRONG", strong)
        x = scale * np.random.default_rng(1).normal(size=(300, 2))
        x[1::2] += 1.5 * x[::2]
        sums = []
        for column in x.T:
            for k in range(1, len(x)):
                products, earlier = column[k:] * column[:-k], column[:-k]
                total = products.sum() - len(products) * column.mean() ** 2
                sums.append((max(total, 0), products @ products / 3, 2 * earlier @ earlier / 3))
        total, seen, known = np.transpose(sums)
        counts = total**2 > strong * (seen + known)
        assert (total**2 > strong * known).sum() > counts.sum() > 0
        logs = battery.log_scalar_mixture(total, seen + known)[counts]
        assert lag_evidence(x) == (pytest.approx(np.logaddexp.reduce(logs) - np.log(len(total)), abs=1e-9), 1)

    def test_without_a_strong_lag_there_is_no_evidence(self):
        assert lag_evidence(np.random.default_rng(0).normal(size=(20, 1))) == (-np.inf, 0)

    @pytest.mark.parametrize("shape", ["normal", "rare", "heavy"])
    def test_the_rate_of_false_alarms(self, shape):
        rng, alpha, runs, alarms = np.random.default_rng(5), 1e-2, 1000, 0
        for _ in range(runs):
            if shape == "normal":
                x = rng.normal(size=(200, 2))
            elif shape == "rare":
                x = ((rng.random((200, 2)) < 1e-2) - 1e-2) / np.sqrt(1e-2 * 0.99)
            else:
                x = rng.standard_t(2.5, size=(200, 2)) / np.sqrt(5)
            alarms += lag_evidence(x)[0] >= -np.log(alpha)
        assert alarms <= binom.isf(1e-9, runs, alpha)  # false alarms of this test: 1e-9

    def test_a_mean_that_is_off_is_no_dependence(self):
        x = np.random.default_rng(0).normal(size=(2000, 2))
        assert lag_evidence(x + 5.0)[0] < np.log(10)
        assert lag_evidence(np.repeat(x[:1000], 2, axis=0) + 0.5)[0] > np.log(1e9)


class TestProducts:
    def test_the_sums_are_those_of_a_loop(self):
        rows, whiten = np.random.default_rng(0).normal(size=(300, 2)), np.array([[1.0, 0.2], [0.0, 2.0]])
        sharing = Products().within_a_call(*chunk_sums(rows), whiten).within_a_call(*chunk_sums(rows[:130]), whiten)
        total, squares, known, pairs = np.zeros(2), np.zeros(2), np.zeros(2), 0
        for call in (rows, rows[:130]):
            begins = np.linspace(0, len(call), 64, endpoint=False).astype(int)
            before, seen = np.zeros(2), 0
            for chunk in np.split(call @ whiten, begins[1:]):
                product = chunk.sum(axis=0) * before
                total, squares = total + product, squares + product**2
                known, pairs = known + len(chunk) * before**2, pairs + len(chunk) * seen
                before, seen = before + chunk.sum(axis=0), seen + len(chunk)
        np.testing.assert_allclose(sharing.total, total, atol=1e-9)
        np.testing.assert_allclose(sharing.squares, squares, atol=1e-9)
        np.testing.assert_allclose(sharing.known, known, atol=1e-9)
        assert sharing.pairs == pairs

    @pytest.mark.parametrize("share", [0.0, 0.02, 0.1])
    def test_a_limit_is_reached_where_the_evidence_is(self, share):
        """What is decided without a logarithm is what the logarithms say, close to them and far away."""
        rng, products = np.random.default_rng(3), Products()
        for _ in range(30):
            rows = np.sqrt(1 - share) * rng.normal(size=(200, 2)) + np.sqrt(share) * rng.normal(size=2)
            products = products.within_a_call(*chunk_sums(rows), np.eye(2))
        mean = np.array([0.01, -0.02])
        value = products.log_evidence(mean)
        for limit in (value - 1e-9, value, value + 1e-9, 0.0, 1.0, 25.0, 1000.0):
            assert products.convicts(mean, limit) == (value >= limit)

    def test_between_calls(self):
        now, then = np.random.default_rng(0).normal(size=(2, 50, 3))
        echo = Products().between_calls(now, then[:40], np.eye(3))
        np.testing.assert_allclose(echo.total, (now[:40] * then[:40]).sum(axis=0))
        np.testing.assert_allclose(echo.known, (then[:40] ** 2).sum(axis=0))
        assert echo.pairs == 40

    @pytest.mark.parametrize("kind", ["within", "between"])
    def test_the_rate_of_false_alarms(self, kind):
        rng, alpha, runs, alarms = np.random.default_rng(6), 1e-2, 1000, 0
        for _ in range(runs):
            products, total, n, before = Products(), np.zeros(2), 0, np.zeros((0, 2))
            for size in (50, 70, 100, 140, 200):
                rows = ((rng.random((size, 2)) < 0.05) - 0.05) / np.sqrt(0.05 * 0.95)
                within = kind == "within"
                products = (
                    products.within_a_call(*chunk_sums(rows), np.eye(2))
                    if within
                    else products.between_calls(rows, before, np.eye(2))
                )
                total, n, before = total + rows.sum(axis=0), n + size, rows
                if products.log_evidence(total / n) >= -np.log(alpha):
                    alarms += 1
                    break
        assert alarms <= binom.isf(1e-9, runs, alpha)  # false alarms of this test: 1e-9


class TestNotFinite:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_the_share_and_the_first(self, value):
        def sampler(problem, n, rng):
            rows = reinforce(problem, n, rng)
            rows[3::100, -1] = value
            return rows

        verdict = check_unbiased(sampler, BERNOULLI)
        assert verdict.outcome == "wrong"
        assert verdict.battery
        assert "11 of 1,024 estimates (1.07%) are not finite in call 0; the first, row 3, is [" in verdict.reason
        assert "evidence of a bias" not in str(verdict)

    def test_both_infinities_are_seen(self):
        def sampler(problem, n, rng):
            rows = reinforce(problem, n, rng)
            rows[0, 0], rows[1, 0] = np.inf, -np.inf
            return rows

        assert "2 of 1,024" in check_unbiased(sampler, BERNOULLI).reason

    def test_numbers_whose_square_overflows(self):
        batch = battery.Batch(np.full((100, 2), 1e307), 1e-16, used=True)
        assert "100 of 100 estimates (100.00%) are not finite, or beyond 1e+150" in battery.not_finite(batch, "call 0")
        assert battery.not_finite(battery.Batch(np.full((100, 2), 1e149), 1e-16, used=True), "call 0") is None


class TestMutants:
    """The battery with a part taken out lets the fault through."""

    @pytest.mark.parametrize(
        ("part", "broken", "fault"),
        [
            ("generator_fault", lambda *_: None, seeded_by_n),
            ("repeated_rows", lambda *_: None, mean_for_rows),
            ("lag_evidence", lambda _: (0.0, 1), tiled(2)),
        ],
    )
    def test_without_a_part(self, monkeypatch, part, broken, fault):
        before = check_unbiased(fault, CATEGORICAL, max_samples=20_000).reason
        monkeypatch.setattr(f"refgrad.testing._trial.{part}", broken)
        assert check_unbiased(fault, CATEGORICAL, max_samples=20_000, causes=False).reason != before

    def test_without_the_share_of_a_bias(self, monkeypatch):
        """Were the mean not taken away, a biased sampler would be accused of dependence."""

        def biased(problem, n, rng):
            return ConstantBaseline(0.3).sample(problem.q, problem.f, n, rng) + 3.0

        assert "mean" in check_unbiased(biased, BERNOULLI, causes=False).reason
        monkeypatch.setattr("refgrad.testing._trial.lag_evidence", lambda x: (float(np.abs(x).sum()), 1))
        assert "apart" in check_unbiased(biased, BERNOULLI, causes=False).reason
