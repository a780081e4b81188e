"""Files that are written at the end of a long work, and shown to be writable before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["reserved"]


@contextmanager
def reserved(path: Path | None) -> Iterator[None]:
    """Open a file before the work; what is there already stays until it is replaced, and nothing is left by a failure.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if path is None:
        yield
        return
    new = not path.exists()
    path.open("ab").close()
    try:
        yield
    except BaseException:
        if new:
            path.unlink(missing_ok=True)
        raise
