"""Rules against their formulas written out: every point of a trapezoid, the lattice of the least error, a product."""

import pickle
from itertools import product

import mpmath
import numpy as np
import pytest
from scipy.special import expit

from refgrad.exact._rules import Trapezoid, _clustered, _density, _generator, _product, gauss, single

EPS = np.finfo(float).eps


def density(v):
    return expit(v) * expit(-v)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize(("step", "reach", "scale"), [(0.6, 9.0, 3.0), (0.5, 4.0, 1.5)])
def test_a_trapezoid_is_every_point_within_reach_at_indices_of_one_parity(axes, step, reach, scale, every):
    """On one axis every index; on more those that are all even, or all odd, with what the others would have weighed."""
    expected = {}
    for index in product(range(-12, 13), repeat=axes):
        v = scale * np.sinh(step * np.array(index) / scale)
        if np.abs(v).sum() <= reach and (every or len({i % 2 for i in index}) == 1):
            own = step * np.cosh(step * np.array(index) / scale) * density(v)
            expected[tuple(np.round(v, 9))] = own.prod() * (1 if every else 2.0 ** (axes - 1))
    rule = Trapezoid(step, reach, axes, scale, every)
    points, weights = rule.points(slice(None))
    found = {tuple(np.round(point, 9)): weight for point, weight in zip(points, weights, strict=True)}
    assert len(rule) == len(points) == len(expected)
    assert {tuple(np.add(key, 0.0)) for key in found} == {tuple(np.add(key, 0.0)) for key in expected}
    for key, weight in found.items():
        assert weight == pytest.approx(expected[key], rel=1e-12)
    for index in (np.arange(len(rule) // 3, len(rule)), np.array([len(rule) - 1, 0, 1])):  # in any order
        some = rule.points(index)
        np.testing.assert_array_equal(some[0], points[index])
        np.testing.assert_array_equal(some[1], weights[index])


def test_a_copy_of_a_trapezoid_brings_no_points():
    rule = Trapezoid(0.2, 42.0, 3, 3.0)
    len(rule)
    assert len(pickle.dumps(rule)) < 256
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_points_around_layers_are_those_around_the_origin_moved_and_weighed_there(axes):
    plain = Trapezoid(0.5, 6.0, axes, 3.0)
    around = Trapezoid(0.5, 6.0, axes, 3.0, temperature=0.5, farthest=2.0)
    points, weights = plain.points(slice(None))
    layers = np.random.default_rng(0).normal(size=(len(points), axes))
    for by in (layers, layers[:1]):
        found, own = around.points_around(by, slice(None))
        np.testing.assert_array_equal(found, points + by)
        ratio = (density(points + by) / density(points)).prod(axis=1)
        np.testing.assert_allclose(own, weights * ratio, rtol=1e-13)


@pytest.mark.parametrize("axes", [1, 2])
def test_a_point_at_the_reach_is_within(axes):
    reach = float(3.0 * np.sinh(0.5 * 4.0 / 3.0))
    rule = Trapezoid(0.5, reach, axes, 3.0)
    points, _ = rule.points(slice(None))
    assert len(rule) == len(points)
    assert np.abs(points).sum(axis=1).max() == reach
    assert len(Trapezoid(0.5, np.nextafter(reach, 0), axes, 3.0)) == len(points) - 2 * axes


def test_what_lies_beyond_a_trapezoid():
    """Points within 8 of layers that are 2 away, or nearer, hold those within 6 of the origin."""
    for axes, sums in ((1, 1.0), (2, 1 + 6.0), (3, 1 + 6.0 + 18.0)):
        bound = pytest.approx(2**axes * np.exp(-6.0) * sums, rel=1e-14)
        assert Trapezoid(0.5, 6.0, axes, 3.0).beyond() == bound
        assert Trapezoid(0.5, 8.0, axes, 3.0, temperature=0.5, farthest=2.0).beyond() == bound


def error_of(multiplier, size, axes):
    """Squared worst-case error of a Korobov lattice, in rational arithmetic but for pi."""
    total = mpmath.mpf(0)
    for i in range(size):
        terms = [mpmath.mpf(i * pow(multiplier, k, size) % size) / size for k in range(axes)]
        total += mpmath.fprod(1 + 2 * mpmath.pi**2 * (x * x - x + mpmath.mpf(1) / 6) for x in terms)
    return total / size - 1


@pytest.mark.parametrize(("size", "axes"), [(16, 2), (32, 3), (64, 4)])
def test_the_lattice_has_the_least_error_of_the_multipliers_that_are_tried(size, axes):
    powers = _generator(size, axes)
    assert powers[0] == 1
    assert [pow(int(powers[1]), k, size) for k in range(axes)] == list(powers)
    tried = range(3, size // 2 + 2, 2)  # every odd number: 96 steps of a geometric sequence pass over none of these
    assert int(powers[1]) in tried
    errors = {multiplier: error_of(multiplier, size, axes) for multiplier in tried}
    assert errors[int(powers[1])] <= min(errors.values()) * (1 + 1e-9)


def test_of_multipliers_that_are_as_good_it_is_the_first():
    """3 and 5 = -3 modulo 8 give mirror images."""
    assert int(_generator(8, 2)[1]) == 3


def test_lattices_stay_what_they_are():
    """Designs are data for others: another multiplier is a change of their numbers, and belongs in the changelog."""
    assert [int(_generator(2**k, 2)[1]) for k in (8, 10, 12)] == [97, 283, 1267]
    assert [int(_generator(2**k, 4)[1]) for k in (8, 10, 12)] == [39, 27, 99]


@pytest.mark.parametrize("stretch", [1.0, 2.5])
@pytest.mark.parametrize("y", [1e-60, 1e-9, 0.1, 0.5, 0.75, 1 - 2.0**-50])
def test_points_are_clustered_at_both_ends(y, stretch):
    v, weight = _clustered(np.array(y), np.array(1 - y), stretch)
    with mpmath.workdps(120):
        u, o = mpmath.mpf(y), mpmath.mpf(1 - y)
        below, above = (x**3 * (10 - 15 * x + 6 * x**2) for x in (u, o))
        exact = stretch * (mpmath.log(below) - mpmath.log(above))
        slope = stretch * 30 * u**2 * o**2 / (below * above)
        level = mpmath.exp(-abs(exact)) / (1 + mpmath.exp(-abs(exact))) ** 2
    assert v == pytest.approx(float(exact), rel=8 * EPS, abs=8 * EPS * stretch)
    # An error of v of some eps times its size changes the density by as much.
    assert weight == pytest.approx(float(level * slope), rel=64 * EPS * (1 + abs(float(exact))))


def test_the_rule_for_no_axes_is_one_point_of_none():
    rule = single()
    assert rule.nodes.shape == (1, 0)
    assert rule.weights.tolist() == [1.0]


def test_a_product_of_a_rule_with_itself():
    rule = _product(np.array([1.0, 2.0]), np.array([0.25, 0.75]), 2)
    assert rule.nodes.tolist() == [[1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]
    assert rule.weights.tolist() == [0.0625, 0.1875, 0.1875, 0.5625]
    assert len(rule) == 4


def test_a_gauss_rule_is_that_of_legendre_after_the_change_of_variable():
    nodes, weights = np.polynomial.legendre.leggauss(5)
    v, slopes = _clustered((1 + nodes) / 2, (1 - nodes) / 2, 2.0)
    rule = gauss(5, 1, 2.0)
    np.testing.assert_allclose(rule.nodes[:, 0], v, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(rule.weights, slopes * weights / 2, rtol=1e-13)


def test_the_density_of_the_logistic():
    v = np.array([-800.0, -30.0, 0.0, 1.0, 30.0])
    np.testing.assert_allclose(_density(v), density(v), rtol=8 * EPS)
    assert _density(0.0) == 0.25
