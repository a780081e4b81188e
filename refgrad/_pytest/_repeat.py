"""The line that repeats one test."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from typing import Any

import pytest

from refgrad._pytest import _options
from refgrad._pytest._options import SUITE
from refgrad._pytest._tally import Tally

__all__ = ["TO_REPEAT", "VARIABLE", "line", "of_suite", "section", "whole"]

VARIABLE = "REFGRAD_SAMPLER"
TO_REPEAT = "To repeat it:"
OUTCOMES = {"right": "right", "wrong": "wrong", "undecided": "undecided", "not_judged": "not judged"}
FLAGS = {"seed": "--refgrad-seed", "alpha": "--refgrad-alpha", "max_samples": "--refgrad-samples"}


def section(heard: Iterable[Tally], repeat: str) -> str:
    """What stands under a failure: how many checks ran, and how to run them again."""
    heard = list(heard)
    counts = {name: sum(tally.counts[name] for tally in heard) for name in OUTCOMES}
    said = ", ".join(f"{count:,} {OUTCOMES[name]}" for name, count in counts.items() if count)
    many = sum(counts.values())
    before = f"{many:,} check{'s' * (many != 1)} in this test: {said}. " if many else ""
    text = f"{before}{TO_REPEAT}\n{repeat}"
    if counts["undecided"] and not counts["wrong"]:
        text += "\nUndecided is no claim that the code is wrong: nothing is shown yet."
    return text


def line(item: pytest.Item, options: _options.Options, told: dict[str, Any]) -> str:
    """The command, for a shell in the directory in which the run began.

    What a marker of the test says, and what nobody said, is left out; the seed stays.
    """
    try:
        return _line(item, options, told)
    except Exception:  # a run is worth more than this line
        return shlex.join(["python", "-m", "pytest", item.nodeid])


def _line(item: pytest.Item, options: _options.Options, told: dict[str, Any]) -> str:
    used = {"seed": _options.DEFAULTS["seed"], **options.checks}
    flags = [f"{flag}={used[name]}" for name, flag in FLAGS.items() if name in used and name not in told]
    words = ["python", "-m", "pytest"]
    before = ""
    if getattr(getattr(item, "module", None), "__name__", "") != SUITE:
        place = _place(item)
        words += _doctest(item)
    else:
        before = f"{VARIABLE}={shlex.quote(os.environ.get(VARIABLE, ''))} "
        place = f"{SUITE}::{item.name}"
        words.append("--pyargs")
        flags += [f"--refgrad-{name}={text}" for name, (text, _) in options.suite.items() if name != "xfails"]
    return before + shlex.join([*words, place, *flags])


def _place(item: pytest.Item) -> str:
    """The test, as pytest takes it in the directory in which the run began."""
    try:
        file = os.path.relpath(item.path, item.config.invocation_params.dir)
    except ValueError:  # on another drive
        file = str(item.path)
    names = item.nodeid.partition("::")[2]
    return f"{file}::{names}" if names else file


def _doctest(item: pytest.Item) -> list[str]:
    """What makes pytest collect a doctest."""
    if type(item).__name__ != "DoctestItem":
        return []
    return ["--doctest-modules"] if item.path.suffix == ".py" else [f"--doctest-glob=*{item.path.suffix}"]


def whole(config: pytest.Config, options: _options.Options) -> str:
    """The command of the whole run; a seed that was drawn is named."""
    drawn = [f"--refgrad-seed={options.checks['seed']}"] if options.drawn else []
    before = f"{VARIABLE}={shlex.quote(os.environ[VARIABLE])} " if of_suite(config) else ""
    return before + shlex.join(["python", "-m", "pytest", *map(str, config.invocation_params.args), *drawn])


def of_suite(config: pytest.Config) -> bool:
    """Whether the run is of the conformance suite."""
    return VARIABLE in os.environ and any(SUITE in arg for arg in config.args)
