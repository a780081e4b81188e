"""Whether a report keeps to its format, and the first place where it does not, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from refgrad.testing.report._extra import needed
from refgrad.testing.report._format import schema

__all__ = ["validate"]

LONGEST = 60  # characters of a wrong value that a message repeats
LIKE_EXACT = ("estimate", "standard_error", "low", "high")
LIKE_PAIRS = ("exact_covariance", "covariance", "covariance_error")
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
    """Hold a report against the schema, and its arrays against each other.

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
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(report))
    if error is not None:
        raise ValueError(f"{_place(error.absolute_path)} {_said(error)}")
    for number, verdict in enumerate(report.get("verdicts", ())):
        for wrong in _of_arrays(verdict):
            raise ValueError(f"{_place(['verdicts', number])}{wrong}")


def _place(path: Any) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "report" + "".join(parts)


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
    return f"needs {' or '.join(kinds)}, but is {_shown(value)}"


def _one_of(rule: list[Any], value: Any, _: Any) -> str:
    return f"needs one of {', '.join(map(_shown, rule))}, but is {_shown(value)}"


def _bound(words: str) -> Callable[[Any, Any, Any], str]:
    return lambda rule, value, _: f"needs {words.format(rule)}, but is {_shown(value)}"


RULES: Mapping[str, Callable[[Any, Any, Any], str]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "type": _kind,
    "enum": _one_of,
    "const": lambda rule, value, _: f"needs {_shown(rule)}, but is {_shown(value)}",
    "minimum": _bound("at least {}"),
    "exclusiveMinimum": _bound("more than {}"),
    "exclusiveMaximum": _bound("less than {}"),
    "minItems": _bound("a list of at least {}"),
    "items": lambda _, value, rules: f"needs a list of {len(rules.get('prefixItems', ()))}, but is {_shown(value)}",
}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _of_arrays(verdict: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the shapes of a verdict."""
    shape = _shape(verdict["exact"])
    if shape is None:
        yield f".exact needs rows of the same length, but is {_shown(verdict['exact'])}"
        return
    for names, expected, like in ((LIKE_EXACT, shape, "exact"), (LIKE_PAIRS, shape * 2, "pairs of components")):
        for name in names:
            value = verdict.get(name)
            if value is not None and _shape(value) != expected:
                given = _shape(value)
                yield f".{name} needs the shape of {like}, {expected}, but has {given or 'rows of several lengths'}"
    some = [verdict.get(name) is None for name in LIKE_PAIRS]
    if any(some) and not all(some):
        yield " needs exact_covariance, covariance and covariance_error together, but has not all of them"
    for name, index in [("worst", verdict["worst"]), *(("off", index) for index in verdict.get("off", ()))]:
        for allowed in (shape, shape * 2):
            if len(index) == len(allowed) and all(i < size for i, size in zip(index, allowed, strict=True)):
                break
        else:
            yield f".{name} needs an index into the shape {shape}, or into its pairs, but is {index}"


def _shape(value: Any) -> tuple[int, ...] | None:
    """Of nested lists; None where they are ragged."""
    if not isinstance(value, list):
        return ()
    inner = {_shape(item) for item in value}
    if len(inner) > 1 or None in inner:
        return None
    return (len(value), *(inner.pop() or () if inner else ()))
