"""The oracle: expectations and gradients by enumeration, moments of an estimator by quadrature."""

from refgrad.exact.best import best_coefficient, best_constant, best_value_coefficient
from refgrad.exact.design import Design, design
from refgrad.exact.enumeration import gradient, value
from refgrad.exact.moments import Moments, bias, moments
from refgrad.exact.tuning import tuned

__all__ = [
    "Design",
    "Moments",
    "best_coefficient",
    "best_constant",
    "best_value_coefficient",
    "bias",
    "design",
    "gradient",
    "moments",
    "tuned",
    "value",
]
