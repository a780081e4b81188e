"""The figures: what they draw, whose colours they have, and that they leave Matplotlib as it was."""

import re
import sys

import matplotlib as mpl
import numpy as np
import pytest
from testing.report.examples import judged, verify

from refgrad.testing.report import _figures, _growth, _svg, page
from refgrad.testing.report._words import MINUS


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_components_are_named_and_in_per_cent_of_the_largest():
    svg = _figures.components(judged("wrong"), "v0")
    assert {"[0]", "[1]", "[2]", "estimate minus exact,", "% of the largest component", "0"} <= set(texts(svg))
    assert '<title id="v0-title">3 of 3 components against the exact value</title>' in svg
    assert "[2]: -0.5562, exact -0.3737" in svg.replace(MINUS, "-")


def test_a_gradient_of_zero_is_in_units():
    zero = judged("wrong") | {"exact": [0.0, 0.0, 0.0]}
    assert "units of f per logit" in texts(_figures.components(zero, "v0"))


def drawn(svg):
    """Rows of the figure, in the units of its axis: ends of the interval, of the standard error, and the point."""
    labels = re.findall(r'text-anchor: middle[^>]*x="([\d.]+)"[^>]*>([^<]+)</text>', svg)
    ticks = [(float(x), float(text.replace(MINUS, "-"))) for x, text in labels if text[-1].isdigit()]
    slope, start = np.polyfit(*np.transpose(ticks), 1)
    lines = {
        width: [
            [slope * float(x) + start for x in found]
            for found in re.findall(
                rf'd="M ([-\d.]+) \S+ L ([-\d.]+) \S+ " clip-path[^>]*stroke-width: {width}[;"]', svg
            )
        ]
        for width in ("1.5", "5")
    }
    points = re.findall(r'<use [^>]*x="([\d.]+)"[^>]*stroke: var\(--paper\)', svg)
    return lines["1.5"], lines["5"], [slope * float(x) + start for x in points]


@pytest.mark.parametrize(("below", "above"), [(0.02, 0.3), (0.3, 0.02)])
def test_every_end_is_drawn_where_it_is(below, above):
    verdict = judged("wrong")
    exact, estimate = (np.array(verdict[name]) for name in ("exact", "estimate"))
    low, high = estimate - below, estimate + above
    skew = verdict | {"low": low.tolist(), "high": high.tolist(), "standard_error": [0.015] * 3}
    intervals, errors, points = drawn(_figures.components(skew, "v0"))
    unit = 100 / np.abs(exact).max()
    half = 1e-4 * unit  # a tenth of what a pixel is worth, and less
    np.testing.assert_allclose(intervals, unit * np.transpose([low - exact, high - exact]), atol=half)
    np.testing.assert_allclose(points, unit * (estimate - exact), atol=half)
    ends = np.transpose([estimate - exact - 0.015, estimate - exact + 0.015])
    np.testing.assert_allclose(errors, unit * ends, atol=half)


def test_what_is_tolerated_has_an_edge_that_is_seen():
    svg = _figures.components(judged("wrong"), "v0")
    band = re.search(r'd="([^"]*)"[^>]*fill: var\(--band\)', svg)[1]  # its corners, in whatever order
    edges = re.findall(r'd="M ([\d.]+) [^"]*"[^>]*stroke-dasharray: [^>]*stroke: var\(--muted\)', svg)
    assert set(edges) == set(re.findall(r"[ML] ([\d.]+) ", band))
    assert len(edges) == 2


@pytest.mark.parametrize(
    ("times", "label"),
    [
        (1e9, "10¹¹ % of the largest component"),
        (1.0, "% of the largest component"),
    ],
)
def test_a_power_of_ten_is_in_the_label_and_not_over_it(times, label):
    estimate = (times * np.array([0.3, -0.1, 0.4])).tolist()
    verdict = judged("wrong") | {"exact": [0.3, -0.1, -0.4], "estimate": estimate, "low": None, "high": None}
    said = texts(_figures.components(verdict, "v0"))
    assert label in said
    assert not [text for text in said if re.search(r"\de", text)]


def test_tiny_numbers_are_in_units_with_their_power():
    tiny = {name: [3e-300] * 3 for name in ("exact", "low", "high")} | {"estimate": [5e-300] * 3}
    verdict = judged("wrong") | tiny | {"standard_error": [0.0] * 3, "tolerance": 1e-300}
    assert "10⁻³⁰⁰ units of f per logit" in texts(_figures.components(verdict, "v0"))


def test_evidence_beyond_a_million_powers_has_short_labels():
    svg = _growth.evidence(judged("wrong") | {"history": [[1, 0.0], [10**18, 1e300]], "n": 10**18}, "v0")
    said = texts(svg)
    assert {"10⁵", "10¹⁵"} <= set(said)
    assert [text for text in said if text.startswith("10^") and "e+299" in text]
    assert max(map(len, said)) < 20


