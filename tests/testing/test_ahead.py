"""Calls that are made ahead: the same verdict wherever they are made, and little in vain."""

import json
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from refgrad.estimators import Reinforce
from refgrad.testing import (
    SamplerError,
    assert_moments,
    assert_unbiased,
    check_moments,
    check_unbiased,
    standard_problems,
)
from refgrad.testing._ahead import AHEAD, MAIN
from refgrad.testing._schedule import EARLIEST
from refgrad.testing._trial import PILOT
from refgrad.testing.adapters import Subprocess
from testing import samplers

TOY, PAIR = (standard_problems("bernoulli")[i] for i in (0, 3))
WAIT = 60  # seconds after which a test has failed
MANY = [samplers.reinforce, samplers.wrong_sign, samplers.some_nan, samplers.five_percent_short]
OPTIONS = {"max_samples": 100_000, "causes": False}


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


def same(alone, shared):
    assert shared.to_dict() == alone.to_dict()


@pytest.mark.parametrize("sampler", MANY, ids=lambda s: s.__name__)
class TestTheSameVerdict:
    @pytest.mark.parametrize("workers", [1, 2, 40])
    def test_in_threads(self, sampler, workers):
        with ThreadPoolExecutor(workers) as pool:
            for problem in (TOY, PAIR):
                same(
                    check_unbiased(sampler, problem, **OPTIONS),
                    check_unbiased(sampler, problem, executor=pool, **OPTIONS),
                )

    def test_in_processes(self, sampler, processes):
        same(check_unbiased(sampler, PAIR, **OPTIONS), check_unbiased(sampler, PAIR, executor=processes, **OPTIONS))

    def test_of_moments_with_causes_and_progress(self, sampler):
        heard = [], []
        with ThreadPoolExecutor(2) as pool:
            verdicts = [
                check_moments(
                    sampler,
                    PAIR,
                    Reinforce(),
                    max_samples=50_000,
                    executor=e,
                    progress=lambda *at, to=to: to.append(at),
                )
                for e, to in zip((None, pool), heard, strict=True)
            ]
        same(*verdicts)
        assert heard[0] == heard[1]


def mean_of_seven(problem, n, rng):
    assert n == 7
    return samplers.reinforce(problem, n, rng).mean(axis=0)


def test_the_form_of_the_rows_is_kept(processes):
    options = OPTIONS | {"rows": 7, "loss": True}
    same(
        check_unbiased(mean_of_seven, PAIR, **options),
        check_unbiased(mean_of_seven, PAIR, executor=processes, **options),
    )


def test_asserting_passes_it_on():
    with ThreadPoolExecutor(2) as pool:
        assert assert_unbiased(samplers.reinforce, PAIR, executor=pool).outcome == "right"
        assert assert_moments(samplers.reinforce, PAIR, Reinforce(), executor=pool).outcome == "right"


def test_what_is_no_executor():
    with pytest.raises(TypeError, match=r"executor needs to be a concurrent.futures.Executor, but is 2"):
        check_unbiased(samplers.reinforce, PAIR, executor=2)


class Recording:
    """An executor of one thread that knows what was asked, and which calls were made."""

    def __init__(self):
        self.pool, self.asked = ThreadPoolExecutor(1), []

    def submit(self, work, task):
        self.asked.append(task)
        return self.pool.submit(work, task)


class TestAhead:
    def numbers(self, recording):
        return [call.number for task in recording.asked for call in task]

    def test_calls_are_asked_in_order_and_once(self):
        recording = Recording()
        verdict = check_unbiased(samplers.reinforce, PAIR, executor=recording, causes=False)
        asked = self.numbers(recording)
        assert asked == [0, 1, 0, *range(MAIN, MAIN + len(asked) - 3)]
        drawn = sum(call.n for task in recording.asked[1:] for call in task)
        assert drawn == verdict.n  # the second of the last two looks decided

    def test_no_more_is_ahead_than_is_known_to_be_needed(self):
        ahead = []

        class Looking(Recording):
            def submit(self, work, task):
                ahead.append((sum(c.n for t in self.asked[1:] for c in t), judged[-1]))
                return super().submit(work, task)

        judged = [0]
        check_unbiased(
            samplers.reinforce, TOY, tolerance=1e-6, executor=Looking(), progress=lambda n, _: judged.append(n)
        )
        assert len(ahead) > 60
        assert all(begin < max(EARLIEST, AHEAD * (done + 2**15)) for begin, done in ahead)
        assert max(begin - done for begin, done in ahead) > 2**18  # forty workers have enough to do

    def test_a_wrong_sampler_does_not_draw_all(self):
        recording = Recording()
        assert check_unbiased(samplers.wrong_sign, TOY, tolerance=1e-6, executor=recording, causes=False).n < 4000
        assert sum(call.n for task in recording.asked[1:] for call in task) <= EARLIEST

    def test_nothing_is_made_after_the_verdict(self):
        made, stop = [], threading.Event()

        def sampler(problem, n, rng):
            if n == 2 * PILOT:  # after thousands of rows, and the verdict
                assert stop.wait(WAIT)
            made.append(n)
            return samplers.wrong_sign(problem, n, rng)

        with ThreadPoolExecutor(1) as pool:
            timer = threading.Timer(1.0, stop.set)
            timer.start()
            check_unbiased(sampler, PAIR, executor=pool, causes=False)
            ended = list(made)
        timer.join()
        assert made == ended
        assert made.count(2 * PILOT) <= 1


