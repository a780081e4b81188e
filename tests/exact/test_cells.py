"""Noise of a draw whose z is known: logs of waits against fifty digits."""

import mpmath
import numpy as np
import pytest
from scipy.special import expit, log_expit

from refgrad import Bernoulli, Categorical
from refgrad.exact._cells import Plan, _log_softplus
from refgrad.exact._factors import factors
from refgrad.exact._layers import layers
from refgrad.exact._relaxed_rule import RelaxedGauss
from refgrad.exact._rules import Trapezoid

EPS = np.finfo(float).eps


@pytest.mark.parametrize("x", [-1e6, -800.0, -40.5, -40.0, -39.5, -20.0, -1.0, 0.0, 0.5, 5.0, 800.0])
def test_the_log_of_an_exponential_wait(x):
    with mpmath.workdps(50):
        exact = float(mpmath.log(mpmath.log1p(mpmath.exp(mpmath.mpf(x))))) if x > -1000 else x
    # The log of a number that is rounded by some eps.
    assert abs(_log_softplus(np.array([x]))[0] - exact) <= 4 * EPS * max(1.0, abs(exact))


def plan(categories, *, reduced):
    q = Categorical([np.zeros(categories)])
    return Plan(q, factors(q), ("smooth",), reduced=reduced)


V = np.array([[-700.0, 3.0, -1.0], [-41.0, -39.0, 0.5], [-3.0, 0.25, 8.0], [0.0, -5.0, 30.0]])


def test_the_noise_of_a_free_draw_has_the_level_of_its_coordinate():
    """P(Gumbel <= noise) = exp(-exp(-noise)) is the logistic level sigmoid(v): it increases in v."""
    noise, _, _ = plan(3, reduced=False).nodes(Given(V), np.arange(len(V)))
    np.testing.assert_allclose(-np.exp(-noise[0, :, 0]), log_expit(V), rtol=1e-13)


def test_without_a_shift_the_last_category_of_a_free_draw_rests_at_zero():
    made = plan(4, reduced=True)
    noise, _, zs = made.nodes(Given(V), np.arange(len(V)))
    np.testing.assert_array_equal(noise[0, :, 0], -made._log_waits(V, np.full(4, 3)))
    np.testing.assert_array_equal(noise[0, :, 0, 3], 0.0)
    assert zs == []


class Around(Trapezoid):
    """Five points of it."""

    def __len__(self):
        return 5

    def points(self, index):
        v = np.random.default_rng(0).logistic(size=(5, self.axes))
        return v[index], np.linspace(0.5, 1.0, 5)[index]


class Given:
    """A rule with these points, of equal weight."""

    def __init__(self, v):
        self.v = v

    def __len__(self):
        return len(self.v)

    def points(self, index):
        return self.v[index], np.full(len(index), 1 / len(self.v))


def test_ratios_of_waits_have_the_level_of_their_coordinate():
    """Given j ratios with sum S, `((1 + S) / (1 + S + x))**(j + 1)` is the level of the next, x: Eq. 00.6."""
    logs = plan(4, reduced=True)._log_waits(V[2:], np.full(2, 3))
    np.testing.assert_array_equal(logs[:, 3], 0.0)
    ratios = np.exp(logs[:, :3])
    for j in range(3):
        rest = 1 + ratios[:, :j].sum(axis=1)
        np.testing.assert_allclose((rest / (rest + ratios[:, j])) ** (j + 1), expit(-V[2:, j]), rtol=1e-9)


@pytest.mark.parametrize("j", [0, 1, 2])
def test_small_ratios_keep_their_digits(j):
    """Where exp(v) is below the rounding of 1 a ratio is (1 + S) exp(v) / (j + 1)."""
    for v in (-700.0, -41.0, -40.0, -39.0, -20.0):
        coordinates = np.full((1, 3), -800.0)
        coordinates[0, j] = v
        with mpmath.workdps(400):
            exact = mpmath.log(mpmath.expm1(mpmath.log1p(mpmath.exp(mpmath.mpf(v))) / (j + 1)))
        logs = plan(4, reduced=True)._log_waits(coordinates, np.array([3]))[0]
        assert logs[j] == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize("reference", [0, 1, 2, 3])
def test_the_reference_waits_for_nothing_and_the_others_keep_their_order(reference):
    made = plan(4, reduced=True)
    last = made._log_waits(V, np.full(4, 3))
    logs = made._log_waits(V, np.full(4, reference))
    np.testing.assert_array_equal(logs[:, reference], 0.0)
    np.testing.assert_array_equal(np.delete(logs, reference, axis=1), last[:, :3])


