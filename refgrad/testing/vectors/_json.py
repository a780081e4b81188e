"""JSON that people read too: an object has a line for each field, a list of numbers has one line."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["dumps"]


def dumps(value: Any, indent: str = "") -> str:
    """Write dicts and lists of dicts over several lines, and all else on one.

    Examples
    --------
    >>> print(dumps({"a": [1, 2], "b": [{"c": 0.5}]}))
    {
      "a": [1, 2],
      "b": [
        {
          "c": 0.5
        }
      ]
    }
    """
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(name)}: {dumps(own, inner)}" for name, own in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(inner + dumps(own, inner) for own in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
