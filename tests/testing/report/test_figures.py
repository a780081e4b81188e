"""The figures: what they draw, whose colours they have, and that they leave Matplotlib as it was."""

import re
import sys

import matplotlib as mpl
import numpy as np
import pytest
from testing.report.examples import judged, verify

from refgrad.testing.report import _figures, _svg, page
from refgrad.testing.report._words import MINUS


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_components_are_named_and_in_per_cent_of_the_largest():
    svg = _figures.components(judged("wrong"), "v0")
    assert {"[0]", "[1]", "[2]", "estimate minus exact, % of the largest component", "0"} <= set(texts(svg))
    assert '<title id="v0-title">3 of 3 components against the exact value</title>' in svg
    assert "[2]: -0.5562, exact -0.3737" in svg.replace(MINUS, "-")


def test_a_gradient_of_zero_is_in_units():
    zero = judged("wrong") | {"exact": [0.0, 0.0, 0.0]}
    assert "off by, units of f per logit" in texts(_figures.components(zero, "v0"))


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
    svg = _figures.evidence(judged("wrong-categories"), "v1")
    assert {"'wrong' from 10⁹", "samples", "1", "10⁹", "100"} <= set(texts(svg))
    assert "of 9 that convict, after 768" in svg
    odd = judged("wrong-categories") | {"alpha": 2e-9}
    assert "'wrong' from 10^8.7" in texts(_figures.evidence(odd, "v1"))


def test_ticks_are_whole_and_few():
    assert _figures._ticks((-0.4, 9.9), str, 5) == ([0, 3, 6, 9], ["0", "3", "6", "9"])
    assert _figures._ticks((1.8, 4.2), lambda k: f"{10**k:,}", 4, scale=10.0) == (
        [100, 1000, 10000],
        ["100", "1,000", "10,000"],
    )
    assert _figures._ticks((1.8, 1.9), str, 4)[0] == []


@pytest.mark.parametrize("draw", [_figures.components, _figures.evidence])
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