@pytest.mark.parametrize("categories", [2, 3, 4])
def test_beside_a_z_the_value_that_stands_in_it_rests(categories):
    """Another order of the same coordinates, for every cell its own."""
    q = Categorical([np.zeros(categories)])
    made = Plan(q, factors(q), ("cell", "smooth"), reduced=True, vary=1)
    v = V[:, : categories - 1]
    noise = made.nodes(Given(v), np.arange(categories * len(v)))[0][1].reshape(categories, len(v), categories)
    for won in range(categories):
        np.testing.assert_array_equal(noise[won, :, won], 0.0)
        np.testing.assert_array_equal(np.delete(noise[won], won, axis=1), noise[-1, :, :-1])


def test_the_nodes_of_one_cell_are_those_of_many():
    """In one cell z is not repeated."""
    for q in (Bernoulli([0.5, -2.0]), PAIR):
        made = Plan(q, factors(q), ("cell", "smooth"), reduced=q.event_ndim == 2)
        v = np.random.default_rng(0).logistic(size=(5, made.axes))
        many, _, (zs,) = made.nodes(Given(v), np.arange(made.cells * 5))
        for cell in range(made.cells):
            own = slice(5 * cell, 5 * cell + 5)
            one, _, (z,) = made.nodes(Given(v), np.arange(made.cells * 5)[own])
            np.testing.assert_array_equal(one, many[:, own])
            np.testing.assert_array_equal(z, zs[own])


def test_of_one_category_there_is_nothing_to_wait_for():
    np.testing.assert_array_equal(
        plan(1, reduced=True)._log_waits(np.zeros((3, 0)), np.zeros(3, int)), np.zeros((3, 1))
    )


PAIR = Categorical([[0.5, -1.0, 0.25], [0.0, -np.inf, 2.0]])  # three categories, and two


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("q", [Bernoulli([0.5, -2.0]), PAIR], ids=["bernoulli", "categorical"])
def test_nodes_of_two_draws_take_their_own_coordinates(q, reduced):
    """The first draw in its cell, the second free: the columns of the rule from the last draw to the first."""
    if q.event_ndim == 1 and reduced:
        return
    made = Plan(q, factors(q), ("cell", "smooth"), reduced=reduced)
    width = sum(made.widths)
    assert made.axes == 2 * width
    v = np.random.default_rng(0).logistic(size=(5, 2 * width))
    count = made.cells
    index = np.arange(count * 5)
    noise, weights, (z,) = made.nodes(Given(v), index)
    assert noise.shape == (2, count * 5, *q.event_shape)
    np.testing.assert_array_equal(weights, 0.2)
    np.testing.assert_array_equal(q.sample(noise[0]), z)
    np.testing.assert_array_equal(z[::5], [row for row in q.support() if q.log_prob(row) > -np.inf])
    first = Plan(q, made.parts, ("cell",), reduced=reduced)
    other = Plan(q, made.parts, ("smooth",), reduced=reduced)
    np.testing.assert_array_equal(noise[0], first.nodes(Given(v[:, width:]), index)[0][0])
    own, free = noise[1].reshape(count, 5, *q.event_shape)[-1], other.nodes(Given(v[:, :width]), np.arange(5))[0][0]
    np.testing.assert_array_equal(own, free)  # where every z is the last, ratios are to the last
    # While one varies the other rests at coordinates of zero.
    moving = Plan(q, made.parts, ("cell", "smooth"), reduced=reduced, vary=0).nodes(Given(v[:, width:]), index)[0]
    np.testing.assert_array_equal(moving[0], noise[0])
    resting = other.nodes(Given(np.zeros((1, width))), np.array([0]))[0][0]
    for own in np.unique(moving[1], axis=0):  # the value that stands in z may be another
        np.testing.assert_array_equal(np.sort(own), np.sort(resting[0]))


@pytest.mark.parametrize("q", [Bernoulli([0.5, -2.0]), Bernoulli([-30.0, 30.0]), PAIR], ids=repr)
@pytest.mark.parametrize("reduced", [False, True])
def test_noise_of_z_has_the_levels_of_its_coordinates_given_z(q, reduced):
    """Bernoulli: noise in its cell at the level sigmoid(v). Categorical: arrivals in a race, given who is first."""
    made = Plan(q, factors(q), ("cell",), reduced=reduced)
    v = np.random.default_rng(1).logistic(size=(made.cells, sum(made.widths)))
    z = np.array([row for row in q.support() if q.log_prob(row) > -np.inf])
    noise = made.noise_of(z, v)
    np.testing.assert_array_equal(q.sample(noise), z)
    if q.event_ndim == 1:
        one, zero = expit(q.logits), expit(-q.logits)  # P(noise <= x | z) = level
        share = np.where(z == 1, zero + one * expit(v), zero * expit(v))
        np.testing.assert_allclose(expit(noise), share, rtol=1e-9)
        return
    own = 0
    for d, part in enumerate(made.parts):
        width = made.widths[d]
        logs = made._log_waits(v[:, own : own + width], z[:, d, part.columns].argmax(axis=1))
        own += width
        arrivals = np.exp(-(noise[:, d, part.columns] + part.log_probs))  # exponential waits over probabilities
        won = z[:, d, part.columns] == 1
        first = arrivals.min(axis=1, keepdims=True)
        np.testing.assert_array_equal(arrivals.argmin(axis=1), won.argmax(axis=1))
        np.testing.assert_allclose(first[:, 0], np.exp(logs)[won], rtol=1e-12)
        waits = (arrivals - first) * np.exp(part.log_probs)  # after the first, at a rate of one's own
        np.testing.assert_allclose(waits[~won], np.exp(logs)[~won], rtol=1e-7)


