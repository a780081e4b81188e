"""The test of a mean: its formula, its sums, its rate."""

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from refgrad.testing.evidence import MIXTURE, Evidence, chunk_sums


def by_formula(covariance, rows):
    """The mixture in fifty digits, on rows whitened by a square root of the covariance."""
    with mpmath.workdps(50):
        root = mpmath.cholesky(mpmath.matrix(covariance.tolist()))
        x = [mpmath.lu_solve(root, mpmath.matrix(row.tolist())) for row in rows]
        d, n = covariance.shape[0], len(rows)
        total, squares = mpmath.zeros(d, 1), mpmath.zeros(d)
        for row in x:
            total, squares = total + row, squares + row * row.T
        u = (squares + 2 * n * mpmath.eye(d)) / 3
        terms = [
            mpmath.det(mpmath.eye(d) + u / c) ** mpmath.mpf(-0.5)
            * mpmath.exp((total.T * mpmath.inverse(c * mpmath.eye(d) + u) * total)[0] / 2)
            for c in map(mpmath.mpf, MIXTURE)
        ]
        return float(mpmath.log(sum(terms) / len(terms)))


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_the_formula(d, shift):
    rng = np.random.default_rng(d)
    root = rng.normal(size=(d, d)) + 2 * np.eye(d)
    rows = rng.normal(size=(30, d)) @ root.T + shift
    evidence = Evidence(root @ root.T).add(rows)
    assert evidence.log_against_zero() == pytest.approx(by_formula(root @ root.T, rows), abs=1e-9)


def test_sums_add_up():
    rows = np.random.default_rng(0).normal(size=(100, 3))
    at_once = Evidence(np.eye(3)).add(rows)
    in_parts = Evidence(np.eye(3)).add(rows[:37]).add(rows[37:])
    assert at_once.n == in_parts.n == 100
    assert at_once.log_against_zero() == pytest.approx(in_parts.log_against_zero(), abs=1e-10)


def test_one_component_is_the_test_of_that_component():
    rows = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 7.0]
    evidence, alone = Evidence(np.diag([1.0, 49.0])).add(rows), Evidence(np.array([[49.0]])).add(rows[:, 1:] - 0.3)
    assert evidence.log_against([0.0, 0.3])[1] == pytest.approx(alone.log_against_zero(), abs=1e-10)
    both = evidence.log_against([[0.0, 0.3], [0.1, -0.2]])
    assert both.shape == (2, 2)
    assert both[0, 1] == evidence.log_against([9.0, 0.3])[1]


def test_the_interval_ends_where_the_evidence_does():
    rows = np.random.default_rng(0).normal(size=(5000, 1)) + 0.02
    evidence, limit = Evidence(np.eye(1)).add(rows), np.log(1e6)
    (low,), (high,) = evidence.interval(limit)
    assert low < rows.mean() < high
    for end in (low, high):
        assert evidence.log_against([end]) == pytest.approx(limit, rel=1e-6)
    widest = max(-low, high)
    assert evidence.within([widest * 1.01], limit)
    assert not evidence.within([widest * 0.99], limit)
    assert not evidence.within([abs(rows.mean()) * 0.99], limit)


def test_an_interval_without_end():
    evidence = Evidence(np.eye(1)).add(np.zeros((2, 1)))
    assert evidence.interval(np.log(1e9)) == ([-np.inf], [np.inf])


