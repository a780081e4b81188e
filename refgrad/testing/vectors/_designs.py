"""Noise designs as files: nodes and weights on which one weighted sum is the mean of an estimator."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Any

from mpmath import mp

from refgrad.testing.references import reference
from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import numbers, sub
from refgrad.testing.vectors._document import document, groups_of
from refgrad.testing.vectors._draw import Draw
from refgrad.testing.vectors._flags import caught, notes
from refgrad.testing.vectors._format import DESIGN
from refgrad.testing.vectors._means import true_mean
from refgrad.testing.vectors._problems import objectives
from refgrad.testing.vectors._rule import DIGITS, Rule, axes, gauss, nodes
from refgrad.testing.vectors._settings import estimator_class, made, stem
from refgrad.testing.vectors._situations import RARE, RAREST, SATURATED
from refgrad.testing.vectors._weighted import WeightedSum, doubtful

__all__ = ["designed"]

LOGITS: dict[str, dict[int, float | None]] = {  # what is changed of logits as they come, by the flag
    "ordinary": {},
    "saturated-logits": {0: -SATURATED},
    "rare-outcome": {0: -RARE},
    "rarest-outcome": {0: -RAREST},
    "masked-category": {1: None},
}
RULES = {"ordinary": (64, 1), "rare-outcome": (96, 2), "rarest-outcome": (192, 5)}  # nodes of a coordinate, and stretch
PLANE = 1200  # most nodes of two coordinates, in all cells
LEAST = 1e-27  # a node of less weight is left out
DECISIVE = 1e-6  # largest error of a rule, in units of the mean


def designed(module: str, family: str) -> dict[str, Any]:
    """Make the designs of one estimator and family.

    Parameters
    ----------
    module : str
        Of the estimator, such as `"mu_prop"`.
    family : {"bernoulli", "categorical"}

    Returns
    -------
    dict

    Raises
    ------
    ImportError
        If mpmath is not installed.
    LookupError
        If the estimator has no reference.
    ArithmeticError
        If the rule of a design is not good enough to decide anything.
    """
    reference(module)
    return document(DESIGN, _groups(module, family))


def _groups(module: str, family: str) -> Iterator[dict[str, Any]]:
    number = 0
    for shape, wire in _objectives(module, family):
        for place, group in enumerate(groups_of(module, family, shape, wire)):
            tests = []
            for flag in _flags(group, place):
                number += 1
                tests.append(_test(module, Draw(f"{stem(module, family)}-design-{number}", family, shape), group, flag))
            if tests:
                yield group | {"tests": tests}


def _objectives(module: str, family: str) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """The small problems that vectors have; where noise is integrated, of two categories too: one coordinate a draw."""
    cls, name = estimator_class(module), f"{module} {family}"
    claims = cls(**cls.examples[0]).claims
    if family == "categorical" and _integrated(claims):
        yield (1, 2), Draw(f"{name} (1, 2)", family, (1, 2)).quadratic()
    yield from list(objectives(name, family, claims.differentiates_f))[:2]


def _flags(group: dict[str, Any], place: int) -> tuple[str, ...]:
    """Which logits are tried: with two coordinates a draw only the first setting, and none that is extreme.

    In float32 a softmax rounds its likely category by more than the rarest outcome adds to the mean.
    """
    if not _integrated(made(group).claims):
        masked = group["family"] == "categorical" and group["shape"][1] > 2
        return ("ordinary", "saturated-logits", *["masked-category"] * masked)
    if axes(group["family"], group["shape"]) == 1:
        return ("ordinary", "rarest-outcome" if group["family"] == "bernoulli" else "rare-outcome")
    return () if place else ("ordinary",)


def _integrated(claims: Any) -> bool:
    return any(word != "z" for word in claims.reads)


def _rule(group: dict[str, Any], flag: str) -> Rule:
    """The rule of one coordinate: the same number of nodes in each cell."""
    if not _integrated(made(group).claims):
        return []
    if axes(group["family"], group["shape"]) == 1:
        return gauss(*RULES[flag])
    cells = (2 if group["family"] == "bernoulli" else group["shape"][1]) ** group["shape"][0]
    return gauss(isqrt(PLANE // cells) // 2 * 2, 1)


def _comment(flag: str, claims: Any, rule: Rule) -> str:
    logits = "Logits as they come." if flag == "ordinary" else notes()[flag]["description"]
    if not claims.reads:
        return f"{logits} No noise is drawn."
    return f"{logits} In each cell of z " + (f"{len(rule)} nodes a coordinate." if rule else "one node.")


def _nearest(x: Any) -> float:
    return float(mp.nstr(x, 40))


def _test(module: str, draw: Draw, group: dict[str, Any], flag: str) -> dict[str, Any]:
    claims, rule = made(group).claims, _rule(group, flag)
    plane = bool(rule) and axes(group["family"], group["shape"]) > 1
    logits = [LOGITS[flag].get(i, x) for i, x in enumerate(draw.logits(1.0 if plane else 2.0))]
    with mp.workdps(DIGITS):
        q = distribution(group["family"], numbers(logits), tuple(group["shape"]))
        found = [(_nearest(w), [list(map(_nearest, own)) for own in noise]) for w, noise in nodes(q, claims, rule)]
    kept = [(w, e) for w, e in found if w >= LEAST and not (e and doubtful(group, logits, e[0], 53))]
    test: dict[str, Any] = {
        "id": draw.name,
        "comment": _comment(flag, claims, rule),
        "flags": [],
        "logits": draw.event(logits),
        "noise": [[draw.event(e[i]) for _, e in kept] for i in range(len(claims.reads))],
        "weights": [w for w, _ in kept],
    }
    mean, design = true_mean(module, group, test["logits"], claims), WeightedSum(module, group, test)
    error = max(map(abs, sub(design.total(), mean)))
    if error > DECISIVE * max(map(abs, mean)):
        raise ArithmeticError(f"{draw.name} needs an error below {DECISIVE} of the mean, but it is {mp.nstr(error, 3)}")
    test["expected"] = {"mean": draw.event(list(map(_nearest, mean)))}
    test["atol"] = design.tolerance(error, mean)
    test["flags"] = [flag, *caught(group, test)]
    return test
