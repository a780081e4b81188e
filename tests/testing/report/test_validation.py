"""Reports that keep to the format pass; each wrong one is refused with its place, its rule and its value."""

import copy
import re
import sys

import pytest
from testing.report.examples import REPORTS, built_in, hostile_tables, hostile_tests, of_pytest, verify, whole

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
        (["command"], "judge", 'report.command needs one of "verify", "compare", "vectors", "pytest", but is "judge"'),
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
        (
            ["verdicts", 0, "exact", 1],
            float("nan"),
            "report.verdicts[0].exact[1] needs a number that is finite, or null,",
        ),
        (
            ["options", "tolerance"],
            float("inf"),
            "report.options.tolerance needs a number that is finite, or null, but",
        ),
        (
            ["verdicts", 0, "exact", 1],
            10**400,
            "report.verdicts[0].exact[1] needs a number below 2**1023, but is one of",
        ),
        (
            ["verdicts", 0, "seed"],
            10**4000,
            "report.verdicts[0].seed needs a number below 2**1023, but is one of 13,288",
        ),
        (["verdicts", 0, "high"], [9, -9, 9], "[0] needs low to be at most high, but goes from -0.249109 to -9 at [1]"),
        (
            ["verdicts", 0, "standard_error"],
            [0, -1, 0],
            ".standard_error needs numbers of at least 0, but is -1 at [1]",
        ),
        (
            ["verdicts", 1, "covariance_error"],
            [[-2]],
            ".covariance_error needs numbers of at least 0, but is -2 at [0,",
        ),
        (["verdicts", 0, "tolerance"], -0.5, "report.verdicts[0].tolerance needs at least 0, but is -0.5"),
        (["verdicts", 0, "certified"], -0.5, "report.verdicts[0].certified needs at least 0, but is -0.5"),
        (["verdicts", 0, "history"], [[0, 0.0]], "report.verdicts[0].history[0][0] needs at least 1, but is 0"),
        (["verdicts", 0, "history"], [[9, 0], [8, 0]], ".history needs n to grow, but goes from 9 to 8"),
        (["verdicts", 0, "history"], [[8193, 0]], ".history needs to end at n, 8192, or before, but ends at 8193"),
        (["verdicts", 0, "check"], "biased", 'report.verdicts[0].check needs one of "unbiased", "moments", "expectat'),
        (["verdicts"], ..., "report needs verdicts, rows or an error, but has format, schema, version, command,"),
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


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bias", [1.0, 2.0], "report.rows[0].bias needs the shape of gradient, (1,), but has (2,)"),
        (
            "variance",
            [[1.0], 2.0],
            "report.rows[0].variance needs the shape of gradient, (1,), but has rows of several",
        ),
        ("gradient", [1.0, [2.0]], "report.rows[0].gradient needs rows of the same length, but is [1.0, [2.0]]"),
    ],
)
def test_a_wrong_row_of_a_built_in_estimator_is_refused(name, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        validate(changed(built_in(), ["rows", 0, name], value))


def test_an_end_that_is_null_is_after_no_other():
    validate(changed(verify("wrong"), ["verdicts", 0, "high"], [None, None, None]))


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
