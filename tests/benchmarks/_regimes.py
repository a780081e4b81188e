"""The ground that accuracy is measured on: inputs at random, by the regime that makes a formula lose digits."""

from collections.abc import Callable
from typing import Any

import numpy as np

REGIMES = ("mild", "saturated", "near zero", "edge", "far", "cold", "hot", "tied", "masked")
MEANING = {
    "mild": "logits and noise as they are drawn, temperature 0.5",
    "saturated": "logits of +-20, +-40 and +-700 among mild ones",
    "near zero": "v and noise of 1e-9, logits of +-20",
    "edge": "noise on the edge of the cell of z but for 1e-12 to 1",
    "far": "noise and v up to 100 times as large as they are drawn",
    "cold": "temperature 1e-3",
    "hot": "temperature 1e3",
    "tied": "logits alike, at 0, 0.75 and +-700, and noise alike half of the time",
    "masked": "a category masked (Categorical)",
}
HARD = (-700.0, -40.0, -20.0, 20.0, 40.0, 700.0)


def inputs(family: str, regime: str, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[dict[str, Any], Any]:
    """Arrays by name, and z."""
    drawn: Callable[..., Any] = rng.logistic if family == "bernoulli" else rng.gumbel
    logits, noise, v = rng.normal(scale=2, size=shape), drawn(size=shape), drawn(size=shape)
    temperature = {"cold": 1e-3, "hot": 1e3}.get(regime, 0.5)
    if regime == "saturated":
        logits = np.where(rng.random(shape) < 0.7, rng.choice(HARD, size=shape), logits)
    if regime == "near zero":
        logits = np.where(rng.random(shape) < 0.5, rng.choice([-20.0, 20.0], size=shape), logits)
        v, noise = (own * rng.choice([1e-9, 1e-3, 1.0], size=shape) for own in (v, noise))
    if regime == "edge":
        noise = 10 ** rng.uniform(-12, 0, size=shape) - logits
    if regime == "far":
        v, noise = (own * rng.choice([1.0, 20.0, 100.0], size=shape) for own in (v, noise))
    if regime == "tied":
        logits = np.full(shape, rng.choice([0.0, 0.75, 700.0, -700.0]))
        noise = np.full(shape, noise.flat[0]) if rng.random() < 0.5 else noise
    if regime == "masked":
        logits[..., rng.integers(shape[-1])] = -np.inf
    spread = rng.choice([1.0, 5.0, 20.0])
    if family == "bernoulli":
        z = rng.integers(2, size=shape).astype(float)
        relaxed = np.clip(1 / (1 + np.exp(-spread * rng.logistic(size=shape))), 1e-300, 1 - 2**-53)
    else:
        live = logits > -np.inf
        winner = np.argmax(np.where(live, rng.random(shape), -1.0), axis=-1)
        z = np.eye(shape[-1])[winner]
        weights = np.where(live, np.exp(spread * rng.gumbel(size=shape)), 0.0)
        relaxed = weights / weights.sum(axis=-1, keepdims=True)
    found = {"logits": logits, "noise": noise, "v": v, "relaxed": relaxed, "temperature": np.array(temperature)}
    return found, z


def tied(given: dict[str, Any]) -> bool:
    """Whether the noise is on an edge, where its fresh noise is infinite."""
    perturbed = np.sort(given["logits"] + given["noise"], axis=-1)
    if perturbed.ndim == 1:
        return bool((perturbed == 0).any())
    return bool((perturbed[:, -1] == perturbed[:, -2]).any())


def coefficients(shape: tuple[int, ...], rng: np.random.Generator, name: str = "") -> dict[str, Any]:
    """Of a quadratic f, or of the control variate of a name."""
    size = int(np.prod(shape))
    names = (name, f"{name}_linear", f"{name}_matrix") if name else ("constant", "linear", "matrix")
    return dict(zip(names, (rng.normal(size=own) for own in ((), shape, (size, size))), strict=True))
