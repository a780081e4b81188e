"""A program in any language, as a sampler and as a function of noise. Its lines: `help("refgrad.testing.adapters")`."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import weakref
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from refgrad.distributions._array import Array, as_float
from refgrad.testing.adapters._adapter import row_count
from refgrad.testing.adapters._channel import Channel, ChannelError
from refgrad.testing.adapters._printable import printable
from refgrad.testing.adapters._protocol import (
    ProtocolError,
    RefusedError,
    answer_limit,
    described,
    read_answer,
    request,
)
from refgrad.testing.problem import Problem

__all__ = ["Subprocess", "SubprocessError"]

WIDTH = 200  # of a command in a message
NAME = 60  # of a command as the name of a sampler


class SubprocessError(RuntimeError):
    """The program failed: how, its command, and the last lines of its standard error."""


class Subprocess:
    """A program in any language as a sampler, and as a function of noise.

    It starts at once, in a session of its own, and is ended by `close`, by the end of a `with`, or with this object:
    first its input ends, then come SIGTERM and SIGKILL, to its children too as long as they stay in that session. After
    a failure it is ended and stays so. Where our own process is killed, its input ends and nothing else happens.

    Parameters
    ----------
    command : sequence of str or Path
        The program and its arguments; no shell reads them.
    timeout : float
        Seconds for one answer.

    Raises
    ------
    SubprocessError
        If the program does not start, or the system is Windows.
    TypeError
        If the command is no sequence of words, or the timeout no number.
    ValueError
        If the command or the name of its program is empty, or the timeout is not positive and finite.

    Notes
    -----
    The protocol stands at the head of this package. The name in reports is the command, shortened. Threads take turns:
    a call, and `close`, wait for the call that is running. For POSIX systems. It is not pickled, and not called from a
    process that was forked off: every process starts its own.

    Examples
    --------
    >>> import sys
    >>> from refgrad.testing import check_unbiased, standard_problems
    >>> program = '''
    ... import json, sys
    ... for line in sys.stdin:
    ...     asked = json.loads(line)
    ...     rows = [[0.0] * asked["shape"][0]] * asked["n"]
    ...     print(json.dumps({"id": asked["id"], "rows": rows}), flush=True)
    ... '''
    >>> with Subprocess([sys.executable, "-c", program]) as estimate:
    ...     print(check_unbiased(estimate, standard_problems("bernoulli")[0]).outcome)
    wrong
    """

    def __init__(self, command: Sequence[str | Path], *, timeout: float = 60.0) -> None:
        if isinstance(command, (str, bytes)) or not isinstance(command, Sequence):
            raise TypeError(f"command needs to be a list of words, but is {command!r}")
        self.command, self.timeout = [os.fsdecode(word) for word in command], _seconds(timeout)
        if not self.command or not self.command[0]:
            raise ValueError(f"command needs the name of a program first, but is {self.command}")
        if sys.platform == "win32":
            raise SubprocessError("Subprocess needs a POSIX system, but this is Windows")
        self.__name__ = _line([Path(self.command[0]).name, *self.command[1:]], NAME)
        self._ended, self._lock, self._calls = "", threading.Lock(), 0
        self._problem: tuple[Problem | None, str] = (None, "")
        try:
            self._channel = Channel(self.command)
        except (OSError, ValueError) as error:
            here = os.sep not in self.command[0] and Path(self.command[0]).is_file()
            say = f"; for the file of that name in this folder say ./{self.command[0]}" if here else ""
            raise SubprocessError(f"{self._called} does not start: {error}{printable(say)}") from error
        self._owner = os.getpid()
        self._finish = weakref.finalize(self, _end, self._channel, self._owner)

    def __call__(self, problem: Problem, n: Any, rng: np.random.Generator | None = None) -> Array:
        """Ask for rows: as `(problem, n, rng)` of a sampler, as `(problem, noise)` of a function of noise.

        Parameters
        ----------
        problem : Problem
        n : int, or (draws, n, *event_shape) array_like of float64
        rng : numpy.random.Generator, optional

        Returns
        -------
        (n, *event_shape) ndarray of float64

        Raises
        ------
        SubprocessError
            If the program says an error, or fails in any other way; then it is ended.
        ValueError, TypeError
            If the problem cannot be sent, n is no whole number or negative, or the noise is of another shape.
        """
        given = {"n": row_count(n), "seed": int(rng.integers(2**53))} if rng is not None else _noise(problem, n)
        with self._lock:
            self._expect_open()
            if self._problem[0] is not problem:
                self._problem = problem, json.dumps(described(problem), separators=(",", ":"), allow_nan=False)
            number, self._calls = self._calls, self._calls + 1
            line, shape = request(number, self._problem[1], given), (given["n"], *problem.q.event_shape)
            try:
                return read_answer(self._channel.ask(line, self.timeout, answer_limit(shape)), number, shape)
            except RefusedError as error:
                raise SubprocessError(f"{self._called} says: {error}") from error
            except (ChannelError, ProtocolError) as error:
                self._fail(f"{self._called} {error}", error)
            except BaseException as error:
                self._ended = f"a call was interrupted by {type(error).__name__}"
                self._finish()
                raise

    def close(self) -> None:
        """End the program, politely first and when no call is running; a second time nothing happens."""
        with self._lock:
            self._ended = self._ended or "it was closed"
            if self._finish.alive and os.getpid() == self._owner:
                try:
                    self._channel.close()
                finally:
                    self._finish.detach()

    def __enter__(self) -> Subprocess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self._called} cannot be pickled: start a Subprocess in every process")

    def __repr__(self) -> str:
        return f"Subprocess({self.command!r}, timeout={self.timeout:g})"

    @property
    def _called(self) -> str:
        return f"the program {_line(self.command, WIDTH)}"

    def _expect_open(self) -> None:
        if os.getpid() != self._owner:
            raise SubprocessError(f"{self._called} belongs to another process: start a Subprocess in this one")
        if self._ended:
            raise SubprocessError(f"{self._called} is ended, since {self._ended}")

    def _fail(self, message: str, error: Exception) -> NoReturn:
        self._ended = f"it failed before: {message}"
        told = self._channel.told()
        self._finish()
        raise SubprocessError(message + told) from error


def _line(command: list[str], width: int) -> str:
    """A command on one line that is not too long."""
    text = printable(" ".join(shlex.join(command).split()))
    return text if len(text) <= width else f"{text[:width]}..."


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, Real):
        raise TypeError(f"timeout needs to be a number of seconds, but is {timeout!r}")
    try:
        seconds = float(timeout)
    except OverflowError:
        seconds = np.inf
    if not 0 < seconds < np.inf:
        raise ValueError(f"timeout needs to be positive and finite, but is {seconds:g}")
    return seconds


def _end(channel: Channel, owner: int) -> None:
    """End a program, unless this is a process that was forked off its owner."""
    if os.getpid() == owner:
        channel.kill()


def _noise(problem: Problem, noise: Any) -> dict[str, Any]:
    noise, event = as_float(noise, "noise"), problem.q.event_shape
    if noise.ndim != 2 + len(event) or noise.shape[2:] != event:
        needed = ", ".join(map(str, ("draws", "n", *event)))
        raise ValueError(f"noise needs shape ({needed}), but has shape {noise.shape}")
    return {"n": noise.shape[1], "draws": len(noise), "noise": noise.tolist()}
