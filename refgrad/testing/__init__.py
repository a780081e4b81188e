"""Judging implementations: problems with a known answer, and verdicts with a stated rate of false alarms."""

import sys

from refgrad.testing._sampler import SamplerError
from refgrad.testing.black_box import assert_moments, assert_unbiased, check_moments, check_unbiased
from refgrad.testing.comparison import Comparison, compare
from refgrad.testing.diagnosis import Cause, Diagnosis, diagnose, diagnosis_problems
from refgrad.testing.expectation import assert_expectation, check_expectation
from refgrad.testing.mistakes import Mistake, mistakes
from refgrad.testing.pathwise import assert_pathwise, check_pathwise
from refgrad.testing.planning import detectable_bias, samples_needed, samples_to_certify
from refgrad.testing.problem import Problem, exact_problems, standard_problems
from refgrad.testing.strategies import logits, objectives, problems, register_types, seed_of
from refgrad.testing.verdict import Undecided, Verdict

__all__ = [
    "Cause",
    "Comparison",
    "Diagnosis",
    "Mistake",
    "Problem",
    "SamplerError",
    "Undecided",
    "Verdict",
    "assert_expectation",
    "assert_moments",
    "assert_pathwise",
    "assert_unbiased",
    "check_expectation",
    "check_moments",
    "check_pathwise",
    "check_unbiased",
    "compare",
    "detectable_bias",
    "diagnose",
    "diagnosis_problems",
    "exact_problems",
    "logits",
    "mistakes",
    "objectives",
    "problems",
    "samples_needed",
    "samples_to_certify",
    "seed_of",
    "standard_problems",
]

if sys.modules.get("hypothesis"):  # its entry point could not, since this was not loaded
    register_types()
