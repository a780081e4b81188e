"""Learning: equality by value, Adam against its formula, regressors against finite differences, the loop of steps."""

import pickle
import re
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from autograd import grad

from refgrad import Bernoulli
from refgrad.estimators import Adam, Linear, MovingAverageBaseline, OneHiddenLayer
from refgrad.estimators._learning import ByValue, learn, read_only
from refgrad.estimators._regressors import Regressor
from refgrad.objectives import SquaredError

EPS = np.finfo(float).eps
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))  # four rows, three features
REGRESSORS = [Linear(RNG.normal(size=4)), OneHiddenLayer(RNG.normal(size=26), units=5), OneHiddenLayer(units=2, seed=3)]
every_regressor = pytest.mark.parametrize("regressor", REGRESSORS, ids=["linear", "hidden", "not started"])


@dataclass(frozen=True, eq=False, repr=False)
class Brief(ByValue):
    values: Any
    size: float = 1.0
    other: float = field(default=2.0, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "values", read_only(self.values, "values"))


class Other(Brief):
    """The same fields under another name."""


class TestByValue:
    def test_equal_if_every_entry_is(self):
        one = Brief([1.0, 2.0])
        assert one == Brief(np.array([1, 2]))
        assert hash(one) == hash(Brief(np.array([1, 2])))
        assert pickle.loads(pickle.dumps(one)) == one
        for other in (
            Brief([1.0, 3.0]),
            Brief([1.0]),
            Brief([[1.0, 2.0]]),
            Brief([1.0, 2.0], 2.0),
            Other([1.0, 2.0]),
            3,
        ):
            assert one != other

    def test_zeros_of_both_signs_are_equal_and_so_are_their_hashes(self):
        assert Brief([0.0]) == Brief([-0.0])
        assert hash(Brief([0.0], 0.0)) == hash(Brief([-0.0], -0.0))

    def test_what_differs_has_another_hash(self):
        others = [Brief([1.0, 2.0]), Brief([1.0, 0.0]), Brief([1.0, 1e-20]), Brief([1.0, 2.0], 3.0), Other([1.0, 2.0])]
        assert len(set(map(hash, others))) == len(others)

    def test_none_is_no_array(self):
        assert Linear() != Linear([0.0])
        assert Linear([0.0]) != Linear()
        assert Linear() == Linear(None)

    def test_repr(self):
        assert repr(Brief([0.5])) == "Brief(values=[0.5])"
        assert repr(Brief([0.5], 3.0, 4.0)) == "Brief(values=[0.5], size=3.0, other=4.0)"
        assert len(repr(Brief(np.zeros(10**6)))) < 80


class TestReadOnly:
    def test_a_copy_in_float64(self):
        own = np.array([1, 2], dtype=np.float32)
        kept = read_only(own, "x")
        own[0] = 7
        np.testing.assert_array_equal(kept, [1.0, 2.0])
        assert kept.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 3

    def test_what_is_refused(self):
        with pytest.raises(ValueError, match=r"x needs finite entries, but is \[ *1\., nan\]"):
            read_only([1.0, np.nan], "x")
        with pytest.raises(TypeError, match="x needs real numbers, but has dtype complex128"):
            read_only([1j], "x")


