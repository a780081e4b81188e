"""The wire form of an objective evaluates to the same numbers: on the support, and between."""

import json

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table
from refgrad.testing import exact_problems, standard_problems
from refgrad.testing._wire import from_wire, to_wire

PROBLEMS = [*standard_problems(), *exact_problems()]


def over_json(f, q):
    wire = json.loads(json.dumps(to_wire(f, q), allow_nan=False))
    return wire, from_wire(wire, q.event_shape)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_it_is_the_same_function_on_the_support_and_between(problem):
    q, f = problem.q, problem.f
    wire, again = over_json(f, q)
    relaxed = q.relax(q.draw_noise(64, np.random.default_rng(0)), 0.5)
    # A square is sent expanded: three products and sums, each rounded once, of numbers below 1.
    rounding = 8 * np.finfo(float).eps if type(f) is SquaredError else 0.0
    assert wire["values"] == f(q.support()).tolist()
    assert np.abs(again(q.support()) - wire["values"]).max() <= rounding
    assert np.abs(again(relaxed) - f(relaxed)).max() <= rounding


def test_the_kinds_are_all_among_the_problems():
    kinds = {to_wire(problem.f, problem.q)["kind"] for problem in PROBLEMS}
    assert kinds == {"multilinear", "quadratic", "interacting"}


@pytest.mark.parametrize("q", [Bernoulli([0.5, -1.0, 0.25]), Categorical([[0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])])
def test_squares_of_dyadic_targets_are_exact(q):
    f = SquaredError(np.arange(np.prod(q.event_shape)).reshape(q.event_shape) / 4)
    z = np.random.default_rng(0).integers(0, 9, size=(50, *q.event_shape)) / 8
    wire, again = over_json(f, q)
    assert wire["kind"] == "quadratic"
    assert (again(z) == f(z)).all()


def test_one_target_is_that_of_every_variable():
    wire, again = over_json(SquaredError(0.25), Bernoulli([0.0, 1.0]))
    assert (wire["constant"], wire["linear"]) == (0.125, [-0.5, -0.5])
    assert again(np.array([0.5, 1.0])) == 0.625


def test_a_matrix_that_is_not_symmetric_stays_as_it_is():
    wire, _ = over_json(Quadratic(0.5, [1.0, 2.0], [[1.0, 3.0], [0.0, 0.0]]), Bernoulli([0.0, 0.0]))
    assert wire["matrix"] == [[1.0, 3.0], [0.0, 0.0]]
    assert wire["values"] == [0.5, 2.5, 2.5, 7.5]


def test_what_is_not_known_is_a_table_and_known_on_the_support_alone():
    q = Categorical([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
    wire, again = over_json(lambda z: (z * [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]).sum((-1, -2)), q)
    assert wire == {"kind": "table", "values": [11.0, 21.0, 31.0, 12.0, 22.0, 32.0, 13.0, 23.0, 33.0]}
    assert again(q.support()).tolist() == wire["values"]
    with pytest.raises(ValueError, match=r"a table needs z on the support, of shape \(\.\.\., 2, 3\)"):
        again(q.support() / 2)
    with pytest.raises(ValueError, match=r"a table needs z on the support"):
        again(np.zeros((4, 3)))


@pytest.mark.parametrize("kind", [Table, Quadratic, Interacting, SquaredError])
def test_a_subclass_may_be_anything(kind):
    class Other(kind):
        def __call__(self, z):
            return 5.0 + super().__call__(z)

    arguments = {
        Table: ([0.0, 1.0],),
        Quadratic: (0.0, [1.0], [[0.0]]),
        Interacting: (0.0, [1.0], [0.0], [0.0], [0.0]),
        SquaredError: (0.0,),
    }
    f = Other(*arguments[kind])
    assert to_wire(f, Bernoulli([0.0])) == {"kind": "table", "values": f(np.array([[0.0], [1.0]])).tolist()}


def test_f_is_not_asked_where_z_is_masked():
    q = Categorical([[0.0, -np.inf, 1.0]])

    def f(z):
        assert not z[..., 1].any()
        return (z * [[2.0, np.nan, 3.0]])[..., [0, 2]].sum((-1, -2))

    wire, again = over_json(f, q)
    assert wire == {"kind": "table", "values": [2.0, None, 3.0]}
    assert np.isnan(again(np.array([[0.0, 1.0, 0.0]])))


def test_a_value_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"finite values, but f\(z\) = inf at z = \[1\]"):
        to_wire(lambda z: np.where(z[..., 0] == 1, np.inf, 0.0), Bernoulli([0.0]))


def test_too_many_configurations_are_refused():
    with pytest.raises(ValueError, match="at most 65,536 values, but q has 131,072"):
        to_wire(SquaredError(0.5), Bernoulli(np.zeros(17)))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="interacting, but is 'cubic'"):
        from_wire({"kind": "cubic"}, (1,))
