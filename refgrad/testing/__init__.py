"""Judging implementations: problems with a known answer, and verdicts with a stated rate of false alarms."""

from refgrad.testing._sampler import SamplerError
from refgrad.testing.black_box import assert_moments, assert_unbiased, check_moments, check_unbiased
from refgrad.testing.comparison import Comparison, compare
from refgrad.testing.mistakes import Mistake, mistakes
from refgrad.testing.problems import Problem, exact_problems, standard_problems
from refgrad.testing.verdict import Undecided, Verdict

__all__ = [
    "Comparison",
    "Mistake",
    "Problem",
    "SamplerError",
    "Undecided",
    "Verdict",
    "assert_moments",
    "assert_unbiased",
    "check_moments",
    "check_unbiased",
    "compare",
    "exact_problems",
    "mistakes",
    "standard_problems",
]
