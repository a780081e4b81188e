"""How cost grows: each quantity at several sizes, its exponent, and a picture."""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from speed.fit import Fit, fit
from speed.sweeps import Sweep
from speed.table import WORDS, grid, read, short

TURNS = 5
LONG = 2.0  # seconds: twice is enough
HEAD = ("quantity", "fitted from", "to", "points", "exponent", "95 % interval", "wanted", "at the largest", "")


@dataclass(frozen=True)
class Growth:
    """A sweep, and what was found."""

    sweep: Sweep
    sizes: tuple[float, ...]
    values: tuple[float, ...]
    fit: Fit
    judged: bool = True

    @property
    def held(self) -> bool | None:
        """Whether the exponent is what is wanted; None if sizes are too small to tell."""
        if not self.judged:
            return None
        low, high = self.sweep.wanted
        return low <= self.fit.exponent <= high


def grow(sweep: Sweep, judged: bool = True) -> Growth:
    """Measure all points and fit those that are large enough."""
    sizes, works = zip(*sweep.points, strict=True)
    values = [peak(work) for work in works] if sweep.quantity == "bytes" else least(works)
    large = [(x, y) for x, y in zip(sizes, values, strict=True) if x >= sweep.start]
    return Growth(sweep, tuple(sizes), tuple(values), fit(*zip(*large, strict=True)), judged)


def least(works: tuple[Callable[[], object], ...]) -> list[float]:
    """The least seconds of each; sizes take turns."""
    found: list[list[float]] = [[] for _ in works]
    for turn in range(TURNS):
        for own, work in zip(found, works, strict=True):
            if turn < 2 or own[-1] < LONG:
                began = perf_counter()
                work()
                own.append(perf_counter() - began)
    return [min(own[1:]) for own in found]


def peak(work: Callable[[], object]) -> float:
    """Bytes at the most, beyond those at the beginning."""
    work()
    tracemalloc.start()
    try:
        work()
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def markdown(found: list[Growth]) -> str:
    """A table of exponents."""
    return "\n".join(["### How cost grows", "", *grid(HEAD, map(cells, found))])


def cells(own: Growth) -> list[str]:
    """One line of it."""
    fitted = [x for x in own.sizes if x >= own.sweep.start]
    low, high = own.sweep.wanted
    last = read(own.values[-1]) if own.sweep.quantity == "seconds" else f"{own.values[-1] / 2**20:.3g} MiB"
    interval = f"{own.fit.low:.2f} to {own.fit.high:.2f}"
    wanted = f"{low:g} to {high:g}" if low > 0 else f"at most {high:g}"
    sizes = [short(fitted[0]), short(fitted[-1]), str(len(fitted))]
    return [own.sweep.name, *sizes, f"{own.fit.exponent:.2f}", interval, wanted, last, WORDS[own.held]]


def lines(found: list[Growth]) -> Iterator[dict[str, Any]]:
    """The same for JSON."""
    for own in found:
        yield {
            "growth": own.sweep.what,
            "quantity": own.sweep.quantity,
            "against": own.sweep.against,
            "sizes": own.sizes,
            "values": own.values,
            "fitted from": own.sweep.start,
            "fit": vars(own.fit),
            "wanted": own.sweep.wanted,
            "held": own.held,
        }


def draw(found: list[Growth], folder: Path) -> Path:
    """Write one panel for each quantity to `growth.svg`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415  (an extra)
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("--plot needs matplotlib: pip install 'refgrad[plot]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    columns = 3
    rows = -(-len(found) // columns)
    with rc_context({"svg.hashsalt": "refgrad", "font.size": 8}):
        figure = Figure(figsize=(3.6 * columns, 2.7 * rows), layout="constrained")
        for place, own in enumerate(found, 1):
            panel(figure.add_subplot(rows, columns, place), own)
        path = folder / "growth.svg"
        figure.savefig(path, metadata={"Date": None})
    return path


def panel(axes: Any, own: Growth) -> None:
    """Points, hollow where they are not fitted, and the line over those that are."""
    fitted = [x for x in own.sizes if x >= own.sweep.start]
    seconds = own.sweep.quantity == "seconds"
    color = "tab:blue" if seconds else "tab:orange"
    for x, y in zip(own.sizes, own.values, strict=True):
        axes.plot(x, y, "o", color=color, markersize=4, fillstyle="full" if x in fitted else "none")
    ends = [fitted[0], fitted[-1]]
    axes.plot(ends, [own.fit.factor * x**own.fit.exponent for x in ends], color="0.4", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel=own.sweep.against, ylabel=own.sweep.quantity)
    axes.xaxis.set_minor_formatter("")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylim(min(own.values) / 3, max(own.values) * 3)
    interval = f"{own.fit.low:.2f} to {own.fit.high:.2f}"
    axes.set_title(f"{own.sweep.what}\nexponent {own.fit.exponent:.2f} ({interval})", loc="left", fontsize=8)
    axes.grid(alpha=0.3)