def test_of_many_components_those_that_are_furthest_off():
    exact = np.zeros(40)
    estimate = np.linspace(0, 1, 40)
    many = judged("right") | {"exact": exact.tolist(), "estimate": estimate.tolist(), "worst": [39]}
    many |= {name: estimate.tolist() for name in ("low", "high")} | {"standard_error": exact.tolist()}
    svg = _figures.components(many, "v0")
    assert [text for text in texts(svg) if text.startswith("[")] == [f"[{k}]" for k in range(24, 40)]
    assert "16 of 40 components" in svg


def marks(svg):
    """Fill colours of what is marked on top, in order."""
    return re.findall(r"<use [^>]*fill: var\(--(right|wrong)\); stroke: var\(--paper\)", svg)


def test_what_is_off_is_marked_by_colour_and_by_shape():
    verdict = judged("wrong") | {"off": [[0]], "worst": [2]}
    svg = _figures.components(verdict, "v0")
    assert marks(svg) == ["wrong", "right", "wrong"]
    shapes = re.findall(r'<use href="#([^"]+)"[^>]*stroke: var\(--paper\)', svg)
    outlines = [re.search(rf'id="{shape}" d="([^"]+)"', svg)[1] for shape in shapes]
    assert outlines[0] == outlines[2] != outlines[1]


def test_an_infinite_interval_has_arrows():
    verdict = judged("wrong") | {"low": [None] * 3, "high": [None] * 3}
    closed, open_ = (_figures.components(v, "v0") for v in (judged("wrong"), verdict))
    assert len(set(re.findall(r'<path id="', closed))) == 1
    assert closed.count('<path id="') < open_.count('<path id="')


def test_the_evidence_has_its_line_and_its_ticks():
    svg = _growth.evidence(judged("wrong-categories"), "v1")
    assert {"'wrong' from 10⁹", "samples", "1", "10⁹", "100"} <= set(texts(svg))
    assert "of 9 that convict, after 1,536" in svg
    odd = judged("wrong-categories") | {"alpha": 2e-9}
    assert "'wrong' from 10^8.7" in texts(_growth.evidence(odd, "v1"))


def test_ticks_are_whole_and_few():
    assert _growth._ticks((-0.4, 9.9), str, 5) == ([0, 3, 6, 9], ["0", "3", "6", "9"])
    assert _growth._ticks((1.8, 4.2), lambda k: f"{10**k:,}", 4, scale=10.0) == (
        [100, 1000, 10000],
        ["100", "1,000", "10,000"],
    )
    assert _growth._ticks((1.8, 1.9), str, 4)[0] == []


@pytest.mark.parametrize("draw", [_figures.components, _growth.evidence])
class TestEveryFigure:
    def test_has_the_colours_of_the_page_alone(self, draw):
        svg = draw(judged("wrong"), "v0")
        assert not re.search(r"#[0-9a-f]{6}\b|rgb\(", svg)
        assert "var(--ink)" in svg
        assert not [color for color in _svg.COLORS if color in svg]

    def test_has_no_date_no_style_no_namespace(self, draw):
        svg = draw(judged("wrong"), "v0")
        assert not re.search(r"<metadata|<style|xmlns|http|<\?xml|<!DOCTYPE|<!--", svg)

    def test_has_text_as_text_that_a_phone_can_show(self, draw):
        svg = draw(judged("wrong"), "v0")
        sizes = {float(size) for size in re.findall(r"<text[^>]*?font(?:-size)?: ([\d.]+)px", svg)}
        assert sizes == {15.0}
        assert float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1]) == _svg.WIDTH == 320
        assert "var(--font)" in svg

    def test_is_the_same_whatever_the_user_has_set(self, draw):
        before = draw(judged("wrong"), "v0")
        with mpl.rc_context({"font.size": 40, "svg.fonttype": "path", "lines.color": "red", "axes.grid": True}):
            assert draw(judged("wrong"), "v0") == before

    def test_leaves_matplotlib_as_it_was(self, draw):
        with mpl.rc_context({"font.size": 40}):
            before = dict(mpl.rcParams)
            draw(judged("wrong"), "v0")
            assert dict(mpl.rcParams) == before
        assert "matplotlib.pyplot" not in sys.modules or not mpl.pyplot.get_fignums()

    def test_has_ids_of_its_own(self, draw):
        one, other = (set(re.findall(r'id="([^"]+)"', draw(judged("wrong"), name))) for name in ("v0", "v1"))
        assert one
        assert not one & other


def test_two_verdicts_that_are_alike_share_no_id():
    ids = re.findall(r'\bid="([^"]+)"', page(verify("wrong", "wrong")))
    assert len(ids) == len(set(ids)) > 20
