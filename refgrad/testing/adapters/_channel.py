"""A program behind three pipes: a line to it, a line from it, within a time, and nothing left of it at the end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from refgrad.testing.adapters._printable import printable, quoted

__all__ = ["Channel", "ChannelError"]

CHUNK = 2**16  # bytes read or written at once
KEPT = 2**13  # bytes of standard error
SHOWN = 12  # lines of these
TICK = 0.05  # seconds after which a silent program is looked at
PATIENCE = 2.0  # seconds to end in, after each way of asking


class ChannelError(Exception):
    """What the program did, without its name."""


class Channel:
    """A program in a session of its own, so that it is ended together with its children.

    Parameters
    ----------
    command : sequence of str

    Raises
    ------
    OSError
        If it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, bufsize=0, start_new_session=True, **pipes)
        self._in, self._out, self._err = (getattr(self.process, name) for name in pipes)
        self._streams = selectors.DefaultSelector()
        self._left = memoryview(b"")  # of the request
        self._heard, self._complaints = bytearray(), bytearray()
        for stream in (self._in, self._out, self._err):
            os.set_blocking(stream.fileno(), False)
        for stream in (self._out, self._err):
            self._streams.register(stream, selectors.EVENT_READ)

    def ask(self, request: bytes, seconds: float, limit: int) -> bytes:
        """Send a line, and return the line that answers it.

        Raises
        ------
        ChannelError
            If the program has spoken before it was asked, ends, gives no answer within so many seconds, or writes more
            than `limit` bytes without an end of the line, or anything behind it.
        """
        until = time.monotonic() + seconds
        self._turn(0)  # what came since the last answer
        if self._heard:
            raise ChannelError(f"answered twice, or before it was asked: {quoted(self._heard)}")
        self._left, searched = memoryview(request), 0
        self._streams.register(self._in, selectors.EVENT_WRITE)
        while (end := self._heard.find(b"\n", searched)) < 0:
            searched = len(self._heard)
            if searched > limit:
                raise ChannelError(f"wrote {searched:,} bytes without an end of the line; {limit:,} are enough")
            self._turn(max(0.0, min(TICK, until - time.monotonic())))
            self._expect_life(request, seconds, until)
        line, rest = bytes(self._heard[:end]), self._heard[end + 1 :]
        if rest:
            raise ChannelError(f"answered one request twice: after the end of the line came {quoted(rest)}")
        if self._left:
            raise ChannelError("answered before it had read the whole request")
        self._heard.clear()
        return line

    def told(self) -> str:
        """The last lines of its standard error, to be added to a message."""
        lines = _last([printable(line) for line in self._complaints.decode(errors="replace").splitlines()])
        return "".join(f"\n    {line[:500]}" for line in ["its standard error ends with:", *lines]) if lines else ""

    def close(self) -> None:
        """End the program politely: close its input, and wait; then as `kill` does."""
        try:
            self._silence()
            self._in.close()
            self._wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """End the program and its children by SIGTERM; what is left, or all at an interrupt, by SIGKILL."""
        try:
            self._end_by(signal.SIGTERM, PATIENCE)
        finally:
            self._end_by(signal.SIGKILL, PATIENCE / 4)
            self.process.wait()
            self._streams.close()
            for stream in (self._in, self._out, self._err):
                stream.close()

    def _turn(self, seconds: float) -> bool:
        """Wait for the pipes, and write and read once what they take and have; tell whether there was anything."""
        ready = self._streams.select(seconds)
        for key, _ in ready:
            if key.fileobj is self._in:
                try:
                    self._left = self._left[os.write(key.fd, self._left[:CHUNK]) :]
                except BrokenPipeError:
                    self._silence()
                if not self._left:
                    self._silence()
                continue
            data = os.read(key.fd, CHUNK)
            if not data:
                self._streams.unregister(key.fileobj)
            elif key.fileobj is self._out:
                self._heard += data
            else:
                self._complaints = (self._complaints + data)[-KEPT:]
        return bool(ready)

    def _silence(self) -> None:
        """Write no more."""
        if self._in in self._streams.get_map():
            self._streams.unregister(self._in)

    def _wait(self) -> None:
        """Hear the program until it has ended, for a while, and then its last words."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            ended = self.process.poll() is not None
            if not self._turn(0 if ended else TICK) and ended:
                break
            del self._heard[CHUNK:]

    def _expect_life(self, request: bytes, seconds: float, until: float) -> None:
        """Raise if no end of the line was heard, and none can come any more."""
        ended, late = self.process.poll() is not None, time.monotonic() >= until
        if (ended and not late and self._turn(0)) or b"\n" in self._heard[-CHUNK:]:
            return
        half = f" after half a line, {quoted(self._heard)}" if self._heard else ""
        if ended or self._out not in self._streams.get_map():
            self._wait()
            raise ChannelError(_ending(self.process.returncode) + (half or " without an answer"))
        if late:
            left = f"{len(self._left):,} of {len(request):,} bytes"
            unread = f", and left {left} of the request unread" if self._left else ""
            raise ChannelError(f"gave no answer within {seconds:g} s{half}{unread}")

    def _end_by(self, number: int, patience: float) -> None:
        """Send a signal, and wait for a while until nothing is left."""
        until = time.monotonic() + patience  # a zombie whose parent does not care would be waited for
        left = self._signal(number)
        while left and time.monotonic() < until:
            time.sleep(TICK / 10)
            left = self._signal(0)

    def _signal(self, number: int) -> bool:
        """Send a signal to all that is left of the program; tell whether there was anything."""
        self.process.poll()  # it would count although it has ended
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _ending(status: int | None) -> str:
    """How a program has ended."""
    if status is None:
        return "closed its standard output"
    if status >= 0:
        return f"ended with exit status {status}"
    known = {int(number): number.name for number in signal.Signals}
    return f"was ended by the signal {known.get(-status, -status)}"


def _last(lines: list[str]) -> list[str]:
    """The last lines, and if these begin inside of a stack, which is indented, the two lines above it: its message."""
    start = max(0, len(lines) - SHOWN)
    head = start
    while head and lines[head][:1] in {" ", ""}:
        head -= 1
    message = [line for line in lines[max(0, head - 1) : head + 1] if line] if head < start else []
    return [*message, *(["..."] if head + 1 < start and message else []), *lines[start:]]
