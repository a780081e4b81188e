"""The format of a report: how one begins, and its schema."""

import json
from functools import cache
from importlib import resources
from typing import Any

import refgrad

__all__ = ["begin", "schema"]

COMMANDS = ("verify", "compare", "vectors", "pytest")


def begin(command: str) -> dict[str, Any]:
    """Return the first fields of a report.

    Parameters
    ----------
    command : {"verify", "compare", "vectors", "pytest"}

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the command is another.

    Examples
    --------
    >>> report = begin("verify")
    >>> print(report["format"], report["schema"], report["command"])
    refgrad-report 1 verify
    """
    if command not in COMMANDS:
        raise ValueError(
            f"a report needs the command {', '.join(COMMANDS[:-1])} or {COMMANDS[-1]}, but is of {command!r}"
        )
    return {"format": "refgrad-report", "schema": 1, "version": refgrad.__version__, "command": command}


def schema() -> dict[str, Any]:
    """Return the JSON schema of a report (draft 2020-12), a new copy."""
    return json.loads(_text())


@cache
def _text() -> str:
    return resources.files("refgrad.testing.report").joinpath("report.schema.json").read_text(encoding="utf-8")
