"""What the answers of an implementation suggest: a known mistake, a factor, a precision, or where alone it fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing.vectors._flags import answer_of, estimate, slipped
from refgrad.testing.vectors._situations import SITUATIONS

__all__ = ["suggested"]

ROUND = 1e-5  # difference of a factor to 1 that is no rounding
LITTLE = 1e-3  # size of a gradient, below which a wrong one that is larger is not given a larger tolerance


@dataclass(frozen=True)
class _Place:
    """A test with an answer: a gradient, or a mean."""

    group: dict[str, Any]
    test: dict[str, Any]
    answer: Array
    atol: float

    @property
    def expected(self) -> Array:
        return np.array(answer_of(self.test["expected"]))

    def near(self, other: Array, limit: float) -> bool:
        """Whether the answer is another one, to some tolerances."""
        return bool((np.abs(self.answer - other) <= limit * self.atol).all())


def suggested(
    document: dict[str, Any], answers: dict[str, dict[str, Any]], failures: Collection[str], precision: str
) -> list[str]:
    """Say what fits the answers of a file, the most telling first.

    Parameters
    ----------
    document : dict
    answers : dict
        By id.
    failures : collection of str
        Ids of those that are off.
    precision : {"float64", "float32"}

    Returns
    -------
    list of str
    """
    groups = [(group, list(_places(group, answers, precision))) for group in document["groups"]]
    places = [place for _, own in groups for place in own]
    found = list(_mistakes(document["notes"], groups, failures))
    return found or list(_factor(places)) or list(_situations(document, failures))


def _places(group: dict[str, Any], answers: dict[str, Any], precision: str) -> Iterator[_Place]:
    """Tests of a group whose answers are finite numbers, as many as there should be."""
    for test in group["tests"]:
        value = answer_of(answers.get(test["id"], {}))
        try:
            found = np.array(value)
            fits = found.dtype.kind in "if" and found.shape == np.shape(answer_of(test["expected"]))
            if fits and np.isfinite(found).all():
                yield _Place(group, test, found.astype(float), test["atol"][precision])
        except (TypeError, ValueError, OverflowError):
            continue


def _mistakes(notes: dict[str, Any], groups: Any, failures: Collection[str]) -> Iterator[str]:
    """Known mistakes that give these very answers, wherever they can be made, and that move one which is off."""
    made: dict[str, list[tuple[Estimator, _Place]]] = {}
    for group, places in groups:
        for name, wrong in slipped(group, mean="weights" in group["tests"][0]).items():
            made.setdefault(name, []).extend((wrong, place) for place in places)
    found = []
    for name, own in made.items():
        count, explained = _agreeing(own, failures)
        if explained:
            found.append((explained, count, name))
    for explained, count, name in sorted(found, reverse=True):
        bug = notes.get(name, {"bug": "a known mistake"})["bug"]
        rest = f"; {len(failures) - explained} more are off" if explained < len(failures) else ""
        yield f"{name}: {bug} (the same in all {count} tests in which it can be made{rest})"


def _agreeing(made: list[tuple[Estimator, _Place]], failures: Collection[str]) -> tuple[int, int]:
    """Tests in which a mistake can be made, and of these the failures that it makes; zero if one answer is another."""
    count, explained = 0, 0
    for wrong, place in made:
        own = estimate(wrong, place.group, place.test)
        if own is None:
            continue
        limit = max(1.0, np.abs(own).max() / max(np.abs(place.expected).max(), LITTLE))
        if not place.near(own, limit):
            return 0, 0
        count += 1
        moved = not (np.abs(own - place.expected) <= place.atol).all()
        explained += moved and place.test["id"] in failures
    return count, explained


def _factor(places: list[_Place]) -> Iterator[str]:
    """A multiple of the gradient, the same in every test."""
    if not places:
        return
    largest = max(places, key=lambda place: float(np.abs(place.expected).max()))
    index = np.unravel_index(np.argmax(np.abs(largest.expected)), largest.expected.shape)
    exact = largest.expected[index]
    factor = float(largest.answer[index] / exact) if exact else 1.0
    same = all(place.near(factor * place.expected, max(1.0, abs(factor))) for place in places)
    if same and factor and abs(factor - 1) > ROUND:
        what = " (the gradient of a loss, -f)" if abs(factor + 1) < ROUND else ""
        yield f"{factor:.6g} times the gradient, in every test{what}"


def _situations(document: dict[str, Any], failures: Collection[str]) -> Iterator[str]:
    """Situations in which alone there are failures, if that leaves out ordinary ones; designs have too few to tell."""
    tests = [test for group in document["groups"] for test in group["tests"] if "weights" not in test]
    bad = [test["flags"][0] for test in tests if test["id"] in failures and test["flags"]]
    bugs = {situation.flag: situation.bug for situation in SITUATIONS}
    flags = [flag for flag in bugs if flag in bad]
    if flags and all(bugs[flag] for flag in flags) and set(bad) <= set(bugs):
        where = "this flag" if len(flags) == 1 else "these flags"
        for flag in flags:
            yield f"{flag}: {bugs[flag]} (only tests of {where} are off)"
