"""The page as a browser shows it: without an error, without a request, in light and dark, on a narrow phone."""

import html
import json
import re
import shutil
import subprocess

import pytest
from testing.report.examples import hostile, of_pytest, whole

from refgrad.testing.report import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (320, 360, 1200)
WRAPPER = """\
<!doctype html><meta charset="utf-8"><title>wrapper</title><pre id="found"></pre>
{frames}
<script>
addEventListener("load", () => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, root = page.documentElement, style = frame.contentWindow.getComputedStyle;
    const sizes = [...page.querySelectorAll("main *")].filter(
      node => !node.closest("svg") && [...node.childNodes].some(child => child.nodeType == 3 && child.data.trim()));
    page.querySelectorAll("details").forEach(node => node.open = true);
    const texts = [...page.querySelectorAll("svg text")].map(
      node => parseFloat(style(node).fontSize) * node.getScreenCTM().a);
    return {{
      inner: frame.contentWindow.innerWidth, scroll: root.scrollWidth,
      paper: style(page.body).backgroundColor, ink: style(page.body).color,
      smallest: Math.min(...sizes.map(node => parseFloat(style(node).fontSize))),
      drawn: Math.min(...texts),
      cut: [...page.querySelectorAll("svg text")].filter(node => {{
        const text = node.getBoundingClientRect(), figure = node.ownerSVGElement.getBoundingClientRect();
        return text.left < figure.left - 1 || text.right > figure.right + 1;
      }}).map(node => node.textContent),
      figure: page.querySelector("svg text") && style(page.querySelector("svg text")).fill,
    }};
  }});
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>
"""

pytestmark = [
    pytest.mark.exhaustive,  # the same on every Python
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, chromium-browser or google-chrome"),
]


def shown(folder, text, *, dark=False):
    """What frames of several widths say of a page, and the lines of the console."""
    frames = "\n".join(f'<iframe width="{w}" height="800" srcdoc="{html.escape(text)}"></iframe>' for w in WIDTHS)
    path = folder / "wrapper.html"
    path.write_text(WRAPPER.format(frames=frames), encoding="utf-8")
    command = [
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"),
        *("--enable-logging=stderr", "--virtual-time-budget=10000", "--window-size=1300,900"),
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        *("--dump-dom", path.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1])), re.findall(r"CONSOLE.*", done.stderr)


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    return {name: shown(tmp_path_factory.mktemp("light"), page(report())) for name, report in REPORTS.items()}


REPORTS = {"every kind": whole, "pytest": lambda: of_pytest(30), "hostile": hostile}


@pytest.mark.parametrize("name", REPORTS)
class TestLight:
    def test_no_error(self, light, name):
        assert light[name][1] == []

    def test_nothing_scrolls_sideways(self, light, name):
        for width, frame in zip(WIDTHS, light[name][0], strict=True):
            assert width - 20 <= frame["inner"] <= width
            assert frame["scroll"] <= frame["inner"]

    def test_text_is_large_enough_on_every_screen(self, light, name):
        for frame in light[name][0]:
            assert frame["smallest"] >= 16
            assert frame["drawn"] >= 12  # letters of a figure, in pixels of the screen

    def test_no_label_of_a_figure_is_cut(self, light, name):
        assert [frame["cut"] for frame in light[name][0]] == [[]] * len(WIDTHS)

    def test_paper_is_light(self, light, name):
        assert {frame["paper"] for frame in light[name][0]} == {"rgb(255, 255, 255)"}


def test_dark(tmp_path, light):
    frames, console = shown(tmp_path, page(whole()), dark=True)
    assert console == []
    for frame, other in zip(frames, light["every kind"][0], strict=True):
        assert frame["paper"] == "rgb(20, 23, 28)"
        assert frame["figure"] == frame["ink"] != other["ink"] == other["figure"]


def test_what_is_wrong_with_a_page_is_seen(tmp_path):
    wide = '<div style="width: 2000px; font-size: 8px">wide<script>no.such.thing()</script></div>'
    text = (
        page(whole())
        .replace("<main>", f"<main>{wide}")
        .replace("of the largest component</text>", "W" * 40 + "</text>")
    )
    frames, console = shown(tmp_path, text)
    assert len([line for line in console if "no is not defined" in line]) == len(WIDTHS)
    for frame in frames:
        assert frame["scroll"] > frame["inner"]
        assert frame["smallest"] == 8
        assert frame["cut"]
