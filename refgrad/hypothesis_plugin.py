"""The entry point that Hypothesis calls when it is imported, so that `from_type(Problem)` works."""

import sys

__all__ = ["register"]


def register() -> None:
    """Register the types of refgrad if `refgrad.testing` is loaded; if it is not, it does so itself when it is loaded.

    Nothing is imported for those who use Hypothesis without refgrad.
    """
    if hasattr(sys.modules.get("refgrad.testing"), "Problem"):
        from refgrad.testing.strategies import register_types  # noqa: PLC0415

        register_types()
