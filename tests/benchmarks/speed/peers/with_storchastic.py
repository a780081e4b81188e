"""Storchastic: the sampling method Expect, which enumerates, and its methods with one plate entry for each estimate."""

from importlib.metadata import version

import storch
import torch

from speed import inputs

VERSION = version("storchastic")


def prepare(task, precision):
    dtype = getattr(torch, precision)
    torch.set_default_dtype(dtype)
    logits = torch.tensor(inputs.logits(tuple(task["shape"]), task["seed"]), dtype=dtype)
    work = sampler(task, dtype) if task["kind"] == "sample" else exact(task, dtype)
    return lambda number: work(logits, number).numpy()


def exact(task, dtype):
    (size,) = task["shape"]
    if size > 12:
        raise NotImplementedError("enumerates one configuration after the other in Python")
    if task["kind"] == "table":
        values = torch.tensor(inputs.table(2**size, task["seed"]), dtype=dtype)
    else:
        constant, linear, matrix = (torch.tensor(x, dtype=dtype) for x in inputs.coefficients(size, task["seed"]))
    place = 2 ** torch.arange(size).flip(0)

    @storch.deterministic
    def f(z):
        if task["kind"] == "table":
            return values[(z.long() * place).sum(-1)]
        return ((z @ matrix) * z).sum(-1) + z @ linear + constant

    def gradient(logits, number):
        storch.reset()
        leaf = logits.clone().requires_grad_()
        z = storch.method.Expect("z")(torch.distributions.Bernoulli(logits=leaf))
        storch.add_cost(f(z), "f")
        storch.backward()
        found, leaf.grad = leaf.grad.detach(), None  # the graph refers to the gradient
        return found

    return gradient


def sampler(task, dtype):
    shape, n, name = tuple(task["shape"]), task["n"], task["estimator"]
    bernoulli = len(shape) == 1
    known = {
        "Reinforce": lambda: storch.method.ScoreFunction("z"),
        "GumbelSoftmax": lambda: storch.method.GumbelSoftmax("z", initial_temperature=task["temperature"]),
        "Rebar": lambda: storch.method.REBAR("z", n_samples=1),
    }
    if name not in known:
        raise NotImplementedError(f"has no {name}")
    if name == "Rebar" and dtype is torch.float64 and n * inputs.target(shape, 0).size > 2**23:
        raise NotImplementedError("takes minutes: its REBAR is timed in float32 alone")
    target = torch.tensor(inputs.target(shape, task["seed"]), dtype=dtype)
    family = torch.distributions.Bernoulli if bernoulli else torch.distributions.OneHotCategorical

    @storch.deterministic
    def f(z):
        return ((z - target) ** 2).sum((-1,) if bernoulli else (-2, -1))

    def estimates(logits, number):
        torch.manual_seed(number)
        storch.reset()
        leaf = logits.expand(n, *shape).clone().requires_grad_()
        rows = storch.denote_independent(leaf, 0, "rows")
        relaxing = name == "Rebar" and not bernoulli  # it asks the distribution for its probabilities
        z = known[name]()(family(probs=torch.softmax(rows, -1)) if relaxing else family(logits=rows))
        storch.add_cost(f(z), "f")
        storch.backward()
        rows, leaf.grad = n * leaf.grad.detach(), None  # it averages over the plate
        storch.reset()  # gigabytes
        return rows

    return estimates
