"""Surrogates of PyTorch."""

from __future__ import annotations

from threading import RLock
from typing import Any

import numpy as np

from refgrad.distributions._array import Array
from refgrad.testing.adapters._adapter import Adapter, Surrogate, check_value, framework, no_gradient
from refgrad.testing.problem import Problem

__all__ = ["from_torch"]

ALONE = RLock()  # the generators of torch are those of all threads


def from_torch(surrogate: Surrogate) -> Adapter:
    """Make a sampler and a function of noise of a PyTorch surrogate, whose gradient in the logits is the estimate.

    Parameters
    ----------
    surrogate : callable
        `surrogate(problem, logits)` returns n values, (n,); value i depends on row i of the logits alone, which are a
        float64 leaf of shape (n, *event_shape) on the CPU. For `check_expectation` and `check_pathwise` it is
        `surrogate(problem, logits, noise)`, with noise of shape (draws, n, *event_shape). `problem.f` takes tensors.

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
    What is summed over the rows is refused: a mean could not be told from it, and would divide each by n. In every call
    the generators of torch are seeded from `rng`, and their state is put back afterwards; calls from several threads
    wait for each other. `.grad` of no other tensor is touched. Code in single precision takes `logits.float()`, and
    says `precision="float32"` where a check asks for it.

    Examples
    --------
    >>> def reinforce(problem, logits):
    ...     from torch.distributions import Bernoulli
    ...     q = Bernoulli(logits=logits)
    ...     z = q.sample()
    ...     return problem.f(z).detach() * q.log_prob(z).sum(-1)
    >>> estimate = from_torch(reinforce)  # for check_unbiased(estimate, problem)
    >>> estimate.__name__
    'reinforce'
    """

    def rows(problem: Problem, n: int, rng: np.random.Generator | None, noise: Array | None) -> Any:
        torch = framework("torch", "from_torch")
        devices = range(torch.cuda.device_count())
        with ALONE, torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
            logits = torch.tensor(problem.logits).expand(n, *problem.q.event_shape).clone().requires_grad_()
            if rng is not None:
                torch.manual_seed(int(rng.integers(2**63)))
            value = surrogate(problem, logits, *(() if noise is None else (torch.tensor(noise),)))
            needed = f"a tensor of n = {n} values, one a row, that nothing has summed or averaged"
            check_value(value, ((n,),), needed, torch.Tensor)
            if not value.requires_grad:
                raise no_gradient()
            (slope,) = torch.autograd.grad(value.sum(), logits, allow_unused=True)
        if slope is None:
            raise no_gradient()
        return slope

    return Adapter(surrogate, rows)