class TestAdam:
    def test_the_formula(self):
        adam, parameters = Adam(rate=0.25, decay=0.5, decay_square=0.75, epsilon=1e-3), np.array([1.0, -2.0])
        gradients = [np.array([1.0, -4.0]), np.array([-2.0, 0.5])]
        mean, square = np.zeros(2), np.zeros(2)
        for t, gradient in enumerate(gradients, start=1):
            mean = 0.5 * mean + 0.5 * gradient
            square = 0.75 * square + 0.25 * gradient**2
            needed = parameters - 0.25 * (mean / (1 - 0.5**t)) / (np.sqrt(square / (1 - 0.75**t)) + 1e-3)
            parameters, adam = adam.step(parameters, gradient)
            np.testing.assert_allclose(parameters, needed, rtol=4 * EPS)
            assert adam == Adam(0.25, 0.5, 0.75, 1e-3, mean, square, t)

    def test_the_first_step_has_the_length_of_the_rate_whatever_the_gradient(self):
        for size in (1e-3, 1.0, 1e6):
            moved, _ = Adam(rate=0.5).step(np.zeros(2), size * np.array([1.0, -3.0]))
            np.testing.assert_allclose(moved, [-0.5, 0.5], rtol=2e-5)  # epsilon is 1e-8 of a gradient of 1e-3

    def test_a_gradient_of_zero_moves_nothing(self):
        moved, _ = Adam().step(np.ones(2), np.zeros(2))
        np.testing.assert_array_equal(moved, np.ones(2))

    def test_it_goes_to_the_minimum_of_a_quadratic(self):
        parameters, adam, distances = np.array([3.0, -2.0]), Adam(rate=0.1), []
        for _ in range(4):
            distances.append(np.abs(parameters - [1.0, 0.5]).max())
            for _ in range(300):
                parameters, adam = adam.step(parameters, np.array([4.0, 0.5]) * (parameters - [1.0, 0.5]))
        assert distances[0] > distances[1] > distances[2] > distances[3]
        assert distances[3] < 1e-10

    def test_a_step_changes_neither_the_optimizer_nor_what_it_was_given(self):
        adam, parameters, gradient = Adam(), np.ones(2), np.array([1.0, 2.0])
        after = adam.step(parameters, gradient)[1]
        assert adam == Adam()
        np.testing.assert_array_equal(parameters, np.ones(2))
        again = after.step(parameters, gradient)[1]
        assert (after.steps, again.steps) == (1, 2)
        gradient[0] = 7
        assert after == Adam().step(parameters, np.array([1.0, 2.0]))[1]
        with pytest.raises(FrozenInstanceError):
            after.steps = 0

    @pytest.mark.parametrize(
        "options", [{"rate": 0.0}, {"rate": np.nan}, {"rate": np.inf}, {"epsilon": 0.0}, {"epsilon": np.inf}]
    )
    def test_a_rate_or_an_epsilon_that_is_none(self, options):
        with pytest.raises(ValueError, match="Adam needs a positive rate and epsilon, but they are"):
            Adam(**options)

    @pytest.mark.parametrize("name", ["mean", "square"])
    def test_a_state_that_is_not_finite(self, name):
        state = {"mean": [0.5], "square": [0.5], "steps": 1, name: [np.nan]}
        with pytest.raises(ValueError, match=rf"^Adam {name} needs finite entries"):
            Adam(**state)

    @pytest.mark.parametrize("options", [{"decay": 1.0}, {"decay": -0.1}, {"decay_square": 1.0}, {"decay": np.nan}])
    def test_a_decay_out_of_range(self, options):
        with pytest.raises(ValueError, match=r"Adam needs decays in \[0, 1\), but they are"):
            Adam(**options)

    @pytest.mark.parametrize(
        ("options", "shapes"),
        [
            ({"mean": [1.0], "steps": 1}, r"\(1,\) and None after 1"),
            ({"mean": [1.0], "square": [1.0, 2.0], "steps": 1}, r"\(1,\) and \(2,\) after 1"),
            ({"mean": [1.0], "square": [1.0]}, r"\(1,\) and \(1,\) after 0"),
            ({"steps": 1}, "None and None after 1"),
            ({"steps": -1}, "None and None after -1"),
        ],
    )
    def test_a_state_that_does_not_belong_together(self, options, shapes):
        with pytest.raises(ValueError, match=f"Adam needs a mean and a square of one shape .* shapes {shapes} steps"):
            Adam(**options)

    def test_a_gradient_that_does_not_fit(self):
        _, adam = Adam().step(np.zeros(2), np.ones(2))
        with pytest.raises(ValueError, match=r"Adam has a state of shape \(2,\), but the gradient has shape \(3,\)"):
            adam.step(np.zeros(3), np.ones(3))
        with pytest.raises(ValueError, match=r"Adam gradient needs finite entries, but is \[nan, +1\.\]"):
            adam.step(np.zeros(2), np.array([np.nan, 1.0]))
        with pytest.raises(ValueError, match=r"of the shape of the parameters, \(2,\), but it has shape \(1,\)"):
            Adam().step(np.zeros(2), np.ones(1))

    def test_a_square_that_is_none(self):
        with pytest.raises(ValueError, match=r"Adam needs a square that is not negative, but it is \[-1\.\]"):
            Adam(mean=[1.0], square=[-1.0], steps=1)


