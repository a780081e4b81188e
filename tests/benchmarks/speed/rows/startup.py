"""Fresh interpreters: what an import takes, by a clock inside them, and `refgrad verify` from a cold start."""

import os
import subprocess
import sys
from collections.abc import Iterator

from speed.case import Case, Goal, Plan
from speed.client import VARIABLE
from speed.memory import environment
from speed.timing import Clock, clock

TITLE = "import and cold start"
TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
IMPORTS = {
    "import refgrad": "import refgrad",
    "with distributions": "from refgrad import Bernoulli, Categorical",
    "with the oracle and estimators": "from refgrad import Bernoulli, Categorical, estimators, exact, objectives",
    "with testing": "import refgrad.testing",
    "import numpy": "import numpy",
}
VERIFY = ("-m", "refgrad", "verify")
QUICK = ("--family", "bernoulli")


def cases(plan: Plan) -> Iterator[Case]:
    """Imports, and the command."""
    clocks = {name: importing(sys.executable, statement) for name, statement in IMPORTS.items()}
    python = os.environ.get(VARIABLE)
    if python and not plan.quick and works(python, "import torch"):
        clocks["import torch"] = importing(python, "import torch")
    goals = tuple(Goal(name, 1.5, "import numpy") for name in ("import refgrad", "with distributions"))
    yield Case(row="f", size="import", clocks=clocks, reference="import numpy", goals=goals)
    command = [sys.executable, *VERIFY, *plan.pick((), QUICK)]
    least = [sys.executable, "-c", "import numpy"]
    yield Case(
        row="f",
        size="refgrad verify",
        clocks={
            "refgrad": clock(lambda: fresh(command)),
            "numpy": clock(lambda: fresh(least)),
        },
        reference="numpy",
        goals=(Goal("refgrad", 3.0),),
    )


def fresh(command: list[str]) -> str:
    """What a new process prints."""
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout


def importing(python: str, statement: str) -> Clock:
    """Seconds of a statement in an interpreter that did nothing before."""
    code = TIMED.format(statement)
    return lambda calls: sum(float(fresh([python, "-c", code])) for _ in range(calls)) / calls


def works(python: str, statement: str) -> bool:
    """Whether an interpreter can do it."""
    try:
        fresh([python, "-c", statement])
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
