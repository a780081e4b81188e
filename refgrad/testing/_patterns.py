"""Causes without a catalogue: the exact gradient times something, plus something, or in another order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing._fit import Sample

__all__ = ["EXACT", "Pattern", "described", "multiple", "patterns", "suggestion"]

EXACT = "exact-gradient"
WIDTH = 3.0  # standard errors within which a number is recognised
LARGEST = 1000  # m of (m - 1) / m and of 1 / m


@dataclass(frozen=True, eq=False)
class Pattern:
    """A mean on every problem, and what its parameters cost."""

    name: str
    text: str
    means: tuple[Array, ...]
    parameters: int = 0
    choices: int = 1

    def price(self, n: int) -> float:
        """Log-likelihood that choosing costs."""
        return float(self.parameters * np.log(n) / 2 + np.log(self.choices))


def multiple(samples: list[Sample], shares: Any = None) -> tuple[float, float]:
    """The c, and its standard error, for which c times the exact gradient fits best: of its shares, the rest kept."""
    shares = [np.ones(len(s.mean)) for s in samples] if shares is None else shares
    return _slope(samples, [s.gradient * w for s, w in zip(samples, shares, strict=True)])


def patterns(samples: list[Sample]) -> Iterator[Pattern]:
    """The patterns that are tried."""
    gradients = tuple(s.gradient for s in samples)
    yield Pattern(EXACT, "the exact gradient: no bias seen", gradients)
    c, error = multiple(samples)
    if np.isfinite(error):
        text = f"{c:.4g} +- {error:.1g} times the exact gradient{suggestion(c, error, samples[0].n)}"
        yield Pattern("multiple-of-the-gradient", text, tuple(c * g for g in gradients), parameters=1)
    shapes = [s.problem.q.event_shape for s in samples]
    if max(shape[0] for shape in shapes) > 1:
        text = "the exact gradient times the number of variables: summed over the variables once too often"
        yield Pattern("times-the-variables", text, tuple(s[0] * g for s, g in zip(shapes, gradients, strict=True)))
        yield _turned(samples, 0, "variables")
    if all(len(shape) == 2 for shape in shapes):
        yield _turned(samples, 1, "categories")
    ones = [1 / s.scale for s in samples]
    b, error = _slope(samples, ones, [s.mean - s.gradient for s in samples])
    means = tuple(g + b * one for g, one in zip(gradients, ones, strict=True))
    yield Pattern("gradient-plus-constant", f"the exact gradient plus {b:.4g} +- {error:.1g}", means, parameters=1)
    yield from _parts(samples)


def _turned(samples: list[Sample], axis: int, what: str) -> Pattern:
    means = tuple(np.flip(s.problem.gradient, axis).ravel() / s.scale for s in samples)
    return Pattern(f"{what}-in-reverse", f"the exact gradient with the {what} in reverse order", means)


def _parts(samples: list[Sample]) -> Iterator[Pattern]:
    """One factor for some of the components, the others right."""
    choices = [
        (name, shares)
        for name, shares in _shares([s.problem.q.event_shape for s in samples])
        if any(((1 - w) * s.gradient).any() for w, s in zip(shares, samples, strict=True))
    ]
    for name, shares in choices:
        kept = [(1 - w) * s.gradient for w, s in zip(shares, samples, strict=True)]
        moved = [w * s.gradient for w, s in zip(shares, samples, strict=True)]
        c, error = _slope(samples, moved, [s.mean - k for s, k in zip(samples, kept, strict=True)])
        if np.isfinite(error):
            text = f"{name} is {c:.4g} +- {error:.1g} times the exact gradient{_fate(c, error)}; the rest is right"
            means = tuple(k + c * m for k, m in zip(kept, moved, strict=True))
            yield Pattern("part-off", text, means, parameters=1, choices=len(choices))


def _shares(shapes: list[tuple[int, ...]]) -> Iterator[tuple[str, list[Array]]]:
    """Parts of a gradient by name, as masks on every problem: variables, categories, single components."""
    most = [max(shape[axis] for shape in shapes if len(shape) > axis) for axis in range(max(map(len, shapes)))]
    found: list[tuple[str, list[Array]]] = []
    for d in range(most[0]):
        found.append((f"variable {d}", [np.arange(shape[0]) == d for shape in shapes]))
        if most[0] > 2:
            found.append((f"every variable but {d}", [np.arange(shape[0]) != d for shape in shapes]))
    found.append(("the last variable", [np.arange(shape[0]) == shape[0] - 1 for shape in shapes]))
    found.append(("every variable but the last", [np.arange(shape[0]) != shape[0] - 1 for shape in shapes]))
    found.append(("every variable but the first", [np.arange(shape[0]) != 0 for shape in shapes]))
    wide = [(name, [_spread(w, shape) for w, shape in zip(masks, shapes, strict=True)]) for name, masks in found]
    if all(len(shape) == 2 for shape in shapes):
        for k in range(most[1]):
            for name, at in ((f"category {k}", k), *((("the last category", -1),) if k == 0 else ())):
                wide.append((name, [_entries(shape, (slice(None), at)) for shape in shapes]))
    for index in np.ndindex(*most):
        name = f"component [{', '.join(map(str, index))}]"
        wide.append((name, [_entries(shape, index) for shape in shapes]))
    seen: list[bytes] = []
    for name, masks in wide:
        key = b"|".join(mask.tobytes() for mask in masks)
        if key not in seen and any(mask.any() for mask in masks):
            seen.append(key)
            yield name, masks


def _spread(mask: Any, shape: tuple[int, ...]) -> Array:
    full = mask.astype(float).reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(full, shape).ravel()


def _entries(shape: tuple[int, ...], index: Any) -> Array:
    mask = np.zeros(shape)
    if all(isinstance(i, slice) or i < size for i, size in zip(index, shape, strict=False)) and len(index) == len(
        shape
    ):
        mask[index] = 1.0
    return mask.ravel()


def _slope(samples: list[Sample], moved: list[Array], rest: list[Array] | None = None) -> tuple[float, float]:
    """Generalised least squares for one number, over all problems; an infinite error where nothing moves."""
    rest = [s.mean for s in samples] if rest is None else rest
    above = below = 0.0
    for sample, x, y in zip(samples, moved, rest, strict=True):
        weights = sample.n * np.linalg.solve(sample.noise, x)
        above, below = above + float(weights @ y), below + float(weights @ x)
    return (above / below, below**-0.5) if below > 0 else (np.nan, np.inf)


def suggestion(c: float, error: float, n: int = 0) -> str:
    """What a factor suggests, if it is one that people make; n rows came from one call."""
    if abs(c) <= WIDTH * error:
        return ": mean zero"
    if n > LARGEST and abs(c * n - 1) <= WIDTH * error * n:
        return f"; 1/n for the n = {n:,} rows of a call: a mean over the rows where their sum was meant"
    for value, text in ((1, "no bias seen"), (-1, "wrong sign, or a loss was taken for f"), (2, "counted twice")):
        if abs(c - value) <= WIDTH * error:
            return f": {text}"
    low, high = c - WIDTH * error, c + WIDTH * error
    found = []
    if high >= 0.5 and low < 1:
        text = "(m - 1)/m, as if each sample were in the mean of m samples that is its baseline"
        found.append(_whole(_inverse(1 - low), _inverse(1 - c), _inverse(1 - high), text))
    if low <= 0.5 and c > 0:
        found.append(_whole(_inverse(high), _inverse(c), _inverse(low), "1/m: a mean over m where a sum was meant"))
    if high >= 2:
        found.append(_whole(low, c, high, "m: a sum over m where a mean was meant"))
    return "".join(f"; {text}" for text in found if text)


def _inverse(x: float) -> float:
    return 1 / x if x > 0 else np.inf


def _whole(low: float, best: float, high: float, text: str) -> str:
    """The whole numbers m from 2 on that a factor may come from, if there are any."""
    first, last = max(2, np.ceil(low)), min(np.floor(high), LARGEST)
    if first > last:
        return ""
    m = int(np.clip(np.round(min(best, LARGEST)), first, last))
    return f"{text}, m = {m}" if first == last else f"{text}, m about {m}"


def _fate(c: float, error: float) -> str:
    if abs(c) <= WIDTH * error:
        return ": it is missing"
    return ": it is reversed" if abs(c + 1) <= WIDTH * error else ""


def described(sample: Sample) -> str:
    """Each component as a multiple of the exact gradient, or less it where that is zero."""
    errors = np.sqrt(np.diag(sample.noise) / sample.n)
    parts = []
    for index, mean, exact, error in zip(
        np.ndindex(*sample.problem.q.event_shape), sample.mean, sample.gradient, errors, strict=True
    ):
        at = f"[{', '.join(map(str, index))}]"
        ratio = f"{mean / exact:.3g} +- {abs(error / exact):.1g}" if exact else f"off by {mean:.3g} +- {error:.1g}"
        parts.append(f"{at} {ratio}")
    return f"{sample.problem.name}: {', '.join(parts)}"
