"""The peak of memory of one exact gradient, in a process of its own: `python -m speed.memory SIZE KIND SEED HOW`."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import refgrad
from refgrad import Bernoulli, exact
from refgrad.objectives import Quadratic
from speed import inputs

FOLDER = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """What a child needs to find this folder, and the same refgrad."""
    places = [str(FOLDER), str(Path(refgrad.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def peaks(size: int, kind: str, seed: int) -> tuple[float, float]:
    """Bytes beyond what there was before: of the resident set, and as tracemalloc counts them; a process for each."""
    found = []
    for how in ("resident", "traced"):
        command = [sys.executable, "-m", "speed.memory", str(size), kind, str(seed), how]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
        found.append(float(done.stdout))
    return found[0], found[1]


def resident() -> float:
    """Bytes of the largest resident set of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with the peak of the process that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * float(line.split()[1])
    import resource  # noqa: PLC0415  (not on Windows)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)


def main() -> None:
    """Compute one gradient after a small one, which loads what is loaded late, and print the bytes."""
    size, kind, seed, how = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    kinds = {"Written": inputs.Written, "Quadratic": Quadratic}
    small, f = (kinds[kind](*inputs.coefficients(d, seed)) for d in (4, size))
    exact.gradient(Bernoulli(inputs.logits((4,), seed)), small)
    q = Bernoulli(inputs.logits((size,), seed))
    if how == "resident":
        before = resident()
        exact.gradient(q, f)
        print(resident() - before)
    else:
        tracemalloc.start()
        exact.gradient(q, f)
        print(tracemalloc.get_traced_memory()[1])


if __name__ == "__main__":
    main()
