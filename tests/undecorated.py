"""Copy the checkout with properties and cached functions written so that the mutation tool sees them.

It leaves decorated functions out. `@property def f` becomes `def _own_f` and `f = property(_own_f)`, which is the same.
A cached function without arguments runs in every call: the tool has to know all tests that need it, not the first.

    python tests/undecorated.py build/undecorated
"""

import ast
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"property", "cached_property", "cache"}
COPIED = ("refgrad", "tests", "derivations", "setup.cfg", "pyproject.toml", "README.md")


def undecorated(source):
    """Write every function with one of these decorators, and no other, as a plain one and a call of the decorator."""
    lines = source.splitlines()
    for node in sorted(found(ast.parse(source)), key=lambda node: node.lineno, reverse=True):
        decorator, own = node.decorator_list[0], f"_own_{node.name.lstrip('_')}"
        again = own if decorator.id == "cache" and not node.args.args else f"{decorator.id}({own})"
        lines[node.end_lineno : node.end_lineno] = ["", f"{' ' * node.col_offset}{node.name} = {again}"]
        lines[node.lineno - 1] = lines[node.lineno - 1].replace(f"def {node.name}(", f"def {own}(", 1)
        del lines[decorator.lineno - 1]
    return "\n".join(lines) + "\n"


def found(tree):
    """Functions with one decorator, which is of a kind that can be called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and len(node.decorator_list) == 1:
            decorator = node.decorator_list[0]
            if isinstance(decorator, ast.Name) and decorator.id in KINDS:
                yield node


def main(target):
    """Make the copy; what stood there goes."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    for package in ("distributions", "exact", "estimators"):
        for path in (target / "refgrad" / package).glob("*.py"):
            path.write_text(undecorated(path.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
