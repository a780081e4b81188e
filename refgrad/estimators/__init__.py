"""Gradient estimators of E_q f(z), each a deterministic function of explicit noise. One module, one class."""

from refgrad.estimators._base import Claims, Estimator
from refgrad.estimators._derivatives import pathwise
from refgrad.estimators._learning import Adam
from refgrad.estimators._regressors import Linear, OneHiddenLayer
from refgrad.estimators.constant_baseline import ConstantBaseline
from refgrad.estimators.control_variate import ControlVariate
from refgrad.estimators.gumbel_softmax import GumbelSoftmax
from refgrad.estimators.mean_substitution import MeanSubstitution
from refgrad.estimators.moving_average_baseline import MovingAverageBaseline
from refgrad.estimators.mu_prop import MuProp
from refgrad.estimators.nvil import Nvil
from refgrad.estimators.rebar import Rebar
from refgrad.estimators.reinforce import Reinforce
from refgrad.estimators.relax import Relax

__all__ = [
    "Adam",
    "Claims",
    "ConstantBaseline",
    "ControlVariate",
    "Estimator",
    "GumbelSoftmax",
    "Linear",
    "MeanSubstitution",
    "MovingAverageBaseline",
    "MuProp",
    "Nvil",
    "OneHiddenLayer",
    "Rebar",
    "Reinforce",
    "Relax",
    "pathwise",
]
