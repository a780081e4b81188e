"""Answers to vectors, right ones and wrong ones, for the tests of what judges them."""

import json

from refgrad.testing.vectors import shipped
from refgrad.testing.vectors._flags import estimate
from refgrad.testing.vectors._settings import made


def vectors_in(name):
    """Pairs of group and test of a file."""
    return [(group, test) for group in shipped(name)["groups"] for test in group["tests"]]


def right(*names, precision="float64", fields=None):
    """Answers that are what is expected, all or some of it."""
    answers = []
    for name in names:
        for _, test in vectors_in(name):
            own = {key: value for key, value in test["expected"].items() if fields is None or key in fields}
            answers.append({"id": test["id"], **own})
    head = {"format": "refgrad-answers", "schema": 1, "implementation": "a test", "precision": precision}
    return head | {"vectors": list(names), "answers": json.loads(json.dumps(answers))}


def by(name, make=made):
    """Answers of estimators, by default those of the package; None leaves what is expected."""
    asked = "mean" if name.startswith("designs/") else "gradient"
    found = right(name, fields=(asked,))
    for (group, test), answer in zip(vectors_in(name), found["answers"], strict=True):
        estimator = make(group)
        given = None if estimator is None else estimate(estimator, group, test)
        if given is not None:
            answer[asked] = given.tolist()
    return found


def written(folder, content):
    """A file of answers."""
    path = folder / "answers.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