class TestRegressors:
    def test_values_by_hand(self):
        assert Linear([2.0, -1.0, 0.5])(np.array([3.0, 1.0])) == 5.5
        hidden = OneHiddenLayer([1.0, 2.0, 0.0, -1.0, 0.25, 0.5, 3.0, -2.0, 0.125], units=2)
        needed = 3 * np.tanh(1 * 0.5 + 2 * 0.25 + 0.25) - 2 * np.tanh(-0.25 + 0.5) + 0.125
        np.testing.assert_allclose(hidden(np.array([0.5, 0.25])), needed, rtol=4 * EPS)

    @every_regressor
    def test_the_gradient_is_that_of_differences_and_of_autograd(self, regressor):
        own = regressor.started(3)
        signal = np.random.default_rng(1).normal(size=(2, 4))

        def total(parameters):
            return (signal * replace(own, parameters=parameters)(X)).sum()

        gradient, step = own.gradient(X, signal), EPS ** (1 / 3)
        differences = [
            (total(own.parameters + step * e) - total(own.parameters - step * e)) / (2 * step)
            for e in np.eye(own.count(3))
        ]
        np.testing.assert_allclose(gradient, differences, atol=1000 * step**2)
        np.testing.assert_allclose(gradient, grad(total)(own.parameters), rtol=1e-12, atol=1e-14)
        assert np.abs(gradient).max() > 0.1

    @every_regressor
    def test_autograd_follows_the_features(self, regressor):
        slope, step = grad(lambda x: regressor(x).sum())(X), EPS ** (1 / 3)
        moved = np.zeros_like(X)
        moved[1, 2] = step
        difference = (regressor(X + moved) - regressor(X - moved)).sum() / (2 * step)
        np.testing.assert_allclose(slope[1, 2], difference, atol=1000 * step**2)

    @every_regressor
    @pytest.mark.parametrize("shape", [(3,), (1, 3), (4, 3), (2, 4, 3), (0, 3)])
    def test_shapes(self, regressor, shape):
        features = np.ones(shape)
        assert np.shape(regressor(features)) == shape[:-1]
        for repetitions in ((), (5,), (5, 2)):
            signal = np.ones(repetitions + shape[:-1])
            gradient = regressor.gradient(features, signal)
            assert gradient.shape == (regressor.count(3),)
            assert gradient[-1] == signal.size

    @every_regressor
    def test_repetitions_of_the_signal_add_up(self, regressor):
        signal = np.random.default_rng(2).normal(size=(6, 4))
        rows = sum(regressor.gradient(X[r], signal[k, r]) for k in range(6) for r in range(4))
        np.testing.assert_allclose(regressor.gradient(X, signal), rows, rtol=1e-12, atol=1e-13)

    @every_regressor
    def test_a_row_has_the_same_bits_alone_and_among_many(self, regressor):
        features = np.random.default_rng(3).normal(size=(2, 9, 3))
        together = regressor(features)
        for row in np.ndindex(2, 9):
            assert together[row] == regressor(features[row])
            assert together[row] == regressor(features[row][None])[0]

    def test_one_unit_is_enough_and_its_first_parameters_are_normal_numbers_from_the_seed(self):
        rng = np.random.default_rng(5)
        weights, out = rng.normal(size=3) / np.sqrt(4), rng.normal(size=1)
        first = OneHiddenLayer(units=1, seed=5).started(3).parameters
        np.testing.assert_allclose(first, [*weights, 0.0, *out, 0.0], rtol=1e-15)
        rng = np.random.default_rng(0)
        weights, out = rng.normal(size=8) / np.sqrt(3), rng.normal(size=4) / 2
        first = OneHiddenLayer(units=4).started(2).parameters
        np.testing.assert_allclose(first, [*weights, *np.zeros(4), *out, 0.0], rtol=1e-15)

    def test_what_is_followed_is_shown_by_its_shape(self):
        seen = []
        grad(lambda own: (seen.append(repr(Linear(own))), own.sum())[1])(np.zeros(3))
        assert seen == ["Linear(parameters=<traced, shape (3,)>)"]
        grad(lambda own: (seen.append(Linear(own) == Linear([0.0, 0.0, 0.0])), own.sum())[1])(np.zeros(3))
        assert seen[1]

    def test_the_first_parameters(self):
        np.testing.assert_array_equal(Linear().started(3).parameters, np.zeros(4))
        one, other = OneHiddenLayer().started(3), OneHiddenLayer().started(3)
        assert one == other
        assert one != OneHiddenLayer(seed=1).started(3)
        assert one.parameters.shape == (one.count(3),) == (8 * 5 + 1,)
        assert one.started(3) is one
        np.testing.assert_array_equal(OneHiddenLayer()(X), one(X))
        assert not one.parameters.flags.writeable

    @pytest.mark.parametrize("regressor", [Linear(np.zeros(3)), OneHiddenLayer(np.zeros(3))], ids=["linear", "hidden"])
    def test_parameters_for_another_number_of_inputs(self, regressor):
        for use in (lambda: regressor(X), lambda: regressor.gradient(X, np.ones(4))):
            with pytest.raises(ValueError, match=r"needs \d+ parameters for 3 inputs, but they have shape \(3,\)"):
                use()

    def test_a_signal_of_other_rows(self):
        for signal in (1.0, np.ones(3), np.ones((4, 2))):
            with pytest.raises(ValueError, match=r"features of shape \(4, 3\) need values of shape \(\.\.\., 4\), but"):
                REGRESSORS[0].gradient(X, signal)
        with pytest.raises(ValueError, match=r"values of shape \(\.\.\., 2, 4\), but they have \(3,\)"):
            REGRESSORS[0].gradient(np.stack([X, X]), np.ones(3))

    def test_parameters_that_are_none(self):
        with pytest.raises(ValueError, match="Linear parameters needs finite entries, but is"):
            Linear([np.inf])
        with pytest.raises(ValueError, match="OneHiddenLayer needs units >= 1, but it is 0"):
            OneHiddenLayer(units=0)

    def test_a_regressor_of_ones_own(self):
        with pytest.raises(TypeError, match="abstract"):
            Regressor()


