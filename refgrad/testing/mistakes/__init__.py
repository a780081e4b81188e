"""The catalogue of known mistakes: wrong estimators by name, with exact moments. One module for each estimator."""

from __future__ import annotations

from refgrad.testing.mistakes import (
    baselines,
    control_variate,
    gumbel_softmax,
    mean_substitution,
    mu_prop,
    nvil,
    rebar,
    reinforce,
    relax,
)
from refgrad.testing.mistakes._mistake import Mistake
from refgrad.testing.problem import check_family

__all__ = ["Mistake", "mistakes"]

MODULES = (reinforce, control_variate, baselines, nvil, mu_prop, mean_substitution, gumbel_softmax, rebar, relax)


def mistakes(family: str | None = None) -> list[Mistake]:
    """Known mistakes, in the order of the pages of what they are taken for.

    Parameters
    ----------
    family : {"bernoulli", "categorical"}, optional
        Only those that can be made on it.

    Returns
    -------
    list of Mistake

    Raises
    ------
    ValueError
        For another family.
    """
    check_family(family)
    return [m for module in MODULES for m in module.MISTAKES if family is None or family in m.families]
