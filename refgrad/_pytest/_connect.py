"""Where the checks look for their session: here, before and after they are imported, maybe in the middle of a test.

The context variable must be there before a test starts threads or tasks, and its home, `refgrad.testing.session`,
brings NumPy. So there is one here, and that module is given it as soon as it is loaded.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["NOW", "connect"]

HOME = "refgrad.testing.session"
NOW: ContextVar[Any] = ContextVar("refgrad_test", default=None)


def connect() -> None:
    """Give the module of sessions this context variable, now or when it is imported."""
    if HOME in sys.modules:
        sys.modules[HOME]._now = NOW  # type: ignore[attr-defined]
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds what the others find, once, and sees it loaded."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        if fullname != HOME:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Connecting(spec.loader)
        return spec


class _Connecting(Loader):
    """Loads as the loader that was found, which takes its place again."""

    def __init__(self, found: Loader) -> None:
        self.found = found

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.found.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self.found
        self.found.exec_module(module)
        connect()
