"""`torch.nn.functional.gumbel_softmax`, taken for an unbiased gradient of E f(z): wrong, by the bias of the relaxation.

refgrad verify torch_gumbel_softmax.py:estimate --family categorical
refgrad verify torch_gumbel_softmax.py:straight_through --family categorical
"""

import torch

TEMPERATURE = 0.5


def estimate(problem, n, rng, hard=False):
    """Differentiate f at the relaxed sample; it is reparameterised, so `backward` reaches the logits."""
    torch.manual_seed(int(rng.integers(2**63)))
    logits = torch.tensor(problem.logits).expand(n, *problem.logits.shape).clone().requires_grad_()
    z = torch.nn.functional.gumbel_softmax(logits, tau=TEMPERATURE, hard=hard)
    problem.f(z).sum().backward()
    return logits.grad


def straight_through(problem, n, rng):
    """The same with `hard=True`: f sees a one-hot z, and the gradient pretends that it was relaxed."""
    return estimate(problem, n, rng, hard=True)
