"""A cluster of Dask, two workers on this machine: the same bits, also when one is killed, and nothing that stays."""

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refgrad import Bernoulli, exact
from refgrad._workers import WINDOW, run
from refgrad.estimators import MuProp, Reinforce
from refgrad.objectives import Quadratic
from refgrad.testing import check_moments, check_unbiased, standard_problems

distributed = pytest.importorskip("distributed", reason="needs the extra: pip install 'refgrad[distributed]'")

WAIT = 20  # seconds after which a test has failed
LARGE = Bernoulli(np.linspace(-1, 1, 18)), Quadratic(0.5, np.linspace(-1, 1, 18), np.eye(18)[::-1])
SMALL = Bernoulli([0.3, -0.8]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
PAIR = standard_problems("bernoulli")[3]


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield cluster, client


@pytest.fixture
def pool(cluster):
    """The executor; afterwards the scheduler has to forget everything."""
    yield cluster[1].get_executor()
    until = time.monotonic() + WAIT
    while cluster[0].scheduler.tasks and time.monotonic() < until:
        time.sleep(0.01)
    assert not cluster[0].scheduler.tasks


def reinforce(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)


def half(problem, n, rng):
    return reinforce(problem, n, rng) / 2


@dataclass(frozen=True)
class Mortal:
    """A function whose process is killed when it is first called with a certain z."""

    f: Any
    mark: Path
    z: tuple[float, ...]

    def __call__(self, z):
        if (z == self.z).all(axis=-1).any():
            kill_once(self.mark)
        return self.f(z)


def kill_once(mark):
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def mortal(mark, problem, n, rng):
    if n == 512:
        kill_once(mark)
    return reinforce(problem, n, rng)


def double(task):
    return 2 * task


class TestBits:
    def test_of_the_oracle(self, pool):
        assert exact.value(*LARGE, executor=pool) == exact.value(*LARGE)
        np.testing.assert_array_equal(exact.gradient(*LARGE, executor=pool), exact.gradient(*LARGE))

    def test_of_moments(self, pool):
        alone, shared = (exact.moments(MuProp(order=2), *SMALL, executor=e) for e in (None, pool))
        for name in ("mean", "covariance", "error"):
            np.testing.assert_array_equal(getattr(shared, name), getattr(alone, name))

    @pytest.mark.parametrize(("sampler", "outcome"), [(reinforce, "right"), (half, "wrong")])
    def test_of_a_check(self, pool, sampler, outcome):
        shared = check_unbiased(sampler, PAIR, executor=pool)
        assert shared.outcome == outcome
        assert shared.to_dict() == check_unbiased(sampler, PAIR).to_dict()

    def test_of_a_check_of_moments(self, pool):
        alone, shared = (check_moments(reinforce, PAIR, Reinforce(), executor=e) for e in (None, pool))
        assert shared.to_dict() == alone.to_dict()

    def test_functions_without_a_module(self, pool):
        q, _ = LARGE
        assert exact.value(q, lambda z: z[:, 0], executor=pool) == exact.value(q, lambda z: z[:, 0])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
class TestAWorkerThatIsKilled:
    def test_in_the_oracle(self, pool, tmp_path):
        q, f = LARGE
        f = Mortal(f, tmp_path / "killed", (1.0, *[0.0] * 17))
        shared = exact.gradient(q, f, executor=pool)
        assert f.mark.exists()
        np.testing.assert_array_equal(shared, exact.gradient(q, f))

    def test_in_a_check(self, pool, tmp_path):
        sampler = partial(mortal, tmp_path / "killed")
        shared = check_unbiased(sampler, PAIR, executor=pool)
        assert (tmp_path / "killed").exists()
        assert shared.to_dict() == check_unbiased(sampler, PAIR).to_dict()


class TestTheEnd:
    def test_a_run_that_is_closed(self, pool):
        results = run(double, range(10_000), progress=False, executor=pool)
        assert [next(results) for _ in range(3)] == [0, 2, 4]
        results.close()  # and the fixture sees that nothing stays

    def test_the_same_run_again_at_once(self, pool):
        for _ in range(2):
            results = run(double, range(WINDOW), progress=False, executor=pool)
            next(results)
            results.close()
        assert list(run(double, range(WINDOW), progress=False, executor=pool)) == [2 * task for task in range(WINDOW)]

    def test_one_of_two_runs_that_are_the_same(self, pool):
        one, other = (run(double, range(WINDOW), progress=False, executor=pool) for _ in range(2))
        assert (next(one), next(other)) == (0, 0)
        one.close()
        assert list(other) == [2 * task for task in range(1, WINDOW)]

    def test_an_error_of_a_task(self, pool):
        with pytest.raises(ValueError, match=r"f needs to return finite values, but f\(z\) = nan"):
            exact.gradient(LARGE[0], lambda z: np.where(z[:, 0] > 0, np.nan, 1.0), executor=pool)


def test_progress_counts(pool, capsys):
    assert list(run(double, range(100), progress=True, executor=pool)) == list(range(0, 200, 2))
    assert "/100 " in capsys.readouterr().err
