"""The format of a file of vectors: how it begins, where the files are, and how one is read."""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from refgrad.testing.vectors._settings import FAMILIES, made, modules, objective_of, stem

__all__ = [
    "DESIGN",
    "FORMAT",
    "GENERATOR_VERSION",
    "LICENSE",
    "SCHEMA",
    "VectorsError",
    "check_head",
    "load",
    "names",
    "read_json",
    "resource",
    "schema",
    "shape_of",
    "shipped",
    "validated",
]

DESIGN = "refgrad-design"
FORMAT, SCHEMA, GENERATOR_VERSION, LICENSE = "refgrad-vectors", 1, "1.0", "MIT"
DEEPEST = 32
SCHEMAS = {FORMAT: "vectors-1", DESIGN: "design-1"}


class VectorsError(ValueError):
    """What is wrong with a file of vectors, or of answers."""


def names() -> list[str]:
    """Names of the files that come with the package, without suffix: of each estimator and family, and its designs."""
    stems = [stem(module, family) for module in modules().values() for family in FAMILIES]
    return [*stems, *(f"designs/{own}" for own in stems)]


def resource(name: str) -> Any:
    """A file that comes with the package."""
    return resources.files("refgrad.testing.vectors").joinpath("data", *name.split("/"))


@cache
def shipped(name: str) -> dict[str, Any]:
    """A file of vectors or designs that comes with the package; it is shared, and not to be changed."""
    return dict(json.loads(resource(f"{name}.json").read_text(encoding="utf-8")))


@cache
def _schema_text(name: str) -> str:
    return str(resource(f"schemas/{name}.schema.json").read_text(encoding="utf-8"))


def schema(name: str = "vectors-1") -> dict[str, Any]:
    """Return a JSON schema (draft 2020-12), a new copy.

    Parameters
    ----------
    name : {"vectors-1", "design-1", "answers-1"}

    Returns
    -------
    dict
    """
    return dict(json.loads(_schema_text(name)))


def read_json(path: str | Path, finite: bool = True) -> Any:
    """Read JSON and refuse what JSON has not: a field twice, and, if asked, NaN.

    Raises
    ------
    VectorsError
        If the file is cut off or no JSON; if it has a field twice or a number that is not finite.
    OSError
        If it cannot be read.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        if twice:
            raise VectorsError(f"{path} needs each field once, but has {twice[0]!r} twice")
        return dict(pairs)

    def constant(text: str) -> float:
        if finite:
            raise VectorsError(f"{path} needs finite numbers, but has {text}")
        return float(text)

    def number(text: str) -> float:
        return constant(text) if math.isinf(float(text)) else float(text)

    def whole(text: str) -> float:
        return number(text) if math.isinf(float(text)) else int(text)

    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=unique, parse_constant=constant, parse_float=number, parse_int=whole)
    except json.JSONDecodeError as error:
        end = "it ends too early" if error.pos >= len(text.rstrip()) else error.msg
        raise VectorsError(f"{path} needs to be JSON, but at line {error.lineno}: {end}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise VectorsError(f"{path} needs to be JSON in UTF-8, but is not: {error}") from error
    if _deep(found, DEEPEST):
        raise VectorsError(f"{path} needs brackets in at most {DEEPEST} brackets, but has more")
    return found


def _deep(value: Any, left: int) -> bool:
    """Whether lists and objects are in more of their kind than are left."""
    if not isinstance(value, (list, dict)):
        return False
    return not left or any(_deep(own, left - 1) for own in (value.values() if isinstance(value, dict) else value))


def check_head(path: str | Path, found: Any, *formats: str) -> None:
    """Refuse what is of another format or version.

    Raises
    ------
    VectorsError
    """
    own = found.get("format") if isinstance(found, dict) else None
    if own not in formats:
        raise VectorsError(f"{path} needs the format {' or '.join(formats)}, but has {own!r}")
    if found.get("schema") != SCHEMA or isinstance(found.get("schema"), bool):
        raise VectorsError(f"{path} needs schema {SCHEMA}, but has {found.get('schema')!r}")


def validated(path: str | Path, found: Any, name: str) -> None:
    """Hold a document against its schema.

    Raises
    ------
    ImportError
        If jsonschema is not installed.
    VectorsError
        At the first place that does not fit.
    """
    try:
        import jsonschema  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("files of vectors need jsonschema to be read: pip install 'refgrad[vectors]'") from error
    errors = jsonschema.Draft202012Validator(schema(name)).iter_errors(found)
    worst = jsonschema.exceptions.best_match(errors)
    if worst is not None:
        where = "/".join(map(str, worst.absolute_path)) or "its top"
        raise VectorsError(f"{path} does not fit the schema at {where}: {worst.message[:300]}")


def load(path: str | Path) -> dict[str, Any]:
    """Read a file of vectors, or of designs.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    dict
        As the schema says.

    Raises
    ------
    VectorsError
        If it is cut off, of another format or version, does not fit the schema, counts its tests wrongly, has a name
        twice, a flag without a note, an estimator that there is not, or numbers of another shape.
    ImportError
        If jsonschema is not installed.
    OSError
        If it cannot be read.
    """
    found = read_json(path)
    check_head(path, found, *SCHEMAS)
    validated(path, found, SCHEMAS[found["format"]])
    tests = [(group, test) for group in found["groups"] for test in group["tests"]]
    if found["number_of_tests"] != len(tests):
        raise VectorsError(f"{path} needs number_of_tests to be {len(tests)}, but it is {found['number_of_tests']}")
    twice = [name for name, count in Counter(test["id"] for _, test in tests).items() if count > 1]
    if twice:
        raise VectorsError(f"{path} needs each id once, but has {twice[0]!r} twice")
    for group, test in tests:
        where = f"{path}, {test['id']}"
        if group["estimator"] not in modules():
            raise VectorsError(f"{where} needs an estimator of {', '.join(modules())}, but has {group['estimator']!r}")
        if test is group["tests"][0]:
            try:
                made(group)
                objective_of(group)
            except (ValueError, TypeError, OverflowError) as error:
                raise VectorsError(f"{where} has parameters or an objective that make none: {error}") from error
        unknown = set(test["flags"]) - set(found["notes"])
        if unknown:
            raise VectorsError(f"{where} needs a note for each flag, but {sorted(unknown)[0]!r} has none")
        _check_shapes(where, group, test)
    return found


def _check_shapes(where: str, group: dict[str, Any], test: dict[str, Any]) -> None:
    shape, many = tuple(group["shape"]), (len(test["weights"]),) if "weights" in test else ()
    answer = "gradient" if "gradient" in test["expected"] else "mean"
    for name, value in (("logits", test["logits"]), (answer, test["expected"][answer])):
        if shape_of(value) != shape:
            raise VectorsError(f"{where} needs {name} of shape {shape}, but it has shape {shape_of(value)}")
    for draw in test["noise"]:
        if shape_of(draw) != many + shape:
            raise VectorsError(
                f"{where} needs noise of shape {many + shape} in each draw, but one has shape {shape_of(draw)}"
            )


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Shape of nested lists, or None where rows are of different shapes."""
    if not isinstance(value, list):
        return ()
    shapes = {shape_of(own) for own in value}
    first = shapes.pop() if shapes else ()
    return None if shapes or first is None else (len(value), *first)