def test_probabilities_of_cells():
    q = Bernoulli([0.5, -2.0])
    one, two = (Plan(q, factors(q), reads, reduced=False) for reads in (("cell", "smooth"), ("z", "cell")))
    p = np.exp(q.log_prob(q.support()))
    np.testing.assert_allclose(one.cell_probs(), p, rtol=1e-14)
    np.testing.assert_allclose(two.cell_probs(), np.outer(p, p).ravel(), rtol=1e-14)
    assert (one.cells, two.cells) == (4, 16)
    _, _, (first, second) = two.nodes(Given(np.zeros((1, 2))), np.arange(16))
    np.testing.assert_array_equal(first, q.support().repeat(4, axis=0))
    np.testing.assert_array_equal(second, np.tile(q.support(), (4, 1)))


def test_without_a_draw_there_is_noise_of_none():
    for q in (Bernoulli([0.5, -2.0]), PAIR):
        made = Plan(q, factors(q), (), reduced=False)
        noise, weights, zs = made.nodes(Given(np.zeros((3, 0))), np.arange(3))
        assert noise.shape == (0, 3, *q.event_shape)
        assert (len(weights), zs, made.cells, made.axes) == (3, [], 1, 0)


def test_where_no_draw_has_a_z_there_is_one_cell():
    q = Bernoulli([0.5, -2.0])
    made = Plan(q, factors(q), ("smooth", "smooth", "smooth"), reduced=False)
    assert made.cells == 1
    np.testing.assert_array_equal(made.cell_probs(), [1.0])
    v = np.arange(12.0).reshape(2, 6)
    noise, _, zs = made.nodes(Given(v), np.arange(2))
    np.testing.assert_array_equal(noise, [v[:, 4:], v[:, 2:4], v[:, :2]])
    assert zs == []


@pytest.mark.parametrize(
    ("q", "reads", "reduced", "vary", "axes", "both", "each"),
    [
        (Bernoulli([0.5, -2.0]), ("cell",), False, None, 2, False, True),
        (Bernoulli([0.5, -2.0]), ("cell", "smooth"), False, None, 4, True, False),
        (Bernoulli([0.5, -2.0]), ("cell", "smooth"), False, 0, 2, True, True),
        (Bernoulli([0.5, -2.0]), ("cell", "cell"), False, 0, 2, True, False),
        (Bernoulli([0.5, -2.0]), ("z", "smooth"), False, None, 2, False, True),
        (Bernoulli([0.5, -2.0]), ("z",), False, None, 0, False, False),
        (Bernoulli([0.5, -2.0]), ("smooth",), False, None, 2, False, False),
        (PAIR, ("cell",), False, None, 5, False, False),
        (PAIR, ("cell",), True, None, 3, False, False),
        (Categorical([[0.5, 0.0]]), ("cell",), True, None, 1, False, False),
    ],
)
def test_what_a_plan_knows(q, reads, reduced, vary, axes, both, each):
    made = Plan(q, factors(q), reads, reduced=reduced, vary=vary)
    assert (made.axes, made.integrates_both, made.one_z_each) == (axes, both, each)
    assert made.in_turn == (q is PAIR and reduced)
    assert made.has_layers == (reads != ("smooth",) and (q.event_ndim == 1 or reduced))


FAMILIES = pytest.mark.parametrize("q", [Bernoulli([0.5, -2.0]), PAIR], ids=["bernoulli", "categorical"])


@FAMILIES
@pytest.mark.parametrize("part", [slice(3, 12), slice(5, 20), slice(7, 8), slice(16, 19)])
def test_nodes_from_any_number_to_any_other_are_those_of_all(q, part):
    made = Plan(q, factors(q), ("cell", "smooth"), reduced=q.event_ndim == 2)
    v = np.random.default_rng(0).logistic(size=(5, made.axes))
    index = np.arange(made.cells * 5)
    noise, weights, (z,) = made.nodes(Given(v), index)
    found, found_weights, (found_z,) = made.nodes(Given(v), index[part])
    np.testing.assert_array_equal(found, noise[:, part])
    np.testing.assert_array_equal(found_weights, weights[part])
    np.testing.assert_array_equal(found_z, z[part])


