"""What the page says of one verdict: words, rows of tables, a place in the order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from refgrad.testing.report._words import DASH, component, deviation, number, power, size

__all__ = ["CHECKS", "MARKS", "headline", "known", "of_verdict"]

MARKS = {"right": "\N{CHECK MARK}", "wrong": "\N{BALLOT X}", "undecided": "?"}
CHECKS = {
    "unbiased": "is the mean the exact gradient?",
    "moments": "are mean and covariance those of the named estimator?",
    "expectation": "are mean and covariance, on nodes of quadrature, those of the named estimator?",
    "pathwise": "is every row, on the same noise, that of the named estimator?",
}
ROWS = 64  # of one table of components


def of_verdict(verdict: Mapping[str, Any], number_of_it: int) -> dict[str, Any]:
    """Everything that a template shows of a verdict, but for its figures.

    Parameters
    ----------
    verdict : dict
        Of a report.
    number_of_it : int
        Its place in the report.

    Returns
    -------
    dict
    """
    counted, alpha = verdict.get("counted", "samples"), verdict["alpha"]
    rows = list(_components(verdict))
    return {
        "key": f"v{number_of_it}",
        "label": f"{verdict['problem']}, verdict {number_of_it + 1}",
        "mark": MARKS[verdict["outcome"]],
        "headline": headline(verdict),
        "off_by": _off_by(verdict),
        "expected": "exact" if verdict.get("check", "unbiased") == "unbiased" else "reference",
        "n": f"{verdict['n']:,}",
        "counted": counted,
        "hides": number(verdict["certified"], 2) if verdict["certified"] is not None else "unbounded",
        "bias": _bias(verdict),
        "tolerated": number(verdict["tolerance"], 2),
        "evidence": power(verdict["evidence"]) if alpha and not verdict.get("battery") else "",
        "needs": power(-np.log10(alpha)) if alpha else "",
        "rows": rows[:ROWS],
        "pairs": list(_pairs(verdict))[:ROWS],
        "left_out": max(len(rows) - ROWS, 0),
        "reason": _sentence(verdict["reason"]),
        "repeat": f"alpha={alpha:g}, seed={verdict['seed']}" if alpha else "",
        **{name: verdict[name] for name in ("outcome", "problem", "assumes")},
        **{name: verdict.get(name, "") for name in ("test", "sampler", "check")},
        **{name: verdict.get(name, []) for name in ("causes", "notes")},
        "known": known(verdict.get("causes", ())),
        "group": verdict["outcome"],
        "figures": [],
    }


def headline(verdict: Mapping[str, Any]) -> str:
    """The finding in one sentence, with its size."""
    outcome, hidden = verdict["outcome"], number(verdict["certified"], 2)
    if verdict.get("battery") and outcome == "wrong":
        return "What came back cannot be judged by its mean."
    if outcome == "right":
        return f"No component is off by more than {hidden}; {number(verdict['tolerance'], 2)} is tolerated."
    if outcome == "undecided":
        bound = f"it could still be off by {hidden}" if verdict["certified"] is not None else "nothing is known of it"
        return f"Neither right nor wrong: {bound}, and {number(verdict['tolerance'], 2)} is tolerated."
    return _worst(verdict)


def known(causes: Sequence[str]) -> bool:
    """Whether a mistake of the catalogue is among them."""
    return not all(cause.startswith("none of the known mistakes") for cause in causes)


def _bias(verdict: Mapping[str, Any]) -> str:
    """How large the bias can be, of which 'wrong' says that there is one."""
    most, wrong = verdict["certified"], verdict["outcome"] == "wrong"
    if most is None:
        return "the size of the bias is not bounded" if wrong else "any bias could still hide"
    return (
        f"the largest bias is at most {number(most, 2)}" if wrong else f"a bias of {number(most, 2)} could still hide"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _worst(verdict: Mapping[str, Any]) -> str:
    """The worst component, or pair of them, and its size."""
    index = tuple(verdict["worst"])
    half = np.ndim(verdict["exact"])
    estimate, exact = _values(verdict, index)
    if len(index) == half:
        return f"Component {component(index)} {size(estimate, exact, _largest(verdict, pair=False))}."
    one, other = index[:half], index[half:]
    what = f"variance of component {component(one)}"
    if one != other:
        what = f"covariance of components {component(one)} and {component(other)}"
    return f"The {what} {size(estimate, exact, _largest(verdict, pair=True))}."


def _values(verdict: Mapping[str, Any], index: tuple[int, ...]) -> tuple[float | None, float | None]:
    pair = len(index) > np.ndim(verdict["exact"])
    names = ("covariance", "exact_covariance") if pair else ("estimate", "exact")
    if pair and verdict.get("covariance") is None:
        return None, None
    one, other = (_at(verdict[name], index) for name in names)
    return one, other


def _off_by(verdict: Mapping[str, Any]) -> str:
    if verdict.get("battery"):
        return DASH
    if verdict["outcome"] == "right":
        return _at_most(verdict)
    index = tuple(verdict["worst"])
    return _deviation(verdict, *_values(verdict, index), pair=len(index) > np.ndim(verdict["exact"]))


def _largest(verdict: Mapping[str, Any], *, pair: bool) -> float:
    """Beside it a component is zero: the largest one, or what is tolerated where all are nothing."""
    values = np.array(verdict.get("exact_covariance" if pair else "exact"), dtype=float)
    largest = float(np.nan_to_num(np.abs(values)).max(initial=0.0))
    return largest if pair else max(largest, verdict["tolerance"] or 0.0)


def _deviation(verdict: Mapping[str, Any], estimate: float | None, exact: float | None, *, pair: bool) -> str:
    if estimate is None or exact is None:
        return DASH
    tolerance = verdict["tolerance"] if not pair and verdict["tolerance"] is not None else np.inf
    return deviation(estimate, exact, _largest(verdict, pair=pair), tolerance)


def _at_most(verdict: Mapping[str, Any]) -> str:
    """What could still hide of something right, in per cent of the largest component."""
    largest = float(np.nan_to_num(np.abs(np.array(verdict["exact"], dtype=float))).max(initial=0.0))
    if verdict["certified"] is None or not largest > 0:
        return f"< {number(verdict['certified'], 2)}"
    return f"< {number(100 * verdict['certified'] / largest, 2)} %"


def _at(values: Any, index: tuple[int, ...]) -> Any:
    for i in index:
        values = values[i]
    return values


def _components(verdict: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Rows of the table of components."""
    ends = [verdict.get(name) for name in ("low", "high")]
    off = {tuple(index) for index in verdict.get("off", ())} if not verdict.get("battery") else set()
    for index in np.ndindex(*np.shape(verdict["exact"])):
        row = _row(verdict, index, index, ("exact", "estimate", "standard_error"))
        low, high = (None if end is None else _at(end, index) for end in ends)
        row["interval"] = f"{number(low)} to {number(high)}" if low is not None and high is not None else "unbounded"
        if index in off and not row["mark"]:
            row["mark"] = "off"
        yield row


def _pairs(verdict: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Rows of the table of covariances: each pair once."""
    if verdict.get("covariance") is None:
        return
    places = list(np.ndindex(*np.shape(verdict["exact"])))
    for k, one in enumerate(places):
        for other in places[k:]:
            yield _row(verdict, one + other, (one, other), ("exact_covariance", "covariance", "covariance_error"))


def _row(verdict: Mapping[str, Any], index: tuple[int, ...], shown: Any, names: tuple[str, str, str]) -> dict[str, str]:
    exact, estimate, error = (_at(verdict[name], index) for name in names)
    pair = len(shown) == 2 and isinstance(shown[0], tuple)
    judged = verdict["outcome"] != "right" and not verdict.get("battery")
    return {
        "name": " and ".join(map(component, shown)) if pair else component(index),
        "exact": number(exact),
        "estimate": number(estimate),
        "error": number(error, 3),
        "off_by": _deviation(verdict, estimate, exact, pair=pair),
        "mark": "worst" if index == tuple(verdict["worst"]) and judged else "",
    }
