"""Somebody's code under `refgrad verify`: a check for each problem, the verdicts as they come, the likely cause."""

import argparse
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from refgrad.cli._output import RIGHT, UNDECIDED, WRONG
from refgrad.cli._terminal import live, print_overview, print_verdict, said
from refgrad.estimators import Estimator
from refgrad.testing import (
    Problem,
    SamplerError,
    Verdict,
    check_expectation,
    check_moments,
    check_pathwise,
    check_unbiased,
    diagnose,
    standard_problems,
)
from refgrad.testing.adapters import Subprocess, SubprocessError
from refgrad.testing.loading import LoadError, load_estimator, load_sampler
from refgrad.testing.pathwise import check_vectors
from refgrad.testing.planning import samples_for_moments

__all__ = ["CHECKS", "verify_judged"]

ONE_FAMILY = "(for code that serves one family only, say --family bernoulli or --family categorical)"
CHECKS = ("unbiased", "moments", "expectation", "pathwise")


def verify_judged(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report, print the verdicts, and return the exit status."""
    estimator = load_estimator(options.estimator) if options.estimator else None
    check = _chosen(options.check, estimator)
    if check in {"expectation", "pathwise"} and (options.rows or options.state):
        raise LoadError(f"--check {check} takes no samples, and no --rows or --state")
    problems = [p for p in standard_problems(options.family) if not estimator or p.family in estimator.claims.families]
    if check == "moments":
        problems = list(_decidable(problems, options, report))
    report["check"], report["verdicts"] = check, []
    verdicts: list[Verdict] = []
    target = options.target or options.program
    with _code(options) as code, said(target) as quiet:
        todo: list[Problem | str] = [*_vectors(check, options.family, estimator), *problems]
        for what in todo:
            with live(str(what)) as progress, _named(target, options.family), quiet():
                verdict = _judge(check, code, what, estimator, options, progress)
            if verdict is None:
                continue
            verdicts.append(verdict)
            report["verdicts"].append(verdict.to_dict())
            print_verdict(verdict)
        if any(v.outcome == "wrong" and not v.battery for v in verdicts) and check in {"unbiased", "moments"}:
            with quiet():
                found = diagnose(code, options.family, estimator=estimator, seed=options.seed, **_form(options))
            report["diagnosis"] = found.to_dict()
            print(f"\n{found}")
    print_overview(verdicts)
    outcomes = [verdict.outcome for verdict in verdicts]
    counts = ", ".join(f"{outcomes.count(name)} {name}" for name in ("right", "wrong", "undecided"))
    print(f"\n{target}: {counts}")
    return WRONG if "wrong" in outcomes else UNDECIDED if "undecided" in outcomes else RIGHT


@contextmanager
def _code(options: argparse.Namespace) -> Iterator[Callable[..., Any]]:
    """The sampler that was named, or the program, which is ended at the end."""
    if options.program is None:
        yield load_sampler(options.target)
        return
    try:
        program = Subprocess(shlex.split(options.program), timeout=options.timeout)
    except (SubprocessError, ValueError) as error:
        raise LoadError(f"--program {options.program!r}: {error}") from error
    with program:
        yield program


def _decidable(problems: list[Problem], options: argparse.Namespace, report: dict[str, Any]) -> Iterator[Problem]:
    """Problems whose second moments the samples can decide; the others are said."""
    report["skipped"] = []
    for problem in problems:
        needed = samples_for_moments(problem, options.tolerance, options.alpha)
        if needed <= options.max_samples:
            yield problem
        else:
            report["skipped"].append(str(problem))
            allowed = f"--max-samples allows {options.max_samples:,}"
            print(f"skipped: {problem}: second moments of its rare outcomes need some {needed:.1e}; {allowed}")


def _chosen(check: str | None, estimator: Estimator | None) -> str:
    """The check that was asked for, or that what is known allows."""
    if check is None:
        return "moments" if estimator is not None and not estimator.claims.unbiased else "unbiased"
    if check != "unbiased" and estimator is None:
        raise LoadError(f"--check {check} needs --estimator NAME: it compares with an estimator of the package")
    return check


def _form(options: argparse.Namespace) -> dict[str, Any]:
    return {"rows": options.rows, "wrt": "probs" if options.probs else "logits", "loss": options.loss}


def _vectors(check: str, family: str | None, estimator: Estimator | None) -> list[str]:
    """Families whose golden vectors a function of noise is judged on, before the problems."""
    if check != "pathwise" or estimator is None:
        return []
    return [own for own in estimator.claims.families if family in {None, own}]


def _judge(
    check: str,
    code: Callable[..., Any],
    problem: Problem | str,
    estimator: Estimator | None,
    options: argparse.Namespace,
    progress: Callable[[int, float], Any] | None,
) -> Verdict | None:
    """Run one check on one problem, or on the golden vectors of a family, of which there may be none."""
    if isinstance(problem, str):
        assert estimator is not None
        return check_vectors(code, estimator, problem)
    if check == "expectation":
        assert estimator is not None
        return check_expectation(code, problem, estimator)
    if check == "pathwise":
        assert estimator is not None
        return check_pathwise(code, estimator, [problem], seed=options.seed)
    common = {
        "tolerance": options.tolerance,
        "alpha": options.alpha,
        "max_samples": options.max_samples,
        "seed": options.seed,
        "max_seconds": options.max_seconds,
        "state": options.state,
        "progress": progress,
        **_form(options),
    }
    if check == "moments":
        assert estimator is not None
        return check_moments(code, problem, estimator, **common)
    return check_unbiased(code, problem, estimator=estimator, causes=False, **common)


@contextmanager
def _named(target: str, family: str | None) -> Iterator[None]:
    """Turn what the code raises, or returns that cannot be read, into a message."""
    try:
        yield
    except (SamplerError, TypeError, ValueError) as error:
        hint = "" if family else f"\n  {ONE_FAMILY}"
        raise LoadError(f"{target} fails: {error}{hint}") from error
