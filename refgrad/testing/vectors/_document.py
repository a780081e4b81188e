"""What files of vectors and of designs have in common: their head, and the groups of an estimator's settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from refgrad.testing.vectors._draw import Draw
from refgrad.testing.vectors._flags import notes
from refgrad.testing.vectors._format import GENERATOR_VERSION, LICENSE, SCHEMA
from refgrad.testing.vectors._settings import estimator_class

__all__ = ["document", "groups_of"]


def document(form: str, groups: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A whole file, with the notes of the flags that it has."""
    groups = list(groups)
    tests = [test for group in groups for test in group["tests"]]
    used = {flag for test in tests for flag in test["flags"]}
    return {
        "format": form,
        "schema": SCHEMA,
        "generator_version": GENERATOR_VERSION,
        "license": LICENSE,
        "number_of_tests": len(tests),
        "notes": {name: note for name, note in notes().items() if name in used},
        "groups": groups,
    }


def groups_of(module: str, family: str, shape: tuple[int, ...], wire: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One group for each of the settings of an estimator, without its tests."""
    settings = import_module(f"refgrad.testing.references.{module}").settings
    for parameters in settings(Draw(f"{module} {family} {shape} parameters", family, shape)):
        yield {
            "estimator": estimator_class(module).__name__,
            "family": family,
            "shape": list(shape),
            "parameters": parameters,
            "objective": wire,
        }
