"""How many units of the last place refgrad is off: every verb of both distributions, the oracle, every estimator.

Inputs are float64 and exact, and the truth is computed from them in as many digits as fifty of it take to settle
(refgrad.testing.references). A unit is what rounding the result and each input once would cost: eps times the size of
the result, and of each derivative times its input. The goal is 4; where a sum, or a chain of several functions, may
round more often, its bound follows from the count (_roundings.py). An estimator is measured twice: its sum, and the
same in units of its terms, since two terms that nearly cancel (f and its own expansion, say) are given as they are.
"""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from _common import each, options, seed_of, written
from _digits import figures
from _estimators import both, sampled
from _many import many_figures
from _oracle import oracle_figures
from _quantities import computed, defined, family, quantities
from _regimes import MEANING, REGIMES, coefficients, inputs, tied
from _roundings import units

GOAL = 4.0
CATEGORIES = 10_000
MANY = ("uniform", "mild", "wide", "tied", "peak")
EXAMPLES = """\
examples:
  python tests/benchmarks/accuracy.py --quick
  OPENBLAS_NUM_THREADS=1 python tests/benchmarks/accuracy.py --jobs 2 --json accuracy.json
  python tests/benchmarks/accuracy.py --cases 20 --seed 1
"""

Line = tuple[str, str, str, float]  # part, quantity, regime, figure


def verbs(kind: str, regime: str, rng: np.random.Generator) -> Iterable[Line]:
    """Every verb on one row of logits: two bits, or three categories."""
    given, z = inputs(kind, regime, (2,) if kind == "bernoulli" else (1, 3), rng)
    for own in quantities():
        if own.name != "fresh_given" or not tied(given):
            read = {name: given[name] for name in own.inputs}
            yield kind, own.name, regime, max(figures(computed(own, read, z), defined(own, z), read))


def oracle(kind: str, regime: str, rng: np.random.Generator) -> Iterable[Line]:
    """The oracle on three bits, or two variables of three categories."""
    given, z = inputs(kind, regime, (3,) if kind == "bernoulli" else (2, 3), rng)
    for name, figure in oracle_figures(family(z)(given["logits"]), rng).items():
        yield f"{kind}, oracle", name, regime, figure


def estimates(kind: str, regime: str, rng: np.random.Generator) -> Iterable[Line]:
    """Every estimator on one sample: the sum, and in units of the terms."""
    given, z = inputs(kind, regime, (2,) if kind == "bernoulli" else (1, 3), rng)
    q, more = family(z)(given["logits"]), inputs(kind, regime, z.shape, rng)[0]["v"]
    f, control = coefficients(z.shape, rng), coefficients(z.shape, rng, "control")
    for own in sampled():
        if own.fixed.get("coupled") and tied(given):
            continue
        numbers = {name: np.array(value) for name, value in own.inputs.items()}
        if "temperature" in numbers:
            numbers["temperature"] = given["temperature"]
        noise = np.array([given["noise"], more])[: own.draws]
        read = {"logits": given["logits"], "noise": noise, **numbers, **f, **(control if own.control else {})}
        for what, found in zip(("sum", "terms"), both(own, q, read), strict=True):
            yield f"{kind}, estimators, {what}", own.name, regime, max(found)


def many(logits: str, size: int, rng: np.random.Generator) -> Iterable[Line]:
    """The verbs on one variable of very many categories, with z the rarest, the likeliest or any other."""
    x = {"uniform": np.zeros(size), "wide": rng.uniform(-700, 700, size)}.get(logits, rng.normal(size=size))
    x = rng.choice([-700.0, 700.0], size) if logits == "tied" else x
    x[0] = 30.0 if logits == "peak" else x[0]
    winner = int(rng.choice([np.argmin(x), np.argmax(x), rng.integers(size)]))
    noise, v, temperature = rng.gumbel(size=size), rng.gumbel(size=size), float(rng.choice([1e-3, 0.5, 1e3]))
    for name, found in many_figures(x, noise, v, temperature, winner):
        yield f"{size:,} categories", name, logits, max(found)


