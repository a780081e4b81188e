"""The score-function gradient of PyTorch's distributions: right.

refgrad verify torch_score_function.py:estimate
"""

import torch


def estimate(problem, n, rng):
    torch.manual_seed(int(rng.integers(2**63)))  # all randomness comes from rng
    logits = torch.tensor(problem.logits).expand(n, *problem.logits.shape).clone().requires_grad_()  # rows: the leaf
    if problem.family == "bernoulli":
        q = torch.distributions.Independent(torch.distributions.Bernoulli(logits=logits), 1)
    else:
        q = torch.distributions.Independent(torch.distributions.OneHotCategorical(logits=logits), 1)
    z = q.sample()
    loss = -problem.f(z) * q.log_prob(z)  # one number for each row
    loss.sum().backward()  # the sum, not the mean: a mean would divide every row by n
    return -logits.grad  # a loss is -f, and refgrad asks for the ascent direction of f
