"""What the conformance suite is told, and which of its tests run on which problem."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refgrad.estimators import Estimator
from refgrad.testing._sampler import Form, Sampler
from refgrad.testing.loading import LoadError, load_estimator, load_sampler
from refgrad.testing.planning import samples_for_moments
from refgrad.testing.problem import Problem, standard_problems

if TYPE_CHECKING:
    import pytest

__all__ = ["COARSE", "SMALL", "VARIABLE", "Plan", "Subject", "answered", "plan_of", "read_expected", "read_form"]

VARIABLE = "REFGRAD_SAMPLER"
SAMPLES, ALPHA, TOLERANCE = 1_000_000, 1e-9, 0.1  # of the checks, where the run says nothing
SMALL, COARSE = 4_000, 0.5  # samples of calls for one or two rows on a problem, and the bias that is looked for
ASKED = {  # of these: where so many rows decide
    "saturated (bernoulli, D = 4)",
    "three categories (categorical, D = 1, K = 3)",
    "quiet (categorical, D = 1, K = 5)",
}
FORMS = "loss, probs and rows=M with commas between"
FEWEST = 40  # rows with which a check begins
DIGITS = 18  # of M


@dataclass(frozen=True, eq=False)
class Subject:
    """The sampler under test, what it returns, and the reference that it implements, if that is known."""

    sampler: Sampler
    form: Form = field(default_factory=Form)
    reference: Estimator | None = None

    @property
    def biased(self) -> bool:
        """Whether the reference is."""
        return self.reference is not None and not self.reference.claims.unbiased

    @property
    def name(self) -> str:
        """Of the sampler."""
        return getattr(self.sampler, "__name__", type(self.sampler).__name__)


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that the tests of one run are made of.

    Parameters
    ----------
    subject : Subject or None
        None if there is an error.
    family : str or None
    samples, alpha
        Of the checks.
    expected : dict
        Tests that are expected to fail, and where that stands.
    error : str or None
        What is wrong with the variable or an option.
    """

    subject: Subject | None = None
    family: str | None = None
    samples: int = SAMPLES
    alpha: float = ALPHA
    expected: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    def problems(self) -> list[Problem]:
        """Fresh ones: a sampler that changes a problem does not change it for the next test."""
        reference = self.subject.reference if self.subject else None
        return [p for p in standard_problems(self.family) if not reference or p.family in reference.claims.families]

    def not_asked(self) -> list[str]:
        """Tests that are expected to fail, and that this run does not have or skips."""
        asked: dict[str, set[str]] = {}
        for name in self.expected:
            test = name.partition("[")[0]
            if test not in asked:
                asked[test] = {f"{test}[{problem}]" for problem, reason in self.cases(test) if not reason}
        return [name for name in self.expected if name not in asked[name.partition("[")[0]]]

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Give a test its problems, or the reason why it has none."""
        import pytest  # noqa: PLC0415  (the extra)

        name = metafunc.function.__name__
        cases = []
        for problem, reason in self.cases(name) if self.error is None else ():
            case = str(problem) if problem else "no problem"
            marks = [pytest.mark.skip(reason=reason)] if reason else []
            if where := self.expected.get(f"{name}[{case}]"):
                marks.append(pytest.mark.xfail(strict=True, reason=f"expected by {where}"))
            cases.append(pytest.param(self.subject, problem, id=case, marks=marks))
        metafunc.parametrize(("subject", "problem"), cases)

    def cases(self, test: str) -> Iterator[tuple[Problem | None, str]]:
        """Problems of a test, and the reason why one, or the test as a whole, is skipped."""
        assert self.subject is not None
        reference = self.subject.reference
        if test == "test_moments" and reference is None:
            yield None, "needs --refgrad-estimator NAME: it compares with an estimator of the package"
        elif test == "test_unbiased" and self.subject.biased:
            yield None, f"{reference!r} is biased: test_moments holds the sampler to that bias"
        elif test == "test_small_calls" and self.subject.form.rows is not None:
            yield None, "the sampler returns one mean a call"
        else:
            for problem in self.problems():
                if test != "test_small_calls" or str(problem) in ASKED:
                    yield problem, self._undecidable(problem) if test == "test_moments" else ""

    def _undecidable(self, problem: Problem) -> str:
        needed = samples_for_moments(problem, TOLERANCE, self.alpha)
        if needed <= self.samples:
            return ""
        return f"second moments of its rare outcomes need some {needed:.1e} samples; allowed are {self.samples:,}"


@lru_cache(maxsize=1)
def plan_of(config: pytest.Config) -> Plan:
    """Read what a run is told, once. The plugin of the package holds the options; without it there are none."""
    plugin = config.pluginmanager.get_plugin("refgrad")
    texts: dict[str, tuple[str, str]] = plugin.options.suite if plugin else {}
    checks = plugin.options.checks if plugin else {}
    where = VARIABLE
    try:
        target = os.environ.get(VARIABLE)
        if not target:
            raise LoadError("needs to name the sampler, file.py:name or pkg.module:name, but is not set")
        sampler = _loaded(target)
        text, where = texts.get("form", ("", ""))
        form = read_form(text)
        samples = checks.get("max_samples", SAMPLES)
        if FEWEST * form.weight > samples:
            needed = f"rows={form.rows} needs {FEWEST * form.weight:,} samples, for {FEWEST} calls"
            raise ValueError(f"{needed}, but {samples:,} are allowed; --refgrad-samples allows more")
        text, where = texts.get("estimator", ("", ""))
        reference = load_estimator(text) if text else None
        family, where = texts.get("family", (None, ""))
        standard_problems(family)
        if reference and family and family not in reference.claims.families:
            raise LoadError(f"{reference!r} serves {' and '.join(reference.claims.families)}, not {family}")
        text, where = texts.get("xfails", ("", ""))
        expected = read_expected(Path(text)) if text else {}
    except (LoadError, ValueError, OSError) as error:
        return Plan(error=f"{where}: {error}" if where != VARIABLE or target else f"{where} {error}")
    subject = Subject(sampler, form, reference)
    return Plan(subject, family, samples, checks.get("alpha", ALPHA), expected)


def answered(test: Callable[[Subject, Problem], None]) -> Callable[[Subject, Problem], None]:
    """A test that fails where the sampler would have it skipped, or expected to fail."""

    @wraps(test)
    def asked(subject: Subject, problem: Problem) -> None:
        try:
            test(subject, problem)
        except BaseException as error:
            if not _excuses(error):
                raise
            said = f"{type(error).__name__}: {error}"
            text = f"{subject.name} needs to answer on {problem}, but raised pytest's {said}"
            raise AssertionError(text).with_traceback(error.__traceback__) from None

    return asked


def _excuses(error: BaseException) -> bool:
    import pytest  # noqa: PLC0415  (the extra)

    return isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception))


def _loaded(target: str) -> Sampler:
    try:
        return load_sampler(target)
    except BaseException as error:
        if not _excuses(error):
            raise
        raise LoadError(f"{target} needs to be loaded, but raised pytest's {type(error).__name__}: {error}") from None


def read_form(text: str) -> Form:
    """Read `loss`, `probs` and `rows=M`, with commas between.

    Raises
    ------
    ValueError
        If there is another word, or M is no number of rows.
    """
    options: dict[str, Any] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = word.partition("=")
        if word == "loss":
            options["loss"] = True
        elif word == "probs":
            options["wrt"] = "probs"
        elif name == "rows" and value.isdecimal() and len(value) <= DIGITS:
            options["rows"] = int(value)
        else:
            raise ValueError(f"needs {FORMS}, but has {word!r}")
    return Form(**options)


def read_expected(path: Path) -> dict[str, str]:
    """Read the tests that are expected to fail: one a line, as `test_unbiased[toy (bernoulli, D = 1)]`.

    Each is a test of some run: with another family or another reference, if not of this one.

    Returns
    -------
    dict
        By the name of the test, the file and the line.

    Raises
    ------
    ValueError
        If there is no such file, or no such test.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    from refgrad.testing import conformance  # noqa: PLC0415  (it imports this module)

    known = {
        f"{test}[{problem}]"
        for test in conformance.__all__
        for problem in standard_problems()
        if test != "test_small_calls" or str(problem) in ASKED
    }
    found = {}
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip().rpartition("::")[2]  # as the summary of pytest has it, or shorter
        if name and name not in known:
            raise ValueError(f"{path}, line {number}: needs a test such as {min(known)}, but there is none {name!r}")
        if name:
            found[name] = f"{path}, line {number}"
    return found
