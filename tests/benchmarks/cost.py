"""What the statistics cost, beside the samples; and how long the standard battery takes.

Every check has a fixed number of samples: the tolerance is so small that nothing is decided. The sampler is timed
inside the check; the rest of the check is the statistics: reading the rows, the pilot, the battery, the sums, looks,
the verdict. What is computed once for a problem is computed before. Each check is made twice, the second time with
three times the samples: the differences are what a further sample costs, and the goal is of that; what a whole check
costs, with all that does not grow with it, stands beside. Times are CPU times of the process (`process_time`)
with the wall times beside them; set OPENBLAS_NUM_THREADS=1, so that they are those of one thread. The estimators take
turns, and a line is the median of the repetitions.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from _common import each, options, written

from refgrad.cli._output import print_table
from refgrad.estimators import Estimator, MuProp, Rebar, Reinforce
from refgrad.testing import Problem, check_unbiased, standard_problems

GOAL = 0.10  # of the time of the sampler
SECONDS = 1.5  # of the standard battery: about one
TINY = 1e-15  # tolerance at which nothing is decided
REPEATS = 3
EXAMPLES = """\
examples:
  python tests/benchmarks/cost.py --quick
  OPENBLAS_NUM_THREADS=1 python tests/benchmarks/cost.py --json cost.json
  python tests/benchmarks/cost.py --repeats 9 --problem 2
