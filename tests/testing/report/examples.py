"""Reports to write and to show: real verdicts on small problems, and what a run adds to them."""

from functools import cache

import numpy as np

from refgrad.estimators import GumbelSoftmax, Rebar, Reinforce
from refgrad.testing import (
    check_expectation,
    check_moments,
    check_pathwise,
    check_unbiased,
    compare,
    diagnose,
    standard_problems,
)
from refgrad.testing.built_in import row
from refgrad.testing.report import begin

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> & \"quotes\" 'too'"
PLACES = (
    *("target", "repeat", "error", "skipped", "problem", "reason", "assumes", "sampler", "test", "causes", "notes"),
    *("text", "alike", "failures", "estimator", "estimators"),
)
ALPHA = 1e-9
TOY, _, THREE = standard_problems("bernoulli")[:3]
CATEGORIES = standard_problems("categorical")[1]


def right(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)


def scaled(problem, n, rng):
    return 1.5 * right(problem, n, rng)


def never_finite(problem, n, rng):
    return right(problem, n, rng) * np.nan


def relaxed(problem, n, rng):
    return GumbelSoftmax(temperature=1.0).sample(problem.q, problem.f, n, rng)


def noisier(problem, n, rng):
    return 1.3 * relaxed(problem, n, rng) - 0.3 * np.mean(relaxed(problem, 1000, np.random.default_rng(0)), axis=0)


def on_noise(problem, noise):
    return Rebar()(problem.q, problem.f, noise)


def on_fresh_noise_alone(problem, noise):
    return Rebar()(problem.q, problem.f, noise[[1, 1]])


KINDS = {
    "right": lambda: check_unbiased(right, TOY, max_samples=400_000),
    "wrong": lambda: check_unbiased(scaled, THREE, max_samples=100_000),
    "wrong-categories": lambda: check_unbiased(scaled, CATEGORIES, estimator=Reinforce(), max_samples=200_000),
    "undecided": lambda: check_unbiased(right, THREE, max_samples=2_000),
    "no-samples": lambda: check_unbiased(right, THREE, max_samples=100_000, max_seconds=1e-9),
    "not-finite": lambda: check_unbiased(never_finite, TOY, max_samples=10_000),
    "moments": lambda: check_moments(relaxed, TOY, GumbelSoftmax(temperature=1.0), max_samples=100_000),
    "moments-wrong": lambda: check_moments(noisier, TOY, GumbelSoftmax(temperature=1.0), max_samples=200_000),
    "expectation": lambda: check_expectation(on_noise, TOY, Rebar()),
    "expectation-wrong": lambda: check_expectation(on_fresh_noise_alone, TOY, Rebar()),
    "pathwise": lambda: check_pathwise(on_noise, Rebar(), [TOY]),
    "pathwise-wrong": lambda: check_pathwise(on_fresh_noise_alone, Rebar(), [THREE]),
}


@cache
def judged(kind):
    return KINDS[kind]().to_dict()


@cache
def cause():
    return diagnose(scaled, TOY, n=2000).to_dict()


def verify(*kinds, **more):
    """What `refgrad verify` writes of these verdicts."""
    verdicts = [dict(judged(kind)) for kind in kinds]
    outcomes = {verdict["outcome"] for verdict in verdicts}
    status = 1 if "wrong" in outcomes else 3 if "undecided" in outcomes else 0
    said = {"target": "mine.py:estimate", "repeat": "refgrad verify mine.py:estimate --seed 0", "verdicts": verdicts}
    return begin("verify") | said | {"options": {"alpha": ALPHA, "seed": 0}, "exit_status": status} | more


def whole():
    """Every kind of verdict, and every field."""
    return verify(*KINDS, check="unbiased", diagnosis=cause(), skipped=["rare (bernoulli, D = 3)"], error="stopped")


def built_in():
    rows = [row(estimator, TOY).to_dict() for estimator in (Reinforce(), GumbelSoftmax(temperature=1.0))]
    return begin("verify") | {"rows": rows, "invisible": ["Nvil()"], "exit_status": 1}


def compared():
    found = compare(TOY, [Reinforce(), GumbelSoftmax(temperature=1.0)], temperatures=[0.5, 1.0], scales=[0.0, 1.0])
    return begin("compare") | {"comparison": found.to_dict(), "exit_status": 0}


