"""REBAR of storchastic 0.3.6, unchanged: wrong on a Bernoulli by a factor of two.

Its relaxation given z (`storch.storch.conditional_gumbel_rsample`) adds `log1p(p)` and `log1p(v)` where log-odds need
`- log1p(-p)` and `- log1p(-v)`. At logit 0, with f = (z - .45)**2, the mean is .0550 and the gradient .0250.

    refgrad verify storchastic_rebar.py:estimate --family bernoulli
"""

import storch
import torch


def estimate(problem, n, rng):
    """Return the rows of `storch.backward()` where each row is a plate entry with logits of its own."""
    torch.manual_seed(int(rng.integers(2**63)))
    storch.reset()
    leaf = torch.tensor(problem.logits).expand(n, *problem.logits.shape).clone().requires_grad_()
    logits = storch.denote_independent(leaf, 0, "rows")
    method = storch.method.REBAR("z", n_samples=1)
    z = method(torch.distributions.Bernoulli(logits=logits))

    @storch.deterministic
    def cost(z):
        return problem.f(z)

    storch.add_cost(cost(z), "f")
    storch.backward()
    rows, leaf.grad = n * leaf.grad.detach(), None  # it averages over the plate; and its graph refers to the gradient
    return rows
