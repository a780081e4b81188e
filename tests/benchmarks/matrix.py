"""Every known mistake against every check: who sees it, and after how many samples or nodes.

The black box is `check_unbiased`, which is told nothing: a mistake of which some bias on the standard problems exceeds
the tolerance has to be "wrong" on one of them. The others (a right mean with another covariance, a bias that shows
where outcomes are rarer, mistakes of estimators that are biased themselves) have to be seen by one of the three checks
that are told what the code is taken for: `check_moments`, `check_expectation`, `check_pathwise`. Exact moments say how
large a bias is, and give the order in which the problems are tried; the first that shows the mistake ends a cell. The
right estimators pass through the same columns as controls, and must come out of none as "wrong".
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from _common import each, options, seed_of, written

from refgrad import Bernoulli, exact
from refgrad.cli._output import print_table
from refgrad.estimators import Estimator
from refgrad.exact import Moments
from refgrad.objectives import Table
from refgrad.testing import (
    Mistake,
    Problem,
    check_expectation,
    check_moments,
    check_pathwise,
    check_unbiased,
    exact_problems,
    mistakes,
    standard_problems,
)
from refgrad.testing._facts import facts_of

ALPHA = 1e-9  # the default
BUDGETS = {0.1: 1_000_000, 0.03: 4_000_000, 0.01: 20_000_000}  # tolerance and most samples: at most half the bias
MOMENTS = 300_000  # most samples of `check_moments`
NODES = 2**18  # evaluations of the oracle that make a problem cheap
SOON = 2_000.0  # samples; what shows sooner is all the same
ROWS = 64  # of each problem, on given noise
COLUMNS = ("black box", "moments", "expectation", "pathwise")
RARER = "rarer than a grid of 2**-23"
OWN = ("two pairs", RARER)  # not among the standard problems
QUICK = ("reinforce-wrong-sign", "own-sample-in-the-mean-of-2", "mu-prop-no-constant")
EXAMPLES = """\
examples:
  python tests/benchmarks/matrix.py --quick
  python tests/benchmarks/matrix.py --jobs 2 --json matrix.json
  python tests/benchmarks/matrix.py --only rebar-fresh-shared --only rebar-slipped-sign
"""


@dataclass(frozen=True, eq=False)
class Seen:
    """A problem, and the exact moments of the mistake and of the right estimator there."""

    problem: Problem
    wrong: Moments
    right: Moments

    def bias(self) -> float:
        """Largest bias of a component, in units of what a tolerance of 1 allows."""
        allowed = facts_of(self.problem).allowed(1.0)
        off = np.abs(self.wrong.mean - self.problem.gradient).ravel()
        off = np.where(off > 2 * self.wrong.error.ravel(), off, 0.0)
        return float((off / np.maximum(allowed, 1e-9 * allowed.max())).max())

    def soon(self) -> float:
        """Samples until the bias shows in some component."""
        return needed(self.wrong.mean - self.problem.gradient, self.wrong.variance)

    def soon_in_moments(self) -> float:
        """Samples until mean or covariance of the mistake show not to be those of the right estimator."""
        deviations = np.sqrt(np.maximum(self.right.variance.ravel(), 0))
        unit = np.multiply.outer(deviations, deviations)
        off = (self.wrong.covariance - self.right.covariance).reshape(unit.shape)
        return min(needed(self.wrong.mean - self.right.mean, self.right.variance), needed(off, unit**2))


def needed(off: Any, variance: Any) -> float:
    """Samples until the most conspicuous of some differences shows, in round numbers."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.square(off) / variance, nan=0.0)
    return float(np.maximum(-2 * np.log(ALPHA) / max(ratio.max(), 1e-300), SOON))


@cache
def problems() -> tuple[Problem, ...]:
    """The standard ones, and those that a check has to be given for two kinds of mistakes."""
    pairs = (problem for problem in exact_problems() if problem.name == "two pairs")  # of another shape
    return (*standard_problems(), *pairs, Problem(Bernoulli([-17.0]), Table([0.25, 1.5]), RARER))


def cheap(mistake: Mistake, problem: Problem) -> bool:
    """Whether the oracle integrates it within a second, and it is not for others."""
    if not mistake.serves(problem.q) or (problem.name == RARER and mistake.effect != "bias at extremes"):
        return False
    if set(mistake.estimator.claims.reads) | set(mistake.of.claims.reads) <= {"z"}:
        return True
    size = problem.gradient.size
    return size <= (3 if problem.family == "categorical" else 2 if mistake.estimator.draws < 3 else 1)


