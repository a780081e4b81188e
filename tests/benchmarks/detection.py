"""Samples that a check takes to say "wrong", against the limit of a sequential test.

The mean of an estimator is scaled by a shift that is added to every row, so that the covariance stays that of the
estimator, which is named to the check. The limit is that of Wald's test of the one bias against none, which has to be
told the bias: 2 log(1/alpha) / (bias' Sigma^-1 bias) samples on average. The statistic, the looks and the rows of a run
are those of `check_unbiased` with the same seed; the first runs of every line are made by `check_unbiased` too.
"""

import argparse
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _common import written

from refgrad import exact
from refgrad.cli._output import print_table, watched
from refgrad.estimators import ConstantBaseline, Estimator, Rebar, Reinforce
from refgrad.testing import Problem, check_unbiased, standard_problems
from refgrad.testing._ahead import MAIN
from refgrad.testing._expected import Settings, unbiased
from refgrad.testing._sampler import Source
from refgrad.testing._schedule import calls
from refgrad.testing._trial import PILOT
from refgrad.testing.evidence import MEAN_SHARE, Evidence
from refgrad.testing.planning import samples_needed

GOALS = {50.0: 5.0, 10.0: 2.5, 1.0: 2.0}  # per cent of bias, and mean samples in units of the limit
PROBLEMS = (
    "interactions (bernoulli, D = 3)",
    "one pair (bernoulli, D = 2)",
    "three categories (categorical, D = 1, K = 3)",
)
QUICK = PROBLEMS[1:2]
EXAMPLES = """\
examples:
  python tests/benchmarks/detection.py --quick
  python tests/benchmarks/detection.py --runs 1000 --bias 50 --bias 10 --json detection.json
"""


@dataclass(frozen=True, eq=False)
class Case:
    """One line of the table: an estimator on a problem, off by a share of the gradient."""

    problem: Problem
    estimator: Estimator
    percent: float
    alpha: float

    @property
    def shift(self):
        return self.percent / 100 * self.problem.gradient

    @property
    def tolerance(self):
        """The default, or the bias: a check with a wider one says "right"."""
        return min(0.1, self.percent / 100)

    def sampler(self, problem, n, rng):
        return self.estimator.sample(problem.q, problem.f, n, rng) + self.shift

    def limit(self):
        """Samples that Wald's test takes on average, to first order."""
        moments = exact.moments(self.estimator, self.problem.q, self.problem.f)
        shift = self.shift.ravel()
        inverse = np.linalg.pinv(moments.covariance.reshape(shift.size, shift.size), rcond=1e-10, hermitian=True)
        return -2 * np.log(self.alpha) / (shift @ inverse @ shift)

    def expected(self):
        """What the check expects; a named estimator needs no pilot."""
        settings = Settings(tolerance=self.tolerance, alpha=self.alpha, estimator=self.estimator)
        return unbiased(self.problem, Source(self.sampler, self.problem).draw(2, 0), settings)


def stopped(case, expected, seed, most=2**40):
    """Samples at which the evidence suffices; None if it does not within the most."""
    source, evidence = Source(case.sampler, case.problem, seed), Evidence(expected.covariance)
    limit = -np.log(MEAN_SHARE * case.alpha)
    for number, (size, look, *_) in enumerate(calls(most)):
        evidence = evidence.add(expected.features(source.draw(size, MAIN + number).rows))
        if look and evidence.log_against_zero() >= limit:
            return evidence.n
    return None


def confirmed(case, n, seed):
    """Whether the check itself stops at the same n, with "wrong"."""
    options = {
        "tolerance": case.tolerance,
        "alpha": case.alpha,
        "estimator": case.estimator,
        "seed": seed,
        "causes": False,
    }
    verdict = check_unbiased(case.sampler, case.problem, max_samples=20 * PILOT + 2 * n, **options)
    return (verdict.outcome, verdict.n) == ("wrong", n)


