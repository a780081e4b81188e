"""Packages of the extra `report`, imported where they are used."""

from importlib import import_module
from typing import Any

__all__ = ["needed"]


def needed(name: str) -> Any:
    """Import a package of the extra.

    Raises
    ------
    ImportError
        If it is missing; the message says what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"reports need {package}, which is not installed: pip install 'refgrad[report]'") from error