@cache
def kept(estimator: Estimator, problem: Problem) -> Moments | None:
    try:
        found = exact.moments(estimator, problem.q, problem.f, limit=NODES)
    except ValueError:
        return None
    return found if np.isfinite(found.error).all() else None


def seen(mistake: Mistake) -> list[Seen]:
    """Every cheap problem with its moments."""
    found = []
    for problem in problems():
        if cheap(mistake, problem):
            pair = kept(mistake.estimator, problem), kept(mistake.of, problem)
            if pair[0] is not None and pair[1] is not None:
                found.append(Seen(problem, *pair))
    return found


def sampler(estimator: Estimator) -> Callable[..., Any]:
    def sampled(problem: Problem, n: int, rng: Any) -> Any:
        return estimator.sample(problem.q, problem.f, n, rng)

    return sampled


def function(estimator: Estimator) -> Callable[..., Any]:
    def of_noise(problem: Problem, noise: Any) -> Any:
        return estimator(problem.q, problem.f, noise)

    return of_noise


def cell(verdicts: Iterator[Any], otherwise: str) -> dict[str, Any]:
    """The first verdict that is "wrong", or what the others were."""
    outcomes = []
    for verdict in verdicts:
        if verdict.outcome == "wrong":
            return {"outcome": "wrong", "n": verdict.n, "problem": verdict.problem, "reason": verdict.reason}
        outcomes.append(verdict.outcome)
    return {"outcome": "undecided" if "undecided" in outcomes else outcomes[0] if outcomes else "-", "why": otherwise}


def tolerance_for(bias: float) -> float:
    """The widest of the tolerances that is at most half the bias; the widest of all if none is."""
    return next((tolerance for tolerance in BUDGETS if tolerance <= bias / 2), max(BUDGETS))


def black_box(mistake: Mistake, known: list[Seen], tolerance: float, seed: int) -> dict[str, Any]:
    off = [entry for entry in known if entry.bias() > tolerance]
    chosen = [entry.problem for entry in sorted(off, key=Seen.soon)]
    why = "no problem is served" if not known else "the bias is within every tolerance, on every problem"
    if not off:  # two problems, to see that it is right there
        chosen = [entry.problem for entry in known if entry.problem.gradient.size > 1][:2]
    options = {"tolerance": tolerance, "max_samples": BUDGETS[tolerance], "seed": seed, "causes": False}
    return cell((check_unbiased(sampler(mistake.estimator), problem, **options) for problem in chosen), why)


def moments(mistake: Mistake, known: list[Seen], tolerance: float, seed: int) -> dict[str, Any]:
    chosen = [entry.problem for entry in sorted(known, key=Seen.soon_in_moments)][:3]
    options = {"tolerance": tolerance, "max_samples": MOMENTS, "seed": seed, "causes": False}
    found = (check_moments(sampler(mistake.estimator), problem, mistake.of, **options) for problem in chosen)
    return cell(found, "mean and covariance are right, or nearly" if chosen else "no problem is served")


def expectation(mistake: Mistake, known: list[Seen]) -> dict[str, Any]:
    if mistake.estimator.draws != mistake.of.draws:
        return {"outcome": "-", "why": "another number of draws"}
    chosen = [entry.problem for entry in sorted(known, key=Seen.soon_in_moments)][:3]
    found = (check_expectation(function(mistake.estimator), problem, mistake.of) for problem in chosen)
    return cell(found, "mean and covariance are right, to the error of the nodes")


def pathwise(mistake: Mistake, seed: int) -> dict[str, Any]:
    if mistake.estimator.draws != mistake.of.draws:
        return {"outcome": "-", "why": "another number of draws"}
    served = [problem for problem in problems() if mistake.serves(problem.q) and problem.name != RARER]
    verdict = check_pathwise(function(mistake.estimator), mistake.of, served, n=ROWS, seed=seed)
    return cell(iter([verdict]), "every row is right")


def controls() -> list[Mistake]:
    """Right estimators in the place of mistakes."""
    return [
        Mistake(f"none: {of!r}", of, of, "none", effect="variance") for of in dict.fromkeys(m.of for m in mistakes())
    ]


@cache
def entries(only: tuple[str, ...]) -> list[tuple[Mistake, bool]]:
    """What is tried, and whether it is a mistake."""
    chosen = [mistake for mistake in mistakes() if mistake.name in only or not only]
    right = [control for control in controls() if control.of in {mistake.of for mistake in chosen}]
    return [*((mistake, True) for mistake in chosen), *((control, False) for control in right)]


