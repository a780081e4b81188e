"""Reports as files: .json for machines, .html for people; whether they can be written is seen before the work."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refgrad.testing._reserved import replaced
from refgrad.testing._reserved import reserved as reserved_file
from refgrad.testing.report._extra import needed
from refgrad.testing.report._page import page
from refgrad.testing.report._validation import validate

__all__ = ["read", "reserved", "to_json", "write"]

NEEDS = {".json": (), ".html": ("jinja2", "jsonschema", "matplotlib")}


@contextmanager
def reserved(path: str | Path | None) -> Iterator[None]:
    """Show before the work that a report can be written; what is there already stays until it is replaced.

    Parameters
    ----------
    path : str, Path or None
        None is no file: nothing happens.

    Raises
    ------
    ValueError
        If its suffix is neither .json nor .html, or it is a pipe, a socket or a disk.
    ImportError
        If it is .html, and a package of the extra `report` is missing.
    OSError
        If the file cannot be written.
    """
    for name in NEEDS[_suffix(Path(path))] if path is not None else ():
        needed(name)
    with reserved_file(Path(path) if path is not None else None):
        yield


def write(report: dict[str, Any], path: str | Path) -> None:
    """Write a report, whole or not at all: .json as it is, .html as its `page`.

    Parameters
    ----------
    report : dict
    path : str or Path

    Raises
    ------
    ValueError
        If the suffix is neither .json nor .html, the report has a number that is not finite, or, for .html, it does not
        keep to the schema.
    ImportError
        If it is .html, and a package of the extra `report` is missing.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    text = page(report) if _suffix(path) == ".html" else to_json(report)
    replaced(path, text.encode())


def to_json(report: dict[str, Any]) -> str:
    """Return a report as JSON that every reader takes.

    Parameters
    ----------
    report : dict

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it has a number that is not finite.
    """
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def read(path: str | Path) -> dict[str, Any]:
    """Read a report that was written as .json.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not JSON, or does not keep to the schema.
    ImportError
        If jsonschema is missing.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refused)
    except ValueError as error:
        raise ValueError(f"{path} needs to be JSON, but is not: {error}") from error
    try:
        validate(report)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return report


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in NEEDS:
        raise ValueError(f"a report needs a file that ends with .json or .html, but is given {str(path)!r}")
    return suffix


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
