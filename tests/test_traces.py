"""Derivatives in threads: the traces of one are no business of another."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from autograd import grad, tracer
from autograd.core import make_vjp as made_by_autograd

from refgrad import Bernoulli, exact
from refgrad._traces import Traces, make_vjp, separate
from refgrad._workers import run

WAIT = 60  # seconds after which a test has failed


@pytest.fixture
def fresh(monkeypatch):
    """autograd as it comes."""
    monkeypatch.setattr(tracer, "trace_stack", tracer.TraceStack())


class Interleaved:
    """`d/dx [x d/dy(x y)] = 2 x` in a thread whose inner trace begins when another thread has closed an outer one."""

    def __init__(self, make_vjp):
        self.make_vjp = make_vjp
        self.open, self.inside, self.closed = (threading.Event() for _ in range(3))

    def other(self):
        def function(x):
            self.open.set()
            assert self.inside.wait(WAIT)
            return x * 1.0

        self.make_vjp(function, 1.0)
        self.closed.set()

    def nested(self):
        assert self.open.wait(WAIT)

        def outer(x):
            self.inside.set()
            assert self.closed.wait(WAIT)
            backward, _ = self.make_vjp(lambda y: x * y, 1.0)
            return x * backward(1.0)

        backward, _ = self.make_vjp(outer, 3.0)
        return backward(1.0)

    def slope(self):
        with ThreadPoolExecutor(2) as pool:
            other, nested = pool.submit(self.other), pool.submit(self.nested)
            other.result()
            return nested.result()


@pytest.mark.usefixtures("fresh")
def test_one_counter_for_all_threads_gives_a_wrong_derivative():
    assert Interleaved(made_by_autograd).slope() == 1.0  # and not 6


@pytest.mark.usefixtures("fresh")
def test_a_counter_for_each_thread_gives_the_right_one():
    assert Interleaved(make_vjp).slope() == 6.0
    assert Interleaved(made_by_autograd).slope() == 6.0  # whoever calls autograd from now on


@pytest.mark.usefixtures("fresh")
def test_it_is_put_in_place_by_any_number_of_threads_once():
    barrier = threading.Barrier(8)

    def together():
        barrier.wait(WAIT)
        separate()
        return tracer.trace_stack

    with ThreadPoolExecutor(8) as pool:
        stacks = [future.result() for future in [pool.submit(together) for _ in range(8)]]
    assert isinstance(stacks[0], Traces)
    assert all(stack is stacks[0] for stack in stacks)


@pytest.mark.usefixtures("fresh")
def test_a_trace_that_is_open_meanwhile_stays_right():
    def outer(x):
        separate()
        return x * grad(lambda y: x * y)(1.0)

    assert grad(outer)(3.0) == 6.0
    assert grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0) == 6.0


def test_an_error_closes_a_trace():
    separate()
    before = tracer.trace_stack.top

    def wrong(x):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        grad(wrong)(1.0)
    assert tracer.trace_stack.top == before


@pytest.mark.usefixtures("fresh")
def test_work_in_threads_is_separate():
    """Whatever it differentiates by itself, as an f of autograd does."""
    events = Interleaved(made_by_autograd)
    with ThreadPoolExecutor(2) as pool:
        _, slope = run(lambda task: task(), [events.other, events.nested], progress=False, executor=pool)
    assert slope == 6.0


@pytest.mark.usefixtures("fresh")
def test_an_f_that_differentiates_twice_in_threads():
    def f(z):
        return grad(lambda x: (x * grad(lambda y: (x * y**2).sum())(z)).sum())(z).sum(axis=1)

    q = Bernoulli(np.linspace(-1, 1, 17))
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(exact.gradient(q, f, executor=pool), exact.gradient(q, f))


def test_autograd_is_loaded_by_whoever_needs_it():
    code = "import refgrad._traces, refgrad._workers, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"autograd", "numpy"} & set(loaded)
