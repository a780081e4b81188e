"""Surrogates of TensorFlow."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing.adapters._adapter import Adapter, Surrogate, check_value, framework, no_gradient
from refgrad.testing.problem import Problem

__all__ = ["from_tensorflow"]

KEPT = 32  # problems whose f is kept
ALONE = RLock()  # the global seed is that of all threads


def from_tensorflow(surrogate: Surrogate, *, global_seed: bool = False) -> Adapter:
    """Make a sampler and a function of noise of a TensorFlow surrogate, whose gradient in the logits is the estimate.

    Parameters
    ----------
    surrogate : callable
        `surrogate(problem, logits, generator)` returns n values, (n,); value i depends on row i of the logits alone,
        which are a float64 tensor of shape (n, *event_shape). All randomness comes from the `tf.random.Generator`.
        For `check_expectation` and `check_pathwise` it is `surrogate(problem, logits, noise)`, with noise of shape
        (draws, n, *event_shape).
    global_seed : bool
        For code that draws from the global generators: it is called as `surrogate(problem, logits)` after
        `tf.random.set_seed`, which TensorFlow cannot undo. Calls from several threads then wait for each other.

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
    What is summed over the rows is refused: a mean could not be told from it, and would divide each by n. Objectives
    take no tensors of TensorFlow, so the problem comes with an f that takes both, eagerly (not inside of a
    `tf.function`); its gradient is `f.grad`.

    Examples
    --------
    >>> def reinforce(problem, logits, generator):
    ...     import tensorflow as tf
    ...     z = tf.cast(generator.uniform(logits.shape, dtype=logits.dtype) < tf.sigmoid(logits), logits.dtype)
    ...     return problem.f(z) * tf.reduce_sum(z * logits - tf.nn.softplus(logits), -1)
    >>> estimate = from_tensorflow(reinforce)  # for check_unbiased(estimate, problem)
    >>> estimate.__name__
    'reinforce'
    """
    taking_tensors = lru_cache(maxsize=KEPT)(_taking_tensors)

    def rows(problem: Problem, n: int, rng: np.random.Generator | None, noise: Array | None) -> Any:
        tf = framework("tensorflow", "from_tensorflow")
        logits = tf.constant(np.broadcast_to(problem.logits, (n, *problem.q.event_shape)))
        given: tuple[Any, ...] = ()
        with ALONE if global_seed else nullcontext(), tf.GradientTape() as tape:
            if rng is None:
                given = (tf.constant(noise),)
            elif global_seed:
                tf.random.set_seed(int(rng.integers(2**63)))
            else:
                given = (tf.random.Generator.from_seed(int(rng.integers(2**63))),)
            tape.watch(logits)
            value = surrogate(taking_tensors(problem), logits, *given)
            check_value(value, ((n,),), f"a tensor of n = {n} values, one a row, that nothing has summed or averaged")
            total = tf.reduce_sum(value)
        slope = tape.gradient(total, logits)
        if slope is None:
            raise no_gradient()
        return tf.convert_to_tensor(slope).numpy()  # a gather leaves slices

    return Adapter(surrogate, rows)


def _taking_tensors(problem: Problem) -> Problem:
    """The same problem, with an f that takes tensors too."""
    tf = framework("tensorflow", "from_tensorflow")

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def on_tensors(z: Any) -> Any:
        def slope(upstream: Any) -> Any:
            if not hasattr(problem.f, "grad"):
                raise TypeError(f"f needs a method grad where TensorFlow is to differentiate it, but is {problem.f!r}")
            rise = tf.reshape(upstream, (*upstream.shape, *(1 for _ in problem.q.event_shape)))
            return rise * tf.constant(problem.f.grad(z.numpy()), z.dtype)

        return tf.constant(problem.f(z.numpy()), z.dtype), slope

    def f(z: Any) -> Any:
        return on_tensors(z) if tf.is_tensor(z) else problem.f(z)

    return replace(problem, f=f)
