"""What a run is told: on the command line, in the configuration file, and by markers."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

__all__ = [
    "ACCOUNT",
    "DEFAULTS",
    "DRAWN",
    "OF_SUITE",
    "OPTIONS",
    "SUITE",
    "Options",
    "given",
    "key_of",
    "marked",
    "path_of",
    "read",
    "refused",
]

DEFAULTS: Mapping[str, float] = {"alpha": 1e-9, "seed": 0, "max_samples": 1_000_000}  # of the checks; a test compares
ACCOUNT = "refgrad-account"  # name of the plugin that reports
SUITE = "refgrad.testing.conformance"
DRAWN = "refgrad_seed"  # of what a worker is given
FEWEST = 40  # samples with which a check begins


OPTIONS = (
    ("--refgrad-alpha", "RATE", "rate of false verdicts of a check, in (0, 1) (default: 1e-9)"),
    ("--refgrad-seed", "N|random", "seed of the checks; random draws one and shows it (default: 0)"),
    ("--refgrad-samples", "N", "most samples of a check, at least 40 (default: 1000000)"),
    ("--refgrad-report", "FILE", "write the verdicts to FILE, .json for machines or .html for people"),
    ("--refgrad-estimator", "NAME", "conformance: the reference, Name or Name(field=value)"),
    ("--refgrad-family", "FAMILY", "conformance: only problems of this family, bernoulli or categorical"),
    ("--refgrad-form", "WORDS", "conformance: what the sampler returns, loss, probs or rows=M, with commas"),
    ("--refgrad-xfails", "FILE", "conformance: lists the tests that are expected to fail, one a line"),
)
OF_SUITE = OPTIONS[4:]


@dataclass(frozen=True)
class Options:
    """What was said for the whole run.

    Parameters
    ----------
    checks : dict
        `alpha`, `seed` and `max_samples`, those that were given.
    suite : dict
        Options of the conformance suite that were given, as texts, each with the place where it stands.
    report : str or None
    drawn : bool
        Whether the seed was drawn.
    """

    checks: dict[str, Any] = field(default_factory=dict)
    suite: dict[str, tuple[str, str]] = field(default_factory=dict)
    report: str | None = None
    drawn: bool = False

    def in_words(self) -> str:
        """One line, for the header."""
        used = {**DEFAULTS, **self.checks}
        seed = f"seed {used['seed']}{' (drawn)' if self.drawn else ''}"
        return f"alpha {used['alpha']:g}, {seed}, at most {used['max_samples']:,} samples a check"


def key_of(flag: str) -> str:
    """Return the name of an option in the configuration file."""
    return flag.removeprefix("--").replace("-", "_")


def given(config: pytest.Config, flag: str) -> tuple[str | None, str]:
    """The text of an option and where it stands; the command line comes before the configuration file.

    Raises
    ------
    pytest.UsageError
        If the configuration file has no text, or a list.
    """
    key = key_of(flag)
    text = config.getoption(key, None)
    if text is not None:
        return text, flag
    where = f"{key} in {config.inipath.name}" if config.inipath and not _overridden(config, key) else f"-o {key}"
    try:
        with warnings.catch_warnings(action="ignore"):  # of pytest, about what is refused here
            found = config.getini(key)
    except (TypeError, ValueError):  # a number without quotes in TOML
        found = ()
    if found is not None and not isinstance(found, str):
        raise pytest.UsageError(f"{where} needs to be a text in quotes")
    return found or None, where


def path_of(config: pytest.Config, flag: str) -> tuple[str | None, str]:
    """The same of a path: in the configuration file it begins where that file is.

    Raises
    ------
    pytest.UsageError
        As `given`.
    """
    text, where = given(config, flag)
    if not text or not text.strip() or config.inipath is None or not where.startswith(key_of(flag)):
        return text, where
    path = config.inipath.parent / text
    try:
        return os.path.relpath(path), where
    except ValueError:  # on another drive
        return str(path), where


def _overridden(config: pytest.Config, key: str) -> bool:
    """Whether -o on the command line says it."""
    return any(said.partition("=")[0].strip() == key for said in config.getoption("override_ini", None) or ())


def read(config: pytest.Config) -> Options:
    """Read the options of a run.

    Raises
    ------
    pytest.UsageError
        If one of them is wrong: its name, what it needs, and what it is.
    """
    checks: dict[str, Any] = {}
    drawn = False
    for name, (flag, convert) in TEXTS.items():
        text, where = given(config, flag)
        if text is None:
            continue
        if name == "seed" and text == "random":
            text, drawn = str(draw(config)), True
        try:
            value: Any = convert(text)
        except (TypeError, ValueError):
            value = text
        if wrong := refused(name, value, " or random" if name == "seed" else ""):
            raise pytest.UsageError(f"{where} {wrong}")
        checks[name] = value
    report, where = path_of(config, "--refgrad-report")
    if report is not None and not report.lower().endswith((".json", ".html")):
        raise pytest.UsageError(f"{where} needs a file that ends with .json or .html, but is {report}")
    suite = {}
    for flag, metavar, _ in OF_SUITE:
        text, where = (path_of if metavar == "FILE" else given)(config, flag)
        if text is not None and not text.strip():
            raise pytest.UsageError(f"{where} needs {metavar}, but is empty")
        if text is not None:
            suite[flag.removeprefix("--refgrad-")] = text, where
    return Options(checks, suite, report, drawn)


def draw(config: pytest.Config) -> int:
    """Draw a seed; to a worker of xdist its controller says the one that it drew."""
    if hasattr(config, "workerinput"):
        return int(config.workerinput[DRAWN])
    from secrets import randbelow  # noqa: PLC0415  (rarely needed)

    return randbelow(2**32)


def marked(item: pytest.Item) -> dict[str, Any]:
    """Options of the markers of a test, the closest first.

    Raises
    ------
    pytest.UsageError
        If one of them is unknown or wrong.
    """
    found: dict[str, Any] = {}
    for mark in item.iter_markers("refgrad"):
        where = f"{item.nodeid}: @pytest.mark.refgrad"
        if mark.args:
            raise pytest.UsageError(f"{where} needs options with a name, but was given {mark.args[0]!r}")
        for name, value in mark.kwargs.items():
            if name not in RULES:
                raise pytest.UsageError(f"{where} has no option {name!r}; it has {', '.join(RULES)}")
            if wrong := refused(name, value):
                raise pytest.UsageError(f"{where}: {name} {wrong}")
        found = {**mark.kwargs, **found}
    return found


def refused(name: str, value: Any, also: str = "") -> str | None:
    """Say what the option needs, if the value is not that."""
    needed, kind, allowed = RULES[name]
    right = isinstance(value, kind) and not isinstance(value, bool) and allowed(value)
    return None if right else f"needs {needed}{also}, but is {value if isinstance(value, str) else repr(value)}"


TEXTS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "alpha": ("--refgrad-alpha", float),
    "seed": ("--refgrad-seed", int),
    "max_samples": ("--refgrad-samples", int),
}
RULES: Mapping[str, tuple[str, Any, Callable[[Any], bool]]] = {
    "alpha": ("a number between 0 and 1", float, lambda value: 0 < value < 1),
    "max_samples": (f"a whole number of at least {FEWEST}", int, lambda value: value >= FEWEST),
    "seed": ("a whole number of at least 0", int, lambda value: value >= 0),
    "tolerance": ("a positive and finite number", (int, float), lambda value: 0 < value < math.inf),
}
