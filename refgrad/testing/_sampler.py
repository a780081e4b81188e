"""Somebody's sampler: how it is called, and how what it returns becomes rows of the gradient."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._reading import read
from refgrad.testing.problem import Problem

__all__ = ["Batch", "Call", "Form", "OutOfTimeError", "Sampler", "SamplerError", "Source"]

Sampler = Callable[[Problem, int, "np.random.Generator"], Any]

OURS = str(Path(__file__).parents[1])  # lines of the package are no news to the author of a sampler
SLOW = 20.0  # seconds of one call that are worth a warning
CACHED = 2**15  # numbers that stay in a cache while they are copied


class SamplerError(RuntimeError):
    """The sampler raised; the message names the call, and the exception is the cause."""


@dataclass(frozen=True)
class Form:
    """What a sampler returns, as its author has it.

    Parameters
    ----------
    rows : int or None
        None: n rows a call. A number: the mean over that many rows a call, of shape (*event_shape,).
    wrt : {"logits", "probs"}
        What the gradient is taken in.
    loss : bool
        Whether it is the gradient of -f.

    Raises
    ------
    ValueError
        If one of these makes no sense.
    """

    rows: int | None = None
    wrt: str = "logits"
    loss: bool = False

    def __post_init__(self) -> None:
        if self.rows is not None and (not isinstance(self.rows, (int, np.integer)) or self.rows < 1):
            raise ValueError(f"rows needs to be None or a whole number of at least 1, but is {self.rows!r}")
        if self.wrt not in {"logits", "probs"}:
            raise ValueError(f"wrt needs to be 'logits' or 'probs', but is {self.wrt!r}")

    @property
    def weight(self) -> int:
        """Samples that stand behind one row."""
        return self.rows or 1

    def in_logits(self, problem: Problem, rows: Array) -> Array:
        """Carry rows (n, *event_shape) over to the gradient of f in the logits."""
        if self.loss:
            rows = -rows
        if self.wrt == "logits":
            return rows
        from scipy.special import expit, softmax  # noqa: PLC0415  (loaded when needed)

        # By scipy: a wrong verb of the distribution must not judge a sampler.
        if problem.family == "bernoulli":
            return rows * expit(problem.logits) * expit(-problem.logits)
        probs = softmax(problem.logits, axis=-1)
        inner = (probs * rows).sum(axis=-1, keepdims=True)
        return probs * (rows - inner)


@dataclass(frozen=True, eq=False)
class Batch:
    """What one call returned: rows (n, d) in float64, the precision that they came in, and whether `rng` was used.

    `seconds` is how long the sampler took; of several calls for one batch, the slowest.
    """

    rows: Array
    precision: float
    used: bool
    seconds: float = 0.0


@dataclass(frozen=True)
class Call:
    """A call for n rows: its generator is `default_rng([seed, number])`; `again` if it was made before."""

    n: int
    number: int
    again: bool = False


class OutOfTimeError(Exception):
    """No more calls may begin."""


class Source:
    """A sampler on a problem: every call has a generator of its own, which follows from the seed and its number.

    Parameters
    ----------
    sampler : callable
    problem : Problem
    seed : int
    form : Form

    Raises
    ------
    TypeError, ValueError
        If one of these is none.
    """

    def __init__(self, sampler: Sampler, problem: Problem, seed: int = 0, form: Form | None = None) -> None:
        if not callable(sampler):
            raise TypeError(f"the sampler needs to be callable as sampler(problem, n, rng), but is {sampler!r}")
        if not isinstance(problem, Problem):
            raise TypeError(f"the problem needs to be a Problem(q, f, name), but is {problem!r}")
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed needs to be a whole number of at least 0, but is {seed!r}")
        self.sampler, self.problem, self.seed, self.form = sampler, problem, int(seed), form or Form()
        self.name = getattr(sampler, "__name__", type(sampler).__name__)
        self.deadline = np.inf  # of `time.monotonic`, after which no call begins
        self._warned = False

    def draw(self, n: int, *call: int, again: bool = False) -> Batch:
        """Ask for n rows; `call` numbers the call, and its generator is `default_rng([seed, *call])`.

        A message says if the same call is made `again`. One that is slow is a warning.

        Raises
        ------
        SamplerError
            If the sampler raises.
        TypeError, ValueError
            If it returns no real numbers, or another shape.
        """
        batch = self._ask(n, call, again)
        self._hear(batch, n, call, again)
        return batch

    def made(self, calls: tuple[Call, ...]) -> tuple[Batch, ...]:
        """Make calls one after the other, wherever this is: what they show is heard by `heard`."""
        return tuple(self._ask(call.n, (call.number,), call.again) for call in calls)

    def heard(self, calls: tuple[Call, ...], batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
        """Hear of calls that were made, here or elsewhere: slow ones are a warning."""
        for call, batch in zip(calls, batches, strict=True):
            self._hear(batch, call.n, (call.number,), call.again)
        return batches

    def expect_precision(self, batch: Batch, before: Batch) -> None:
        """Raise TypeError if a batch is coarser than those before it."""
        if batch.precision > before.precision:
            raise TypeError(
                f"{self.name} needs to return one kind of numbers on {self.problem}, but a call of n={len(batch.rows)} "
                f"has a precision of {batch.precision:.1g}, and those before it of {before.precision:.1g}"
            )

    def _ask(self, n: int, call: tuple[int, ...], again: bool) -> Batch:
        rng = np.random.default_rng([self.seed, *call])
        state, where = _state(rng), self._where(n, call, again)
        if self.form.rows is None:
            rows, precision, seconds = self._call(n, n, rng, where)
        else:
            each, precisions, times = zip(
                *(self._call(self.form.rows, None, rng, where) for _ in range(n)), strict=True
            )
            rows, precision, seconds = np.stack(each), max(precisions), max(times)
        # A value that is not finite stays one: the caller counts it.
        with np.errstate(invalid="ignore", over="ignore"):
            rows = self.form.in_logits(self.problem, rows)
        return Batch(_by_columns(rows.reshape(n, -1)), precision, _state(rng) != state, seconds)

    def _hear(self, batch: Batch, n: int, call: tuple[int, ...], again: bool) -> None:
        if batch.seconds > SLOW and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._where(n, call, again)} took {batch.seconds:.0f} s, and a check makes a hundred calls; "
                "max_samples and max_seconds bound it",
                stacklevel=4,
            )

    def _where(self, n: int, call: tuple[int, ...], again: bool) -> str:
        number, n = ", ".join(map(str, (self.seed, *call))), self.form.rows or n
        return f"{self.name}({self.problem}, n={n}, rng=default_rng([{number}])){', the second time,' * again}"

    def _call(self, n: int, count: int | None, rng: np.random.Generator, where: str) -> tuple[Array, float, float]:
        """Rows, or their mean where `count` is None, their precision, and the seconds that the sampler took."""
        began = time.monotonic()
        if began > self.deadline:
            raise OutOfTimeError
        try:
            returned = self.sampler(self.problem, n, rng)
        except (Exception, SystemExit) as error:
            raise SamplerError(f"{where} raised {_told(error, self.sampler)}") from error
        seconds = time.monotonic() - began
        return *self._read(returned, count, where), seconds

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process; clocks of two machines are not compared."""
        return self.__dict__ | {"deadline": self.deadline - time.monotonic()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"deadline": time.monotonic() + state["deadline"]})

    def _read(self, returned: Any, n: int | None, where: str) -> tuple[Array, float]:
        """Check what a call returned; n is None where a mean is asked for."""
        event = self.problem.q.event_shape
        if n is None:
            mean, precision = read(returned, event, where, "the mean of its rows of the gradient")
            return mean.copy(), precision  # what is returned may be written over by the next call
        what = f"one estimate of the gradient for each of n = {n} repetitions"
        hint = "; if that is the mean over the repetitions, say rows=M (--rows M) for a mean over M rows a call"
        return read(returned, (n, *event), where, what, {event: hint})


def _by_columns(rows: Array) -> Array:
    """A copy of rows (n, d) in which each column is together: NumPy is slow along short rows."""
    columns = np.empty(rows.shape[::-1])
    step = max(1, CACHED // len(columns))
    for begin in range(0, len(rows), step):
        columns[:, begin : begin + step] = rows[begin : begin + step].T
    return columns.T


def _told(error: BaseException, sampler: Any) -> str:
    """What was raised, and on which line of the sampler's own file."""
    text = type(error).__name__ + (f": {error}" if str(error) else "")
    file = getattr(getattr(sampler, "__code__", None), "co_filename", None)
    trace = traceback.extract_tb(error.__traceback__)
    frames = [f for f in trace if f.filename == file or (file is None and not f.filename.startswith(OURS))]
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else text


def _state(rng: np.random.Generator) -> tuple[Any, int]:
    """What changes when a generator is drawn from, or spawns."""
    return rng.bit_generator.state, rng.bit_generator.seed_seq.n_children_spawned  # type: ignore[attr-defined]
