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

__all__ = ["VARIABLE", "line", "of_suite", "section", "whole"]

VARIABLE = "REFGRAD_SAMPLER"
OUTCOMES = {"right": "right", "wrong": "wrong", "undecided": "undecided", "not_judged": "not judged"}
FLAGS = {"seed": "--refgrad-seed", "alpha": "--refgrad-alpha", "max_samples": "--refgrad-samples"}


def section(heard: Iterable[Tally], repeat: str) -> str:
    """What stands under a failure: how many checks ran, and how to run them again."""
    heard = list(heard)
    counts = {name: sum(tally.counts[name] for tally in heard) for name in OUTCOMES}
    said = ", ".join(f"{count:,} {OUTCOMES[name]}" for name, count in counts.items() if count)
    many = sum(counts.values())
    text = f"{many:,} check{'s' * (many != 1)} in this test: {said}. To repeat it:\n{repeat}"
    if counts["undecided"] and not counts["wrong"]:
        text += "\nUndecided is no claim that the code is wrong: nothing is shown yet."
    return text


def line(item: pytest.Item, options: _options.Options, told: dict[str, Any]) -> str:
    """The command, for a shell. What a marker of the test says, and what nobody said, is left out; the seed stays."""
    used = {"seed": _options.DEFAULTS["seed"], **options.checks}
    flags = [f"{flag}={used[name]}" for name, flag in FLAGS.items() if name in used and name not in told]
    words = ["python", "-m", "pytest"]
    config: Any = item.config
    place = str(config.cwd_relative_nodeid(item.nodeid))
    before = ""
    if getattr(getattr(item, "module", None), "__name__", "") == SUITE:
        before = f"{VARIABLE}={shlex.quote(os.environ.get(VARIABLE, ''))} "
        place = f"{SUITE}::{item.name}"
        words.append("--pyargs")
        flags += [f"--refgrad-{name}={text}" for name, (text, _) in options.suite.items() if name != "xfails"]
    return before + shlex.join([*words, place, *flags])


def whole(config: pytest.Config, options: _options.Options) -> str:
    """The command of the whole run; a seed that was drawn is named."""
    drawn = [f"--refgrad-seed={options.checks['seed']}"] if options.drawn else []
    before = f"{VARIABLE}={shlex.quote(os.environ[VARIABLE])} " if of_suite(config) else ""
    return before + shlex.join(["python", "-m", "pytest", *map(str, config.invocation_params.args), *drawn])


def of_suite(config: pytest.Config) -> bool:
    """Whether the run is of the conformance suite."""
    return VARIABLE in os.environ and any(SUITE in arg for arg in config.args)
