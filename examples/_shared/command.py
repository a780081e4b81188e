"""The command line of an application: options, extras that are missing, a folder to write to, Ctrl-C."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from refgrad.testing.loading import LoadError

# Exit statuses.
USAGE, INTERRUPTED = 2, 130
ALWAYS = ("matplotlib", "tqdm", "rich", "threadpoolctl")  # packages of the extra that every application imports
NAMES = {"sklearn": "scikit-learn"}  # of a package, where it is not that of the module


class StoppedError(Exception):
    """What the user can mend, in one line."""


def seed(text):
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed needs to be a whole number of at least 0, but is {text!r}")
    return int(text)


def parser(file, summary, example, estimators=None):
    """The options that every application has.

    Parameters
    ----------
    file : str
        `__file__` of the application.
    summary : str
    example : str
        Options of the last line of the help.
    estimators : list of str, optional
        Names of the classes that apply; without it there is no choice.
    """
    name = Path(file).name
    made = argparse.ArgumentParser(
        prog=name,
        description=summary,
        epilog=f"examples:\n  python examples/{name} --quick\n  python examples/{name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out = Path("out") / Path(file).stem
    made.add_argument("--out", default=out, type=Path, metavar="DIR", help="folder to write to (default: %(default)s)")
    made.add_argument("--quick", action="store_true", help="a run of seconds: fewer steps, the same figures")
    made.add_argument("--seed", default=0, type=seed, metavar="N", help="of everything random (default: %(default)s)")
    if estimators is not None:
        made.add_argument(
            "--estimator",
            action="append",
            default=[],
            metavar="NAME",
            help=f"train with this one, Name or Name(field=value); may be given more than once. There are "
            f"{', '.join(estimators)}",
        )
    return made


def needs(*modules):
    """Refuse to start without the packages of the extra."""
    missing = [NAMES.get(name, name) for name in modules if not _there(name)]
    if missing:
        raise StoppedError(f"needs {' and '.join(missing)}: pip install 'refgrad[examples]'")


def _there(name):
    if name in sys.modules:
        return sys.modules[name] is not None
    return importlib.util.find_spec(name) is not None


def writable(folder):
    """Make the folder, and see that a file can be written there before the work begins."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoppedError(f"cannot write to {folder}: {error.strerror}") from None
    return folder


def bar(turns, what):
    """The turns of a loop, with a bar on the terminal."""
    from tqdm import tqdm  # noqa: PLC0415  (an extra)

    return tqdm(turns, desc=what, leave=False, disable=None)


def say(text):
    """Print, and go on in silence when nobody reads any more: the figures are still to be written."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_thread():
    """Small products: more threads cost more than they save, and the bits of a result would depend on their number."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  (an extra)

    return threadpool_limits(limits=1)


def run(made, start, arguments=None, also=()):
    """Run an application and return its exit status: 0, 2 for what the user can mend, 130 after Ctrl-C.

    Parameters
    ----------
    made : argparse.ArgumentParser
    start : callable
        From the options to a study: `study.train()` is the long work, `study.report(partial)` writes and prints what
        there is of it and returns the paths, and `study.at` says how far it came.
    arguments : sequence of str, optional
        By default those of the process.
    also : sequence of str
        Modules of the extra that not every application needs.
    """
    options = made.parse_args(arguments)
    partial = False
    try:
        needs(*ALWAYS, *also)
        writable(options.out)
        with one_thread():
            study = start(options)
            try:
                study.train()
            except KeyboardInterrupt:
                partial = True
                print(f"\n{made.prog}: interrupted {study.at}; drawing what there is", file=sys.stderr)
            paths = study.report(partial)
    except (StoppedError, LoadError) as error:
        print(f"{made.prog}: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(f"\n{made.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED
    for path in paths:
        say(f"wrote {path}")
    if partial:
        what = f"partial, {study.at}: {options.out}" if paths else "nothing was written: too early"
        print(f"{made.prog}: interrupted; {what}", file=sys.stderr)
        return INTERRUPTED
    return 0
