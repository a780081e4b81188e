"""The derivations run, and every equation that the code cites is there."""

import ast
import doctest
import re
from pathlib import Path

import pytest

from refgrad.testing import built_in

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "derivations").glob("*.md"))
SECTIONS = ["## Symbols", "## Check", "## Going wrong", "## References"]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def code_only(text):
    """Blank everything outside ```python fences; line numbers stay."""
    inside, lines = False, []
    for line in text.splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line == "```python" if fence else inside
    return "\n".join(lines) + "\n"


def run(text, name):
    """Number of examples, number of failures, and the report."""
    report = []
    test = doctest.DocTestParser().get_doctest(code_only(text), {}, name, name, 0)
    results = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=report.append)
    return results.attempted, results.failed, "".join(report)


def headings(text):
    return [(int(page), int(number)) for page, number in re.findall(r"^### Eq\. (\d\d)\.(\d+): \S", text, re.MULTILINE)]


def cited(text):
    return {(int(page), int(number)) for page, number in re.findall(r"Eq\. (\d\d)\.(\d+)", text)}


EQUATIONS = {equation for page in PAGES for equation in headings(page.read_text())}


@every_page
def test_the_page_runs(page):
    attempted, failed, report = run(page.read_text(), page.name)
    assert attempted > 0
    assert failed == 0, report


def test_a_page_that_is_wrong_fails():
    page = "text\n```python\n>>> 1 + 1\n3\n```\n"
    assert run(page, "wrong.md")[:2] == (1, 1)
    assert run(page.replace("3", "2"), "right.md")[:2] == (1, 0)
    assert run(page.replace("```python", "```text"), "none.md")[:2] == (0, 0)


@every_page
def test_the_page_has_its_parts(page):
    text = page.read_text()
    assert text.startswith("# ")
    assert "*Implemented by*" in text
    assert "*Builds on*" in text
    assert "| symbol | code | shape | meaning |" in text
    places = [text.find(section) for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)
    assert "The source document" in text
    assert "$$" not in text


@every_page
def test_equations_are_numbered_in_order(page):
    found = headings(page.read_text())
    assert found == [(int(page.name[:2]), number) for number in range(1, len(found) + 1)]
    assert page.read_text().count("```math") >= len(found)


@pytest.mark.parametrize("path", sorted((ROOT / "refgrad").rglob("*.py")), ids=lambda path: path.name)
def test_every_cited_equation_exists(path):
    assert cited(path.read_text()) <= EQUATIONS


@every_page
def test_every_equation_cited_by_a_page_exists(page):
    assert cited(page.read_text()) <= EQUATIONS


def test_a_citation_of_nothing_is_seen():
    assert not cited("x = 1  # Eq. 99.1") <= EQUATIONS


def last_line(cls):
    """Source of the last line of an estimator's call."""
    source = (ROOT / (cls.__module__.replace(".", "/") + ".py")).read_text()
    (own,) = [n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == cls.__name__]
    (call,) = [n for n in own.body if isinstance(n, ast.FunctionDef) and n.name == "__call__"]
    return source.splitlines()[call.body[-1].end_lineno - 1]


@pytest.mark.parametrize("estimator", built_in.instances(), ids=repr)
def test_the_last_line_of_an_estimator_is_an_equation_of_its_page(estimator):
    page = estimator.claims.derivation
    assert (ROOT / "derivations" / f"{page}.md").exists()
    assert re.search(rf"return .*# Eq\. {page[:2]}\.\d+$", last_line(type(estimator)))
