"""The outcome of a run: one word, one sentence, counts, and the size of what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from refgrad.testing.report._view import headline

__all__ = ["FAILED", "counts_of", "sentence", "size_of_it", "word"]

FAILED = ("failed", "error", "unfinished")  # tests
FINE = (0, 5)  # exit status of pytest: all passed, none collected


def counts_of(report: Mapping[str, Any]) -> Counter[str]:
    """Verdicts by outcome; from pytest also those that were not kept."""
    if "tests" in report:
        names = ("right", "wrong", "undecided")
        return Counter({name: sum(test[name] for test in report["tests"].values()) for name in names})
    return Counter(verdict["outcome"] for verdict in report.get("verdicts", ()))


def word(report: Mapping[str, Any]) -> str:
    """Right, wrong, undecided, failed or nothing; what a test saw and did not fail for does not count against it."""
    found = counts_of(report)
    failed = bool(report.get("error"))
    if "tests" in report:
        bad = [test for test in report["tests"].values() if test["outcome"] in FAILED]
        found = Counter({name: sum(test[name] for test in bad) for name in ("wrong", "undecided")})
        found["right"] = len(report["tests"])
        failed = failed or bool(bad) or report["exit_status"] not in FINE
    elif "rows" in report:
        found = Counter({"wrong": _not_kept(report), "right": len(report["rows"])})
    elif "comparison" in report or "files" in report:
        found["right"] = 1
    elif "judgements" in report:
        found = Counter(judgement["outcome"] for judgement in report["judgements"])
    return next((name for name in ("wrong", "undecided") if found[name]), _otherwise(failed, found["right"]))


def _otherwise(failed: bool, right: int) -> str:
    return "failed" if failed else "right" if right else "nothing"


def _not_kept(report: Mapping[str, Any]) -> int:
    """Claims of built-in estimators that do not hold."""
    return sum(row["verdict"] == "wrong" for row in report["rows"]) + len(report.get("invisible", ()))


def sentence(report: Mapping[str, Any]) -> str:
    """The outcome in one sentence."""
    if "tests" in report:
        return _of_tests(report["tests"]) + _of_the_rest(report)
    if "rows" in report:
        wrong = _not_kept(report)
        claims = f"{_many(wrong, 'claim')} {'do' if wrong > 1 else 'does'} not hold" if wrong else "every claim holds"
        return f"Built-in estimators against the exact answer, {_many(len(report['rows']), 'row')}: {claims}."
    if "comparison" in report:
        many = _many(len(report["comparison"]["rows"]), "estimator")
        return f"Bias against variance of {many} on {report['comparison']['problem']}, computed exactly."
    if "judgements" in report:
        return _of_vectors(report["judgements"])
    if "files" in report:
        return f"{_many(len(report['files']), 'file')} of golden vectors."
    return _of_verdicts(counts_of(report), failed=bool(report.get("error")))


def _of_vectors(judgements: list[Mapping[str, Any]]) -> str:
    tests, files = sum(own["tests"] for own in judgements), _many(len(judgements), "file")
    wrong = sum(own["outcome"] == "wrong" for own in judgements)
    if wrong:
        return f"Wrong in {wrong} of {files} of golden vectors."
    return f"Right in all {tests:,} tests of {files} of golden vectors, within their tolerances."


def _of_verdicts(found: Mapping[str, int], *, failed: bool) -> str:
    total = sum(found.values())
    if not total:
        return "No verdict was reached." if failed else "No check ran."
    problems = _many(total, "problem")
    if found["wrong"]:
        return f"Wrong on {found['wrong']} of {problems}."
    if found["undecided"]:
        return f"Undecided on {found['undecided']} of {problems}, and wrong on none. This is not a pass."
    return f"Right on {'all ' * (total > 1)}{problems}, within the tolerance."


def _of_tests(tests: Mapping[str, Any]) -> str:
    ended = Counter(test["outcome"] for test in tests.values())
    said = ", ".join(f"{ended[name]} {name}" for name in sorted(ended, key=lambda name: name not in FAILED))
    bad = [test for test in tests.values() if test["outcome"] in FAILED]
    undecided = sum(test["undecided"] > 0 and not test["wrong"] for test in bad)
    claim = f" {_many(undecided, 'test')} failed undecided: no claim that the code is wrong." if undecided else ""
    return f"{_many(len(tests), 'test')} with checks: {said or 'none ran'}.{claim}"


def _of_the_rest(report: Mapping[str, Any]) -> str:
    """What the checks do not say of a run that failed."""
    silent = sum(test.get("not_judged", 0) for test in report["tests"].values())
    said = ""
    if silent:
        said = f" {_many(silent, 'check')} could not be judged: the code raised, or returned what no check reads."
    if report["exit_status"] not in FINE and not any(test["outcome"] in FAILED for test in report["tests"].values()):
        said += f" The run failed outside of them, with exit status {report['exit_status']}."
    return said


def size_of_it(verdicts: list[Mapping[str, Any]]) -> str:
    """The wrong verdict that is furthest off, in words; nothing where none is wrong."""
    wrong = [verdict for verdict in verdicts if verdict["outcome"] == "wrong"]
    measured = [verdict for verdict in wrong if not verdict.get("battery")]
    if measured:
        most = max(measured, key=_relative)
        where = f"{most['problem']}, in {most['test']}" if most.get("test") else most["problem"]
        return f"{'Furthest off' if len(wrong) > 1 else 'By how much'}: {where}. {headline(most)}"
    return f"{wrong[0]['problem']}: {wrong[0]['reason']}." if wrong else ""


def _relative(verdict: Mapping[str, Any]) -> float:
    """The largest deviation over the largest component."""
    exact, estimate = (np.array(verdict[name], dtype=float) for name in ("exact", "estimate"))
    with np.errstate(over="ignore"):
        off = np.abs(np.nan_to_num(estimate - exact)).max(initial=0.0)
        return float(off / (np.nan_to_num(np.abs(exact)).max(initial=0.0) or 1.0))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
