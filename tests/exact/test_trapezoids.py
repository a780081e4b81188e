"""Which trapezoids are tried: their steps, how far they reach, and where they have their middle, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.exact._factors import factors
from refgrad.exact._trapezoids import rarest, trapezoids

STEPS = {
    1: (0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06),
    2: (0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06),
    3: (0.85, 0.6, 0.42, 0.27, 0.2, 0.15, 0.11),
}
DEPTH = np.log(2) / 2  # the logarithm of 2 sin(pi / 4): at temperature 0.5 layers are as much nearer than -log p


def plan(logit, axes, variables=None, in_turn=False, has_layers=False):
    """What the rules depend on."""
    parts = factors(Bernoulli([logit] * (variables or axes)))
    return SimpleNamespace(axes=axes, parts=parts, in_turn=in_turn, has_layers=has_layers)


@pytest.mark.parametrize(
    ("logit", "axes", "reach", "scale"),
    [
        (0.0, 1, 42 + np.log(2), 12.0),
        (50.0, 1, 92.0, 50.0),
        (700.0, 1, 742.0, 700.0),
        (0.0, 2, 42 + np.log(2), 3.0),
        (50.0, 2, 92.0, 25.0),
        (700.0, 2, 102.0, 30.0),
        (0.0, 3, 42 + np.log(2), 3.0),
        (15.0, 3, 57.0, 7.5),
        (700.0, 3, 62.0, 10.0),
    ],
)
def test_they_follow_the_rarest_value_as_far_as_they_can(logit, axes, reach, scale):
    found = trapezoids(plan(logit, axes), 0.0)
    assert [(rule.step, rule.axes) for rule in found] == [(step, axes) for step in STEPS[axes]]
    assert {(rule.temperature, rule.farthest) for rule in found} == {(0.0, 0.0)}
    np.testing.assert_allclose([(rule.reach, rule.scale) for rule in found], [(reach, scale)] * len(found), rtol=1e-6)


@pytest.mark.parametrize(
    ("logit", "axes", "in_turn", "first", "scale", "rare", "farthest"),
    [
        (0.0, 1, False, 0.7, 4.0, np.log(2), DEPTH),
        (9.0, 1, False, 0.7, 9 - DEPTH, 9.0, 9 - DEPTH),
        (700.0, 1, False, 0.7, 700 - DEPTH, 700.0, 700 - DEPTH),
        (0.0, 2, False, 0.75, 2.0, np.log(2), 2 * DEPTH),
        (0.0, 2, True, 0.7, 3.0, np.log(2), 2 * DEPTH),
        (9.0, 2, False, 0.75, (9 - DEPTH) / 2, 9.0, 18 - 2 * DEPTH),
        (9.0, 2, True, 0.7, (9 - DEPTH) / 2, 9.0, 18 - 2 * DEPTH),
        (700.0, 2, False, 0.75, 30.0, 60.0, 60.0),
        (700.0, 2, True, 0.7, 30.0, 60.0, 60.0),
        (0.0, 3, False, 0.66, 2.0, np.log(2), 3 * DEPTH),
        (0.0, 3, True, 0.66, 3.0, np.log(2), 3 * DEPTH),
        (700.0, 3, False, 0.66, 10.0, 20.0, 20.0),
        (700.0, 3, True, 0.66, 10.0, 20.0, 20.0),
    ],
)
def test_they_follow_the_layers_of_a_relaxed_sample(logit, axes, in_turn, first, scale, rare, farthest):
    found = trapezoids(plan(logit, axes, in_turn=in_turn, has_layers=True), 0.5)
    assert {(rule.axes, rule.every, rule.temperature) for rule in found} == {(axes, in_turn, 0.5)}
    np.testing.assert_allclose([rule.step for rule in found], first / 1.4 ** np.arange(len(STEPS[axes])), rtol=1e-13)
    expected = [(42 + rare + farthest, scale, farthest)] * len(found)
    np.testing.assert_allclose([(rule.reach, rule.scale, rule.farthest) for rule in found], expected, rtol=2e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_where_coordinates_enter_in_turn_every_index_is_taken(temperature):
    for in_turn in (False, True):
        rules = trapezoids(plan(0.0, 2, in_turn=in_turn, has_layers=True), temperature)
        assert {rule.every for rule in rules} == {in_turn}


def test_of_two_draws_that_are_integrated_together_the_distances_add_up():
    one, two = (trapezoids(plan(3.0, axes, variables=1, has_layers=True), 0.5)[0] for axes in (1, 2))
    assert two.farthest == 2 * one.farthest


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_without_a_temperature_or_a_z_they_stay_at_the_origin(axes):
    fixed = trapezoids(plan(0.3, axes), 0.0)
    assert trapezoids(plan(0.3, axes, has_layers=True), 0.0) == fixed
    assert trapezoids(plan(0.3, axes, has_layers=True), -1.0) == fixed
    assert trapezoids(plan(0.3, axes), 0.5) == fixed


def test_the_rarest_of_all_values():
    made = SimpleNamespace(parts=factors(Bernoulli([1.0, -3.0, 2.0])))
    assert rarest(made) == pytest.approx(np.log1p(np.exp(3.0)), rel=1e-14)
    assert type(rarest(made)) is float
