"""Derivatives in several threads at once: a count of nested traces for each thread.

autograd tells the traces around a value apart by a number, how deep it is nested, and has one counter for all threads.
While two threads differentiate, an inner trace can be given the number of the one around it, and the derivative is
silently wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Traces", "make_vjp", "separate"]

BEGIN = 2**40  # above every number that the one counter has given out
LOCK = threading.Lock()


class Traces(threading.local):
    """The traces of one thread, in place of `autograd.tracer.TraceStack`: an inner one has a larger number."""

    top = BEGIN

    @contextmanager
    def new_trace(self) -> Iterator[int]:
        """Number one more trace, inside those that are open in this thread."""
        self.top += 1
        try:
            yield self.top
        finally:
            self.top -= 1


def separate() -> None:
    """Give each thread a count of its own, once in a process; a trace that is open meanwhile stays right."""
    from autograd import tracer  # noqa: PLC0415  (loaded by whoever differentiates)

    if not isinstance(tracer.trace_stack, Traces):
        with LOCK:
            if not isinstance(tracer.trace_stack, Traces):
                tracer.trace_stack = Traces()


def make_vjp(function: Callable[[Any], Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """`autograd.core.make_vjp`, in any thread: the vector-Jacobian product of a function at x, and its value there."""
    from autograd.core import make_vjp as made  # noqa: PLC0415

    separate()
    return made(function, x)