def test_some_components_are_the_test_of_those():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    covariance = np.array([[1.0, 0.5, 0.0], [0.5, 2.0, 0.1], [0.0, 0.1, 1.0]])
    for chosen in ([True, False, True], np.array([2, 1])):
        some = np.arange(3)[chosen]
        alone = Evidence(covariance[np.ix_(some, some)]).add(rows[:, some])
        part = Evidence(covariance).add(rows).part(chosen)
        assert part.n == 50
        assert part.log_against_zero() == pytest.approx(alone.log_against_zero(), abs=1e-10)
    assert Evidence(covariance).part([0, 1]).log_against_zero() == 0.0


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000, 40_000])
def test_sums_in_parts_are_the_sums(n):
    rows = np.random.default_rng(n).normal(size=(n, 3))
    sums, sizes = chunk_sums(rows)
    assert sizes.sum() == n
    assert len(sizes) == min(n, 64)
    begins = np.cumsum(sizes) - sizes
    np.testing.assert_allclose(sums[-1], rows[begins[-1] :].sum(axis=0), rtol=0, atol=1e-10)
    evidence = Evidence(np.eye(3)).add(rows)
    np.testing.assert_allclose(evidence.total, rows.sum(axis=0), rtol=0, atol=1e-10)
    np.testing.assert_allclose(evidence.squares, rows.T @ rows, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 20])
@pytest.mark.parametrize("order", ["C", "F"])
def test_squares_of_any_number_of_components(d, order):
    rows = np.asarray(np.random.default_rng(d).normal(size=(20_001, d)), order=order)
    evidence = Evidence(np.eye(d)).add(rows)
    np.testing.assert_allclose(evidence.squares, rows.T @ rows, rtol=1e-12, atol=1e-9)
    known = Evidence(np.eye(d)).add(rows, chunk_sums(rows)[0])
    np.testing.assert_array_equal(known.total, evidence.total)


def test_an_interval_is_narrowed_down():
    """To 2**-24 of what lies between two doublings, on both sides and in every component."""
    rows = np.random.default_rng(0).normal(size=(3000, 3)) * [1.0, 20.0, 1e-3] + [0.5, 0.0, 0.0]
    evidence, limit = Evidence(np.diag([1.0, 400.0, 1e-6])).add(rows), np.log(1e9)
    for end in evidence.interval(limit):
        away = end - rows.mean(axis=0)
        assert (evidence.log_against(end - away * 3e-7) < limit).all()
        assert (evidence.log_against(end + away * 1e-12) >= limit).all()


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e100])
def test_the_scale_of_a_component_does_not_matter(scale):
    rows = np.random.default_rng(0).normal(size=(50, 2)) + 0.2
    unit = np.array([1.0, scale])
    scaled = Evidence(np.diag(unit**2)).add(rows * unit).log_against_zero()
    assert scaled == pytest.approx(Evidence(np.eye(2)).add(rows).log_against_zero(), rel=1e-9)


@pytest.mark.parametrize("probability", [0.5, 1e-2, 1e-3])
def test_the_rate_of_false_alarms(probability):
    # Rows are centred coin tosses; looks at every hundredth of 2,000 tosses; alpha = 1e-2.
    rng, alpha, runs = np.random.default_rng(1), 1e-2, 2000
    variance = np.array([[probability * (1 - probability)]])
    alarms = 0
    for _ in range(runs):
        rows = (rng.random((2000, 1)) < probability) - probability
        evidence = Evidence(variance)
        for start in range(0, 2000, 100):
            evidence = evidence.add(rows[start : start + 100])
            if evidence.log_against_zero() >= -np.log(alpha):
                alarms += 1
                break
    assert alarms <= binom.isf(1e-9, runs, alpha)  # false alarms of this test: 1e-9


def test_a_wrong_mean_is_found_near_the_limit_of_a_sequential_test():
    # The limit is 2 log(1/alpha) / (bias / sigma)**2; at 10 % of sigma and alpha = 1e-6 it is 2763.
    needed = []
    for seed in range(10):
        rows = np.random.default_rng(seed).normal(size=(20_000, 1)) + 0.1
        evidence = Evidence(np.eye(1))
        while evidence.log_against_zero() < np.log(1e6) or evidence.n == 0:
            evidence = evidence.add(rows[evidence.n : evidence.n + 100])
        needed.append(evidence.n)
    assert np.median(needed) < 2.5 * 2763
