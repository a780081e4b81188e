"""Whether a report keeps to its format, and the first place where it does not, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from refgrad.testing.report._extra import needed
from refgrad.testing.report._format import schema
from refgrad.testing.report._sense import LONGEST, faults, shown

__all__ = ["validate"]

BITS = 1023  # a number of more may be none of float64
KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


def validate(report: Any) -> None:
    """Hold a report against the schema, and its fields against each other.

    Parameters
    ----------
    report : dict

    Raises
    ------
    ValueError
        If it is wrong: where, what is needed, and what is there.
    ImportError
        If jsonschema is missing.

    Examples
    --------
    >>> from refgrad.testing.report import begin
    >>> validate(begin("compare"))
    Traceback (most recent call last):
    ValueError: report needs the field 'exit_status', but has format, schema, version, command
    """
    jsonschema = needed("jsonschema")
    for wrong in _no_numbers(report, []):
        raise ValueError(wrong)
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(report))
    if error is not None:
        raise ValueError(f"{_place(error.absolute_path)} {_said(error)}")
    for wrong in faults(report):
        raise ValueError(f"report{wrong}")


def _place(path: Any) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "report" + "".join(parts)


def _no_numbers(value: Any, path: list[Any]) -> Iterator[str]:
    """Numbers that JSON does not have, or that no float and no reader can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{_place(path)} needs a number that is finite, or null, but is {value}"
    elif isinstance(value, int) and value.bit_length() > BITS:
        yield f"{_place(path)} needs a number below 2**{BITS}, but is one of {value.bit_length():,} bits"
    elif isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _no_numbers(item, [*path, key])


def _said(error: Any) -> str:
    """What is needed and what is given, of an error of jsonschema."""
    rule, value = error.validator_value, error.instance
    say = RULES.get(error.validator)
    return say(rule, value, error.schema) if say else f"is wrong: {error.message[:LONGEST]}"


def _missing(rule: list[str], value: Mapping[str, Any], _: Any) -> str:
    absent = next(name for name in rule if name not in value)
    return f"needs the field {absent!r}, but has {', '.join(value) or 'none'}"


def _unknown(_: Any, value: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    known = rules.get("properties", {})
    return f"has no field {next(name for name in value if name not in known)!r}; it has {', '.join(known)}"


def _kind(rule: str | list[str], value: Any, _: Any) -> str:
    kinds = [KINDS[name] for name in ([rule] if isinstance(rule, str) else rule)]
    return f"needs {' or '.join(kinds)}, but is {shown(value)}"


def _one_of(rule: list[Any], value: Any, _: Any) -> str:
    return f"needs one of {', '.join(map(shown, rule))}, but is {shown(value)}"


def _bound(words: str) -> Callable[[Any, Any, Any], str]:
    return lambda rule, value, _: f"needs {words.format(rule)}, but is {shown(value)}"


RULES: Mapping[str, Callable[[Any, Any, Any], str]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "type": _kind,
    "enum": _one_of,
    "const": lambda rule, value, _: f"needs {shown(rule)}, but is {shown(value)}",
    "minimum": _bound("at least {}"),
    "exclusiveMinimum": _bound("more than {}"),
    "exclusiveMaximum": _bound("less than {}"),
    "minItems": _bound("a list of at least {}"),
    "items": lambda _, value, rules: f"needs a list of {len(rules.get('prefixItems', ()))}, but is {shown(value)}",
}
