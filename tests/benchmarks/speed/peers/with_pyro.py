"""Pyro: TraceEnum_ELBO of a guide q and a model with the same q, held fixed, and f as a factor; Trace_ELBO samples.

The divergence of q from itself has gradient zero, so that the gradient of the bound is that of E f.
"""

import pyro
import torch
from pyro.distributions import Bernoulli, OneHotCategorical
from pyro.infer import Trace_ELBO, TraceEnum_ELBO

from speed import inputs

VERSION = pyro.__version__


def prepare(task, precision):
    dtype = getattr(torch, precision)
    logits = torch.tensor(inputs.logits(tuple(task["shape"]), task["seed"]), dtype=dtype)
    work = sampler(task, dtype) if task["kind"] == "sample" else exact(task, dtype)
    return lambda number: work(logits, number).numpy()


def exact(task, dtype):
    (size,) = task["shape"]
    if task["kind"] == "table":
        values = torch.tensor(inputs.table(2**size, task["seed"]), dtype=dtype)
    else:
        constant, linear, matrix = (torch.tensor(x, dtype=dtype) for x in inputs.coefficients(size, task["seed"]))

    def f(bits):
        if task["kind"] == "table":
            return values[sum(z.long() * 2 ** (size - 1 - d) for d, z in enumerate(bits))]
        z = torch.stack(torch.broadcast_tensors(*bits), -1)
        return ((z @ matrix) * z).sum(-1) + z @ linear + constant

    def bits(logits, infer):
        return [pyro.sample(f"z{d}", Bernoulli(logits=logits[d]), infer=infer) for d in range(size)]

    def model(logits):
        pyro.factor("f", f(bits(logits.detach(), {})))

    def guide(logits):
        bits(logits, {"enumerate": "parallel"})

    bound = TraceEnum_ELBO(max_plate_nesting=0)

    def gradient(logits, number):
        logits = logits.clone().requires_grad_()
        (-bound.differentiable_loss(model, guide, logits)).backward()
        return logits.grad

    return gradient


def sampler(task, dtype):
    if task["estimator"] != "Reinforce":
        raise NotImplementedError(f"has no {task['estimator']} of one row for each estimate")
    shape, n = tuple(task["shape"]), task["n"]
    target = torch.tensor(inputs.target(shape, task["seed"]), dtype=dtype)
    event = (-1,) if len(shape) == 1 else (-2, -1)

    def rows_of(logits):
        own = Bernoulli(logits=logits) if len(shape) == 1 else OneHotCategorical(logits=logits)
        return pyro.sample("z", own.to_event(1))

    def model(logits):
        with pyro.plate("rows", n):
            z = rows_of(logits.detach())
            pyro.factor("f", ((z - target) ** 2).sum(event))

    def guide(logits):
        with pyro.plate("rows", n):
            rows_of(logits)

    bound = Trace_ELBO()

    def estimates(logits, number):
        pyro.set_rng_seed(number)
        rows = logits.expand(n, *shape).clone().requires_grad_()
        (-bound.differentiable_loss(model, guide, rows)).backward()
        return rows.grad

    return estimates
