"""The house: layers, lists, dependencies. Each check has a negative control."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import refgrad
from refgrad import estimators

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refgrad"
LAYERS = ["_session", "_traces", "_workers", "distributions", "objectives", "exact", "estimators", "testing", "cli"]
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(name):
    """Height of a module `refgrad.x.y`; the package itself and `python -m` stand on top of everything."""
    parts = name.split(".")
    return LAYERS.index(parts[1]) if len(parts) > 1 and parts[1] in LAYERS else len(LAYERS)


def imports(source):
    """Modules of refgrad that a source imports when it runs; annotations for type checkers do not run."""
    tree = ast.parse(source)
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            submodules = (f"{node.module}.{alias.name}" for alias in node.names)
            known = [name for name in submodules if node.module == "refgrad" and layer(name) < len(LAYERS)]
            yield from known or [str(node.module)]


def upward(name, source):
    """Imports of a module that point up."""
    return [i for i in imports(source) if i.split(".")[0] == "refgrad" and i != "refgrad" and layer(i) > layer(name)]


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path):
    assert upward(name_of(path), path.read_text()) == []


def test_an_import_that_points_up_is_seen():
    assert upward("refgrad.exact.enumeration", "from refgrad.estimators import Reinforce")
    assert upward("refgrad.distributions.bernoulli", "def f():\n    import refgrad.exact.moments")
    assert upward("refgrad.exact.moments", "from refgrad import testing") == ["refgrad.testing"]
    assert not upward("refgrad.testing.x", "from refgrad import exact")


def between_estimators(path):
    own = {f"refgrad.estimators.{p.stem}" for p in (PACKAGE / "estimators").glob("[a-z]*.py")}
    return [i for i in imports(path.read_text()) if i in own]


@pytest.mark.parametrize("path", sorted((PACKAGE / "estimators").glob("[a-z]*.py")), ids=name_of)
def test_estimators_do_not_import_each_other(path):
    assert between_estimators(path) == []


def test_an_estimator_that_imports_another_is_seen(tmp_path):
    path = tmp_path / "new.py"
    path.write_text("from refgrad.estimators.reinforce import Reinforce")
    assert between_estimators(path) == ["refgrad.estimators.reinforce"]


def test_the_list_of_estimators_is_the_folder():
    modules = {path.stem for path in (PACKAGE / "estimators").glob("[a-z]*.py")}
    listed = {getattr(estimators, name).__module__.split(".")[-1] for name in estimators.__all__}
    assert {name for name in listed if not name.startswith("_")} == modules


def test_the_oracle_never_calls_score_nor_the_noise_of_the_distributions():
    called = re.compile(r"\.(score|noise_given|relax_given|probs|log_prob|sample)\(|\bq\.probs\b")
    assert called.search("weights = q.score(z)")
    assert called.search("p = q.probs")
    found = [p.name for p in (PACKAGE / "exact").glob("*.py") if called.search(p.read_text())]
    assert found == []


def loaded(statement):
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_import_is_light():
    heavy = {"numpy", "scipy", "autograd", "matplotlib", "rich", "tqdm", "jinja2", "jsonschema", "hypothesis", "pytest"}
    heavy |= {"torch", "jax", "jaxlib", "tensorflow", "mpmath"}
    assert not heavy & loaded("import refgrad")
    assert not (heavy - {"numpy", "scipy", "autograd"}) & loaded("import refgrad.testing, refgrad.testing.adapters")
    assert {"scipy", "autograd"} <= loaded("import refgrad, scipy, autograd")


def test_autograd_scipy_is_never_imported():
    pattern = re.compile(r"autograd\.scipy|from autograd import scipy")
    assert pattern.search("import autograd.scipy.special")
    assert not [p for p in MODULES if pattern.search(p.read_text())]


def test_metadata():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = [re.split(r"[<>=~]", line)[0] for line in config["options"]["install_requires"].split()]
    assert required == ["numpy", "scipy", "autograd"]
    assert {"cli", "plot", "test"} <= set(config["options.extras_require"])
    assert tomllib.loads((ROOT / "pyproject.toml").read_text()).keys() == {"build-system"}
    assert (PACKAGE / "py.typed").exists()
    assert refgrad.__version__ in (ROOT / "CHANGELOG.md").read_text()


def test_every_module_has_its_tests():
    """References have one file for all: what they are held against is one thing too."""
    private = {"__init__", "__main__"}
    for path in MODULES:
        if path.parent.name != "references" and path.stem not in private and not path.stem.startswith("_"):
            folder = ROOT / "tests" / path.relative_to(PACKAGE).parent
            assert (folder / f"test_{path.stem}.py").exists(), f"{name_of(path)} has no test file"


def public(tree):
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            yield node


def test_every_public_name_of_a_public_module_is_documented():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
        for node in public(tree):
            assert ast.get_docstring(node), f"{name_of(path)}.{node.name} has no docstring"
