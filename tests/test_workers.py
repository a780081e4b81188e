"""Work for any executor: results in order, little ahead, clear errors, and nothing that goes on afterwards."""

import os
import pickle
import re
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from refgrad import Bernoulli, exact
from refgrad._workers import WINDOW, Flight, LateError, bar, run
from refgrad._workers._payload import not_picklable
from refgrad.estimators import Rebar
from refgrad.objectives import Quadratic

WAIT = 60  # seconds after which a test has failed


def double(task):
    return 2 * task


def in_order(work, tasks, executor, progress=False):
    return list(run(work, tasks, progress=progress, executor=executor))


class Adversary(Executor):
    """Workers that finish what they hold in an order of their own, whenever somebody waits."""

    def __init__(self, choose):
        self.choose, self.held, self.most = choose, [], 0

    def submit(self, work, task):
        future = Future()
        self.held.append((future, work, task))
        self.most = max(self.most, len(self.held))
        if len(self.held) == WINDOW:
            self.finish()
        return future

    def finish(self):
        for at in self.choose(len(self.held)):
            future, work, task = self.held[at]
            if future.set_running_or_notify_cancel():
                future.set_result(work(task))
        self.held.clear()


class Mpi(Executor):
    """The interface of mpi4py's pool: `submit` with keywords, and futures of the standard library that begin late."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(1)

    def submit(self, fn, /, *args, **kwargs):
        return self.pool.submit(fn, *pickle.loads(pickle.dumps(args)), **kwargs)


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


class TestOrder:
    @pytest.mark.parametrize(
        "choose", [range, lambda n: reversed(range(n)), lambda n: np.random.default_rng(0).permutation(n)]
    )
    def test_whatever_is_finished_first(self, choose):
        adversary, tasks = Adversary(choose), range(3 * WINDOW)
        results = run(double, tasks, progress=False, executor=adversary)
        found = [next(results) for _ in range(2 * WINDOW + 1)]
        adversary.finish()
        assert [*found, *results] == [2 * task for task in tasks]

    @pytest.mark.parametrize("workers", [1, 2, 40])
    def test_bits_of_the_oracle_in_threads(self, workers):
        q, f = Bernoulli(np.linspace(-1, 1, 17)), Quadratic(0.5, np.linspace(-1, 1, 17), np.eye(17)[::-1])
        with ThreadPoolExecutor(workers) as pool:
            self.same_bits(q, f, pool)

    def test_bits_of_the_oracle_in_processes(self, processes):
        self.same_bits(Bernoulli(np.linspace(-1, 1, 16)), Quadratic(0.5, np.ones(16), np.eye(16)[::-1]), processes)

    @staticmethod
    def same_bits(q, f, pool):
        assert exact.value(q, f, executor=pool) == exact.value(q, f)
        np.testing.assert_array_equal(exact.gradient(q, f, executor=pool), exact.gradient(q, f))
        pair, small = Bernoulli([0.3, -0.8]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
        alone, shared = (exact.moments(Rebar(), pair, small, executor=e) for e in (None, pool))
        for name in ("mean", "covariance", "error"):
            np.testing.assert_array_equal(getattr(shared, name), getattr(alone, name))

    def test_the_interface_of_mpi4py(self):
        assert in_order(double, range(300), Mpi()) == [2 * task for task in range(300)]

    def test_no_tasks(self):
        assert in_order(double, [], ThreadPoolExecutor(1)) == []


class TestAhead:
    @pytest.mark.parametrize("executor", [None, "adversary"])
    def test_tasks_are_read_when_they_are_needed(self, executor):
        read = []
        tasks = (read.append(task) or task for task in range(10 * WINDOW))
        adversary = executor and Adversary(range)
        results = run(double, tasks, progress=False, executor=adversary)
        assert read == []
        for taken in range(1, WINDOW + 1):
            assert next(results) == 2 * (taken - 1)
            assert len(read) == (taken if executor is None else WINDOW + taken - 1)
        assert adversary is None or adversary.most == WINDOW

    def test_the_tasks_of_endless_work(self):
        from itertools import count, islice  # noqa: PLC0415

        with ThreadPoolExecutor(2) as pool:
            results = run(double, count(), progress=False, executor=pool)
            assert list(islice(results, 5)) == [0, 2, 4, 6, 8]
            results.close()


class TestTheEnd:
    """Work of a closed run: the first task is done, the second runs until it is told to stop."""

    def begin(self):
        running, stop, begun = threading.Event(), threading.Event(), []

        def work(task):
            begun.append(task)
            if task == 1:
                running.set()
                assert stop.wait(WAIT)
            return task

        pool = ThreadPoolExecutor(1)
        results = run(work, range(1000), progress=False, executor=pool)
        assert next(results) == 0
        assert running.wait(WAIT)
        return results, stop, begun, pool

    def test_what_runs_is_waited_for_and_the_rest_is_cancelled(self):
        results, stop, begun, pool = self.begin()
        closing = threading.Thread(target=results.close)
        closing.start()
        closing.join(0.05)
        waits = closing.is_alive()
        stop.set()
        closing.join(WAIT)
        assert waits
        assert not closing.is_alive()
        pool.shutdown()
        assert begun == [0, 1]

    def test_an_interrupt_ends_it_too(self):
        results, stop, begun, pool = self.begin()
        stop.set()
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt())
        ended = list(begun)
        pool.shutdown()
        assert begun == ended
        assert len(begun) <= WINDOW
        assert list(results) == []

    def test_a_consumer_that_raises(self):
        def consume():
            with ThreadPoolExecutor(1) as pool:
                for result in run(begun.append, range(1000), progress=False, executor=pool):
                    raise ArithmeticError(result)

        begun = []
        with pytest.raises(ArithmeticError):
            consume()
        assert len(begun) <= WINDOW

    def test_an_error_of_a_task_comes_in_its_turn_and_as_it_is(self):
        error = FloatingPointError("of the fourth")

        def work(task):
            if task >= 3:
                raise error if task == 3 else ArithmeticError
            return task

        results, begun = [], []
        with ThreadPoolExecutor(4) as pool, pytest.raises(FloatingPointError) as caught:
            results.extend(run(work, (begun.append(t) or t for t in range(1000)), progress=False, executor=pool))
        assert caught.value is error
        assert len(begun) <= WINDOW + 3

    def test_an_error_of_another_process(self, processes):
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            in_order(divide, [1, 0, 2], processes)

    def test_results_are_let_go(self):
        kept = Keeping()
        results = run(double, range(3 * WINDOW), progress=False, executor=kept)
        for _ in range(2 * WINDOW):
            next(results)
        assert sum(future() is not None for future in kept.futures) <= WINDOW


def divide(task):
    return 1 / task


class Keeping(Executor):
    """Who knows which futures are still held."""

    def __init__(self):
        self.futures = []

    def submit(self, work, task):
        import weakref  # noqa: PLC0415

        future = Future()
        future.set_result(work(task))
        self.futures.append(weakref.ref(future))
        return future


class TestTime:
    def test_what_has_not_begun_in_time_is_cancelled(self):
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(stop.wait, WAIT)
            with Flight(double, pool) as flight:
                flight.submit(1)
                with pytest.raises(LateError):
                    flight.take(until=0.0)
                stop.set()

    def test_what_has_begun_is_waited_for(self):
        begun = threading.Event()

        def work(task):
            begun.set()
            assert late.wait(WAIT)
            return task

        class Late(threading.Event):
            pass

        late = Late()
        with ThreadPoolExecutor(1) as pool, Flight(work, pool) as flight:
            flight.submit(7)
            assert begun.wait(WAIT)
            threading.Timer(0.05, late.set).start()
            assert flight.take(until=0.0) == 7


@dataclass
class Carrying:
    f: Any
    name: str = "a task"


class TestPickling:
    @pytest.mark.parametrize(
        ("f", "said"),
        [
            (lambda z: z, r"f needs to be picklable for workers in other processes, such as a function of a module, "),
            (threading.Lock(), r"f needs to be picklable .*, but is <unlocked _thread.lock object .*>: cannot pickle"),
            (Carrying([threading.Lock()]), "f needs to be picklable .*, but is <unlocked _thread.lock"),
        ],
    )
    def test_what_cannot_travel_is_named(self, processes, f, said):
        with pytest.raises(TypeError, match=said):
            in_order(divide, [Carrying(f)], processes)

    def test_of_the_oracle(self, processes):
        with pytest.raises(TypeError, match=r"^f needs to be picklable .*, but is <function .*<lambda> at "):
            exact.gradient(Bernoulli(np.zeros(16)), lambda z: z[:, 0], executor=processes)

    def test_work_that_cannot_travel(self, processes):
        with pytest.raises(TypeError, match=r"^work needs to be picklable"):
            in_order(lambda task: task, [1], processes)

    def test_an_error_of_the_work_is_none_of_pickling(self):
        def work(task):
            raise AttributeError("an f of mine")

        with ThreadPoolExecutor(1) as pool, pytest.raises(AttributeError, match="an f of mine"):
            in_order(work, [threading.Lock()], pool)

    def test_a_circle_has_an_innermost_part(self):
        one, other = Carrying(None), Carrying(threading.Lock())
        one.f, other.name = other, one
        with pytest.raises(TypeError) as caught:
            pickle.dumps(one)
        assert not_picklable(one, caught.value).startswith("f needs to be picklable")
        assert not_picklable(one, TypeError("another")) is None


def die(task):
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_pool_whose_worker_died_says_what_to_do():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(BrokenExecutor, match=r"one died .*: begin again with a new one, of fewer .* Dask begins a"):
            in_order(die, range(100), pool)
        with pytest.raises(BrokenExecutor, match="one died"):
            in_order(die, [1], pool)


@pytest.mark.parametrize("executor", [2, "threads"])
def test_what_is_no_executor(executor):
    given = re.escape(repr(executor))
    with pytest.raises(TypeError, match=f"executor needs to be a concurrent.futures.Executor, but is {given}"):
        run(double, [1], progress=False, executor=executor)


class TestProgress:
    def test_counts_what_is_finished_and_not_what_is_taken(self):
        adversary, shown = Adversary(lambda n: reversed(range(n))), []
        flight = Flight(double, adversary, ended=lambda: shown.append(len(flight)))
        for task in range(WINDOW):
            flight.submit(task)
        assert flight.take() == 0
        assert shown == [WINDOW] * WINDOW

    @pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(2)])
    def test_a_bar(self, capsys, executor):
        assert in_order(double, range(300), executor, progress=True) == list(range(0, 600, 2))
        shown = capsys.readouterr().err
        assert "/300 " in shown
        assert shown.split("\r")[-2].isspace()  # it is wiped at the end
        assert in_order(double, iter(range(3)), executor, progress=True) == [0, 2, 4]

    def test_a_bar_that_is_stopped_is_wiped(self, capsys):
        results = run(double, range(1000), progress=True, executor=ThreadPoolExecutor(1))
        next(results)
        results.close()
        assert capsys.readouterr().err.split("\r")[-2].isspace()

    def test_without_tqdm(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "tqdm", None)
        for executor in (None, ThreadPoolExecutor(1)):
            with pytest.raises(ImportError, match=r"progress=True needs tqdm: pip install 'refgrad\[cli\]'"):
                run(double, [1], progress=True, executor=executor)
        with pytest.raises(ImportError):
            bar([], 0, "block")