def measure(case, runs, seed, confirm, tick=lambda: None):
    """Make the runs of a case: a line of the table, as JSON holds it."""
    expected, limit = case.expected(), case.limit()
    seeds = [seed + run for run in range(runs)]
    found = []
    for number in seeds:
        found.append(stopped(case, expected, number))
        tick()
    same = sum(confirmed(case, n, number) for n, number in zip(found[:confirm], seeds, strict=False))
    return {
        "problem": str(case.problem),
        "estimator": repr(case.estimator),
        "percent": case.percent,
        "limit": float(limit),
        "planned": samples_needed(case.problem, case.estimator, case.percent / 100, case.alpha, power=0.5),
        "median": float(np.median(found)),
        "mean": float(np.mean(found)),
        "error": float(np.std(found, ddof=1) / np.sqrt(runs)) if runs > 1 else None,
        "ratio": float(np.mean(found) / limit),
        "goal": GOALS.get(case.percent),
        "confirmed": same,
        "runs": runs,
        "samples": found,
    }


def cases(names, percents, alpha):
    """Every problem with every estimator and bias."""
    for problem in standard_problems():
        if str(problem) in names:
            baseline = ConstantBaseline(float(exact.best_constant(problem.q, problem.f)))
            for estimator in (Reinforce(), baseline, Rebar()):
                yield from (Case(problem, estimator, percent, alpha) for percent in percents)


def show(row):
    """A line of the table as text."""
    goal = row["goal"]
    return [
        row["problem"],
        row["estimator"].partition("(")[0],
        f"{row['percent']:g} %",
        f"{row['limit']:,.0f}",
        f"{row['planned']:,}",
        f"{row['median']:,.0f}",
        f"{row['mean']:,.0f}",
        f"{row['ratio']:.2f}",
        "" if goal is None else f"{goal:g}",
        "" if goal is None else "held" if row["ratio"] <= goal else "missed",
    ]


@contextmanager
def counted(total):
    """A bar, if tqdm is installed and somebody looks; what is entered counts one run."""
    if not watched():
        yield lambda: None
        return
    from tqdm import tqdm  # noqa: PLC0415

    with tqdm(total=total, desc="runs", leave=False) as bar:
        yield bar.update


def main(arguments=None):
    """Print the table, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200, help="runs of every line (default: 200)")
    parser.add_argument("--alpha", type=float, default=1e-6, help="rate of false alarms (default: 1e-6)")
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the next has the next (default: 0)")
    parser.add_argument("--bias", type=float, action="append", help="per cent of the gradient (default: 50, 10 and 1)")
    parser.add_argument("--quick", action="store_true", help="one problem, biases of 50 and 10 %%, 5 runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines, with every run, to a file")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error(f"--runs needs to be at least 1, but is {options.runs}")
    if not 0 < options.alpha < 0.5:
        parser.error(f"--alpha needs to lie between 0 and 0.5, but is {options.alpha}")
    percents = options.bias or ([50.0, 10.0] if options.quick else list(GOALS))
    if not all(0 < percent < np.inf for percent in percents):
        parser.error(f"--bias needs positive numbers, but is {percents}")
    runs, confirm = (5, 1) if options.quick else (options.runs, min(options.runs, 2))
    work = list(cases(QUICK if options.quick else PROBLEMS, percents, options.alpha))
    head = ["problem", "estimator", "bias", "limit", "planned", "median", "mean", "mean / limit", "goal", ""]
    try:
        with written(options.json) as report, counted(len(work) * runs) as tick:
            rows = [measure(case, runs, options.seed, confirm, tick) for case in work]
            report.update({"alpha": options.alpha, "seed": options.seed, "lines": rows})
    except OSError as error:
        parser.error(f"--json needs a file that can be written, but {options.json} is not: {error.strerror}")
    print_table(head, [show(row) for row in rows], alarm="missed")
    same, made = sum(row["confirmed"] for row in rows), confirm * len(rows)
    goals = [row["ratio"] <= row["goal"] for row in rows if row["goal"] is not None]
    print(f"\nalpha {options.alpha:g}, {runs} runs a line, seeds from {options.seed}.")
    print(f"Goals held: {sum(goals)} of {len(goals)}.")
    print(f"check_unbiased stops at the same sample: {same} of {made} runs.")
    return 0 if same == made else 1


if __name__ == "__main__":
    raise SystemExit(main())
