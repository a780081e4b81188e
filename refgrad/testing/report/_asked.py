"""What a run was asked, and how often such a run raises a false alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from refgrad.testing.report._view import CHECKS
from refgrad.testing.report._words import chance

__all__ = ["facts", "rate"]

OF_SAMPLES = ("alpha", "tolerance", "max_samples", "max_seconds")  # of no meaning where nothing is sampled


def rate(report: Mapping[str, Any]) -> str:
    """How often code that is right would be called wrong."""
    if "false_alarms" in report:
        bound = report["false_alarms"]
        if not bound:
            return "No check of this run left anything to chance: none can raise a false alarm."
        return f"The probability that any 'wrong' of this run is a false alarm is at most {chance(bound)}."
    alphas = {verdict["alpha"] for verdict in report.get("verdicts", ())}
    if not alphas:
        return ""
    if alphas == {0}:
        return "Nothing was sampled, so nothing is left to chance."
    return f"Of code that is right, each verdict says 'wrong' with probability at most {chance(max(alphas))}."


def facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was asked, in pairs of a name and a value."""
    options = {name: value for name, value in report.get("options", {}).items() if value is not None}
    verdicts = report.get("verdicts", [])
    if verdicts and not any(verdict["alpha"] for verdict in verdicts):
        options = {name: value for name, value in options.items() if name not in OF_SAMPLES}
    if report.get("target"):
        yield "judged", report["target"]
    if check := report.get("check"):
        yield "check", f"{check}: {CHECKS[check]}"
    if estimator := options.pop("estimator", None):
        yield "reference", estimator
    if tolerance := options.pop("tolerance", None):
        yield "tolerance", f"{100 * tolerance:g} % of the largest component"
    for name in ("alpha", "seed"):
        values = {verdict[name] for verdict in verdicts if verdict["alpha"]} | {options.pop(name, None)} - {None}
        if values:
            yield name, ", ".join(f"{value:g}" if name == "alpha" else str(value) for value in sorted(values))
    if verdicts:
        kinds = Counter[str]()
        for verdict in verdicts:
            kinds[verdict.get("counted", "samples")] += verdict["n"]
        yield "looked at", ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
    for name, value in options.items():
        if value is not False and value != []:
            yield name.replace("_", " "), _text(value)
    yield "refgrad", report["version"]


def _text(value: Any) -> str:
    if value is True:
        return "yes"
    return ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else str(value)
