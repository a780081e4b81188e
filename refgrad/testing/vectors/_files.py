"""The files of vectors: copied out of the package, or made anew from the references."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from refgrad.testing._reserved import replaced
from refgrad.testing.vectors._format import names, resource
from refgrad.testing.vectors._json import dumps
from refgrad.testing.vectors._settings import FAMILIES, modules, stem

__all__ = ["BESIDE", "generate", "write"]

TITLE = b"# Vectors\n"  # of the page
BESIDE = ("README.md", *(f"schemas/{name}.schema.json" for name in ("vectors-1", "design-1", "answers-1")))


def generate(name: str) -> str:
    """Make one file anew, from the references in fifty digits.

    Parameters
    ----------
    name : str
        Of `names()`.

    Returns
    -------
    str
        The same bytes on every machine.

    Raises
    ------
    ImportError
        If mpmath is not installed.
    LookupError
        If there is no such file, or the estimator has no reference.
    """
    known = {stem(module, family): (module, family) for module in modules().values() for family in FAMILIES}
    folder, _, own = name.rpartition("/")
    if own not in known or folder not in {"", "designs"}:
        raise LookupError(f"vectors need a name of {', '.join(names())}, but it is {name!r}")
    try:
        from refgrad.testing.vectors._designs import designed  # noqa: PLC0415
        from refgrad.testing.vectors._generate import generated  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "mpmath":
            raise
        raise ImportError("vectors are made by mpmath: pip install 'refgrad[vectors]'") from error
    make = designed if folder else generated
    return dumps(make(*known[own])) + "\n"


def write(folder: str | Path, chosen: Iterable[str] | None = None, *, anew: bool = False) -> list[Path]:
    """Write files of vectors and designs, their schemas, and a page about them to a folder.

    Parameters
    ----------
    folder : str or pathlib.Path
        Made if it is not there.
    chosen : iterable of str, optional
        Names of files; all by default.
    anew : bool
        Make them from the references in place of copying those of the package.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    ImportError
        If they are to be made and mpmath is not installed.
    LookupError
        If a name is of no file.
    ValueError
        If the folder has a README.md of its own.
    OSError
        If a file cannot be written.
    """
    folder, chosen = Path(folder), list(names() if chosen is None else chosen)
    texts = (
        (f"{name}.json", generate(name).encode() if anew else resource(f"{name}.json").read_bytes()) for name in chosen
    )
    page = folder / "README.md"
    if page.exists() and not page.read_bytes().startswith(TITLE):
        raise ValueError(f"{folder} needs to be a folder of its own, but has another README.md")
    written = []
    for name, data in (*((own, resource(own).read_bytes()) for own in BESIDE), *texts):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replaced(path, data)
        written.append(path)
    return written
