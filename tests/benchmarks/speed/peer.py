"""A peer's own process, `python -m speed.peer NAME PRECISION`: requests and answers are one line of JSON each."""

import json
import sys
import time
from importlib import import_module
from typing import Any, TextIO

import numpy as np

from speed.peers import KNOWN


def answer_of(kind: str, found: Any) -> dict[str, Any]:
    """A gradient as it is; of estimates the means, and their standard errors."""
    rows = np.asarray(found, dtype=float)
    if kind != "sample":
        return {"gradient": rows.tolist()}
    return {"mean": rows.mean(axis=0).tolist(), "error": (rows.std(axis=0) / np.sqrt(len(rows))).tolist()}


def reason(error: BaseException) -> str:
    """An error in one line; what a library does not have is no error."""
    text = next(iter(str(error).strip().splitlines()), "")[:200]
    return text if isinstance(error, NotImplementedError) else f"{type(error).__name__}: {text}"


class Service:
    """What was prepared, and how often it was run."""

    def __init__(self, library: Any, precision: str) -> None:
        self.library, self.precision = library, precision
        self.work: Any = None
        self.count = 0

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked."""
        if request["do"] == "prepare":
            self.work = None  # what the last task holds is free before the next one begins
            self.work = self.library.prepare(request["task"], self.precision)
            began = time.perf_counter()
            found = self._once()
            seconds = time.perf_counter() - began
            return {"answer": answer_of(request["task"]["kind"], found), "seconds": seconds}
        if request["do"] != "run" or self.work is None:
            raise ValueError(f"needs 'prepare' and then 'run', but was asked to {request['do']!r}")
        began = time.perf_counter()
        for _ in range(request["calls"]):
            found = self._once()
        seconds = (time.perf_counter() - began) / request["calls"]
        return {"seconds": seconds, "checksum": float(np.asarray(found, dtype=float).sum())}

    def _once(self) -> Any:
        self.count += 1
        return self.work(self.count)


def serve(library: Any, precision: str, asked: TextIO, told: TextIO) -> None:
    """Answer until nothing more is asked; what fails is an answer too."""
    service = Service(library, precision)
    print(json.dumps({"version": library.VERSION}), file=told, flush=True)
    for line in asked:
        try:
            said = service.reply(json.loads(line))
        except Exception as error:
            said = {"failed": reason(error)}
        print(json.dumps(said), file=told, flush=True)


def main() -> None:
    """Keep standard output for answers: what libraries print goes where errors go."""
    told, sys.stdout = sys.stdout, sys.stderr
    name, precision = sys.argv[1:]
    try:
        library = import_module(f"speed.peers.{KNOWN[name]}")
    except Exception as error:
        print(json.dumps({"failed": reason(error)}), file=told, flush=True)
        return
    serve(library, precision, sys.stdin, told)


if __name__ == "__main__":
    main()
