"""The page: what it says, that it is whole, alone, the same every time, and shows a user's text as text."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from testing.report.examples import (
    ALPHA,
    HOSTILE,
    PLACES,
    REPORTS,
    hostile,
    hostile_tables,
    hostile_tests,
    judged,
    of_pytest,
    verify,
)

from refgrad.testing.report import begin, page
from refgrad.testing.report._words import DASH, MINUS

VOID = {"meta", "br", "img", "link", "hr", "input"}
APART = {"td", "th", "dt", "dd", "li", "p", "h1", "h2", "h3", "h4", "svg", "text", "title", "desc"}
OUTSIDE = {"src", "srcset", "action", "formaction", "poster", "background", "data", "ping"}


class Reader(HTMLParser):
    """Elements, ids and text; what is not balanced, or leads outside, is a fault."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.links, self.headings = [], [], [], [], []
        self.text, self.tags = "", set()
        self.feed(text)
        self.close()
        self.faults += [f"open: {tag}" for tag in self.open]
        self.faults += [f"leads nowhere: {link}" for link in self.links if link not in self.ids]
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
        ('<a href="https://example.org"></a>', "outside: https://example.org"),
        ('<a href="#b"></a>', "leads nowhere: b"),
        ('<path clip-path="url(#c)"/>', "leads nowhere: c"),
        ('<img src="x">', "img has src"),
        ('<p onclick="x"></p>', "p has onclick"),
    ],
)
def test_each_fault_is_seen(text, fault):
    assert fault in Reader(text).faults


class TestHostileNames:
    @pytest.mark.parametrize(
        "report", [hostile, hostile_tests, lambda: hostile_tables()[0], lambda: hostile_tables()[1]]
    )
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

    def test_says_what_cannot_be_judged(self):
        assert "What came back cannot be judged by its mean." in words(page(verify("not-finite")))

    def test_says_what_was_not_tried(self, pages):
        assert "could not decide these: rare (bernoulli, D = 3)" in words(pages["every kind"])


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


class TestTables:
    def test_built_in(self, pages):
        text = words(pages["built-in"])
        assert "Nvil() claims a bias, but none is visible on these problems." in text
        assert "biased, as claimed GumbelSoftmax(temperature=1.0) toy (bernoulli, D = 1) [0] 0.025 -0.008333" in text

    def test_a_wrong_row_comes_first(self):
        report = REPORTS["built-in"]()
        report["rows"][1]["verdict"] = "wrong"
        report |= {"invisible": []}
        assert re.search(r"variance error wrong GumbelSoftmax.*unbiased Reinforce", words(page(report)))

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
