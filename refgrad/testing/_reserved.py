"""Files that are written at the end of a long work: shown to be writable before it, and replaced whole."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replaced", "reserved"]


@contextmanager
def reserved(path: Path | None) -> Iterator[None]:
    """Open a file before the work; what is there already stays until it is replaced, and nothing is left by a failure.

    Raises
    ------
    ValueError
        If it is a pipe, a socket or a disk: to open one may wait for ever. A terminal or /dev/null is taken.
    OSError
        If it cannot be written.
    """
    if path is None:
        yield
        return
    new = not path.exists()
    if not new and not (path.is_file() or path.is_dir() or path.is_char_device()):
        raise ValueError(f"needs a file, but {path} is no regular file")
    path.open("ab").close()
    made = path.resolve()
    try:
        yield
    except BaseException:
        if new:
            made.unlink(missing_ok=True)
        raise


def replaced(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside it first, then in its place. A link is followed, a device written to.

    Parameters
    ----------
    path : Path
    data : bytes

    Raises
    ------
    OSError
        If it cannot be written, with the path; what was there is there still, unless its folder takes no new file.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _exchanged(path.resolve(), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _exchanged(path: Path, data: bytes) -> None:
    beside = path.with_name(f".refgrad-{secrets.token_hex(8)}.part")
    try:
        file = beside.open("xb")
    except PermissionError:
        path.write_bytes(data)
        return
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
