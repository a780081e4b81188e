"""`refgrad vectors`: golden vectors for implementations in any language, and the judgement of their answers."""

import argparse
import json
from pathlib import Path
from typing import Any

from refgrad.cli._output import RIGHT, WRONG, bar, print_table
from refgrad.cli._report import add_files
from refgrad.testing.adapters._printable import printable
from refgrad.testing.loading import LoadError
from refgrad.testing.vectors import check_answers, names, shipped, write
from refgrad.testing.vectors._settings import FAMILIES, modules, stem

__all__ = ["add_to"]

EXAMPLES = """\
examples:
  refgrad vectors                                  what there is: files, tests, designs
  refgrad vectors --out vectors                    write all files, their schemas and a page about the format
  refgrad vectors --out vectors --estimator Rebar --family bernoulli
  refgrad vectors --out again --anew               make them again, in fifty digits (some minutes)
  refgrad vectors --check answers.json             judge the answers of your implementation
  refgrad vectors --check answers.json --against vectors --json report.json

answers are JSON: {"format": "refgrad-answers", "schema": 1, "precision": "float64", "vectors": ["rebar-bernoulli"],
  "answers": [{"id": "rebar-bernoulli-1", "gradient": [0.25], "z": [1], ...}, ...]}
gradient is needed, every other value that the vectors expect is welcome: the first that is off says where to look.
Every test of the files that "vectors" names needs an answer.

exit status:
  0 written, or all right      1 an answer is off or left out      2 usage, or a file that cannot be used
"""


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "vectors",
        help="golden vectors as JSON, and the judgement of another implementation's answers",
        description="What every estimator returns on given noise, in fifty digits; and whether others return it too.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--out", type=_folder, metavar="DIR", help="write the files to this folder")
    what.add_argument("--check", type=Path, metavar="ANSWERS", help="judge answers, a JSON file")
    parser.add_argument("--estimator", metavar="NAME", help="only its files, with --out or alone")
    parser.add_argument("--family", choices=["bernoulli", "categorical"], help="only files of this family")
    parser.add_argument("--anew", action="store_true", help="with --out: make the files again (needs mpmath)")
    parser.add_argument("--against", type=Path, metavar="DIR", help="with --check: a folder of vectors of your own")
    add_files(parser)
    parser.set_defaults(run=_vectors)


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("needs the name of a folder, but it is empty")
    return Path(text)


def _vectors(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report, and return the exit status."""
    for name, needs in (("anew", "out"), ("against", "check")):
        if getattr(options, name) and getattr(options, needs) is None:
            raise LoadError(f"--{name} needs --{needs}")
    if options.check is not None:
        for path in (options.json, options.html):
            if path is not None and path.resolve() == options.check.resolve():
                raise LoadError(f"{path} holds the answers: the report needs another file")
        for name in ("estimator", "family"):
            if getattr(options, name):
                raise LoadError(f"--{name} goes with --out: the answers name the files that they are for")
        return _check(options, report)
    chosen = _chosen(options)
    if options.out is None:
        return _list(chosen, report)
    written = [path for name in bar(chosen, "vectors") for path in write(options.out, [name], anew=options.anew)]
    report["files"] = [_described(name, json.loads((options.out / f"{name}.json").read_text())) for name in chosen]
    count = len(set(written))
    print(f"wrote {count} files to {options.out}; README.md says how to use them")
    return RIGHT


def _chosen(options: argparse.Namespace) -> list[str]:
    """Names of the files of an estimator and a family, also where they are still to be made."""
    if options.estimator not in {None, *modules()}:
        raise LoadError(f"--estimator needs one of {', '.join(modules())}, but is {options.estimator!r}")
    own = {
        stem(module, family)
        for estimator, module in modules().items()
        for family in FAMILIES
        if options.estimator in {None, estimator} and options.family in {None, family}
    }
    return [name for name in names() if name.removeprefix("designs/") in own]


def _list(chosen: list[str], report: dict[str, Any]) -> int:
    report["files"] = [_described(name, shipped(name)) for name in chosen]
    print_table(["file", "estimator", "family", "tests"], [list(map(str, own.values())) for own in report["files"]])
    return RIGHT


def _described(name: str, own: dict[str, Any]) -> dict[str, Any]:
    group = own["groups"][0]
    return {"name": name, "estimator": group["estimator"], "family": group["family"], "tests": own["number_of_tests"]}


def _check(options: argparse.Namespace, report: dict[str, Any]) -> int:
    try:
        found = check_answers(options.check, options.against)
    except OSError as error:
        raise LoadError(f"cannot read {error.filename}: {error.strerror}") from error
    report["judgements"] = [judgement.to_dict() for judgement in found]
    for judgement in found:
        print(judgement)
    wrong = sum(judgement.outcome == "wrong" for judgement in found)
    tests = sum(judgement.tests for judgement in found)
    who = f"{printable(found[0].implementation)}: " if found[0].implementation else ""
    print(f"\n{who}{tests:,} tests in {len(found)} files; {f'{wrong} files are wrong' if wrong else 'all right'}")
    return WRONG if wrong else RIGHT
