"""The reference for gradient estimators of E_q f(z) with discrete z, and the judge of other implementations.

`refgrad.distributions`, `refgrad.objectives`, `refgrad.exact`, `refgrad.estimators` and `refgrad.testing`, in that
order: each builds on those before it. They are loaded when they are first used, so that a plugin of another program
costs nothing until it is needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refgrad import estimators, exact, objectives, testing
    from refgrad.distributions import Bernoulli, Categorical

__version__ = "0.1.0"
__all__ = ["Bernoulli", "Categorical", "estimators", "exact", "objectives", "testing"]


def __getattr__(name: str) -> Any:
    if name in {"Bernoulli", "Categorical"}:
        return getattr(import_module("refgrad.distributions"), name)
    if name in __all__:
        return import_module(f"refgrad.{name}")
    raise AttributeError(f"module 'refgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
