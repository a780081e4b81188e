"""Find a sampler by its name, with errors that a user can act on."""

import ast
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from refgrad.estimators import Estimator
from refgrad.testing.built_in import classes

__all__ = ["LoadError", "describe", "load_estimator", "load_sampler"]


class LoadError(Exception):
    """What was asked for is not there, or does not import; the message says what to do."""


def load_sampler(target: str) -> Callable[..., Any]:
    """Import `file.py:name` or `pkg.module:name`.

    Parameters
    ----------
    target : str

    Returns
    -------
    callable

    Raises
    ------
    LoadError
        If there is no such file, module or name, the import fails, or the name is not callable.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise LoadError(f"the sampler needs to be given as file.py:name or pkg.module:name, but is {target!r}")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    except LoadError:
        raise
    except (Exception, SystemExit) as error:
        raise LoadError(f"{place} does not import: {describe(error, place)}") from error
    if not hasattr(module, name):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(sorted(known)) or 'no functions'}"
        raise LoadError(f"{place} has no name {name!r}{hint}")
    sampler = getattr(module, name)
    if not callable(sampler):
        raise LoadError(f"{target} needs to be callable as sampler(problem, n, rng), but is {sampler!r}")
    return sampler


def load_estimator(text: str, usual: Mapping[str, Mapping[str, Any]] | None = None) -> Estimator:
    """Read `Name` or `Name(field=value, ...)`.

    Parameters
    ----------
    text : str
    usual : mapping from str to mapping, optional
        By the name of the class: values of fields that the text does not give.

    Returns
    -------
    Estimator

    Raises
    ------
    LoadError
        If there is no such estimator, or its fields are wrong.

    Examples
    --------
    >>> print(load_estimator("GumbelSoftmax(temperature=0.5)"))
    GumbelSoftmax(temperature=0.5)
    """
    try:
        node = ast.parse(text, mode="eval").body
        call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
        if not isinstance(call.func, ast.Name) or call.args or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):
        raise LoadError(f"the estimator needs to be Name or Name(field=value), but is {text!r}") from None
    known = {cls.__name__: cls for cls in classes()}
    if call.func.id not in known:
        close = [name for name in known if name.lower() == call.func.id.lower()]
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise LoadError(f"there is no estimator {call.func.id!r}; {hint}")
    cls = known[call.func.id]
    names = [field.name for field in fields(cls) if field.init]  # type: ignore[arg-type]  # of a dataclass
    if unknown := [name for name in given if name not in names]:
        raise LoadError(f"{cls.__name__} has no field {unknown[0]!r}; it has {', '.join(names) or 'none'}")
    given = {**(usual or {}).get(cls.__name__, {}), **given}
    missing = [
        field.name
        for field in fields(cls)  # type: ignore[arg-type]
        if field.init and field.default is MISSING and field.default_factory is MISSING and field.name not in given
    ]
    if missing:
        raise LoadError(f"{cls.__name__} needs {' and '.join(missing)}: {cls.__name__}({missing[0]}=...)")
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise LoadError(f"{text}: {error}") from None


def describe(error: BaseException, place: str = "") -> str:
    """One line of an exception: its kind, its message, and the innermost line of the user's own file."""
    message = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{text.split(' (')[0]} (line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if place and Path(frame.filename).name == Path(place).name]
    if own:
        text += f" ({own[-1].filename}, line {own[-1].lineno}: {own[-1].line})"
    return text


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise LoadError(f"there is no file {path}")
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} needs to be a Python file")
    sys.path.insert(0, str(path.resolve().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_package(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            hint = f"; for the file say {name}.py" if Path(f"{name}.py").is_file() else ""
            raise LoadError(f"there is no module {error.name!r}{hint}") from None
        raise
