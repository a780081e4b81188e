"""The derivations run, every equation that is cited exists, and every estimator ends at an equation."""

import ast
import doctest
import inspect
import io
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from refgrad.testing import built_in

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refgrad"
FOLDER = ROOT / "derivations"
PAGES = sorted(FOLDER.glob("*.md"))
ESTIMATORS = list({type(estimator): estimator for estimator in built_in.instances()}.values())
SECTIONS = ["Symbols", "Check", "Going wrong", "Beside the source document", "References"]
PAGE = re.compile(r"(\d\d)-[a-z0-9-]+\.md")
HEADING = re.compile(r"^### Eq\. (\d\d)\.(\d+): \S", flags=re.MULTILINE)
CITATION = re.compile(r"\bEq\.\s+(?:#\s*)?(\d\d)\.(\d+)(?:\s+to\s+(\d\d)\.(\d+))?")
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)


def code(text: str) -> str:
    """The lines inside python fences, each on its own line number; all others blank."""
    lines, inside = [], False
    for line in text.split("\n"):
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line.strip() == "```python" if fence else inside
    return "\n".join(lines)


def failures(text: str, name: str) -> str:
    """Report of the examples that fail; empty if all pass."""
    report = io.StringIO()
    test = doctest.DocTestParser().get_doctest(code(text), {"__name__": "__main__"}, name, name, 0)
    doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    return report.getvalue()


def equations(text: str) -> list[tuple[int, int]]:
    """Numbers of the headings, in the order of the page."""
    return [(int(page), int(number)) for page, number in HEADING.findall(text)]


def cited(text: str) -> Iterator[tuple[int, int]]:
    """Numbers that a text cites; of a range, all of them."""
    for page, number, last_page, last in CITATION.findall(text):
        assert last_page in {"", page}, f"a range of equations over two pages: {page}.{number} to {last_page}.{last}"
        yield from ((int(page), k) for k in range(int(number), int(last or number) + 1))


def missing(text: str, known: set[tuple[int, int]]) -> list[str]:
    """Citations of equations that no page has."""
    return [f"Eq. {page:02}.{number}" for page, number in cited(text) if (page, number) not in known]


def disordered(text: str, page: int) -> list[str]:
    """Headings whose number is of another page, or not above the one before it."""
    found = equations(text)
    return [
        f"Eq. {own:02}.{number}"
        for before, (own, number) in zip([(page, 0), *found], found, strict=False)
        if own != page or number <= before[1]
    ]


def absent(text: str) -> list[str]:
    """Sections that a page needs and has not."""
    return [name for name in SECTIONS if not re.search(rf"^## {re.escape(name)}$", text, flags=re.MULTILINE)]


def last_return(function: object) -> str:
    """The source of the last statement of a function, if it is a return."""
    source = textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
    last = ast.parse(source).body[0].body[-1]  # type: ignore[attr-defined]
    return "\n".join(source.splitlines()[last.lineno - 1 : last.end_lineno]) if isinstance(last, ast.Return) else ""


KNOWN = {equation for path in PAGES for equation in equations(path.read_text())}


@every_page
def test_the_page_runs(path):
    assert not (report := failures(path.read_text(), path.name)), report


@every_page
def test_the_page_is_complete(path):
    text = path.read_text()
    assert PAGE.fullmatch(path.name)
    assert re.match(rf"# {path.name[:2]} \S", text), "the title begins with the number of the page"
    assert absent(text) == []
    assert equations(text)
    assert code(text).count(">>> ") >= 10
    assert not re.search(r"\$\$|^```$\n^>>> ", text, flags=re.MULTILINE), "math in ```math, examples in ```python"


@every_page
def test_numbers_are_unique_and_increase(path):
    assert disordered(path.read_text(), int(path.name[:2])) == []


