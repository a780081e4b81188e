"""A verdict for people and for machines."""

import json

import numpy as np
import pytest

from refgrad.estimators import Reinforce
from refgrad.testing import check_moments, check_unbiased, standard_problems
from testing import samplers

PROBLEM = standard_problems("bernoulli")[2]


def test_fields():
    verdict = check_unbiased(samplers.first_component_gone, PROBLEM, seed=5)
    assert verdict.outcome == "wrong"
    assert verdict.alpha == 1e-9
    assert verdict.seed == 5
    assert verdict.worst == (0,)
    assert (0,) in verdict.off
    assert verdict.notes == ()
    assert not verdict.battery
    assert verdict.causes[0].startswith("variable 0 is ")
    np.testing.assert_array_equal(verdict.exact, PROBLEM.gradient)
    assert abs(verdict.estimate[0]) < 1e-12  # a sum of thousands of rounded differences
    assert verdict.standard_error[0] == 0
    assert verdict.certified >= abs(PROBLEM.gradient[0])
    assert "REINFORCE" in verdict.assumes


def test_right_is_certified_within_the_tolerance():
    verdict = check_unbiased(samplers.reinforce, PROBLEM)
    assert verdict.outcome == "right"
    assert verdict.certified <= verdict.tolerance * (1 + 1e-6)  # where the interval ends is bisected
    assert verdict.tolerance == pytest.approx(0.1 * np.abs(PROBLEM.gradient).max())
    off = np.abs(verdict.estimate - verdict.exact).max()
    assert off < verdict.certified


def test_the_report():
    report = str(check_unbiased(samplers.wrong_sign, PROBLEM))
    lines = report.splitlines()
    assert lines[0].startswith("wrong: interactions (bernoulli, D = 3), ")
    assert "<- worst" in report
    assert "-2" in report  # off by -200 %
    assert lines[-1] == "  repeat with alpha=1e-09, seed=0"
    assert "%" in report


def test_machines_read_strict_json():
    for sampler in (samplers.reinforce, samplers.some_nan):
        verdict = check_unbiased(sampler, PROBLEM)
        back = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
        assert back["outcome"] == verdict.outcome
        assert back["worst"] == list(verdict.worst)
        assert back["exact"] == verdict.exact.tolist()


def test_the_worst_is_what_shows_most():
    """A variance that is too small is far off in units of what is seen, though not of what is expected."""

    def mean_of_four(problem, n, rng):
        return samplers.reinforce(problem, 4 * n, rng).reshape(n, 4, -1).mean(axis=1)

    verdict = check_moments(mean_of_four, PROBLEM, Reinforce(), causes=False)
    assert verdict.outcome == "wrong"
    assert len(verdict.worst) == 2
    (row,) = [line for line in str(verdict).splitlines() if line.endswith("<- worst")]
    assert row.split()[-4].startswith("-")


def test_what_cannot_be_judged_has_no_worst():
    assert "<- worst" not in str(check_unbiased(samplers.some_nan, PROBLEM))