def run(task: tuple[tuple[str, ...], int, int]) -> dict[str, Any]:
    """Fill a line."""
    only, base, number = task
    mistake, wrong = entries(only)[number]
    seed = seed_of(base, [known.name for known, _ in entries(())].index(mistake.name))
    with np.errstate(all="ignore"):  # some mistakes divide by zero
        known = seen(mistake)
        standard = [entry for entry in known if entry.problem.name not in OWN]
        bias = max((entry.bias() for entry in standard), default=0.0)
        tolerance = tolerance_for(bias)
        cells = {
            "black box": black_box(mistake, standard, tolerance, seed),
            "moments": moments(mistake, known, tolerance, seed),
            "expectation": expectation(mistake, known),
            "pathwise": pathwise(mistake, seed),
        }
    return {
        "name": mistake.name,
        "wrong": wrong,
        "effect": mistake.effect,
        "of": repr(mistake.of),
        "of unbiased": mistake.of.claims.unbiased,
        "bias": bias,
        "tolerance": tolerance,
        **cells,
    }


def failing(row: dict[str, Any]) -> str:
    """Say what a line should be and is not; nothing if all is well."""
    killed = [column for column in COLUMNS if row[column]["outcome"] == "wrong"]
    told = [column for column in killed if column != "black box"]
    if not row["wrong"]:
        bad = killed if row["of unbiased"] else told
        return f"is right, and {bad[0]} says wrong" if bad else ""
    if row["of unbiased"] and row["bias"] > row["tolerance"] and "black box" not in killed:
        return "its bias exceeds the tolerance, and the black box does not see it"
    if not told and not (row["of unbiased"] and killed):
        return "survives"
    return ""


def text(found: dict[str, Any], bias_of_its_own: bool) -> str:
    if found["outcome"] != "wrong":
        return str(found["outcome"])
    return f"wrong {found['n']:,}" + " *" * bias_of_its_own


def show(row: dict[str, Any]) -> list[str]:
    bias = f"{row['bias']:.1%}" if row["bias"] < 10 else "> 1,000 %"
    cells = [text(row[column], column == "black box" and not row["of unbiased"]) for column in COLUMNS]
    return [
        row["name"],
        row["effect"] if row["wrong"] else "right",
        bias,
        f"{row['tolerance']:g}",
        *cells,
        failing(row),
    ]


def survivors(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The mistakes that each column does not see, and why."""
    for column in COLUMNS:
        found: dict[str, list[str]] = {}
        for row in rows:
            if row["wrong"] and row[column]["outcome"] != "wrong":
                found.setdefault(f"{row[column]['outcome']}: {row[column]['why']}", []).append(row["name"])
        yield f"{column} does not see {sum(map(len, found.values()))}:"
        yield from (f"  {why} ({len(names)}): {', '.join(names)}" for why, names in found.items())


def main(arguments: Any = None) -> int:
    """Print the matrix and the survivors, and write them as JSON."""
    known = [mistake.name for mistake in mistakes()]
    only = {"action": "append", "choices": known, "metavar": "NAME", "help": "only this mistake, and the right one"}
    given = options(__doc__ or "", EXAMPLES, "three mistakes", arguments, only=only)
    chosen = tuple(given.only or (QUICK if given.quick else ()))
    with written(given.json) as report:
        work = [(chosen, given.seed, number) for number in range(len(entries(chosen)))]
        rows = list(each(run, work, given.jobs, "mistakes"))
        report.update({"alpha": ALPHA, "seed": given.seed, "budgets": {str(k): v for k, v in BUDGETS.items()}})
        report["lines"] = [{**row, "bias": min(row["bias"], 1e300), "failing": failing(row)} for row in rows]
    head = ["mistake", "effect", "bias", "tolerance", *COLUMNS, ""]
    print_table(head, [show(row) for row in rows])
    print("\n* its right estimator is biased, and as wrong to a black box.\n")
    print("\n".join(survivors(rows)))
    wrong = [row for row in rows if row["wrong"]]
    bad = [row for row in rows if failing(row)]
    for column in COLUMNS:
        print(f"{column}: {sum(row[column]['outcome'] == 'wrong' for row in wrong)} of {len(wrong)} wrong")
    for tolerance, budget in BUDGETS.items():
        of = [row for row in wrong if row["tolerance"] == tolerance]
        print(f"tolerance {tolerance:g}, at most {budget:,} samples: {len(of)} mistakes")
    print(f"controls called wrong: {sum(not row['wrong'] for row in bad)} of {len(rows) - len(wrong)}")
    print(f"mistakes that break a goal: {sum(row['wrong'] for row in bad)} of {len(wrong)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
