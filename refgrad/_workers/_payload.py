"""What travels to workers in other processes: the part of it that cannot, by name."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from types import MethodType, ModuleType
from typing import Any

__all__ = ["not_picklable"]

WIDTH = 120  # of a value in a message


def not_picklable(payload: Any, error: BaseException) -> str | None:
    """Say which part of a payload the error is about, if it is one of pickling it; else None."""
    heard = {(type(e), str(e)) for e in (error, error.__cause__)}
    cloudpickle = sys.modules.get("cloudpickle")  # Dask's: it takes functions of functions too
    for dumps in [pickle.dumps, *([cloudpickle.dumps] if cloudpickle else [])]:
        found = _failure(payload, dumps)
        if found is not None and (type(found), str(found)) in heard:
            name, value = _innermost("the task", payload, dumps)
            text = repr(value)
            shown = text if len(text) <= WIDTH else f"{text[:WIDTH]}..."
            return (
                f"{name} needs to be picklable for workers in other processes, such as a function of a module, but is "
                f"{shown}: {found}"
            )
    return None


def _failure(value: Any, dumps: Callable[[Any], bytes]) -> Exception | None:
    try:
        dumps(value)
    except Exception as error:  # whatever a __reduce__ raises
        return error
    return None


def _innermost(name: str, value: Any, dumps: Callable[[Any], bytes], seen: tuple[int, ...] = ()) -> tuple[str, Any]:
    """The innermost part that fails; what decides itself how it is pickled has no parts."""
    for inner, part in _parts(name, value):
        if id(part) not in seen and _failure(part, dumps):
            return _innermost(inner, part, dumps, (*seen, id(value)))
    return name, value


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    kind: Any = type(value)
    if isinstance(value, (tuple, list)):
        yield from ((name, part) for part in value)
    elif isinstance(value, MethodType):
        yield name, value.__self__
    elif kind.__reduce__ is object.__reduce__ and not isinstance(value, (type, ModuleType)):
        yield from getattr(value, "__dict__", {}).items()
