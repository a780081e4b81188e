"""Reports that keep to the format pass; each wrong one is refused with its place, its rule and its value."""

import copy
import re
import sys

import pytest
from testing.report.examples import REPORTS, hostile_tables, hostile_tests, of_pytest, verify, whole

from refgrad.testing.report import begin, validate


@pytest.mark.parametrize("name", REPORTS)
def test_a_right_report_passes(name):
    validate(REPORTS[name]())


def test_so_do_hostile_ones():
    for report in (hostile_tests(), *hostile_tables()):
        validate(report)


def changed(report, path, value):
    """A copy with another value at a path; `...` takes the field away."""
    report = copy.deepcopy(report)
    *first, last = path
    node = report
    for step in first:
        node = node[step]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return report


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], 2, "report.schema needs 1, but is 2"),
        (["schema"], ..., "report needs the field 'schema', but has format, version, command,"),
        (["format"], "other", 'report.format needs "refgrad-report", but is "other"'),
        (["command"], "judge", 'report.command needs one of "verify", "compare", "pytest", but is "judge"'),
        (["exit_status"], ..., "report needs the field 'exit_status', but has format, schema,"),
        (["exit_status"], -1, "report.exit_status needs at least 0, but is -1"),
        (["exit_status"], True, "report.exit_status needs a whole number, but is true"),
        (["verdict"], [], "report has no field 'verdict'; it has format, schema, version, command, target,"),
        (["options", "sead"], 1, "report.options has no field 'sead'; it has alpha, tolerance, seed,"),
        (["options", "alpha"], 0, "report.options.alpha needs more than 0, but is 0"),
        (["options", "alpha"], 1, "report.options.alpha needs less than 1, but is 1"),
        (["verdicts", 0, "outcome"], "rihgt", "report.verdicts[0].outcome needs one of "),
        (["verdicts", 0, "outcome"], ..., "report.verdicts[0] needs the field 'outcome', but has problem,"),
        (["verdicts", 0, "n"], "many", 'report.verdicts[0].n needs a whole number, but is "many"'),
        (["verdicts", 0, "exact"], 0.5, "report.verdicts[0].exact needs a list, but is 0.5"),
        (["verdicts", 0, "exact", 1], "x", "report.verdicts[0].exact[1] needs a number or null or a list, but is"),
        (["verdicts", 0, "low"], "none", 'report.verdicts[0].low needs a list or null, but is "none"'),
        (["verdicts", 0, "history", 0], [64], "report.verdicts[0].history[0] needs a list of at least 2, but is [64]"),
        (["verdicts", 0, "history", 0], [1, 0.5, 2], "report.verdicts[0].history[0] needs a list of 2, but is [1, 0.5"),
        (
            ["verdicts", 0, "estimate"],
            [1.0, 2.0],
            "report.verdicts[0].estimate needs the shape of exact, (3,), but has",
        ),
        (
            ["verdicts", 0, "exact"],
            [[1.0], 2.0],
            "report.verdicts[0].exact needs rows of the same length, but is [[1.0]",
        ),
        (["verdicts", 0, "low"], [[1.0], 2.0], ".low needs the shape of exact, (3,), but has rows of several lengths"),
        (
            ["verdicts", 0, "worst"],
            [3],
            "report.verdicts[0].worst needs an index into the shape (3,), or into its pairs",
        ),
        (["verdicts", 0, "off"], [[0, 0, 0]], "report.verdicts[0].off needs an index into the shape (3,), or into its"),
        (["verdicts", 0, "covariance"], [[1.0]], ".covariance needs the shape of pairs of components, (3, 3), but has"),
        (["verdicts", 1, "covariance"], None, "needs exact_covariance, covariance and covariance_error together, but"),
        (["diagnosis", "causes", 0, "nmae"], "", "report.diagnosis.causes[0] has no field 'nmae'; it has name, text,"),
    ],
)
def test_a_wrong_report_is_refused(path, value, message):
    report = verify("wrong", "moments", diagnosis=whole()["diagnosis"])
    validate(report)
    with pytest.raises(ValueError, match=re.escape(message)):
        validate(changed(report, path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["verdicts", 2, "test"], ..., "report.verdicts[2] needs the field 'test', but has outcome,"),
        (["false_alarms"], ..., "report needs the field 'false_alarms', but has"),
        (["tests", "a::b"], {"outcome": "passed"}, "report.tests.a::b needs the field 'right', but has outcome"),
    ],
)
def test_a_wrong_report_of_pytest_is_refused(path, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        validate(changed(of_pytest(), path, value))


@pytest.mark.parametrize("other", [None, [], "text", 3])
def test_what_is_no_report_at_all(other):
    with pytest.raises(ValueError, match="report needs an object, but is "):
        validate(other)


def test_a_long_value_is_cut():
    report = begin("compare") | {"exit_status": "x" * 1000}
    with pytest.raises(ValueError, match=r"needs a whole number, but is \"x{56}\.\.\.$"):
        validate(report)


def test_without_jsonschema(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    message = "reports need jsonschema, which is not installed: pip install 'refgrad[report]'"
    with pytest.raises(ImportError, match=re.escape(message)):
        validate(begin("compare") | {"exit_status": 0})
