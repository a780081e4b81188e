"""Judge the answers of another implementation."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refgrad.testing.vectors._answers import Answers, library, read_answers
from refgrad.testing.vectors._compare import Failure, compared
from refgrad.testing.vectors._fields import FIELDS
from refgrad.testing.vectors._suggest import suggested

__all__ = ["Judgement", "check_answers"]


@dataclass(frozen=True)
class Judgement:
    """Of the answers to one file of vectors.

    Parameters
    ----------
    name : str
        Of the file.
    precision : {"float64", "float32"}
    tests : int
        In the file.
    left_out : tuple of str
        Ids without an answer.
    failures : tuple of Failure
        Tests whose answer is off, each with the first value that is.
    suggestions : tuple of str
        What fits the answers, the most telling first.
    used : float
        Largest share of a tolerance that an error takes.
    """

    name: str
    precision: str
    tests: int
    left_out: tuple[str, ...]
    failures: tuple[Failure, ...]
    suggestions: tuple[str, ...]
    used: float

    @property
    def outcome(self) -> str:
        """`"right"`, or `"wrong"` if one test is off or left out."""
        return "wrong" if self.failures or self.left_out else "right"

    @property
    def first_off(self) -> str | None:
        """The value that is off first, in most of the tests that are off."""
        return Counter(failure.field for failure in self.failures).most_common(1)[0][0] if self.failures else None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        found = asdict(self) | {"outcome": self.outcome, "first_off": self.first_off}
        found["used"] = self.used if self.used < float("inf") else None
        return dict(json.loads(json.dumps(found)))  # tuples are lists there

    def __str__(self) -> str:
        right = self.tests - len(self.failures) - len(self.left_out)
        lines = [f"{self.outcome}: {self.name}, {right} of {self.tests} tests right in {self.precision}"]
        if self.outcome == "right":
            return f"{lines[0]}, largest error {self.used:.0%} of its tolerance"
        if self.left_out:
            lines.append(f"  left out: {len(self.left_out)} tests, the first {self.left_out[0]}")
        if self.failures:
            fields = Counter(failure.field for failure in self.failures)
            share = ", ".join(f"{name} in {count}" for name, count in fields.most_common())
            lines.append(f"  off first: {share}, of {len(self.failures)} tests that are off")
            first = next(failure for failure in self.failures if failure.field == self.first_off)
            lines.append(f"  {first.id}: {first.field} {first.reason}")
            lines.append(f"  {first.field}: {FIELDS.get(first.field, 'a term of the sum that is the gradient')}")
        lines += [f"  fits: {text}" for text in self.suggestions]
        return "\n".join(lines)


def check_answers(path: str | Path, folder: str | Path | None = None) -> list[Judgement]:
    """Judge answers, one file of vectors after the other.

    Parameters
    ----------
    path : str or pathlib.Path
        Answers as JSON: `schema("answers-1")`.
    folder : str or pathlib.Path, optional
        Of the vectors; by default those that come with the package.

    Returns
    -------
    list of Judgement
        One for each file that the answers name.

    Raises
    ------
    VectorsError
        If the answers, or the vectors, cannot be used: the message says where and why.
    ImportError
        If jsonschema is not installed.
    OSError
        If a file cannot be read.
    """
    answers = read_answers(path, library(folder))
    return [_judged(name, document, answers) for name, document in answers.files.items()]


def _judged(name: str, document: dict[str, Any], answers: Answers) -> Judgement:
    tests = {test["id"]: test for group in document["groups"] for test in group["tests"]}
    left_out = tuple(key for key in tests if key not in answers.answers)
    failures, used = {}, 0.0
    for key, test in tests.items():
        if key in answers.answers:
            failure, share = compared(test, answers.answers[key], answers.precision)
            used = max(used, share)
            if failure is not None:
                failures[key] = failure
    suggestions = suggested(document, answers.answers, failures, answers.precision) if failures else []
    return Judgement(name, answers.precision, len(tests), left_out, tuple(failures.values()), tuple(suggestions), used)
