"""Discrete distributions: the same verbs on both, by hand."""

from refgrad.distributions._base import Distribution
from refgrad.distributions.bernoulli import Bernoulli
from refgrad.distributions.categorical import Categorical

__all__ = ["Bernoulli", "Categorical", "Distribution"]
