"""Where the checks find who directs and hears them. Alone in a module that brings nothing: a test runner loads it."""

from contextvars import ContextVar
from typing import Any

__all__ = ["NOW"]

NOW: ContextVar[Any] = ContextVar("refgrad_session", default=None)  # a Session of refgrad.testing.session, or the like
