"""A report as one page that needs nothing else: no network, no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from refgrad.testing.report import _asked, _figures, _growth, _outcome, _tables, _text
from refgrad.testing.report._extra import needed
from refgrad.testing.report._validation import validate
from refgrad.testing.report._view import MARKS, known, of_verdict

__all__ = ["page"]

DRAWN = 20  # verdicts with figures
CAUSES = 3  # on top, where there is no diagnosis
WORDS = {
    "right": ("Right", MARKS["right"]),
    "wrong": ("Wrong", MARKS["wrong"]),
    "undecided": ("Undecided", MARKS["undecided"]),
    "failed": ("Failed", "!"),
    "nothing": ("Nothing judged", "\N{EN DASH}"),
}
COMPONENTS = (
    "Estimate against the exact value",
    "thick line: standard error; thin: interval; shaded, between dashes: tolerated; vertical: exact",
)
EVIDENCE = ("Evidence of a bias", "above the dashed line: wrong")
ABSENT = dict.fromkeys(("target", "repeat", "error", "diagnosis", "tests", "verdicts", "skipped"))
GROUPS = ("wrong", "undecided", "expected", "right")


def page(report: Mapping[str, Any]) -> str:
    """Return the report as HTML: the same report, the same bytes.

    Parameters
    ----------
    report : dict

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the report does not keep to the schema.
    ImportError
        If jinja2, jsonschema or matplotlib is missing.
    """
    template = _environment().get_template("page.html.jinja")
    validate(report)
    counts = _outcome.counts_of(report)
    word = _outcome.word(report)
    verdicts, causes = _verdicts(report), _causes(report)
    title, mark = _title(report, word)
    return template.render(
        report={**ABSENT, **report},
        word=word,
        title=title,
        mark=mark,
        marks=MARKS,
        counts=counts if counts or "tests" in report else None,
        sentence=_outcome.sentence(report),
        size=_outcome.size_of_it(_failing(report)),
        rate=_asked.rate(report),
        facts=list(_asked.facts(report)),
        causes=causes,
        known=known([text for text, _, _ in causes]),
        tests=_tests(report),
        places=_places(verdicts),
        verdicts=verdicts,
        rows=_tables.of_built_in(report["rows"]) if "rows" in report else None,
        vectors=_tables.of_judgements(report["judgements"]) if "judgements" in report else None,
        comparison=_tables.of_comparison(report["comparison"]) if "comparison" in report else None,
    )


def _title(report: Mapping[str, Any], word: str) -> tuple[str, str]:
    if "comparison" in report:
        return "Compared", "="
    if "files" in report:
        return "Golden vectors", "="
    return WORDS[word]


def _expected(report: Mapping[str, Any], verdict: Mapping[str, Any]) -> bool:
    """Whether a test saw the verdict and did not fail."""
    test = report.get("tests", {}).get(verdict.get("test"))
    return test is not None and test["outcome"] not in _outcome.FAILED


def _tests(report: Mapping[str, Any]) -> dict[bool, dict[str, Any]]:
    """Those that failed, and the others."""
    tests = report.get("tests", {})
    return {
        failed: {name: test for name, test in tests.items() if (test["outcome"] in _outcome.FAILED) == failed}
        for failed in (True, False)
    }


def _failing(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [verdict for verdict in report.get("verdicts", ()) if not _expected(report, verdict)]


def _causes(report: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """What fits best of each verdict that is wrong, once: text, key of the first such verdict, and it."""
    found: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
    for number, verdict in enumerate(report.get("verdicts", ())):
        if verdict["outcome"] == "wrong" and verdict.get("causes") and not _expected(report, verdict):
            found.setdefault(verdict["causes"][0], (verdict["causes"][0], f"v{number}", verdict))
    fit = [cause for text, cause in found.items() if known([text])]
    return (fit or list(found.values()))[:CAUSES]


def _places(verdicts: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Key of the first verdict of each test, as the page orders them."""
    return {view["test"]: view["key"] for group in reversed(GROUPS) for view in reversed(verdicts[group])}


def _verdicts(report: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By group, each in the order of the report; figures for the first of them."""
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in GROUPS}
    pairs = []
    for number, verdict in enumerate(report.get("verdicts", ())):
        view = of_verdict(verdict, number)
        if view["outcome"] != "right" and _expected(report, verdict):
            view["group"] = "expected"
        groups[view["group"]].append(view)
        pairs.append((verdict, view))
    pairs.sort(key=lambda pair: GROUPS.index(pair[1]["group"]))
    for verdict, view in pairs[:DRAWN]:
        view["figures"] = _drawn(verdict, view["key"])
    return groups


def _drawn(verdict: Mapping[str, Any], key: str) -> list[Any]:
    """The figures that say something: none of what never varied, was never looked at, or is not judged by its mean."""
    figures: list[tuple[tuple[str, str], Callable[[Mapping[str, Any], str], str], str]] = []
    estimated = any(number is not None for number in np.ravel(np.array(verdict["estimate"], dtype=object)))
    if verdict.get("battery"):
        return []
    if estimated and (verdict["alpha"] or verdict["outcome"] == "wrong"):
        figures.append((COMPONENTS, _figures.components, f"{key}-components"))
    if verdict["alpha"] and len(verdict.get("history", ())) > 1:
        figures.append((EVIDENCE, _growth.evidence, f"{key}-evidence"))
    return [(caption, _markup(draw, verdict, name)) for caption, draw, name in figures]


def _markup(draw: Callable[[Mapping[str, Any], str], str], verdict: Mapping[str, Any], name: str) -> Any:
    """A figure, or None where it cannot be drawn: the page has its numbers all the same."""
    needed("matplotlib")
    try:
        with np.errstate(over="raise", invalid="ignore", divide="ignore"):
            return needed("markupsafe").Markup(draw(verdict, name))
    except Exception:  # whatever Matplotlib makes of numbers at the ends of what a float can hold
        return None


@cache
def _environment() -> Any:
    jinja2 = needed("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("refgrad.testing.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_text.visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"broken": _text.broken, "coded": _text.coded}
    return environment
