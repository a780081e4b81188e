"""Gradient estimators of E_q f(z), each a deterministic function of explicit noise. One module, one class."""

from refgrad.estimators._base import Claims, Estimator, pathwise
from refgrad.estimators.gumbel_softmax import GumbelSoftmax
from refgrad.estimators.reinforce import Reinforce

__all__ = ["Claims", "Estimator", "GumbelSoftmax", "Reinforce", "pathwise"]
