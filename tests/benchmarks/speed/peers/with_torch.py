"""PyTorch: autograd of sum(q f), or of a surrogate with one row of logits for each estimate."""

import torch
from torch.nn.functional import logsigmoid, one_hot

from speed import inputs

VERSION = torch.__version__


def prepare(task, precision):
    dtype = getattr(torch, precision)
    logits = torch.tensor(inputs.logits(tuple(task["shape"]), task["seed"]), dtype=dtype)
    work = sampler(task, dtype) if task["kind"] == "sample" else exact(task, dtype)
    return lambda number: work(logits, number).numpy()


def log_prob(z, logits, bernoulli):
    if bernoulli:
        return (z * logsigmoid(logits) + (1 - z) * logsigmoid(-logits)).sum(-1)
    return (z * logits.log_softmax(-1)).sum((-2, -1))


def exact(task, dtype):
    shape = tuple(task["shape"])
    z = torch.tensor(inputs.support(shape), dtype=dtype)
    if task["kind"] == "table":
        values = torch.tensor(inputs.table(len(z), task["seed"]), dtype=dtype)
    else:
        constant, linear, matrix = (torch.tensor(x, dtype=dtype) for x in inputs.coefficients(*shape, task["seed"]))

    def gradient(logits, number):
        logits = logits.clone().requires_grad_()
        f = values if task["kind"] == "table" else ((z @ matrix) * z).sum(-1) + z @ linear + constant
        (log_prob(z, logits, len(shape) == 1).exp() * f).sum().backward()
        return logits.grad

    return gradient


def sampler(task, dtype):
    shape, n, temperature = tuple(task["shape"]), task["n"], task["temperature"]
    bernoulli = len(shape) == 1
    event = (-1,) if bernoulli else (-2, -1)
    target = torch.tensor(inputs.target(shape, task["seed"]), dtype=dtype)

    def f(z):
        return ((z - target) ** 2).sum(event)

    def squash(x):
        return x.sigmoid() if bernoulli else x.softmax(-1)

    def uniform(rows):
        least = torch.finfo(dtype).eps
        return torch.rand_like(rows).clamp(least, 1 - least)

    def exponential(rows):
        return torch.empty_like(rows).exponential_()

    def hard(rows):
        with torch.no_grad():
            if bernoulli:
                return torch.bernoulli(rows.sigmoid())
            return one_hot((rows.softmax(-1) / exponential(rows)).argmax(-1), shape[-1]).to(dtype)

    def noisy(rows):
        if bernoulli:
            u = uniform(rows)
            return rows + u.log() - (-u).log1p()
        return rows - exponential(rows).log()

    def noisy_given(z, rows):
        v = uniform(rows)
        if bernoulli:
            p = rows.sigmoid()
            u = z * (v * p + 1 - p) + (1 - z) * v * (1 - p)
            return rows + u.log() - (-u).log1p()
        own = (v.log() * z).sum(-1, keepdim=True)
        return torch.where(z == 1, -(-own).log(), -(-v.log() / rows.softmax(-1) - own).log())

    def reinforce(rows):
        z = hard(rows)
        return f(z) * log_prob(z, rows, bernoulli)

    def mu_prop(rows):
        z, mean = hard(rows), squash(rows)
        center = mean[:1].detach().requires_grad_()
        value = f(center)
        (slope,) = torch.autograd.grad(value.sum(), center)
        rest = (f(z) - value - (slope * (z - center)).sum(event)).detach()
        return rest * log_prob(z, rows, bernoulli) + (slope * mean).sum(event)

    def gumbel_softmax(rows):
        return f(squash(noisy(rows) / temperature))

    def rebar(rows):
        free = noisy(rows)
        z = (free > 0).to(dtype) if bernoulli else one_hot(free.argmax(-1), shape[-1]).to(dtype)
        relaxed, relaxed_given_z = f(squash(free / temperature)), f(squash(noisy_given(z, rows) / temperature))
        weight = (f(z) - relaxed_given_z).detach()
        return weight * log_prob(z, rows, bernoulli) + relaxed - relaxed_given_z

    surrogate = {"Reinforce": reinforce, "MuProp": mu_prop, "GumbelSoftmax": gumbel_softmax, "Rebar": rebar}
    own = surrogate[task["estimator"]]

    def estimates(logits, number):
        torch.manual_seed(number)
        rows = logits.expand(n, *shape).clone().requires_grad_()
        own(rows).sum().backward()
        return rows.grad

    return estimates
