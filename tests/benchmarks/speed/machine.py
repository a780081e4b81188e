"""What ran where: the machine, the versions, the threads of BLAS."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import refgrad

PACKAGES = ("numpy", "scipy", "autograd", "distributed")


def machine() -> dict[str, Any]:
    """What ratios depend on."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "blas": blas(),
        "blas threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
    }


def versions() -> dict[str, str]:
    """Of everything that is timed here."""
    found = {"python": platform.python_version(), "refgrad": refgrad.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The date, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def processor() -> str:
    """Its model, where the system says so."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def blas() -> str:
    """The BLAS that NumPy uses, and its number of threads now."""
    if find_spec("threadpoolctl") is None:
        return "unknown"
    import numpy  # noqa: F401, PLC0415  (loads it)
    from threadpoolctl import threadpool_info  # noqa: PLC0415  (an extra)

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas" and "numpy" in pool["filepath"]]
    shown = [f"{pool['internal_api']} {pool['version']}, threads: {pool['num_threads']}" for pool in pools]
    return ", ".join(shown) or "unknown"