"""


class Timed:
    """A sampler and the time that is spent in it: of the CPU, and by the clock."""

    def __init__(self, sampler: Callable[..., Any]) -> None:
        self.sampler = sampler
        self.cpu = self.wall = 0.0

    def __call__(self, problem: Problem, n: int, rng: Any) -> Any:
        began = time.process_time(), time.perf_counter()
        rows = self.sampler(problem, n, rng)
        self.cpu += time.process_time() - began[0]
        self.wall += time.perf_counter() - began[1]
        return rows


@dataclass(frozen=True)
class Plain:
    """An estimator as a sampler."""

    estimator: Estimator

    def __call__(self, problem: Problem, n: int, rng: Any) -> Any:
        return self.estimator.sample(problem.q, problem.f, n, rng)


def torch_reinforce(problem: Problem, n: int, rng: Any) -> Any:
    """REINFORCE as PyTorch has it: the score by hand, float64."""
    import torch  # noqa: PLC0415

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    probs = torch.as_tensor(problem.q.probs.copy())
    if problem.family == "bernoulli":
        z = torch.bernoulli(probs.expand(n, -1), generator=generator)
    else:
        rows = torch.multinomial(probs, n, replacement=True, generator=generator).T
        z = torch.nn.functional.one_hot(rows, probs.shape[-1]).to(torch.float64)
    value = torch.as_tensor(problem.f(z.numpy())).reshape(n, *[1] * (z.ndim - 1))
    return value * (z - probs)


def samplers() -> dict[str, Callable[..., Any]]:
    """Those that take turns."""
    found: dict[str, Callable[..., Any]] = {
        "Reinforce": Plain(Reinforce()),
        "MuProp": Plain(MuProp()),
        "Rebar": Plain(Rebar()),
    }
    return {**found, "torch REINFORCE": torch_reinforce} if find_spec("torch") else found


def measure(task: tuple[int, str, int, int]) -> dict[str, Any]:
    """Make one check, and divide its time."""
    number, name, samples, seed = task
    problem, timed = standard_problems()[number], Timed(samplers()[name])
    settings = {"tolerance": TINY, "causes": False, "seed": seed}
    check_unbiased(timed, problem, max_samples=2_000, **settings)
    found: dict[str, Any] = {"problem": str(problem), "estimator": name}
    for which, size in (("short", samples), ("long", 3 * samples)):
        timed.cpu = timed.wall = 0.0
        began = time.process_time(), time.perf_counter()
        verdict = check_unbiased(timed, problem, max_samples=size, **settings)
        cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
        found[which] = {
            "n": verdict.n,
            "cpu": (timed.cpu, cpu - timed.cpu),
            "wall": (timed.wall, wall - timed.wall),
        }
    return found


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """A line of the table: medians over the repetitions."""
    more = [run["long"]["n"] - run["short"]["n"] for run in found]
    sampler, statistics = (
        median((run["long"]["cpu"][part] - run["short"]["cpu"][part]) / n for run, n in zip(found, more, strict=True))
        for part in (0, 1)
    )
    return {
        "problem": found[0]["problem"],
        "estimator": found[0]["estimator"],
        "n": found[0]["short"]["n"],
        "sampler": sampler,
        "statistics": statistics,
        "ratio": statistics / sampler,
        "whole ratio": median(run["short"]["cpu"][1] / run["short"]["cpu"][0] for run in found),
        "held": statistics <= GOAL * sampler,
        "runs": found,
    }


def battery(seed: int) -> Iterator[dict[str, Any]]:
    """Judge Reinforce on every standard problem by the defaults: a new process would do the same."""
    for problem in standard_problems():
        timed = Timed(Plain(Reinforce()))
        began = time.process_time(), time.perf_counter()
        verdict = check_unbiased(timed, problem, seed=seed)
        cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
        yield {
            "problem": str(problem),
            "outcome": verdict.outcome,
            "n": verdict.n,
            "cpu": cpu,
            "wall": wall,
            "sampler": timed.cpu,
        }


def show(row: dict[str, Any]) -> list[str]:
    return [
        row["problem"],
        row["estimator"],
        f"{row['n']:,}",
        f"{1e9 * row['sampler']:,.0f}",
        f"{1e9 * row['statistics']:,.0f}",
        f"{row['ratio']:.1%}",
        f"{row['whole ratio']:.1%}",
        "held" if row["held"] else "missed",
    ]


def main(arguments: Any = None) -> int:
    """Print the lines and the battery, and write them as JSON."""
    size = len(standard_problems())
    given = options(
        __doc__ or "",
        EXAMPLES,
        "one problem, 50,000 samples; nothing is judged by so few",
        arguments,
        samples={"type": int, "default": 500_000, "help": "of each check (default: 500,000)"},
        repeats={"type": int, "default": REPEATS, "help": f"of each line (default: {REPEATS})"},
        problem={"action": "append", "type": int, "choices": range(size), "metavar": "I", "help": "only this one"},
    )
    numbers = given.problem or ([2] if given.quick else range(size))
    samples = 50_000 if given.quick else given.samples
    names = list(samplers())
    work = [
        (number, name, samples, given.seed + repeat)
        for repeat in range(given.repeats)
        for number in numbers
        for name in names
    ]
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    with written(given.json) as report:
        found = list(each(measure, work, given.jobs, "checks"))
        problems = list(dict.fromkeys(run["problem"] for run in found))
        rows = [
            summary([run for run in found if (run["problem"], run["estimator"]) == (problem, name)])
            for name in names
            for problem in problems
        ]
        whole = [] if given.quick else list(battery(given.seed))
        report.update({"samples": samples, "threads": threads, "lines": rows, "battery": whole})
    head = ["problem", "estimator", "n", "sampler, ns", "statistics, ns", "ratio", "whole check", ""]
    print_table(head, [show(row) for row in rows], alarm="missed")
    print(f"\nCPU time of a further sample; medians of {given.repeats}; OPENBLAS_NUM_THREADS={threads or 'not set'}.")
    for name in names:
        of = [row["ratio"] for row in rows if row["estimator"] == name]
        print(f"{name}: median {np.median(of):.1%}, worst {max(of):.1%}; goal {GOAL:.0%}")
    held = all(row["held"] for row in rows)
    if whole:
        cpu, wall = (sum(row[key] for row in whole) for key in ("cpu", "wall"))
        columns = ["standard battery", "outcome", "n", "CPU, ms", "sampler, ms"]
        cells = [
            [
                row["problem"],
                row["outcome"],
                f"{row['n']:,}",
                *(f"{1e3 * row[k]:.0f}" for k in ("cpu", "sampler")),
            ]
            for row in whole
        ]
        print()
        print_table(columns, cells)
        print(f"\nThe battery takes {cpu:.2f} s of the CPU, {wall:.2f} s by the clock; goal {SECONDS} s of the CPU.")
        held = held and cpu <= SECONDS and all(row["outcome"] == "right" for row in whole)
    return 0 if held or given.quick else 1


if __name__ == "__main__":
    sys.exit(main())