def failed():
    return (
        begin("verify")
        | {"target": "mine.py:raises", "check": "unbiased", "verdicts": [], "exit_status": 2}
        | {"error": "mine.py:raises fails: AttributeError"}
    )


def of_pytest(many=6):
    """What a run of pytest writes: some tests that fail, one that expects what is wrong, the others right."""
    kinds = ["wrong", "undecided", "moments-wrong", *["right"] * (many - 3)]
    verdicts = [dict(judged(kind)) | {"test": f"test_mine.py::test_{i}[{kind}]"} for i, kind in enumerate(kinds)]
    found = {}
    for verdict, kind in zip(verdicts, kinds, strict=True):
        counts = {name: int(verdict["outcome"] == name) for name in ("right", "wrong", "undecided")}
        ended = "xfailed" if kind == "moments-wrong" else "passed" if kind == "right" else "failed"
        repeat = f'python -m pytest "{verdict["test"]}" --refgrad-seed=0'
        found[verdict["test"]] = {"outcome": ended, **counts, "samples": verdict["n"], "repeat": repeat}
    said = {"verdicts": verdicts, "tests": found, "false_alarms": ALPHA * many, "exit_status": 1}
    return begin("pytest") | said | {"options": {"alpha": None, "seed": 0}}


def hostile():
    """Names that would be markup, in every place that a user's text can reach."""
    said = {name: f"{HOSTILE} {name}" for name in PLACES}
    report = verify("wrong", "moments-wrong", "right", skipped=[said["skipped"]])
    report |= {name: said[name] for name in ("target", "repeat", "error")}
    for verdict in report["verdicts"]:
        verdict |= {name: said[name] for name in ("problem", "reason", "assumes", "sampler", "test")}
        verdict |= {"causes": [said["causes"]], "notes": [said["notes"]]}
    own = {"name": HOSTILE, "text": said["text"], "alike": [said["alike"]]}
    report["diagnosis"] = cause() | {"causes": [own], "failures": [said["failures"]]}
    report["options"] = {"estimator": said["estimator"], "estimators": [said["estimators"]]}
    return report


def hostile_tests():
    report = of_pytest()
    report["tests"] = {HOSTILE: next(iter(report["tests"].values())) | {"repeat": HOSTILE}}
    report["verdicts"] = [report["verdicts"][0] | {"test": HOSTILE}]
    return report


def hostile_tables():
    built = built_in()
    built["rows"][0] |= {"estimator": HOSTILE, "problem": HOSTILE}
    built["invisible"] = [HOSTILE]
    found = compared()
    found["comparison"]["problem"] = HOSTILE
    found["comparison"]["rows"][0] |= {"name": HOSTILE}
    found["comparison"]["rows"][1] |= {"note": HOSTILE}
    return built, found, vectors(HOSTILE)


def vectors(hostile=""):
    """Answers to two files, one of which is wrong."""
    right = {"name": "reinforce-bernoulli", "outcome": "right", "precision": "float64", "tests": 27, "left_out": []}
    right |= {"failures": [], "first_off": None, "suggestions": [], "used": 0.125}
    right |= {"answered": ["gradient"], "implementation": f"mine{hostile}"}
    failure = {
        "id": "rebar-bernoulli-1",
        "flags": ["ordinary"],
        "field": "slope",
        "share": None,
        "reason": f"[0] is 2, not 1{hostile}",
    }
    wrong = right | {"name": f"rebar-bernoulli{hostile}", "outcome": "wrong", "tests": 81, "used": None}
    wrong |= {"failures": [failure], "first_off": "slope", "left_out": ["rebar-bernoulli-2"]}
    wrong |= {"suggestions": [f"rebar-no-slope: the slope was left out{hostile}"]}
    return begin("vectors") | {"judgements": [right, wrong], "exit_status": 1}


REPORTS = {
    "vectors": vectors,
    "every kind": whole,
    "right": lambda: verify("right", "expectation", "pathwise"),
    "undecided": lambda: verify("undecided", "no-samples", "right"),
    "without samples": lambda: verify("expectation", "pathwise-wrong"),
    "built-in": built_in,
    "comparison": compared,
    "failed": failed,
    "pytest": of_pytest,
    "pytest, nothing ran": lambda: begin("pytest") | {"verdicts": [], "tests": {}, "false_alarms": 0, "exit_status": 5},
    "hostile": hostile,
}