class TestState:
    def test_the_same_file_with_and_without_workers(self, tmp_path, processes):
        options = {"tolerance": 0.03, "causes": False}
        whole = check_unbiased(samplers.reinforce, TOY, max_samples=400_000, **options)
        path = tmp_path / "state.json"
        for most, pool in ((40_000, processes), (150_000, None), (400_000, processes)):
            found = check_unbiased(samplers.reinforce, TOY, state=path, max_samples=most, executor=pool, **options)
        same(whole, found)

    def test_what_was_done_is_not_done_again(self, tmp_path):
        path, recording = tmp_path / "state.json", Recording()
        check_unbiased(samplers.reinforce, TOY, state=path, causes=False)
        check_unbiased(samplers.reinforce, TOY, state=path, causes=False, executor=recording)
        _, last, *more = (call.number for task in recording.asked for call in task[-1:])
        assert last == MAIN + json.loads(path.read_text())["checks"][str(TOY)]["calls"] - 1
        assert len(more) <= 1  # a call of the next look

    def test_a_damaged_file_is_told_before_the_sampler_is_asked(self, tmp_path):
        (tmp_path / "state.json").write_text("{}")
        recording = Recording()
        with pytest.raises(ValueError, match="is damaged"):
            check_unbiased(samplers.reinforce, TOY, state=tmp_path / "state.json", executor=recording)
        assert recording.asked == []


class Average:
    """A moving average: a state of its own."""

    baseline = 0.0

    def __call__(self, problem, n, rng):
        z = samplers.draw(problem, n, rng)
        values, baseline = problem.f(z), self.baseline
        self.baseline = 0.9 * baseline + 0.1 * values.mean()
        return samplers.times(problem, values - baseline, problem.q.score(z))


def test_a_sampler_with_a_state_is_seen_by_the_pilot(processes):
    with ThreadPoolExecutor(2) as pool:
        for executor in (None, pool, processes):
            notes = check_unbiased(Average(), PAIR, executor=executor, causes=False).notes
            assert "the same generator gave other rows the second time: this verdict may not repeat" in notes


def copies_the_generator(problem, n, rng):
    return samplers.reinforce(problem, n, np.random.default_rng(rng.bit_generator.state["state"]["state"] % 2**32))


def test_a_generator_that_is_not_used_is_seen_from_other_processes(processes):
    verdict = check_unbiased(copies_the_generator, PAIR, executor=processes)
    assert verdict.reason.startswith("the generator is not drawn from, only copied")


def raises_later(problem, n, rng):
    if n == 32:
        raise KeyError("no such key")
    return samplers.reinforce(problem, n, rng)


class TestMessages:
    def test_an_error_is_that_of_the_first_call_that_raises(self, processes):
        said = []
        with ThreadPoolExecutor(4) as pool:
            for executor in (None, pool, processes):
                with pytest.raises(
                    SamplerError, match=r"n=32, rng=default_rng\(\[0, 7\]\)\) raised KeyError"
                ) as caught:
                    check_unbiased(raises_later, PAIR, executor=executor)
                said.append(str(caught.value))
                assert caught.value.__cause__ is not None
        assert len(set(said)) == 1

    def test_a_sampler_that_cannot_travel(self, processes):
        with pytest.raises(
            TypeError, match=r"^sampler needs to be picklable for workers in other processes, such as a"
        ):
            check_unbiased(lambda p, n, rng: None, PAIR, executor=processes)

    def test_a_program(self, processes):
        code = "import sys\nfor line in sys.stdin: pass"
        import sys  # noqa: PLC0415

        with (
            Subprocess([sys.executable, "-c", code]) as program,
            pytest.raises(
                TypeError, match=r"^sampler needs .*, but is Subprocess\(.* start a Subprocess in every process"
            ),
        ):
            check_unbiased(program, PAIR, executor=processes)

    def test_a_slow_call_is_a_warning_here(self, monkeypatch):
        monkeypatch.setattr("refgrad.testing._sampler.SLOW", 0.0)
        with (
            ThreadPoolExecutor(2) as pool,
            pytest.warns(UserWarning, match=r"reinforce\(one pair .*, n=1024, .* took 0 s") as heard,
        ):
            check_unbiased(samplers.reinforce, PAIR, executor=pool)
        assert len(heard) == 1


class TestTime:
    def test_no_call_begins_afterwards(self, monkeypatch):
        clock, sizes = [0.0], []
        monkeypatch.setattr("refgrad.testing._sampler.time.monotonic", lambda: clock[0])

        def sampler(problem, n, rng):
            sizes.append(n)
            clock[0] = 0.0 if len(sizes) < 5 else 10.0
            return samplers.reinforce(problem, n, rng)

        with ThreadPoolExecutor(1) as pool:
            verdict = check_unbiased(sampler, PAIR, max_seconds=5, executor=pool)
        assert verdict.outcome == "undecided"
        assert verdict.reason.startswith("the time is spent: 5 s allowed 2 of the calls")
        assert len(sizes) == 5  # three of the pilot

    def test_a_pilot_that_has_not_begun(self):
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(stop.wait, WAIT)
            verdict = check_unbiased(samplers.reinforce, PAIR, max_seconds=0.1, executor=pool)
            stop.set()
        assert verdict.reason.startswith("the time is spent: 0.1 s did not allow a pilot")

    def test_the_time_of_another_process_is_its_own(self, processes):
        verdict = check_unbiased(slow, PAIR, max_seconds=0.3, rows=4, tolerance=1e-3, executor=processes)
        assert verdict.outcome == "undecided"
        assert "the time is spent: 0.3 s did not allow a pilot" in verdict.reason


def slow(problem, n, rng):
    time.sleep(0.001)
    return samplers.reinforce(problem, n, rng).mean(axis=0)
