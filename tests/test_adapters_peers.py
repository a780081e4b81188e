"""The adapters beside what they adapt: frameworks in an environment of their own, and a program in C."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.estimators import Reinforce
from refgrad.testing import Problem, check_moments, check_unbiased, exact_problems, standard_problems
from refgrad.testing.adapters import Subprocess, SubprocessError

ROOT = Path(__file__).resolve().parents[1]
PYTHON = os.environ.get("REFGRAD_PEERS_PYTHON", sys.executable)
SEVERAL = [standard_problems(family)[i] for family, i in (("bernoulli", 2), ("bernoulli", 6), ("categorical", 1))]


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([PYTHON, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    sys.executable == PYTHON, reason="the tests of the adapters run here, or are skipped, by themselves"
)
@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow"])
def test_the_tests_of_an_adapter_pass_where_its_framework_is(name):
    for module in (name, "pytest"):
        if run("-c", f"import {module}").returncode:
            pytest.skip(f"peer {module} is not installed (REFGRAD_PEERS_PYTHON names its interpreter)")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/testing/adapters/test_{name}.py")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert "skipped" not in done.stdout


@cache
def compiler():
    return shutil.which(os.environ.get("CC", "cc"))


@pytest.fixture(scope="module")
def c_reinforce(tmp_path_factory):
    if compiler() is None:
        pytest.skip("no C compiler is here")
    made = tmp_path_factory.mktemp("c") / "c_reinforce"
    source = ROOT / "examples" / "peers" / "c_reinforce.c"
    strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([compiler(), *strict, "-o", made, source, "-lm"], check=True)
    return made


@pytest.mark.parametrize("problem", [*SEVERAL, exact_problems("categorical")[1]], ids=str)
def test_reinforce_in_c_is_right(c_reinforce, problem):
    with Subprocess([c_reinforce]) as estimate:
        assert check_unbiased(estimate, problem, estimator=Reinforce()).outcome == "right"
        assert check_moments(estimate, problem, Reinforce()).outcome == "right"


@pytest.mark.parametrize("problem", SEVERAL, ids=str)
def test_a_baseline_with_its_own_sample_in_c_is_wrong_by_a_quarter(c_reinforce, problem):
    with Subprocess([c_reinforce, "--own-sample-baseline"]) as estimate:
        verdict = check_unbiased(estimate, problem)
    assert verdict.outcome == "wrong"
    assert any("own-sample-in-the-mean-of-4" in cause for cause in verdict.causes)


def test_the_program_in_c_refuses_noise_and_goes_on(c_reinforce):
    with Subprocess([c_reinforce]) as estimate:
        for _ in range(2):
            with pytest.raises(SubprocessError, match="says: noise is not taken: only n and a seed"):
                estimate(SEVERAL[0], np.zeros((1, 4, 3)))
            assert estimate(SEVERAL[0], 4, np.random.default_rng(0)).shape == (4, 3)


def test_the_program_in_c_reads_lines_of_any_length(c_reinforce):
    q, weights = Bernoulli(np.linspace(-1, 1, 13)), 2.0 ** np.arange(13)  # 8,192 values
    with Subprocess([c_reinforce]) as estimate:
        rows = estimate(Problem(q, lambda z: 1 + (z * weights).sum(-1), "thirteen"), 64, np.random.default_rng(0))
    z = rows > 0
    expected = (1 + (z * weights).sum(-1))[:, None] * (z - q.probs)
    # A division, an exponential and a product, in two ways.
    assert (np.abs(rows - expected) <= 8 * np.finfo(float).eps * np.abs(expected)).all()