def measure(task: tuple[str, str, str, int]) -> list[Line]:
    """The figures of one case."""
    part, kind, regime, seed = task
    rng = np.random.default_rng(seed)
    if part == "many":
        return list(many(regime, int(kind), rng))
    return list({"verbs": verbs, "oracle": oracle, "estimates": estimates}[part](kind, regime, rng))


def tasks(cases: int, seed: int, quick: bool) -> list[tuple[str, str, str, int]]:
    """All cases, each with a seed of its own; a Bernoulli costs a fifth of a Categorical."""
    parts = {"verbs": {"bernoulli": 5, "categorical": 1}, "oracle": {"bernoulli": 4, "categorical": 1}}
    parts["estimates"] = {"bernoulli": 1, "categorical": 1}
    found = [
        (part, kind, regime)
        for part, kinds in parts.items()
        for kind, weight in kinds.items()
        for regime in (("mild", "masked") if quick else REGIMES)
        if regime != "masked" or kind == "categorical"
        for _ in range(1 if quick else weight * cases)
    ]
    size = str(200 if quick else CATEGORIES)
    found += [("many", size, logits) for logits in (MANY[:1] if quick else MANY) for _ in range(cases)]
    return [(*own, seed_of(seed, number)) for number, own in enumerate(found)]


def bound(part: str, name: str) -> float:
    """The most that rounding explains; what is no chain of functions is held to the goal."""
    kind = part.partition(",")[0]
    if part.endswith("categories"):
        return max(GOAL, units(name, "categorical", 1, int(part.partition(" ")[0].replace(",", ""))))
    if kind != part:
        return float("inf") if part.endswith("sum") else GOAL
    return max(GOAL, units(name, kind, *((2, 1) if kind == "bernoulli" else (1, 3))))


def table(part: str, lines: list[Line]) -> list[dict[str, Any]]:
    """The largest figure of each quantity in each regime."""
    own = [line[1:] for line in lines if line[0] == part]
    regimes = [r for r in (*REGIMES, *MANY) if any(line[1] == r for line in own)]
    found = []
    for name in dict.fromkeys(line[0] for line in own):
        cells = {r: max((f for n, of, f in own if (n, of) == (name, r)), default=0.0) for r in dict.fromkeys(regimes)}
        count, most = sum(n == name for n, _, _ in own), bound(part, name)
        held = max(cells.values()) <= most
        found.append({"quantity": name, "regimes": cells, "cases": count, "bound": min(most, 1e308), "held": held})
    return found


def show(figure: float) -> str:
    return f"{figure:.1f}" if figure < 100 else f"{figure:.0e}"


def main(arguments: Any = None) -> int:
    """Print a table of each part, and write the figures as JSON."""
    given = options(
        __doc__ or "",
        EXAMPLES,
        "a case or two of each kind, and 200 categories",
        arguments,
        cases={"type": int, "default": 1, "help": "of each regime, times what is cheap (default: 1)"},
    )
    with written(given.json) as report:
        found = each(measure, tasks(given.cases, given.seed, given.quick), given.jobs, "cases")
        lines = [line for case in found for line in case]
        parts = {part: table(part, lines) for part in dict.fromkeys(line[0] for line in lines)}
        ours = [{"part": part, **row} for part, rows in parts.items() for row in rows]
        for row in ours:
            row["regimes"] = {name: min(figure, 1e308) for name, figure in row["regimes"].items()}
        report.update({"seed": given.seed, "goal": GOAL, "regimes": MEANING, "lines": ours})
    for part, rows in parts.items():
        head = [part, *rows[0]["regimes"], "cases", "bound"]
        print("\n" * (part != next(iter(parts))) + "| " + " | ".join(head) + " |")
        print("| " + " | ".join("---" for _ in head) + " |")
        for row in rows:
            most = "" if row["bound"] > 1e300 else f"{row['bound']:.0f}"
            cells = [row["quantity"], *map(show, row["regimes"].values()), str(row["cases"]), most]
            print("| " + " | ".join(cells) + " |" + " missed" * (not row["held"]))
    return 0 if all(row["held"] for row in ours) else 1


if __name__ == "__main__":
    sys.exit(main())
