"""The page: what it says, that it is whole, alone, the same every time, and shows a user's text as text."""

import re
import sys
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from testing.report.examples import (
    ALPHA,
    HOSTILE,
    PLACES,
    REPORTS,
    built_in,
    cause,
    hostile,
    hostile_tables,
    hostile_tests,
    judged,
    of_pytest,
    vectors,
    verify,
)

from refgrad.testing.report import _figures, _page, begin, page, schema
from refgrad.testing.report._view import MARKS
from refgrad.testing.report._words import DASH, MINUS

pytestmark = pytest.mark.exhaustive  # examples, pages and benchmarks are the same on every Python

VOID = {"meta", "br", "wbr", "img", "link", "hr", "input"}
APART = {"td", "th", "br", "dt", "dd", "li", "p", "h1", "h2", "h3", "h4", "svg", "text", "title", "desc"}
OUTSIDE = {"src", "srcset", "action", "formaction", "poster", "background", "data", "ping"}


class Reader(HTMLParser):
    """Elements, ids and text; what is not balanced, or leads outside, is a fault."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.links, self.headings = [], [], [], [], []
        self.text, self.tags, self.regions = "", set(), []
        self.feed(text)
        self.close()
        self.faults += [f"open: {tag}" for tag in self.open]
        self.faults += [f"leads nowhere: {link}" for link in self.links if link not in self.ids]
        self.faults += [f"label {name} twice" for name in sorted(set(self.regions)) if self.regions.count(name) > 1]
        self.faults += [f"id {name} twice" for name in sorted(set(self.ids)) if self.ids.count(name) > 1]

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag in APART:
            self.text += " "
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.look(tag, attributes)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.look(tag, attributes)

    def look(self, tag, attributes):
        names = [name for name, _ in attributes]
        self.faults += [f"{name} twice in {tag}" for name in set(names) if names.count(name) > 1]
        for name, value in attributes:
            if name in OUTSIDE or name.startswith("on"):
                self.faults.append(f"{tag} has {name}")
            if name == "id":
                self.ids.append(value)
            if name == "aria-label":
                self.regions.append(value)
            if name.endswith("href"):
                if not value.startswith("#"):
                    self.faults.append(f"outside: {value}")
                self.links.append(value[1:])
            self.links += re.findall(r"url\(#?([^)]*)\)", value or "")
            if name in {"aria-labelledby", "aria-describedby"}:
                self.links += value.split()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"closed: {tag}")

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module")
def pages():
    return {name: page(report()) for name, report in REPORTS.items()}


def words(text):
    """What is read, with plain signs."""
    return " ".join(Reader(text).text.split()).replace(MINUS, "-").replace(DASH, "-")


@pytest.mark.parametrize("name", REPORTS)
class TestEveryPage:
    def test_is_balanced_with_ids_of_its_own_and_links_that_lead_somewhere(self, pages, name):
        assert Reader(pages[name]).faults == []

    def test_needs_nothing_from_outside(self, pages, name):
        assert not re.search(
            r"https?:|//[a-z]|@import|@font-face|<script|<link|<iframe|data:", without_text(pages[name])
        )

    def test_is_a_document_with_headings_in_order(self, pages, name):
        head, headings = pages[name][:300], Reader(pages[name]).headings
        assert head.startswith("<!doctype html>")
        assert '<html lang="en">' in head
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in head
        assert headings.count(1) == 1
        assert headings[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(headings))

    def test_shows_no_null_and_no_nan(self, pages, name):
        assert not re.search(r"\b(null|None|NaN|nan|inf|Infinity|undefined)\b", without_reasons(words(pages[name])))

    def test_is_the_same_again(self, pages, name):
        assert page(REPORTS[name]()) == pages[name]

    def test_every_figure_has_a_name_and_a_description(self, pages, name):
        figures = re.findall(r"<svg.*?</svg>", pages[name], flags=re.DOTALL)
        for figure in figures:
            assert re.match(r'<svg class="figure" role="img" aria-labelledby="(\S+)-title \1-desc"', figure)
            assert re.search(r"<title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", figure)


def without_text(text):
    """Markup alone."""
    return re.sub(r">[^<]*<", "><", text.split("</style>")[1]) + re.search("<style>(.*?)</style>", text, re.DOTALL)[1]


def without_reasons(text):
    """Without what the checks themselves quote."""
    return re.sub(r"row \d+, is \[[^]]*\]", "", text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<p><b></p></b>", "closed: p"),
        ("<p>", "open: p"),
        ('<p id="a"></p><p id="a"></p>', "id a twice"),
        ('<p aria-label="a"></p><p aria-label="a"></p>', "label a twice"),
        ('<a href="https://example.org"></a>', "outside: https://example.org"),
        ('<a href="#b"></a>', "leads nowhere: b"),
        ('<path clip-path="url(#c)"/>', "leads nowhere: c"),
        ('<img src="x">', "img has src"),
        ('<p onclick="x"></p>', "p has onclick"),
    ],
)
def test_each_fault_is_seen(text, fault):
    assert fault in Reader(text).faults


def replaced_in(value, old, new):
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {replaced_in(key, old, new): replaced_in(item, old, new) for key, item in value.items()}
    return [replaced_in(item, old, new) for item in value] if isinstance(value, list) else value


class TestHostileNames:
    @pytest.mark.parametrize("report", [hostile, hostile_tests, *(lambda i=i: hostile_tables()[i] for i in range(3))])
    def test_are_text(self, report):
        text = page(report())
        reader = Reader(text)
        assert reader.faults == []
        assert not {"script", "img"} & reader.tags
        assert HOSTILE in reader.text
        assert "<script" not in text

    @pytest.mark.parametrize("place", PLACES)
    def test_are_shown_wherever_they_stand(self, pages, place):
        assert f"{HOSTILE} {place}" in words(pages["hostile"])

    def test_of_controls_and_of_direction_are_escapes(self):
        spoof = "a\u202eb\x1b[31m\x00\ud800"
        shown = re.escape("a\\u202eb\\x1b[31m\\x00\\ud800")
        for report in (hostile(), hostile_tests(), *hostile_tables()):
            text = page(replaced_in(report, HOSTILE, spoof))
            assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", text)
            assert re.search(shown, words(text))
            text.encode()

    def test_unescaped_they_would_be_seen(self):
        reader = Reader(f"<p>{HOSTILE}</p>")
        assert {"script", "img"} <= reader.tags
        assert "img has onerror" in reader.faults


class TestTop:
    @pytest.mark.parametrize(
        ("name", "heading", "sentence"),
        [
            ("every kind", "✗ Wrong", "Wrong on 6 of 12 problems."),
            ("right", "✓ Right", "Right on all 3 problems, within the tolerance."),
            ("undecided", "? Undecided", "Undecided on 2 of 3 problems, and wrong on none. This is not a pass."),
            ("built-in", "✗ Wrong", "Built-in estimators against the exact answer, 2 rows: 1 claim does not hold."),
            ("comparison", "= Compared", "Bias against variance of 2 estimators on toy (bernoulli, D = 1), computed"),
            ("vectors", "✗ Wrong", "Wrong in 1 of 2 files of golden vectors."),
            ("failed", "! Failed", "No verdict was reached."),
            ("pytest, nothing ran", "- Nothing judged", "0 tests with checks: none ran."),
            (
                "pytest",
                "✗ Wrong",
                "6 tests with checks: 2 failed, 1 xfailed, 3 passed. 1 test failed undecided: no claim",
            ),
        ],
    )
    def test_says_the_outcome_in_words(self, pages, name, heading, sentence):
        text = words(pages[name])
        assert heading in text
        assert sentence in text

    def test_says_what_fits_answers_to_vectors(self, pages):
        text = words(pages["vectors"])
        for said in (
            "rebar-bernoulli wrong 79 1 1 - slope reinforce-bernoulli right 27 0 0 12.5 %",
            "rebar-bernoulli-1: slope [0] is 2, not 1 fits: rebar-no-slope: the slope was left out",
        ):
            assert said in text
        (right, _) = vectors()["judgements"]
        fine = vectors() | {"judgements": [right], "exit_status": 0}
        assert "Right in all 27 tests of 1 file of golden vectors, within their tolerances." in words(page(fine))
        listed = [{"name": "rebar-bernoulli", "estimator": "Rebar", "family": "bernoulli", "tests": 81}]
        assert "= Golden vectors 1 file of golden vectors." in words(
            page(begin("vectors") | {"files": listed, "exit_status": 0})
        )

    def test_says_how_far_off_in_plain_words(self):
        text = words(page(verify("wrong")))
        assert re.search(
            r"By how much: interactions \(bernoulli, D = 3\)\. Component \[2\] is 48\.8 % too large:", text
        )

    def test_counts(self, pages):
        assert "✗ 6 wrong ? 2 undecided ✓ 4 right" in words(pages["every kind"])

    def test_counts_what_was_not_kept(self):
        report = of_pytest()
        report["tests"]["test_mine.py::test_5[right]"] |= {"right": 995, "omitted": 994}
        text = words(page(report))
        assert "✗ 2 wrong ? 1 undecided ✓ 997 right" in text
        assert "994 verdicts were counted above and are not among those below." in text

    def test_says_what_was_asked_and_how_to_repeat(self):
        options = {"alpha": ALPHA, "tolerance": 0.1, "seed": 7, "estimator": "Rebar()", "loss": True, "rows": None}
        text = words(page(verify("right", check="unbiased", options=options)))
        for said in (
            "judged mine.py:estimate check unbiased: is the mean the exact gradient? reference Rebar() tolerance 10 %",
            "seed 0, 7",
            "loss yes",
            "refgrad verify mine.py:estimate --seed 0",
            "Of code that is right, each verdict says 'wrong' with probability at most 1 in 1,000,000,000.",
        ):
            assert said in text
        assert "rows" not in text

    def test_says_nothing_of_samples_where_there_are_none(self, pages):
        text = words(pages["without samples"])
        assert "Nothing was sampled, so nothing is left to chance." in text
        assert "alpha 1e-09" not in text

    def test_says_the_bound_on_false_alarms_of_pytest(self, pages):
        said = "The probability that any 'wrong' of this run is a false alarm is at most 1 in 166,666,667."
        assert said in words(pages["pytest"])
        none = of_pytest() | {"false_alarms": 0}
        assert "No check of this run left anything to chance" in words(page(none))

    def test_says_the_diagnosis(self, pages):
        text = words(pages["every kind"])
        assert "Likely cause" in text
        assert re.search(r"As a multiple of the exact gradient: 1\.\d+ ± 0\.\d", text)

    def test_says_the_error(self, pages):
        assert "mine.py:raises fails: AttributeError" in words(pages["failed"])


class TestVerdicts:
    def test_wrong_ones_come_first_then_undecided_ones_and_right_ones_are_folded(self):
        text = page(verify("right", "undecided", "wrong"))
        places = [text.index(f'id="v{number}"') for number in (2, 1, 0)]
        assert places == sorted(places)
        assert '<details id="v0">' in text
        assert '<article class="verdict undecided-card" id="v1">' in text

    def test_what_a_test_expects_does_not_make_the_run_wrong(self):
        report = of_pytest()
        for test in report["tests"].values():
            test["outcome"] = "passed"
        text = words(page(report | {"exit_status": 0}))
        assert "✓ Right 6 tests with checks: 6 passed." in text
        assert "Not right, as their tests expect" in text

    def test_a_test_that_failed_for_another_reason_is_not_wrong(self):
        report = of_pytest()
        for name, test in report["tests"].items():
            test["outcome"] = "failed" if "right" in name else "passed"
        assert "! Failed 6 tests with checks: 3 failed, 3 passed." in words(page(report))

    def test_shows_every_component_and_covariance(self):
        text = words(page(verify("moments-wrong")))
        assert "The variance of component [0] is 64.4 % too large: " in text
        assert "Covariance pair off by reference estimate std. error [0] and [0] ← worst +64.4 %" in text

    def test_says_of_what_is_right_how_much_could_still_hide(self):
        right = judged("right")
        most = 100 * right["certified"] / abs(right["exact"][0])
        assert 9 < most <= 10
        text = words(page(verify("right", "wrong")))
        assert f"✓ right < {most:.2g} % toy (bernoulli, D = 1)" in text
        assert "✗ wrong +48.8 % interactions (bernoulli, D = 3)" in text

    def test_marks_components_in_words(self):
        text = words(page(verify("wrong")))
        assert "[0] ← off +46.7 %" in text
        assert "[2] ← worst +48.8 %" in text

    def test_shows_a_dash_for_what_is_not_finite(self):
        shown = page(verify("no-samples"))
        assert "<svg" not in shown
        text = words(shown)
        assert "[1] - -0.1032 - - unbounded" in text
        assert "0 samples; any bias could still hide, 0.037 is tolerated." in text
        assert "Neither right nor wrong: nothing is known of it, and 0.037 is tolerated." in text

    def test_says_what_cannot_be_judged_and_shows_no_mean_of_it(self):
        shown = page(verify("not-finite", "wrong"))
        battery = shown[shown.index('id="v0"') : shown.index("</article>")]
        assert "What came back cannot be judged by its mean." in battery
        assert "<svg" not in battery
        assert "&larr;" not in battery
        faulty = judged("wrong") | {"battery": True}
        assert "&larr;" not in page(verify() | {"verdicts": [faulty], "exit_status": 1})

    def test_says_how_large_the_bias_of_what_is_wrong_can_be(self):
        most = judged("wrong")["certified"]
        assert f"8,192 samples; the largest bias is at most {most:.2g}, " in words(page(verify("wrong")))
        unknown = judged("wrong") | {"certified": None}
        assert "the size of the bias is not bounded, " in words(page(verify() | {"verdicts": [unknown]}))
        assert "; a bias of " in words(page(verify("undecided")))

    def test_interval_and_rounding_in_cells(self):
        verdict = judged("wrong") | {"exact": [0.5, -0.4, 1e-17], "estimate": [0.7, -0.4, 0.0], "off": [[0]]}
        verdict |= {"worst": [0], "low": [0.625, -0.5, None], "high": [0.75, -0.375, 0.25]}
        text = words(page(verify() | {"verdicts": [verdict]}))
        assert re.search(r"\[0\] ← worst \+40\.0 % 0\.5 0\.7 \S+ 0\.625 to 0\.75 ", text)
        assert re.search(r"\[1\] 0 % -0\.4 -0\.4 \S+ -0\.5 to -0\.375 ", text)
        assert re.search(r"\[2\] 0 \(rounding\) 1\.00e-17 0 \S+ unbounded", text)

    def test_a_component_is_zero_beside_the_largest_and_not_beside_its_error(self):
        verdict = judged("wrong") | {"estimate": [0.3, -0.1, -3.67e6], "worst": [2]}
        text = words(page(verify() | {"verdicts": [verdict]}))
        assert "Component [2] is 9.8e+06 times too large: -3.67e+06 instead of -0.3737." in text
        nothing = verdict | {"exact": [0.0, 0.0, 1e-17], "estimate": [0.0, 0.0, 0.2], "tolerance": 0.1}
        assert "Component [2] is not zero: 0.2 instead of 1.00e-17." in words(page(verify() | {"verdicts": [nothing]}))

    def test_says_what_was_not_tried(self, pages):
        assert "could not decide these: rare (bernoulli, D = 3)" in words(pages["every kind"])


def without_optional(node, definitions, rule):
    """Copies of a node of a report, in each of which one field that the schema does not require is missing."""
    if "$ref" in rule:
        named = definitions[rule["$ref"].rsplit("/", 1)[1]]
        rule = named | {"required": [*named.get("required", ()), *rule.get("required", ())]}
    if isinstance(node, dict):
        for name, value in node.items():
            if "properties" in rule and name not in rule.get("required", ()):
                yield name, {key: other for key, other in node.items() if key != name}
            inner = rule.get("properties", {}).get(name, rule.get("additionalProperties", {}))
            for gone, copy in without_optional(value, definitions, inner or {}):
                yield f"{name}.{gone}", node | {name: copy}
    elif isinstance(node, list) and node and "$ref" in rule.get("items", {}):
        for gone, copy in without_optional(node[0], definitions, rule["items"]):
            yield f"0.{gone}", [copy, *node[1:]]


def small():
    """Few verdicts, every field of a report of pytest and of verify."""
    whole = verify("wrong", check="unbiased", diagnosis=cause(), skipped=["rare"], error="stopped")
    tests = of_pytest(3)
    for test in tests["tests"].values():
        test |= {"not_judged": 1, "errors": ["ValueError: no"], "statistical": 1, "deterministic": 0, "omitted": 1}
    return whole, tests, built_in()


def test_no_page_needs_a_field_that_the_schema_does_not(monkeypatch):
    definitions, seen = schema()["$defs"], set()
    for report in small():
        monkeypatch.setattr(_page, "DRAWN", int(report["command"] == "verify"))
        for gone, copy in without_optional(report, definitions, definitions[report["command"]]):
            if gone in {"format", "schema", "version", "command", "rows"}:
                continue
            assert page(copy).startswith("<!doctype html>"), gone
            seen.add(gone)
    assert {"diagnosis.tried", "diagnosis.causes.0.alike", "verdicts.0.history", "target", "invisible"} <= seen
    assert any(gone.endswith("].errors") for gone in seen)


class TestNumbersAtTheEnds:
    """Of what a float can hold: the page is there, with a figure or a sentence in its place."""

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("subnormal", {"exact": [5e-324, 0.0, 0.0], "estimate": [1.0, 2.0, 0.0], "tolerance": 5e-324}),
            ("all subnormal", {k: [5e-324] * 3 for k in ("exact", "estimate", "standard_error", "low", "high")}),
            ("evidence", {"history": [[1, 0.0], [10**18, 1e300]], "n": 10**18}),
            ("no evidence", {"history": [[1, None], [2, None]]}),
            ("one look twice", {"history": [[10, 0.0], [10, 1.0]]}),
            ("no exact value", {"exact": [None] * 3}),
            ("alpha", {"alpha": 5e-324}),
        ],
    )
    def test_is_drawn(self, name, change):
        shown = page(verify() | {"verdicts": [judged("wrong") | change]})
        assert shown.count("<svg") == 2, name
        assert Reader(shown).faults == []
        assert not re.search(r"\b(nan|inf)\b", words(shown))

    @pytest.mark.parametrize("huge", [1e308, -1e308])
    def test_is_replaced_by_a_sentence(self, huge):
        verdict = judged("wrong") | {"exact": [huge] * 3, "estimate": [-huge] * 3, "low": None, "high": None}
        text = page(verify() | {"verdicts": [verdict]})
        assert text.count("<svg") == 1
        assert "Not drawn: these numbers are too large, or too small, for a figure." in words(text)
        assert "has the wrong sign" in words(text)

    def test_whatever_a_figure_raises(self, monkeypatch):
        def raises(verdict, name):
            raise RuntimeError(name)

        monkeypatch.setattr(_figures, "components", raises)
        text = page(verify("wrong"))
        assert text.count("<svg") == 1
        assert text.count("Not drawn") == 1

    def test_a_missing_package_is_no_such_figure(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError, match="reports need matplotlib, which is not installed"):
            page(verify("wrong"))


class TestManyVerdicts:
    def test_two_hundred_are_small_and_only_the_first_have_figures(self):
        report = begin("pytest") | {"false_alarms": 2e-7, "exit_status": 1, "tests": {}}
        report["verdicts"] = [judged("wrong-categories") | {"test": f"test_mine.py::test_{i}"} for i in range(200)]
        text = page(report)
        assert len(text) < 2_000_000
        assert text.count("<svg") == 40
        assert text.count('<article class="verdict') == 200

    def test_figures_go_to_what_is_not_right(self):
        text = page(verify(*["right"] * 20, "wrong"))
        wrong = text[text.index('<article class="verdict wrong-card" id="v20">') : text.index("</article>")]
        assert wrong.count("<svg") == 2
        assert text.count("<svg") == 40

    def test_a_large_table_is_cut_and_says_so(self):
        verdict = judged("right") | {
            name: [0.5] * 80 for name in ("exact", "estimate", "standard_error", "low", "high")
        }
        assert "and 16 components more." in words(page(begin("verify") | {"verdicts": [verdict], "exit_status": 0}))


def suite(*tests, status=1):
    """A run of pytest: of each test its name, how it ended, a kind of verdict or none, and what ended its checks."""
    found, verdicts = {}, []
    for name, ended, kind, errors in tests:
        counts = {key: int(kind is not None and judged(kind)["outcome"] == key) for key in MARKS}
        found[name] = {"outcome": ended, **counts, "not_judged": len(errors), "errors": errors, "repeat": f"go {name}"}
        verdicts += [judged(kind) | {"test": name}] if kind else []
    return begin("pytest") | {"verdicts": verdicts, "tests": found, "false_alarms": 0.0, "exit_status": status}


class TestOfPytest:
    def test_what_could_not_be_judged_is_shown_and_is_no_verdict(self):
        errors = ["TypeError: no such `thing`", "ValueError: <b>"]
        text = words(page(suite(("a.py::test_b[c]", "failed", None, errors), ("a.py::test_d", "passed", "right", []))))
        assert (
            "! Failed 2 tests with checks: 1 failed, 1 passed. 2 checks could not be judged: the code raised," in text
        )
        assert "! 2 not judged" in text
        assert (
            "right not judged samples failed a.py::test_b[c] TypeError: no such `thing` ValueError: <b> 0 0 0 2" in text
        )
        assert "To repeat the first that failed:" in text
        assert "To repeat the other" not in text

    def test_a_run_that_failed_outside_of_its_checks(self):
        report = suite(("a.py::test_d", "passed", "right", []), status=1)
        assert "! Failed 1 test with checks: 1 passed. The run failed outside of them, with exit status 1." in words(
            page(report)
        )
        assert "✓ Right 1 test with checks: 1 passed." in words(page(report | {"exit_status": 0}))
        for name in ("not judged", "failed outside"):
            assert name not in words(page(report | {"exit_status": 0}))

    def test_that_nothing_was_collected_is_no_failure(self, pages):
        assert "outside of them" not in words(pages["pytest, nothing ran"])

    def test_names_the_test_that_is_furthest_off_and_leads_to_each(self):
        kinds = ["right", "wrong", "wrong-categories"]
        text = page(suite(*((f"a.py::test_{kind}", "failed", kind, []) for kind in kinds)))
        assert re.search(r"Furthest off: \S+ \(\w+, D = \d+(, K = \d+)?\), in a\.py::test_wrong", words(text))
        for number, kind in enumerate(kinds):
            assert f'<a href="#v{number}">a.py::<wbr>test_{kind}</a>' in text
        assert Reader(text).faults == []

    def test_only_the_first_repeat_is_open(self):
        text = page(suite(*((f"test_{i}", "failed", "wrong", []) for i in range(3))))
        first, others = text.index("go test_0"), text.index("To repeat the other 2")
        assert first < text.index("<details>", first) < others < text.index("go test_1") < text.index("go test_2")

    def test_likely_causes_are_on_top_once_each_and_not_those_that_tests_expect(self):
        report = suite(
            *((f"test_{i}", "xfailed" if i == 1 else "failed", "wrong", []) for i in range(7)),
        )
        said = ["first `a`", "expected", "second", "second", "third", "fourth", "fifth"]
        for verdict, text in zip(report["verdicts"], said, strict=True):
            verdict["causes"] = [text, "less likely"]
        shown = page(report)
        top = shown[: shown.index("What was asked")]
        items = re.findall(r"<li>(.*?) <span", top[top.index("Likely cause") :])
        assert items == ["first <code>a</code>", "second", "third"]
        assert '(<a href="#v2">interactions (bernoulli, D = 3)</a>, in <span class="mono">test_2</span>)' in top

    def test_what_is_known_is_on_top_before_what_is_not(self):
        report = suite(("test_a", "failed", "wrong", []), ("test_b", "failed", "wrong", []))
        for verdict, text in zip(report["verdicts"], ["none of the known mistakes; as multiples", "half"], strict=True):
            verdict["causes"] = [text]
        text = words(page(report))
        assert "Likely cause half (interactions (bernoulli, D = 3), in test_b) What was asked" in text

    def test_where_no_known_mistake_fits_no_heading_says_that_one_does(self):
        report = suite(("test_a", "failed", "wrong", []))
        report["verdicts"][0]["causes"] = ["none of the known mistakes; as multiples of the exact gradient, 1.5"]
        text = words(page(report))
        assert text.count("No known mistake fits") == 2
        assert "Likely cause" not in text
        assert "Known mistakes that fit" not in text
        unknown = cause() | {"causes": [{"name": "unknown", "text": "none of the known mistakes; as multiples"}]}
        assert "No known mistake fits none of the known" in words(page(verify("wrong", diagnosis=unknown)))


class TestTables:
    def test_built_in(self, pages):
        text = words(pages["built-in"])
        assert "Nvil() claims a bias, but none is visible on these problems." in text
        assert "GumbelSoftmax(temperature=1.0) -0.008333 biased, as claimed toy (bernoulli, D = 1) [0] 0.025 " in text

    def test_a_wrong_row_comes_first(self):
        report = REPORTS["built-in"]()
        report["rows"][1]["verdict"] = "wrong"
        report |= {"invisible": []}
        assert re.search(r"variance error GumbelSoftmax\S+ \S+ wrong .* Reinforce", words(page(report)))

    def test_comparison(self, pages):
        assert "GumbelSoftmax(temperature=1.0) 0.06991 0.008333 33.3 % 0.06941 0.1201 69.37 1" in words(
            pages["comparison"]
        )

    def test_a_row_without_numbers_says_why(self):
        report = REPORTS["comparison"]()
        report["comparison"]["rows"][0]["note"] = "too many nodes"
        assert "not computed: too many nodes" in words(page(report))


def contrast(one, other):
    """Of two colours, as WCAG 2 has it."""

    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_and_of_grey():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")


def test_colours_have_the_contrast_that_text_needs_in_light_and_in_dark(pages):
    style = re.search("<style>(.*?)</style>", pages["failed"], re.DOTALL)[1]
    schemes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root {(.*?)}", style, re.DOTALL)
    ]
    assert len(schemes) == 2
    for scheme in schemes:
        for name in ("ink", "muted", "right", "wrong", "undecided"):
            for ground in ("paper", "card"):
                assert contrast(scheme[name], scheme[ground]) >= 4.5, (name, ground)
        assert contrast(scheme["ink"], scheme["band"]) >= 4.5
        assert contrast(scheme["right"], scheme["band"]) >= 3  # graphics
        assert contrast(scheme["wrong"], scheme["band"]) >= 3
        assert contrast(scheme["muted"], scheme["band"]) >= 3  # the edge of what is tolerated
