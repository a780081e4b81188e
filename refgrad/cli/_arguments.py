"""What `refgrad compare` is told, read and checked."""

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from refgrad.testing import Problem, exact_problems, standard_problems
from refgrad.testing.loading import LoadError

__all__ = ["check_plot", "find_problem", "moved", "read_temperatures"]

FORMATS = (".png", ".svg", ".pdf")
DEFAULTS = {"bernoulli": "interactions (bernoulli, D = 2)", "categorical": "interactions (categorical, D = 1, K = 3)"}
STEPS = 13  # of a grid that is given by its ends


def find_problem(name: str | None, family: str | None) -> Problem:
    """Find a problem by its name or how its name begins, letters and digits alone.

    Raises
    ------
    LoadError
        If there is none, or more than one; the message lists them.
    """
    known = {str(problem): problem for problem in exact_problems(family) + standard_problems(family)}
    if name is None:
        return known[DEFAULTS[family or "bernoulli"]]
    wanted = _plain(name)
    found = [full for full in known if _plain(full) == wanted]
    found = found or [full for full, problem in known.items() if _plain(problem.name) == wanted]
    found = found or [full for full in known if _plain(full).startswith(wanted)]
    if len(found) == 1:
        return known[found[0]]
    what = f"several problems are called {name!r}; say which" if found else f"there is no problem {name!r}; there are"
    raise LoadError("\n  ".join([f"{what}:", *(found or known)]))


def read_temperatures(text: str) -> list[float]:
    """Read numbers with commas between, or `first,...,last` for a grid with equal ratios.

    Raises
    ------
    LoadError
        If these are no numbers.
    ValueError
        If one is not positive and finite.
    """
    words = [word.strip() for word in text.split(",")]
    grid = len(words) == 3 and words[1] == "..."
    values = _numbers([words[0], words[2]] if grid else words, "--temperatures", text)
    for value in values:
        if not 0 < value < np.inf:
            raise ValueError(f"--temperatures needs positive and finite numbers, but one is {value:g}")
    return np.geomspace(values[0], values[1], STEPS).tolist() if grid else values


def moved(problem: Problem, text: str) -> Problem:
    """The same f at other logits: numbers with commas between, rows with semicolons.

    Raises
    ------
    LoadError
        If these are no numbers, or not as many as the problem has logits.
    """
    rows = [_numbers(row.split(","), "--logits", text) for row in text.split(";")]
    if len({len(row) for row in rows}) > 1:
        raise LoadError(f"--logits needs rows of one length, but is {text!r}")
    logits = np.array(rows if problem.q.event_ndim > 1 or len(rows) > 1 else rows[0])
    if logits.shape != problem.q.event_shape:
        needed, given = (" x ".join(map(str, shape)) for shape in (problem.q.event_shape, logits.shape))
        raise LoadError(f"--logits needs {needed} numbers for {problem}, but has {given}")
    return Problem(replace(problem.q, logits=logits), problem.f, f"{problem.name} at {text}")


def _numbers(words: Sequence[str], option: str, text: str) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise LoadError(f"{option} needs numbers with commas between, but is {text!r}") from None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def check_plot(path: Path | None) -> None:
    """Refuse before the work what could not be drawn after it.

    Raises
    ------
    LoadError
        If the file is of no known format, or matplotlib is not installed.
    """
    if path is None:
        return
    if path.suffix.lower() not in FORMATS:
        raise LoadError(f"--plot needs a file that ends with {', '.join(FORMATS)}, but is {path}")
    if find_spec("matplotlib") is None:
        raise LoadError("--plot needs matplotlib: pip install 'refgrad[plot]'")