@every_page
def test_what_the_page_names_exists(path):
    head = path.read_text().split("\n## ", 1)[0]
    implemented = re.search(r"^\*Implemented by\* (.*?)\n\n", head, flags=re.MULTILINE | re.DOTALL)
    assert implemented
    assert "*Builds on*" in head
    paths = re.findall(r"`(refgrad/[^`]*)`", implemented[1])
    assert paths
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [name for name in paths if not (ROOT / name).exists()] == []
    assert [name for name in links if not (FOLDER / name).exists()] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")) + PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_equation_that_is_cited_exists(path):
    assert missing(path.read_text(), KNOWN) == []


@every_estimator
def test_the_last_line_of_an_estimator_cites_an_equation_of_its_page(estimator):
    page = estimator.claims.derivation
    assert (FOLDER / f"{page}.md").exists()
    assert {own for own, _ in cited(last_return(type(estimator).__call__))} == {int(page[:2])}


def test_pages_have_numbers_of_their_own():
    numbers = [path.name[:2] for path in PAGES]
    assert len(PAGES) >= 4
    assert len(set(numbers)) == len(numbers)


class TestTheHarness:
    """Each check above, on a text that it must refuse."""

    PAGE = "# 99 A page\n\n### Eq. 99.1: one\n\n```python\n>>> 1 + 1\n2\n>>> x = 3\n```\n\ntext\n\n```python\n>>> x\n{}\n```\n"

    def test_a_right_page_passes(self):
        assert failures(self.PAGE.format(3), "page") == ""

    def test_a_wrong_example_fails_with_its_line(self):
        report = failures(self.PAGE.format(4), "page")
        assert 'File "page", line 14' in report
        assert "Expected:\n    4\nGot:\n    3" in report

    def test_an_example_that_raises_fails(self):
        assert "ZeroDivisionError" in failures("```python\n>>> 1 / 0\n```\n", "page")

    def test_only_python_fences_run(self):
        text = ">>> a\n```math\n>>> b\n```\n```text\n>>> c\n```\n```python\n>>> 1\n1\n```\n>>> d\n"
        assert code(text).split() == [">>>", "1", "1"]
        assert len(code(text).split("\n")) == len(text.split("\n"))

    def test_a_citation_that_leads_nowhere_is_found(self):
        known = {(99, 1), (99, 2)}
        assert missing("# Eq. 99.1 and (Eq. 99.3)", known) == ["Eq. 99.3"]
        assert missing("Eq. 99.1 to 99.4", known) == ["Eq. 99.3", "Eq. 99.4"]
        assert missing("broken over lines: Eq.\n    98.1", known) == ["Eq. 98.1"]
        assert missing("Jang et al. (2017), Eq. 2; Eq. 99.2", known) == []

    @pytest.mark.parametrize(
        "numbers", [["99.1", "99.1"], ["99.2", "99.1"], ["99.1", "98.2"], ["99.0"]], ids=lambda n: " ".join(n)
    )
    def test_numbers_out_of_order_are_found(self, numbers):
        text = "\n".join(f"### Eq. {number}: name" for number in numbers)
        assert disordered(text, 99) == [f"Eq. {numbers[-1]}"]
        assert disordered("### Eq. 99.1: name\n### Eq. 99.3: name\n", 99) == []

    def test_a_section_that_is_not_there_is_found(self):
        text = "\n".join(f"## {name}" for name in SECTIONS)
        assert absent(text) == []
        assert absent(text.replace("## Check", "### Check")) == ["Check"]

    def test_a_last_line_without_its_equation_is_found(self):
        def cites():
            value = 1  # Eq. 99.1
            return (
                value  # Eq. 99.2
            )  # fmt: skip

        def cites_above():
            value = 1  # Eq. 99.1
            return value

        def ends_otherwise(value=[]):  # noqa: B006
            value.append(1)  # Eq. 99.1

        assert list(cited(last_return(cites))) == [(99, 2)]
        assert not list(cited(last_return(cites_above)))
        assert not last_return(ends_otherwise)
