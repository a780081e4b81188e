"""The reference for gradient estimators of E_q f(z) with discrete z, and the judge of other implementations.

`refgrad.distributions`, `refgrad.objectives`, `refgrad.exact`, `refgrad.estimators` and `refgrad.testing`, in that
order: each builds on those before it.
"""

from refgrad import estimators, exact, objectives, testing
from refgrad.distributions import Bernoulli, Categorical

__version__ = "0.1.0"
__all__ = ["Bernoulli", "Categorical", "estimators", "exact", "objectives", "testing"]
