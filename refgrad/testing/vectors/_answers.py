"""What another implementation answered: read, and refused where it is not what the vectors asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from refgrad.testing.vectors._format import VectorsError, check_head, load, names, read_json, shipped, validated

__all__ = ["Answers", "library", "read_answers"]

ANSWERS = "refgrad-answers"


@dataclass(frozen=True)
class Answers:
    """Answers by the id of their test; `files` are those of vectors that they claim to answer in full, by name."""

    precision: str
    files: dict[str, dict[str, Any]]
    answers: dict[str, dict[str, Any]]
    implementation: str = ""


def read_answers(path: str | Path, given: dict[str, Callable[[], dict[str, Any]]]) -> Answers:
    """Read answers to some files of vectors.

    Parameters
    ----------
    path : str or pathlib.Path
    given : dict
        What reads the files of vectors that there are, by name: a `library`.

    Returns
    -------
    Answers

    Raises
    ------
    VectorsError
        If the file, or one of vectors, is cut off, of another format or version, or does not fit the schema; if it
        names a file of vectors that there is not, answers a test twice, or one that none of its files has.
    OSError
        If it cannot be read.
    """
    found = read_json(path, finite=False)
    check_head(path, found, ANSWERS)
    validated(path, found, "answers-1")
    unknown = [name for name in found["vectors"] if name not in given]
    if unknown:
        close = get_close_matches(unknown[0], given, n=3, cutoff=0.3) or list(given)
        raise VectorsError(f"{path} needs names of files of vectors, as {', '.join(close)}, but has {unknown[0]!r}")
    ids = [answer["id"] for answer in found["answers"]]
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise VectorsError(f"{path} needs one answer for each id, but has {twice[0]!r} twice")
    files = {name: given[name]() for name in found["vectors"]}
    tests = {test["id"] for own in files.values() for group in own["groups"] for test in group["tests"]}
    strange = [name for name in ids if name not in tests]
    if strange:
        raise VectorsError(
            f"{path} needs ids of tests in its vectors, {', '.join(files)}, but answers {strange[0]!r}, which none has"
        )
    answers = {answer["id"]: {name: own for name, own in answer.items() if name != "id"} for answer in found["answers"]}
    return Answers(found.get("precision", "float64"), files, answers, found.get("implementation", ""))


def library(folder: str | Path | None = None) -> dict[str, Callable[[], dict[str, Any]]]:
    """What reads the files of vectors and of designs, by their names: of a folder, or those that come with the package.

    Raises
    ------
    VectorsError
        If the folder has none.
    """
    if folder is None:
        return {name: partial(shipped, name) for name in names()}
    folder = Path(folder)
    paths = [*sorted(folder.glob("*.json")), *sorted(folder.glob("designs/*.json"))]
    if not paths:
        raise VectorsError(f"{folder} needs files of vectors, *.json, but has none")
    return {path.relative_to(folder).with_suffix("").as_posix(): partial(load, path) for path in paths}
