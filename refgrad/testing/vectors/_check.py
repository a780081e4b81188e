"""Judge the answers of another implementation."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refgrad.testing.adapters._printable import printable
from refgrad.testing.vectors._answers import Answers, library, read_answers
from refgrad.testing.vectors._compare import Failure, compared, values_of
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
    answered : tuple of str
        Names of the values that were answered.
    implementation : str
        What answered, as it says.
    """

    name: str
    precision: str
    tests: int
    left_out: tuple[str, ...]
    failures: tuple[Failure, ...]
    suggestions: tuple[str, ...]
    used: float
    answered: tuple[str, ...]
    implementation: str = ""

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
        found = json.loads(json.dumps(found, default=str))  # tuples are lists there
        for own in (found, *found["failures"]):
            name = "used" if "used" in own else "share"
            own[name] = own[name] if own[name] < float("inf") else None
        return dict(found)

    def __str__(self) -> str:
        right = self.tests - len(self.failures) - len(self.left_out)
        lines = [f"{self.outcome}: {self.name}, {right} of {self.tests} tests right in {self.precision}"]
        if self.outcome == "right":
            alone = f"{len(self.answered)} values" if len(self.answered) > 1 else f"{self.answered[0]} alone"
            return f"{lines[0]}, largest error {self.used:.0%} of its tolerance; {alone}"
        if self.left_out:
            lines.append(f"  left out: {len(self.left_out)} tests, the first {printable(self.left_out[0])}")
        if self.failures:
            fields = Counter(failure.field for failure in self.failures)
            share = ", ".join(f"{name} in {count}" for name, count in fields.most_common())
            lines.append(f"  off first: {share}, of {len(self.failures)} tests that are off")
            worst = self.worst
            lines.append(f"  {printable(worst.id)}: {worst.field} {worst.reason}")
            lines.append(f"  {worst.field}: {self._meaning(worst.field)}")
        lines += [f"  fits: {text}" for text in self.suggestions]
        return "\n".join(lines)

    @property
    def worst(self) -> Failure:
        """Of those whose value that is off first is the most frequent one, the furthest off."""
        return max((own for own in self.failures if own.field == self.first_off), key=lambda own: own.share)

    def _meaning(self, name: str) -> str:
        if name == "mean" and self.name.startswith("designs/"):
            return "of the estimator: the sum of weight times estimate"
        return FIELDS.get(name, "a term of the sum that is the gradient, with its sign and coefficient")


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
    answered = dict.fromkeys(name for key in tests for name, _ in values_of(answers.answers.get(key, {})))
    return Judgement(
        name,
        answers.precision,
        len(tests),
        left_out,
        tuple(failures.values()),
        tuple(_suggestions(document, tests, answers, failures)),
        used,
        tuple(answered),
        answers.implementation,
    )


def _suggestions(
    document: dict[str, Any], tests: dict[str, Any], answers: Answers, failures: dict[str, Failure]
) -> list[str]:
    """What fits the answers; of those that are off in float64 first whether float32 explains it."""
    if not failures:
        return []
    if answers.precision == "float64" and all(
        compared(tests[key], answers.answers[key], "float32")[0] is None for key in failures
    ):
        return ["float32: all is within its tolerances; if that is the precision, say so in the answers"]
    return suggested(document, answers.answers, failures, answers.precision)
