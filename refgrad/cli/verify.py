"""`refgrad verify`: the built-in estimators against the oracle, or somebody's sampler against the exact gradient."""

import argparse
from pathlib import Path
from typing import Any

from refgrad.cli._judged import CHECKS, verify_judged
from refgrad.cli._report import add_files
from refgrad.cli._table import verify_built_in
from refgrad.testing._expected import Settings
from refgrad.testing.loading import LoadError

__all__ = ["add_to"]

EXAMPLES = """\
examples:
  refgrad verify                                   every built-in estimator: its worst exact bias
  refgrad verify --all                             on every problem, with the variance
  refgrad verify my_code.py:estimate               your sampler on the standard problems
  refgrad verify my_code.py:estimate --family bernoulli --json report.json --html report.html
  refgrad verify --program "julia my_estimator.jl" a program of yours, in any language
  refgrad verify my_torch.py:step --rows 64 --loss one mean over 64 samples a call, of the gradient of -f
  refgrad verify my_pkg.rebar:estimate --estimator "Rebar(temperature=0.5)" --check moments
  refgrad verify my_pkg.rebar:on_noise --estimator "Rebar(temperature=0.5)" --check expectation
  refgrad verify my_code.py:slow --tolerance 0.01 --max-samples 100000000 --state check.json

a sampler is a function
  estimate(problem, n, rng) -> array of shape (n, *problem.q.event_shape)
that returns n independent estimates of the gradient of E f(z) in problem.q.logits, with z ~ problem.q and
f = problem.f, and draws all its randomness from rng, a numpy.random.Generator. What a program reads and writes:
  python -c "import refgrad.testing.adapters as a; help(a.Subprocess)"

for --check expectation and pathwise it is a function of the noise, as the named estimator reads it
  estimate(problem, noise) -> array of shape (n, *problem.q.event_shape), noise (draws, n, *problem.q.event_shape)

exit status:
  0 right on every problem      1 wrong on some      2 usage, or code that fails      3 undecided on some, wrong on none
"""


def add_to(commands: Any) -> None:
    """Add the command to a parser."""
    verify = commands.add_parser(
        "verify",
        help="judge the built-in estimators exactly, or a sampler of yours by its samples",
        description="Without a sampler: the exact bias and variance of every built-in estimator. With one: a verdict.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("target", nargs="?", metavar="SAMPLER", help="file.py:name or pkg.module:name")
    verify.add_argument("--family", choices=["bernoulli", "categorical"], help="only problems of this family")
    verify.add_argument(
        "--all", action="store_true", help="without a sampler: every row, not the worst of each estimator"
    )
    add_files(verify)
    judged = verify.add_argument_group("with a sampler")
    judged.add_argument(
        "--program", metavar="COMMAND", help="in place of SAMPLER: a program in any language, JSON lines over its pipes"
    )
    judged.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="for one answer of the program (default: %(default)s)"
    )
    judged.add_argument("--estimator", metavar="NAME", help="reference: Name or Name(field=value)")
    judged.add_argument(
        "--check",
        choices=CHECKS,
        help="unbiased: the mean; moments: mean and covariance of the named estimator; expectation, pathwise: a "
        "function of its noise (default: unbiased, or moments if the named estimator is biased)",
    )
    judged.add_argument("--rows", type=int, metavar="M", help="the sampler returns one mean over M samples a call")
    judged.add_argument("--probs", action="store_true", help="its gradient is in the probabilities, not the logits")
    judged.add_argument("--loss", action="store_true", help="its gradient is of the loss, -f")
    judged.add_argument("--alpha", type=float, default=1e-9, help="rate of false verdicts (default: %(default)s)")
    judged.add_argument(
        "--tolerance", type=float, default=0.1, help="relative bias that 'right' allows (default: %(default)s)"
    )
    judged.add_argument(
        "--max-samples", type=int, default=1_000_000, metavar="N", help="for each problem (default: %(default)s)"
    )
    judged.add_argument("--max-seconds", type=float, default=float("inf"), metavar="S", help="for each problem")
    judged.add_argument("--seed", type=int, default=0, help="of the generators (default: %(default)s)")
    judged.add_argument("--state", type=Path, metavar="FILE", help="go on from this file, and keep it up to date")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Fill the report, and return the exit status."""
    Settings(options.tolerance, options.alpha, options.max_samples)
    if options.target is not None and options.program is not None:
        raise LoadError(
            f"verify needs a SAMPLER or a --program, but was given {options.target} and {options.program!r}"
        )
    if options.target is not None or options.program is not None:
        return verify_judged(options, report)
    given = [name for name in ("estimator", "check", "rows", "probs", "loss", "state") if getattr(options, name)]
    if given:
        raise LoadError(f"--{given[0]} needs a SAMPLER, file.py:name or pkg.module:name, or a --program")
    return verify_built_in(options, report)