@FAMILIES
@pytest.mark.parametrize("word", ["cell", "z"])
def test_a_draw_that_has_a_z_rests_in_its_cell(q, word):
    made = Plan(q, factors(q), (word, "smooth"), reduced=False, vary=1)
    width = sum(made.widths)
    v = np.random.default_rng(0).logistic(size=(5, width))
    noise, _, (z,) = made.nodes(Given(v), np.arange(made.cells * 5))
    np.testing.assert_array_equal(noise[0], made.noise_of(z, np.zeros((1, width))))
    np.testing.assert_array_equal(q.sample(noise[0]), z)


def test_nodes_that_follow_the_relaxed_sample_are_those_of_the_z_of_their_cell():
    q, rng = Bernoulli([0.5, -2.0]), np.random.default_rng(0)
    made, rule = Plan(q, factors(q), ("cell",), reduced=False), RelaxedGauss(*rng.uniform(size=(2, 2, 2, 3)))
    noise, weights, (z,) = made.nodes(rule, np.arange(4 * 9))
    np.testing.assert_array_equal(z, np.repeat(q.support(), 9, axis=0))
    coordinates, expected = rule.points_given(z, np.tile(np.arange(9), 4))
    np.testing.assert_array_equal(weights, expected)
    np.testing.assert_array_equal(noise[0], made.noise_of(z, coordinates))


@pytest.mark.parametrize("reads", [("cell", "smooth"), ("cell", "cell"), ("z", "smooth")])
@FAMILIES
def test_points_around_layers_go_to_those_of_the_z_of_their_draw(q, reads):
    """A draw without a z has those beside the z of another; columns are from the last draw to the first."""
    made = Plan(q, factors(q), reads, reduced=q.event_ndim == 2)
    rule = Around(0.5, 6.0, made.axes, 3.0, temperature=0.3, farthest=3.0)
    index = np.arange(made.cells * 5)
    noise, weights, zs = made.nodes(rule, index)
    of_draw = {draw: zs[min(draw, len(zs) - 1)] for draw in range(2)}
    integrated = [draw for draw in (1, 0) if reads[draw] != "z"]
    most = 3.0 / len(integrated)
    by = np.concatenate([layers(made.parts, of_draw[draw], 0.3, most) for draw in integrated], axis=1)
    assert np.abs(by).sum(axis=1).max() == pytest.approx(3.0, rel=1e-12)
    v, expected = rule.points_around(by, np.tile(np.arange(5), made.cells))
    np.testing.assert_array_equal(weights, expected)
    width = sum(made.widths)
    for place, draw in enumerate(integrated):
        own = v[:, place * width : (place + 1) * width]
        if reads[draw] == "cell":
            np.testing.assert_array_equal(noise[draw], made.noise_of(of_draw[draw], own))
        else:
            np.testing.assert_array_equal(noise[draw], made._free(own, of_draw[draw]))


def test_weights_around_layers_add_up_to_one_in_every_cell():
    for q in (Bernoulli([0.5, -2.0]), Categorical([[0.5, -1.0, 0.25]])):
        made = Plan(q, factors(q), ("cell",), reduced=q.event_ndim == 2)
        rule = Trapezoid(0.25, 48.0, 2, 3.0, made.in_turn, temperature=0.2, farthest=6.0)
        _, weights, _ = made.nodes(rule, np.arange(made.cells * len(rule)))
        np.testing.assert_allclose(weights.reshape(made.cells, -1).sum(axis=1), 1.0, rtol=1e-12)


def test_each_of_four_ratios_has_the_level_of_its_coordinate():
    """The sum of all before it counts: Eq. 00.6."""
    v = np.array([[-1.0, 2.0, 0.5, 1.0], [3.0, -2.0, 1.5, -0.5], [0.0, 0.25, -3.0, 2.5]])
    ratios = np.exp(plan(5, reduced=True)._log_waits(v, np.full(3, 4))[:, :4])
    for j in range(4):
        rest = 1 + ratios[:, :j].sum(axis=1)
        np.testing.assert_allclose((rest / (rest + ratios[:, j])) ** (j + 1), expit(-v[:, j]), rtol=1e-13)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_row_has_its_own_reference(count):
    made = plan(4, reduced=True)
    logs = made._log_waits(V[:count], np.arange(count))
    for row in range(count):
        np.testing.assert_array_equal(logs[row], made._log_waits(V[row : row + 1], np.array([row]))[0])
