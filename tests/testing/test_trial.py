"""One check from the pilot to the verdict: what is called, in what order, and what bounds it."""

import numpy as np

from refgrad.testing import check_unbiased, standard_problems
from refgrad.testing._ahead import MAIN
from refgrad.testing._schedule import EARLIEST, LARGE, calls
from refgrad.testing._trial import PILOT
from testing import samplers

PAIR = standard_problems("bernoulli")[3]


class Listening:
    """REINFORCE that remembers how it was called."""

    def __init__(self):
        self.sizes, self.first = [], []

    def __call__(self, problem, n, rng):
        self.sizes.append(n)
        self.first.append(rng.bit_generator.state["state"]["state"])
        return samplers.reinforce(problem, n, rng)


def test_what_is_called():
    heard = Listening()
    verdict = check_unbiased(heard, PAIR, seed=3)
    assert heard.sizes[:3] == [PILOT] * 3
    main = [size for size, _, _ in calls(10**6)]
    assert heard.sizes[3:] == main[: len(heard.sizes) - 3]
    assert verdict.n == sum(heard.sizes[3:])
    expected = [np.random.default_rng([3, c]) for c in (0, 1, 0, *range(MAIN, MAIN + len(main)))]
    states = [g.bit_generator.state["state"]["state"] for g in expected]
    assert heard.first == states[: len(heard.first)]


def test_a_budget_is_kept():
    for budget in (40, 200, 5000, 60_000):
        heard = Listening()
        verdict = check_unbiased(heard, PAIR, max_samples=budget, tolerance=1e-3)
        assert verdict.outcome == "undecided"
        again = heard.sizes[2]
        assert sum(heard.sizes) - again <= budget
        assert verdict.n == sum(heard.sizes[3:])


def test_two_equal_large_calls_come_before_anything_is_right():
    heard = Listening()
    assert check_unbiased(heard, PAIR, tolerance=1.0).n == EARLIEST
    assert heard.sizes[-2:] == [LARGE, LARGE]


def test_the_truth_is_looked_up_before_the_sampler_is_asked():
    """A sampler that writes into the problem does not change what it is compared with."""
    problem = standard_problems("bernoulli")[3]
    exact = problem.gradient.copy()

    def forger(problem, n, rng):
        problem.gradient.flags.writeable = True
        problem.gradient[:] = 7.0
        return np.full((n, *problem.gradient.shape), 7.0)

    verdict = check_unbiased(forger, problem, causes=False)
    assert verdict.outcome == "wrong"
    np.testing.assert_array_equal(verdict.exact, exact)


def test_time_is_bounded(monkeypatch):
    clock = iter(np.arange(0.0, 1e6, 1.0))
    monkeypatch.setattr("refgrad.testing._trial.time.monotonic", lambda: next(clock))
    verdict = check_unbiased(samplers.reinforce, PAIR, max_seconds=50)
    assert verdict.outcome == "undecided"
    assert verdict.reason.startswith("the time is spent: 50 s allowed ")
    began = next(clock)
    verdict = check_unbiased(lambda p, n, rng: samplers.reinforce(p, n, rng).mean(axis=0), PAIR, max_seconds=20, rows=4)
    assert verdict.outcome == "undecided"
    assert verdict.n == 0
    assert verdict.reason.startswith("the time is spent: 20 s did not allow a pilot of 3 x 1024 calls")
    assert next(clock) < began + 40


def test_options_that_bound_change_no_bit():
    plain = check_unbiased(samplers.reinforce, PAIR)
    bounded = check_unbiased(samplers.reinforce, PAIR, max_seconds=1e9, progress=lambda n, e: None)
    assert plain.to_dict() == bounded.to_dict()
