"""The command line: `refgrad verify` judges, `refgrad compare` draws bias against variance."""

import argparse
import os
import sys
from collections.abc import Sequence

import refgrad
from refgrad.cli import compare, verify
from refgrad.cli._output import USAGE
from refgrad.cli._report import reported
from refgrad.testing.loading import LoadError

__all__ = ["main"]


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
    for command in (verify, compare):
        command.add_to(commands)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    try:
        with reported(options, arguments) as report:
            try:
                status: int = options.run(options, report)
            except (LoadError, ValueError) as error:
                print(f"refgrad: {error}", file=sys.stderr)
                status, report["error"] = USAGE, str(error)
            report["exit_status"] = status
        sys.stdout.flush()  # here a pipe that is closed can still be told apart
        return status
    except (ImportError, LoadError) as error:
        print(f"refgrad: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE
    except OSError as error:
        print(f"refgrad: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("refgrad: interrupted", file=sys.stderr)
        return 130
