"""What the answers of an implementation suggest: a known mistake, a factor, or where alone it fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing.vectors._flags import answer_of, estimate, slipped
from refgrad.testing.vectors._situations import SITUATIONS

__all__ = ["suggested"]

FACTOR = 1e-5  # difference to 1 that is no rounding
SMALL = 1e-3  # size of a gradient, below which a wrong one that is larger is not given a larger tolerance


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
    pairs = [(g, t) for g in document["groups"] for t in g["tests"] if t["id"] in answers]
    gradients = {test["id"]: _numbers(answer_of(answers[test["id"]]), test) for _, test in pairs}
    known = [(g, t) for g, t in pairs if gradients[t["id"]] is not None]
    found = list(_mistakes(document, known, gradients, failures, precision)) if known else []
    if not found and known:
        found = list(_factor(known, gradients, precision))
    return found or list(_situations(document, failures))


def _numbers(value: Any, test: dict[str, Any]) -> Array | None:
    """A gradient, or a mean, as an array, if it is one of finite numbers and of the right shape."""
    try:
        found = np.array(value, dtype=float)
    except (TypeError, ValueError):
        return None
    return found if found.shape == np.shape(answer_of(test["expected"])) and np.isfinite(found).all() else None


def _mistakes(document: Any, known: Any, gradients: Any, failures: Any, precision: str) -> Iterator[str]:
    """Known mistakes that give these very answers, wherever they can be made."""
    wrong = {id(g): slipped(g, mean="weights" in g["tests"][0]) for g in document["groups"]}
    made = [(wrong[id(group)], group, test) for group, test in known]
    found = []
    for name in dict.fromkeys(name for own, _, _ in made for name in own):
        places = [(own[name], group, test) for own, group, test in made if name in own]
        count = _agreeing(places, gradients, precision)
        telling = sum(test["id"] in failures for _, _, test in places)
        if count and telling:
            found.append((telling, count, name))
    for _, count, name in sorted(found, reverse=True):
        bug = document["notes"].get(name, {"bug": "a known mistake"})["bug"]
        yield f"{name}: {bug} (the same in all {count} tests in which it can be made)"


def _agreeing(places: Any, gradients: Any, precision: str) -> int:
    """Number of tests in which a mistake can be made, if the answers are its own in all of them; else 0."""
    count = 0
    for wrong, group, test in places:
        own = estimate(wrong, group, test)
        if own is None:
            continue
        size = max(np.abs(np.array(answer_of(test["expected"]))).max(), SMALL)
        limit = max(1.0, np.abs(own).max() / size) * test["atol"][precision]
        if not (np.abs(gradients[test["id"]] - own) <= limit).all():
            return 0
        count += 1
    return count


def _factor(known: Any, gradients: Any, precision: str) -> Iterator[str]:
    """A multiple of the gradient, the same in every test."""
    exact = {test["id"]: np.array(answer_of(test["expected"])) for _, test in known}
    largest = max(known, key=lambda pair: np.abs(exact[pair[1]["id"]]).max())[1]["id"]
    place = np.unravel_index(np.argmax(np.abs(exact[largest])), exact[largest].shape)
    factor = float(gradients[largest][place] / exact[largest][place]) if exact[largest][place] else 1.0
    limit = max(1.0, abs(factor))
    same = all(
        (np.abs(gradients[t["id"]] - factor * exact[t["id"]]) <= limit * t["atol"][precision]).all() for _, t in known
    )
    if same and factor and abs(factor - 1) > FACTOR:
        what = " (the gradient of a loss, -f)" if abs(factor + 1) < 1e-6 else ""
        yield f"{factor:.6g} times the gradient, in every test{what}"


def _situations(document: dict[str, Any], failures: Collection[str]) -> Iterator[str]:
    """Flags of situations that all failures have, and nothing but failures has."""
    tests = [test for group in document["groups"] for test in group["tests"]]
    for flag in dict.fromkeys(situation.flag for situation in SITUATIONS):
        own = {test["id"] for test in tests if flag in test.get("flags", ())}
        if own and failures and set(failures) <= own:
            yield f"{flag}: {document['notes'][flag]['bug']} (only tests of this flag are off)"
