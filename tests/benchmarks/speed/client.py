"""Peers in processes of their own: started once, and told line by line what to prepare and when to run."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from speed.peers import KNOWN

FOLDER = Path(__file__).resolve().parents[1]
VARIABLE = "REFGRAD_PEERS_PYTHON"
LONG = 10.0  # seconds
LIMITS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")  # refgrad's; a peer has its own default


class PeerError(RuntimeError):
    """A peer that is not there, or fails, or is wrong: the reason why it is skipped."""


class Peer:
    """One library in one precision."""

    def __init__(self, name: str, precision: str, command: list[str]) -> None:
        self.name = name if precision == "float64" else f"{name}, {precision}"
        self.precision = precision
        self.first = 0.0
        environment = {name: value for name, value in os.environ.items() if name not in LIMITS}
        environment["PYTHONPATH"] = str(FOLDER)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            self._process = subprocess.Popen([*command, name, precision], text=True, env=environment, **pipes)
        except OSError as error:
            raise PeerError(f"its interpreter does not start: {error}") from error
        try:
            self.version = str(self._answer()["version"])
        except PeerError:
            self.close()
            raise

    def prepare(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers when it has done the task once."""
        said = self._ask({"do": "prepare", "task": dict(task)})
        self.first = float(said["seconds"])
        return dict(said["answer"])

    def timed(self, calls: int) -> float:
        """Seconds of one call, by its own clock; of the first one, if it took so long that compiling does not count."""
        return self.first if self.first >= LONG else float(self._ask({"do": "run", "calls": calls})["seconds"])

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):  # what was written last is not read any more
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise PeerError("its process has ended") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"its process has ended with status {self._process.wait()}")
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise PeerError(f"needs to answer in JSON, but said {line[:100]!r}") from error
        if "failed" in answer:
            raise PeerError(str(answer["failed"]))
        return dict(answer)


@contextmanager
def peers(python: str | None) -> Iterator[tuple[list[Peer], dict[str, str]]]:
    """All that start, and by name why the others do not."""
    found, absent = [], {}
    with ExitStack() as stack:
        for name in KNOWN:
            for precision in ("float64", "float32"):
                try:
                    if python is None:
                        raise PeerError(f"{VARIABLE} names no interpreter")
                    peer = Peer(name, precision, [python, "-m", "speed.peer"])
                except PeerError as error:
                    absent[name] = str(error)
                    continue
                stack.callback(peer.close)
                found.append(peer)
        yield found, absent
