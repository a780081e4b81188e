"""False alarms of `check_unbiased` at alpha = 0.01, over thousands of complete checks of correct samplers.

Every check has its pilot, its battery (generator, dependence, sharing) and its looks, up to a fixed horizon. The groups
are chosen to tempt it: extreme logits, outcomes that are expected a few times in a whole check, low temperatures,
samplers that remember. A last group is off by 1.001 times the tolerance, and "right" is the error there. The second
table is the negative control: on the rare outcomes, a z-test and Hotelling's test of the same level at the same looks.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from _common import each, options, seed_of, written
from scipy import signal, stats

from refgrad import Bernoulli, Categorical
from refgrad.cli._output import print_table
from refgrad.estimators import ConstantBaseline, Estimator, MovingAverageBaseline, MuProp, Rebar, Reinforce
from refgrad.objectives import Interacting, SquaredError, Table
from refgrad.testing import Problem, built_in, check_unbiased, standard_problems
from refgrad.testing._facts import facts_of
from refgrad.testing._sampler import Source
from refgrad.testing._schedule import calls

ALPHA = 0.01
LEVEL = 0.99  # of the limits of a share
HORIZON = 10_000  # samples of a check; 30,000 where outcomes are rare
LONG = 30_000
BLOCK = 10  # checks in one piece of work
STUDENTISED = 20  # runs of the second table, at most
JUST_WRONG, UNSHIFTED = "just over the tolerance", "the same without the shift"
RARE = ("rare, 1 in 100", "rare, 1 in 1,000", "rare, 1 in 10,000")
PARTS = {
    "the mean": "mean",
    "rows are not independent": "dependence",
    "two calls with different generators return related rows": "dependence",
    "rows of one call": "sharing",
    "a call repeats": "sharing",
}
EXAMPLES = """\
examples:
  python tests/benchmarks/false_alarms.py --quick
  python tests/benchmarks/false_alarms.py --jobs 2 --json false_alarms.json
  python tests/benchmarks/false_alarms.py --runs 400         ten times as many checks
"""

Work = tuple[bool, int, int, int, int]  # quick, seed, number of the line, first check, end of the checks


@dataclass(frozen=True, eq=False)
class Line:
    """A sampler on a problem; `make` returns it as new, since some remember."""

    group: str
    problem: Problem
    make: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0  # of the runs


class Plain:
    """An estimator as a sampler."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator

    def __call__(self, problem: Problem, n: int, rng: Any) -> Any:
        return self.estimator.sample(problem.q, problem.f, n, rng)


class Shifted(Plain):
    """Off by a constant: its largest component by a multiple of the tolerance."""

    def __init__(self, estimator: Estimator, problem: Problem, tolerance: float, factor: float) -> None:
        super().__init__(estimator)
        allowed = facts_of(problem).allowed(tolerance).reshape(problem.gradient.shape)
        largest = np.abs(problem.gradient) == np.abs(problem.gradient).max()
        shift = factor * np.where(largest, allowed * np.sign(problem.gradient), 0)
        if problem.family == "categorical":  # rows of the estimators sum to zero, and a sum that does not would show
            others = (~largest).sum(axis=-1, keepdims=True)
            shift = np.where(largest, shift, -shift.sum(axis=-1, keepdims=True) / others)
        self.shift = shift

    def __call__(self, problem: Problem, n: int, rng: Any) -> Any:
        return super().__call__(problem, n, rng) + self.shift


class Remembering:
    """A moving average of f as baseline, which moves after every call."""

    def __init__(self) -> None:
        self.estimator = MovingAverageBaseline()

    def __call__(self, problem: Problem, n: int, rng: Any) -> Any:
        noise = self.estimator.draw_noise(problem.q, n, rng)
        rows = self.estimator(problem.q, problem.f, noise)
        self.estimator = self.estimator.update(problem.q, problem.f, noise)
        return rows


class RememberingRows:
    """A moving average of f as baseline, which moves after every row."""

    def __init__(self, decay: float) -> None:
        self.decay, self.average = decay, 0.0

    def __call__(self, problem: Problem, n: int, rng: Any) -> Any:
        z = problem.q.sample(problem.q.draw_noise(n, rng))
        values = problem.f(z)
        after, _ = signal.lfilter([1 - self.decay], [1, -self.decay], values, zi=[self.decay * self.average])
        before = np.concatenate([[self.average], after[:-1]])
        self.average = float(after[-1])
        return problem.q.expand(values - before) * problem.q.score(z)


def antithetic_pairs(problem: Problem, n: int, rng: Any) -> Any:
    """The mean of two draws with opposite noise."""
    noise = problem.q.draw_noise((1, n), rng)
    return (Reinforce()(problem.q, problem.f, noise) + Reinforce()(problem.q, problem.f, -noise)) / 2


