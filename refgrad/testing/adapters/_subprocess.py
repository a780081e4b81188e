"""A program in any language, as a sampler and as a function of noise. Its lines: `help("refgrad.testing.adapters")`."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from refgrad.distributions._array import Array, as_float
from refgrad.testing.adapters._channel import Channel, ChannelError
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


class SubprocessError(RuntimeError):
    """The program failed: how, its command, and the last lines of its standard error."""


class Subprocess:
    """A program in any language as a sampler, and as a function of noise.

    It starts at once, in a session of its own, and is ended by `close`, by the end of a `with`, or with this object:
    first its input ends, then come SIGTERM and SIGKILL, to its children too. After a failure it is ended and stays so.

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
        If the command is one text.
    ValueError
        If the command is empty, or the timeout is not positive and finite.

    Notes
    -----
    The protocol stands at the head of this package. For POSIX systems. It is not pickled, and not called from a process
    that was forked off: every process starts its own.

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
        if isinstance(command, (str, bytes, Path)):
            raise TypeError(f"command needs to be a list of words, but is {command!r}")
        self.command, self.timeout = [os.fspath(word) for word in command], float(timeout)
        if not self.command:
            raise ValueError("command needs the name of a program, but is empty")
        if not 0 < self.timeout < np.inf:
            raise ValueError(f"timeout needs to be positive and finite, but is {timeout}")
        if sys.platform == "win32":
            raise SubprocessError("Subprocess needs a POSIX system, but this is Windows")
        self.__name__ = Path(self.command[0]).name
        self._ended, self._lock, self._calls = "", threading.Lock(), 0
        self._problem: tuple[Problem | None, str] = (None, "")
        try:
            self._channel = Channel(self.command)
        except (OSError, ValueError) as error:
            raise SubprocessError(f"{self._called} does not start: {error}") from error
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
            If the problem cannot be sent, or the noise is of another shape.
        """
        given = {"n": int(n), "seed": int(rng.integers(2**53))} if rng is not None else _noise(problem, n)
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
        """End the program, politely first; a second time nothing happens."""
        with self._lock:
            if self._finish.alive and os.getpid() == self._owner:
                self._channel.close()
                self._finish.detach()
            self._ended = self._ended or "it was closed"

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
        text = " ".join(shlex.join(self.command).split())
        return f"the program {text if len(text) <= WIDTH else text[:WIDTH] + '...'}"

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
