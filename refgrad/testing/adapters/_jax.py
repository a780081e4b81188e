"""Surrogates of JAX."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing.adapters._adapter import Adapter, Surrogate, check_value, framework
from refgrad.testing.problem import Problem

__all__ = ["from_jax"]

BLOCK = 1024  # rows that are computed at once, so that there is one compilation for a problem and not one for each n
KEPT = 32  # problems whose compiled code is kept


def from_jax(surrogate: Surrogate) -> Adapter:
    """Make a sampler and a function of noise of a JAX surrogate, whose gradient in the logits is the estimate.

    Parameters
    ----------
    surrogate : callable
        `surrogate(problem, logits, key)` returns a scalar: one row, with logits of shape (*event_shape,) and a key of
        its own. For `check_expectation` and `check_pathwise` it is `surrogate(problem, logits, noise)`, with noise of
        shape (draws, *event_shape). `problem.f` takes arrays of JAX.

    Returns
    -------
    callable
        As `estimate(problem, n, rng)` and `estimate(problem, noise)`. Gradients are of f, ascent: for that of a loss
        -f pass `loss=True` to the check.

    Raises
    ------
    TypeError
        If the surrogate is not callable.

    Notes
    -----
    The rows are `vmap(grad(surrogate))`, compiled once for a problem: they come in blocks of 1,024. Arrays are in
    single precision unless `jax_enable_x64` is set, and the checks see in which precision the rows come. What depends
    on no logits has the gradient zero in JAX, and no message.

    Examples
    --------
    >>> def reinforce(problem, logits, key):
    ...     import jax
    ...     z = jax.lax.stop_gradient(jax.random.bernoulli(key, jax.nn.sigmoid(logits)).astype(logits.dtype))
    ...     return problem.f(z) * (z * logits - jax.nn.softplus(logits)).sum()
    >>> estimate = from_jax(reinforce)  # for check_unbiased(estimate, problem)
    >>> estimate.__name__
    'reinforce'
    """

    @lru_cache(maxsize=KEPT)
    def compiled(problem: Problem, noisy: bool) -> Any:
        jax = framework("jax", "from_jax")

        def value(logits: Any, given: Any) -> Any:
            result = surrogate(problem, logits, given)
            check_value(result, ((),), "a scalar for its one row")
            return result

        def drawn(logits: Any, number: Any, key: Any) -> Any:
            return jax.grad(value)(logits, jax.random.fold_in(key, number))

        return jax.jit(jax.vmap(jax.grad(value), (None, 1)) if noisy else jax.vmap(drawn, (None, 0, None)))

    def rows(problem: Problem, n: int, rng: np.random.Generator | None, noise: Array | None) -> Any:
        jax, gradient = framework("jax", "from_jax"), compiled(problem, noise is not None)
        if not n:
            return np.empty((0, *problem.q.event_shape))
        put, found = jax.device_put, []
        if rng is not None:
            key = jax.random.wrap_key_data(put(rng.integers(2**32, size=_key_size(jax), dtype=np.uint32)))
            numbers = np.arange(n + -n % BLOCK, dtype=np.uint32).reshape(-1, BLOCK)
            found += [jax.device_get(gradient(put(problem.logits), put(block), key)) for block in numbers]
        elif noise is not None:
            blocks = (noise[:, start : start + BLOCK] for start in range(0, n, BLOCK))
            found += [jax.device_get(gradient(put(problem.logits), put(_filled(block)))) for block in blocks]
        return np.concatenate(found)[:n]

    return Adapter(surrogate, rows)


def _key_size(jax: Any) -> int:
    """Words of a key: of threefry, or of what is the default."""
    return int(jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0))).size)


def _filled(noise: Array) -> Array:
    """Noise (draws, n, ...) with the first row repeated up to a whole block."""
    spare = BLOCK - noise.shape[1]
    return np.concatenate([noise, np.repeat(noise[:, :1], spare, axis=1)], axis=1) if spare else noise