def antithetic_rows(problem: Problem, n: int, rng: Any) -> Any:
    """Two draws with opposite noise, one after the other."""
    noise = problem.q.draw_noise((1, (n + 1) // 2), rng)
    both = [Reinforce()(problem.q, problem.f, sign * noise) for sign in (1, -1)]
    return np.stack(both, axis=1).reshape(-1, *problem.q.event_shape)[:n]


def single_precision(problem: Problem, n: int, rng: Any) -> Any:
    return Reinforce().sample(problem.q, problem.f, n, rng).astype(np.float32)


def seeded_by_a_number(problem: Problem, n: int, rng: Any) -> Any:
    """As who hands the seed of another library on: 31 bits."""
    return Reinforce().sample(problem.q, problem.f, n, np.random.default_rng(int(rng.integers(2**31))))


def spawned(problem: Problem, n: int, rng: Any) -> Any:
    return Reinforce().sample(problem.q, problem.f, n, rng.spawn(1)[0])


def mean_of_rows(problem: Problem, n: int, rng: Any) -> Any:
    return Reinforce().sample(problem.q, problem.f, n, rng).mean(axis=0)


def table(*shape: int, seed: int) -> Table:
    size = int(np.prod(shape[1:])) ** shape[0] if len(shape) > 1 else 2 ** shape[0]
    return Table(np.random.default_rng(seed).integers(-16, 17, size) / 8, event_shape=shape if len(shape) > 1 else None)


def interacting(*shape: int) -> Interacting:
    return Interacting(0.5, *np.random.default_rng(sum(shape)).integers(-8, 9, size=(4, *shape)) / 8)


def rare_problems() -> Iterator[tuple[str, Problem]]:
    """Outcomes of a given probability, at which f is large."""
    for group, p in zip(RARE, (1e-2, 1e-3, 1e-4), strict=True):
        logit = float(np.log(p / (1 - p)))
        yield group, Problem(Bernoulli([logit]), SquaredError(-3.0), f"{p:g}")
        yield group, Problem(Bernoulli([logit, 0.5]), Table([0.25, -1.0, 12.0, 8.0]), f"{p:g} and .6")
        yield group, Problem(Categorical([[0.25, logit, 0.5]]), Table([0.5, 20.0, -1.0], event_shape=(1, 3)), f"{p:g}")


def extreme_problems() -> list[Problem]:
    """Logits of 12, 30 and 700, alone and beside others."""
    return [
        *(Problem(Bernoulli([x, -x]), SquaredError(0.45), f"logits {x:g}, {-x:g}") for x in (12.0, 30.0, 700.0)),
        *(Problem(Bernoulli([x, 0.5, -x]), interacting(3), f"logits {x:g}, .5, {-x:g}") for x in (12.0, 30.0, 700.0)),
        *(Problem(Categorical([[x, 0.5, x - 1], [0.0, -x, x]]), interacting(2, 3), f"{x:g}") for x in (12.0, 700.0)),
    ]


def by_estimator(group: str, problem: Problem, estimators: Any, named: Any = (), **more: Any) -> Iterator[Line]:
    """Lines without a named reference, and with it."""
    for estimator in estimators:
        yield Line(group, problem, lambda e=estimator: Plain(e), **more)
    for estimator in named:
        settings = {**more.get("settings", {}), "estimator": estimator}
        yield Line(group + ", named", problem, lambda e=estimator: Plain(e), **{**more, "settings": settings})


def mild_problems() -> list[Problem]:
    return [
        Problem(Bernoulli([0.6, -1.1]), interacting(2), "interactions"),
        Problem(Categorical([[1.0, 2.5, 0.5]]), interacting(1, 3), "interactions"),
    ]


def estimator_lines() -> Iterator[Line]:
    """The estimators of the package, without a named reference and with it."""
    for problem in mild_problems():
        for estimator in built_in.instances():
            if estimator.claims.unbiased and problem.family in estimator.claims.families:
                yield from by_estimator("built-in estimators", problem, [estimator], [estimator])
    for problem in standard_problems():
        yield from by_estimator("standard battery", problem, [Reinforce()], [Reinforce()], share=2.0)
    for problem in extreme_problems():
        yield from by_estimator("extreme logits", problem, [Reinforce(), MuProp(), Rebar()], [Reinforce(), MuProp()])
    for group, problem in rare_problems():
        named = [Reinforce(), MuProp(), *([Rebar()] if problem.q.event_shape == (1,) else [])]
        right = [Reinforce(), ConstantBaseline(1.0), Rebar()]
        yield from by_estimator(group, problem, right, named, settings={"max_samples": LONG})
    for f in (SquaredError(0.45), Table([0.25, 3.0])):
        cold = [Rebar(0.1), Rebar(0.1, 0.7), Rebar(0.1, coupled=True)]
        yield from by_estimator("low temperature", Problem(Bernoulli([-6.0]), f, "logit -6"), cold, cold)


def habit_lines() -> Iterator[Line]:
    """Samplers that are no estimator of the package."""
    rare = Problem(Bernoulli([-4.0, 0.5]), Table([0.25, -1.0, 12.0, 8.0]), "logits -4, .5")
    for problem in (*mild_problems(), rare):
        for make in (Remembering, lambda: RememberingRows(0.5), lambda: RememberingRows(0.99)):
            yield Line("moving averages", problem, make)
        for sampler in (single_precision, seeded_by_a_number, spawned):
            yield Line("other habits", problem, lambda s=sampler: s)
        yield Line("other habits", problem, lambda: mean_of_rows, {"rows": 20}, share=0.5)
        if problem.family == "bernoulli":
            for sampler in (antithetic_pairs, antithetic_rows):
                yield Line("antithetic", problem, lambda s=sampler: s)


def shifted_lines() -> Iterator[Line]:
    """Samplers that are off by a little more than the tolerance; and the same, not shifted."""
    standard = standard_problems()
    for problem, tolerance in ((standard[1], 0.14), (standard[3], 0.08), (standard[10], 0.06)):
        for named in ({}, {"estimator": Reinforce()}):
            settings = {"tolerance": tolerance, "max_samples": LONG, **named}
            for group, factor, share in ((JUST_WRONG, 1.001, 2.0), (UNSHIFTED, 0.0, 0.5)):
                sampler = Shifted(Reinforce(), problem, tolerance, factor)
                yield Line(group, problem, lambda s=sampler: s, settings, share)


@cache
def lines(quick: bool) -> list[Line]:
    """Every line; of each group the first, where it has to be quick."""
    found = [*estimator_lines(), *habit_lines(), *shifted_lines()]
    if not quick:
        return found
    return [x for x in found if x is next(y for y in found if y.group == x.group)]


def run(task: Work) -> list[dict[str, Any]]:
    """Make some checks of one line."""
    quick, seed, number, start, stop = task
    line = lines(quick)[number]
    settings = {"alpha": ALPHA, "max_samples": HORIZON, "causes": False, **line.settings}
    found = []
    for check in range(start, stop):
        verdict = check_unbiased(line.make(), line.problem, seed=seed_of(seed, number, check), **settings)
        found.append({"line": number, "outcome": verdict.outcome, "n": verdict.n, "reason": verdict.reason})
    return found


def studentised(task: Work) -> list[dict[str, Any]]:
    """Make as many checks by a z-test and by Hotelling's, at every look."""
    quick, seed, number, start, stop = task
    line = lines(quick)[number]
    found = []
    for check in range(start, stop):
        source = Source(line.make(), line.problem, seed_of(seed, number, check))
        rows = np.empty((0, line.problem.gradient.size))
        alarms = {"z": False, "hotelling": False}
        for call, (size, look, *_) in enumerate(calls(line.settings["max_samples"])):
            rows = np.concatenate([rows, source.draw(size, 2 + call).rows - line.problem.gradient.ravel()])
            if look:
                alarms = {name: alarm or TESTS[name](rows) for name, alarm in alarms.items()}
        found.append({"line": number, **alarms})
    return found


def z_test(rows: Any) -> bool:
    """Whether a component is further from zero than its own scatter explains; the level is shared among them."""
    n, d = rows.shape
    error = rows.std(axis=0, ddof=1) / np.sqrt(n)
    off = np.abs(rows.mean(axis=0))
    rounding = 64 * np.finfo(float).eps * np.abs(rows).max()
    return bool((off > np.maximum(stats.norm.isf(ALPHA / (2 * d)) * error, rounding)).any())


def hotelling(rows: Any) -> bool:
    """The same in all directions at once; where the rows do not vary, any deviation is one."""
    n = len(rows)
    roots, axes = np.linalg.eigh(np.cov(rows, rowvar=False).reshape(rows.shape[1], -1))
    along = axes.T @ rows.mean(axis=0)
    rounding = 64 * np.finfo(float).eps * np.abs(rows).max()
    flat = roots <= rounding**2
    if (np.abs(along[flat]) > rounding).any():
        return True
    d = int((~flat).sum())
    squared = n * float((along[~flat] ** 2 / roots[~flat]).sum())
    return bool(d and squared > d * (n - 1) / (n - d) * stats.f.isf(ALPHA, d, n - d))


TESTS = {"z": z_test, "hotelling": hotelling}


def limits(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """One-sided limits of a share by Clopper and Pearson: lower and upper, each of that level."""
    low = float(stats.beta.ppf(1 - level, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(level, count + 1, of - count)) if count < of else 1.0
    return low, high


def part(reason: str) -> str:
    return next((name for begin, name in PARTS.items() if reason.startswith(begin)), "other")


def summary(group: str, checks: list[dict[str, Any]], groups: int) -> dict[str, Any]:
    """A line of the table, as JSON holds it."""
    error = "right" if group == JUST_WRONG else "wrong"
    alarms = [check for check in checks if check["outcome"] == error]
    outcomes = Counter(check["outcome"] for check in checks)
    of = len(checks)
    by_part = Counter(part(check["reason"]) for check in alarms) if error == "wrong" else Counter()
    above = limits(len(alarms), of, 1 - (1 - LEVEL) / groups)[0] > ALPHA
    return {
        "group": group,
        "checks": of,
        "error": error,
        "alarms": len(alarms),
        "share": len(alarms) / of,
        "upper": limits(len(alarms), of)[1],
        "parts": {name: by_part[name] for name in ("mean", "dependence", "sharing", "other")},
        "outcomes": dict(outcomes),
        "median samples": float(np.median([check["n"] for check in checks])),
        "reasons": sorted({check["reason"] for check in alarms}) if error == "wrong" else [],
        "held": not above,
    }


def show(row: dict[str, Any]) -> list[str]:
    parts = row["parts"]
    of = row["checks"]
    return [
        row["group"],
        f"{of:,}",
        f"{row['alarms']} {row['error']}",
        f"{row['share']:.2%}",
        f"{row['upper']:.2%}",
        *(str(parts[name]) for name in parts),
        *(f"{row['outcomes'].get(name, 0) / of:.0%}" for name in ("right", "undecided")),
        f"{row['median samples']:,.0f}",
        "held" if row["held"] else "missed",
    ]


def tasks(quick: bool, seed: int, runs: int, only: Callable[[Line], bool]) -> Iterator[Work]:
    for number, line in enumerate(lines(quick)):
        if only(line):
            count = max(1, round(runs * line.share))
            for start in range(0, count, BLOCK):
                yield quick, seed, number, start, min(start + BLOCK, count)


def main(arguments: Any = None) -> int:
    """Print both tables, and write them as JSON."""
    given = options(
        __doc__ or "",
        EXAMPLES,
        "one line of every group, two checks of each",
        arguments,
        runs={"type": int, "default": 40, "help": "checks of most lines (default: 40, more than 10,000 in all)"},
    )
    runs = 2 if given.quick else given.runs
    known = lines(given.quick)
    with written(given.json) as report:
        work = tasks(given.quick, given.seed, runs, lambda _: True)
        checks = [check for found in each(run, work, given.jobs, "checks") for check in found]
        names = list(dict.fromkeys(line.group for line in known))
        rows = [
            summary(name, [check for check in checks if known[check["line"]].group == name], len(names))
            for name in names
            if name != UNSHIFTED
        ]
        correct = [check for check in checks if known[check["line"]].group not in {JUST_WRONG, UNSHIFTED}]
        total = summary("all that are correct", correct, 1)
        total["held"] = total["share"] <= ALPHA
        unshifted = Counter(check["outcome"] for check in checks if known[check["line"]].group == UNSHIFTED)
        work = tasks(given.quick, given.seed, min(runs, STUDENTISED), lambda line: line.group in RARE)
        others = [check for found in each(studentised, work, given.jobs, "studentised") for check in found]
        control = [compared(name, [x for x in others if known[x["line"]].group == name], rows) for name in RARE]
        report.update(
            {"alpha": ALPHA, "seed": given.seed, "groups": rows, "total": total, "unshifted": dict(unshifted)}
        )
        report.update({"studentised": control})
    head = ["group", "checks", "false", "share", "99 % limit", "mean", "dependence", "sharing", "other"]
    print_table([*head, "right", "undecided", "median n", ""], [show(row) for row in [*rows, total]], alarm="missed")
    print(f"\n{JUST_WRONG.capitalize()}, {UNSHIFTED}: {dict(unshifted)}.\n")
    columns = ["on the same samplers", "checks", "check_unbiased", "z-test", "Hotelling"]
    print_table(columns, [[x["group"], str(x["checks"]), *(f"{x[k]:.1%}" for k in ("own", *TESTS))] for x in control])
    held = all(row["held"] for row in [*rows, total])
    failing = all(row[name] > 5 * ALPHA for row in control for name in TESTS)
    print(f"\nalpha {ALPHA:g}: the share {'held' if held else 'MISSED'}; the studentised tests fail: {failing}.")
    return 0 if held and failing else 1


def compared(group: str, found: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    own = next(row["share"] for row in rows if row["group"] == group)
    return {"group": group, "checks": len(found), "own": own} | {
        name: float(np.mean([check[name] for check in found])) for name in TESTS
    }


if __name__ == "__main__":
    sys.exit(main())
