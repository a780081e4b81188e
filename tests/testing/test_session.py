"""Options that a runner gives, and verdicts that it hears."""

import inspect
import threading

import pytest

from refgrad import _session
from refgrad.estimators import Reinforce
from refgrad.testing import assert_unbiased, check_expectation, check_pathwise, check_unbiased, standard_problems
from refgrad.testing.session import Session, judged, once, session
from testing import samplers

TOY, _, PROBLEM = standard_problems("bernoulli")[:3]


def on_noise(problem, noise):
    z = problem.q.sample(noise[0])
    return problem.f(z)[:, None] * (z - problem.q.probs)


def test_options_are_taken_where_the_call_gives_none():
    with session(alpha=1e-6, seed=3, max_samples=5_000):
        verdict = check_unbiased(samplers.reinforce, PROBLEM, seed=4)
    assert (verdict.alpha, verdict.seed) == (1e-6, 4)
    assert verdict.n <= 5_000
    assert check_unbiased(samplers.reinforce, PROBLEM).alpha == 1e-9


def test_every_check_is_heard_by_its_name():
    with session() as heard:
        check_unbiased(samplers.reinforce, TOY, max_samples=1_000)
        check_expectation(on_noise, PROBLEM, Reinforce())
        check_pathwise(on_noise, Reinforce(), [PROBLEM])
        with pytest.raises(AssertionError):
            assert_unbiased(samplers.wrong_sign, PROBLEM)
    assert [v.check for v in heard.verdicts] == ["unbiased", "expectation", "pathwise", "unbiased"]
    assert [v.sampler for v in heard.verdicts] == ["reinforce", "on_noise", "on_noise", "wrong_sign"]
    assert [v.counted for v in heard.verdicts] == ["samples", "nodes", "rows", "samples"]


def test_an_inner_session_hides_the_outer_and_gives_way():
    with session(seed=1) as outer:
        with session(seed=2) as inner:
            assert check_unbiased(samplers.reinforce, TOY, max_samples=1_000).seed == 2
        assert check_unbiased(samplers.reinforce, TOY, max_samples=1_000).seed == 1
    assert (len(outer.verdicts), len(inner.verdicts)) == (1, 1)


def in_a_thread():
    thread = threading.Thread(target=check_unbiased, args=(samplers.reinforce, TOY), kwargs={"max_samples": 1_000})
    thread.start()
    thread.join()


def test_another_thread_is_not_heard():
    with session() as heard:
        in_a_thread()
    assert heard.verdicts == []


def test_the_session_of_the_run_hears_what_no_other_does(monkeypatch):
    of_the_run = Session({"seed": 5})
    monkeypatch.setattr(_session, "RUN", of_the_run)
    in_a_thread()
    with session(seed=6) as inner:
        check_unbiased(samplers.reinforce, TOY, max_samples=1_000)
        in_a_thread()
    assert [verdict.seed for verdict in of_the_run.verdicts] == [5, 5]
    assert [verdict.seed for verdict in inner.verdicts] == [6]
    assert _session.current() is of_the_run


@pytest.mark.parametrize("where", ["of the run", "of the context"])
def test_once_is_once_in_a_session(monkeypatch, where):
    calls = []

    def thrice():
        return [once("key", lambda: calls.append(1)) for _ in range(3)]

    if where == "of the run":
        monkeypatch.setattr(_session, "RUN", Session({}))
        thrice()
    else:
        with session():
            thrice()
    assert len(calls) == 1
    monkeypatch.setattr(_session, "RUN", None)
    thrice()
    assert len(calls) == 4


def test_what_cannot_be_a_key_is_computed_each_time():
    calls = []
    with session():
        for _ in range(2):
            once([], lambda: calls.append(1))
    assert len(calls) == 2


def test_a_check_that_raises_leaves_its_error():
    def raises(problem, n, rng):
        raise KeyError("x")

    with session() as heard, pytest.raises(RuntimeError):
        check_unbiased(raises, TOY)
    assert heard.verdicts == []
    (error,) = heard.errors
    assert error.startswith("SamplerError: raises(toy (bernoulli, D = 1), n=")
    assert "raised KeyError: 'x'" in error


def test_the_wrapper_keeps_the_signature():
    assert list(inspect.signature(check_unbiased).parameters)[:3] == ["sampler", "problem", "tolerance"]
    assert inspect.signature(check_unbiased).parameters["alpha"].default == 1e-9
    assert judged(check_unbiased).__doc__ == check_unbiased.__doc__