class TestFitted:
    def test_an_exact_line_is_found(self):
        line = Linear([2.0, -1.0, 0.25, 0.5])
        fitted = Linear().fitted(X, np.stack([line(X) - 1, line(X) + 1]))
        np.testing.assert_allclose(fitted.parameters, line.parameters, rtol=1e-12)

    def test_the_gradient_vanishes_there_and_grows_away_from_it(self):
        features = np.random.default_rng(4).normal(size=(20, 3))
        values = np.random.default_rng(5).normal(size=(7, 20))
        fitted = Linear().fitted(features, values)
        assert (np.abs(fitted.gradient(features, values - fitted(features))) < 1e-12).all()
        away = replace(fitted, parameters=fitted.parameters + 0.01)
        assert np.abs(away.gradient(features, values - away(features))).max() > 0.1

    def test_of_many_the_shortest(self):
        fitted = Linear().fitted([1.0, 1.0], [3.0, 6.0])
        np.testing.assert_allclose(fitted.parameters, [1.5, 1.5, 1.5], rtol=1e-14)

    def test_what_is_refused(self):
        with pytest.raises(ValueError, match=r"a fit needs a value, but they have shape \(0, 4\)"):
            Linear().fitted(X, np.zeros((0, 4)))
        with pytest.raises(ValueError, match=r"^values needs finite entries"):
            Linear().fitted(X, np.full(4, np.nan))
        with pytest.raises(ValueError, match=r"^features needs finite entries"):
            Linear().fitted(np.inf * X, np.ones(4))
        with pytest.raises(
            ValueError, match=r"features of shape \(4, 3\) need values of shape \(\.\.\., 4\), but they"
        ):
            Linear().fitted(X, np.ones(3))


class TestLearn:
    q, f = Bernoulli([0.5, -1.0]), SquaredError(0.25)

    def test_it_is_the_updates_on_fresh_noise_of_one_generator(self):
        start = MovingAverageBaseline(decay=0.5)
        learned = learn(start, self.q, self.f, np.random.default_rng(3), steps=4, n=2)
        rng, needed = np.random.default_rng(3), start
        for _ in range(4):
            needed = needed.update(self.q, self.f, needed.draw_noise(self.q, 2, rng))
        assert learned == needed
        assert learn(start, self.q, self.f, rng, steps=0) is start

    def test_a_bar_changes_nothing(self, capsys):
        one, other = (
            learn(MovingAverageBaseline(), self.q, self.f, np.random.default_rng(3), steps=4, progress=progress)
            for progress in (False, True)
        )
        assert one == other
        shown = capsys.readouterr().err
        assert "0/4" in shown
        assert re.search(r"[ ?]step/s|s/step\]", shown)

    def test_one_repetition_and_no_bar_unless_asked(self, capsys):
        one, other = (
            learn(MovingAverageBaseline(), self.q, self.f, np.random.default_rng(3), steps=4, **options)
            for options in ({}, {"n": 1, "progress": False})
        )
        assert one == other
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("options", [{"steps": -1}, {"steps": 1, "n": 0}])
    def test_steps_that_are_none(self, options):
        with pytest.raises(ValueError, match="learning needs steps >= 0 and n >= 1, but they are"):
            learn(MovingAverageBaseline(), self.q, self.f, np.random.default_rng(0), **options)
