"""The section `refgrad` at the end of a run, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from refgrad._pytest._record import FAILED
from refgrad._pytest._repeat import OUTCOMES, TO_REPEAT

if TYPE_CHECKING:
    from refgrad._pytest._account import Account

__all__ = ["lines", "off_by"]

EACH, ALL = 3, 30  # lines for one test, and for all of them, without -v
LENGTH = 100  # of the name of a problem


def lines(account: Account, verbosity: int) -> Iterator[str]:
    """Counts, what they are worth, a line for each verdict that is not right, with -v for each that is kept."""
    counts = account.counts
    checks = counts["statistical"] + counts["deterministic"] + counts["not_judged"]
    outcomes = ", ".join(f"{counts[name]:,} {words}" for name, words in OUTCOMES.items() if counts[name])
    many = len(account.tests)
    if account.said:
        yield account.said
    if not many:
        return
    ended = f": {outcomes}; {counts['samples']:,} samples" if checks else ", which failed before a check"
    yield f"{_count(checks, 'check')} in {_count(many, 'test')}{ended}"
    if verbosity >= 0 and checks:
        yield _chance(account, counts)
    shown, hidden, expected = _chosen(account, verbosity)
    yield from shown
    yield from _not_judged(account)
    notes = Counter(note for test in account.tests.values() for verdict in test.verdicts for note in verdict["notes"])
    for note, count in notes.items():
        yield f"note of {_count(count, 'check')}: {note}"
    if hidden:
        yield f"... and {hidden:,} more that {'is' if hidden == 1 else 'are'} not right; -v shows them"
    if expected:
        yield f"{expected:,} not right in tests that did not fail: they expect it, or drop the verdict; -v shows them"
    if verbosity > 0 and (omitted := counts["omitted"]):
        yield f"{omitted:,} verdicts are counted and not kept: of one test only the last ones are"
    undecided = sum(test.counts["undecided"] for test in account.tests.values() if test.outcome in FAILED)
    if undecided and verbosity >= 0:
        yield "Undecided is no claim that the code is wrong: nothing is shown yet."
        yield "For more samples: --refgrad-samples, or max_samples= where the test says it."
    yield from _repeats(account)


def _not_judged(account: Account) -> Iterator[str]:
    """A line for each test whose checks ended in an error, and for each of the suite that failed before a check."""
    failed = [(name, test) for name, test in account.tests.items() if test.errors and test.outcome in FAILED]
    for name, test in failed[:ALL]:
        word = "no answer" if test.counts["not_judged"] else "failed   "
        yield f"{word} {name.removeprefix('::')}: {test.errors[0].splitlines()[0][:LENGTH]}"
    if len(failed) > ALL:
        yield f"... and {len(failed) - ALL:,} tests more whose code gave no answer"


def _repeats(account: Account) -> Iterator[str]:
    """The lines that repeat what failed, where pytest does not show them with the failures, and where they hold."""
    lines = [test.repeat for test in account.tests.values() if test.outcome in FAILED and test.repeat]
    option, began = account.config.option, account.config.invocation_params.dir
    shown = option.tbstyle not in {"no", "line"} and option.showcapture == "all"
    if lines and not shown:
        yield TO_REPEAT if len(lines) == 1 else "To repeat them:"
        yield from lines[:ALL]
        if len(lines) > ALL:
            yield f"... and {len(lines) - ALL:,} more"
    if lines and began != account.config.rootpath:
        yield f"What repeats a test is for {began}, where the run began."


def _chance(account: Account, counts: Mapping[str, int]) -> str:
    """What the failures are worth."""
    exact, many = counts["deterministic"], _count(counts["statistical"], "check")
    if not counts["statistical"]:
        return "No check took samples, so none can raise a false alarm by chance."
    rest = f"; {_count(exact, 'check')} without samples cannot raise one" if exact else ""
    return f"The chance of any false alarm in {many} by samples is at most {account.alpha:.2g}{rest}."


def _chosen(account: Account, verbosity: int) -> tuple[list[str], int, int]:
    """Lines that are shown, how many are not, and how many are what tests expect that did not fail."""
    shown, hidden, expected = [], 0, 0
    for name, test in account.tests.items():
        if verbosity > 0:
            shown += [_line(name, test, verdict) for verdict in test.verdicts]
            continue
        bad = [verdict for verdict in test.verdicts if verdict["outcome"] != "right"]
        many = test.counts["wrong"] + test.counts["undecided"]
        if test.outcome not in FAILED:
            expected += many
            continue
        room = min(EACH, ALL - len(shown))
        shown += [_line(name, test, verdict) for verdict in bad[len(bad) - room :]] if room else []
        hidden += many - min(room, len(bad))
    return shown, hidden, expected


def _line(name: str, test: Any, verdict: dict[str, Any]) -> str:
    outcome, problem = verdict["outcome"], verdict["problem"]
    problem = problem if len(problem) <= LENGTH else problem[: LENGTH - 3] + "..."
    name = name.removeprefix("::")  # of a file outside of pytest's rootdir
    title = name if problem in name else f"{name}: {problem}"
    how = "" if test.outcome in FAILED or outcome == "right" else f" (the test {test.outcome})"
    what = _what(verdict)
    return f"{outcome:<9} {title}, {verdict['n']:,} {verdict['counted']}, {what}{how}"


def _what(verdict: dict[str, Any]) -> str:
    return str(verdict["reason"]) if verdict["battery"] or verdict["outcome"] == "undecided" else off_by(verdict)


def off_by(verdict: dict[str, Any]) -> str:
    """Size of the worst deviation, as a part of the exact value where that is not nearly zero."""
    index = verdict["worst"]
    exact, estimate = verdict["exact"], verdict["estimate"]
    what = ""
    if len(index) > _depth(exact):
        exact, estimate, what = verdict["exact_covariance"], verdict["covariance"], "covariance "
    for place in index:
        exact, estimate = exact[place], estimate[place]
    where = f"{what}[{', '.join(map(str, index))}]"
    if exact is None or estimate is None:
        return f"{where} without a number"
    off = estimate - exact
    amount = f"{100 * off / exact:+.1f} %" if abs(exact) > 1e-6 * abs(off) else f"{off:+.1e}"
    return f"{where} off by {amount}"


def _depth(value: Any) -> int:
    return 1 + _depth(value[0]) if isinstance(value, list) else 0


def _count(many: int, what: str) -> str:
    return f"{many:,} {what}{'s' * (many != 1)}"
