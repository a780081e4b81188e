"""The command line: `verify` judges, `compare` draws bias against variance, `vectors` serves other languages."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import refgrad
from refgrad.cli import compare, vectors, verify
from refgrad.cli._output import USAGE
from refgrad.cli._report import reported
from refgrad.testing.loading import LoadError

__all__ = ["main"]

GENTLE = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class SignalError(KeyboardInterrupt):
    """Somebody asks this process to end: what it has started ends too, and files that are half made go."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Take the signals that ask to end, where nobody else does, as an interrupt."""

    def end(number: int, _: Any) -> None:
        raise SignalError(signal.Signals(number))

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in GENTLE if signal.getsignal(number) == signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, end)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        As the help of each command says; 2 for what the user can mend, with a message in place of a traceback.
    """
    parser = argparse.ArgumentParser(
        prog="refgrad",
        description="The reference for gradient estimators of E_q f(z) with discrete z, and the judge of others.",
    )
    parser.add_argument("--version", action="version", version=f"refgrad {refgrad.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    for command in (verify, compare, vectors):
        command.add_to(commands)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (as long as the process)
    try:
        with ended_by_signals(), reported(options, arguments) as report:
            try:
                status: int = options.run(options, report)
            except (LoadError, ValueError) as error:
                print(f"refgrad: {error}", file=sys.stderr)
                status, report["error"] = USAGE, str(error)
            report["exit_status"] = status
        sys.stdout.flush()  # here a pipe that is closed can still be told apart
        return status
    except (ImportError, LoadError, ValueError) as error:
        print(f"refgrad: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE
    except OSError as error:
        print(f"refgrad: cannot write {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt as error:
        number = error.number if isinstance(error, SignalError) else signal.SIGINT
        print(f"refgrad: {'interrupted' if number == signal.SIGINT else f'ended by {number.name}'}", file=sys.stderr)
        return 128 + number
