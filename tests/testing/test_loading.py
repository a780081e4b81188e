"""Samplers by name: what cannot be loaded says why."""

import pytest

from refgrad.estimators import GumbelSoftmax, Nvil, Reinforce
from refgrad.testing.loading import LoadError, load_estimator, load_sampler


@pytest.fixture(autouse=True)
def folder(scratch):
    return scratch


def test_a_file_and_its_neighbours(folder):
    (folder / "neighbour_of_mine.py").write_text("value = 3")
    (folder / "mine_in_a_file.py").write_text("import neighbour_of_mine\ndef f(*a): return neighbour_of_mine.value")
    assert load_sampler("mine_in_a_file.py:f")() == 3
    assert load_sampler(f"{folder}/mine_in_a_file.py:f")() == 3


def test_a_module(folder):
    (folder / "package_of_mine").mkdir()
    (folder / "package_of_mine" / "part.py").write_text("def f(*a): return 4")
    assert load_sampler("package_of_mine.part:f")() == 4


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [
        ("mine", "", "given as file.py:name or pkg.module:name, but is 'mine'"),
        ("mine.py:", "", "given as file.py:name or pkg.module:name"),
        ("none.py:f", None, "there is no file none.py"),
        ("none.of_these:f", None, "there is no module 'none'"),
        ("mine:f", "import not_a_module_at_all", "mine does not import: ModuleNotFoundError: No module named 'not_a"),
        (
            "mine.py:f",
            "import not_a_module_at_all",
            r"ModuleNotFoundError: .*mine.py, line 1: import not_a_module_at_all",
        ),
        ("mine.py:f", "x = 1\ndef f(:", r"mine.py does not import: SyntaxError: invalid syntax \(line 2\)"),
        ("mine.py:f", "import sys; sys.exit(3)", "mine.py does not import: SystemExit: 3"),
        ("mine.py:f", "1 / 0", r"ZeroDivisionError: division by zero \(.*mine.py, line 1: 1 / 0\)"),
        ("mine.py:estimat", "def estimate(): pass", "has no name 'estimat'; did you mean estimate"),
        ("mine.py:zzz", "def estimate(): pass", "has no name 'zzz'; it has estimate"),
        ("mine.py:f", "f = 3", r"needs to be callable as sampler\(problem, n, rng\), but is 3"),
    ],
)
def test_what_does_not_load(folder, target, source, message):
    if source is not None:
        (folder / "mine.py").write_text(source)
    with pytest.raises(LoadError, match=message):
        load_sampler(target)


def test_a_file_named_as_a_module(folder):
    (folder / "some_file.py").write_text("f = print")
    assert load_sampler("some_file:f") is print


def test_estimators_by_name():
    assert load_estimator("Reinforce") == Reinforce()
    assert load_estimator("GumbelSoftmax(temperature=0.5)") == GumbelSoftmax(temperature=0.5)


def test_fields_that_the_text_does_not_give():
    usual = {"GumbelSoftmax": {"temperature": 0.25}, "Nvil": {"features": [1.0]}}
    assert load_estimator("GumbelSoftmax", usual) == GumbelSoftmax(temperature=0.25)
    assert load_estimator("GumbelSoftmax(temperature=0.5)", usual) == GumbelSoftmax(temperature=0.5)
    assert load_estimator("Nvil(decay=0.5)", usual) == Nvil(features=[1.0], decay=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Nothing", "there is no estimator 'Nothing'; there are ConstantBaseline, .*, Reinforce, Relax$"),
        ("Estimator", "there is no estimator 'Estimator'"),
        ("rebar", r"there is no estimator 'rebar'; did you mean Rebar\?"),
        ("Rebar(temp=0.5)", "Rebar has no field 'temp'; it has temperature, coefficient, coupled"),
        ("Rebar(**{})", "needs to be Name or Name"),
        ("Adam", "there is no estimator 'Adam'"),
        ("pathwise", "there is no estimator 'pathwise'"),
        ("GumbelSoftmax", r"GumbelSoftmax needs temperature: GumbelSoftmax\(temperature="),
        ("GumbelSoftmax(temperature=0)", "needs a positive and finite temperature, but it is 0"),
        ("GumbelSoftmax(0.5)", r"needs to be Name or Name\(field=value\), but is 'GumbelSoftmax\(0.5\)'"),
        ("__import__('os')", r"needs to be Name or Name\(field=value\)"),
        ("Reinforce(", r"needs to be Name or Name\(field=value\)"),
    ],
)
def test_estimators_that_are_none(text, message):
    with pytest.raises(LoadError, match=message):
        load_estimator(text)
