"""Bias against variance: the oracle's numbers, closed forms, curves, and the figure."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import Estimator, GumbelSoftmax, MeanSubstitution, MuProp, Rebar, Reinforce, Relax
from refgrad.objectives import SquaredError, Table
from refgrad.testing import Problem, compare, exact_problems, standard_problems
from refgrad.testing._names import short_name, short_names
from refgrad.testing.built_in import instances

PAIR = exact_problems("bernoulli")[3]
TRIPLE = exact_problems("categorical")[0]
SOME = [Reinforce(), GumbelSoftmax(1.0), GumbelSoftmax(0.5), MeanSubstitution(), Rebar(0.5, coupled=True)]
AT = (0.4, 1.0, 2.0)


@pytest.fixture(scope="module")
def found():
    return compare(PAIR, SOME, temperatures=AT, scales=(-1.0, 0.0, 1.0))


def by_name(comparison):
    return {row.estimator: row for row in comparison.rows}


class TestNumbers:
    @pytest.mark.parametrize("problem", [PAIR, TRIPLE], ids=str)
    def test_are_those_of_the_oracle(self, problem):
        rows = by_name(compare(problem, SOME))
        for estimator in SOME:
            row, moments = rows[repr(estimator)], exact.moments(estimator, problem.q, problem.f, limit=2**19)
            np.testing.assert_array_equal(row.bias, exact.bias(estimator, problem.q, problem.f, limit=2**19))
            np.testing.assert_array_equal(row.variance, moments.variance)
            np.testing.assert_array_equal(row.error, moments.error)
            assert row.standard_deviation**2 == pytest.approx(moments.variance.sum(), rel=1e-14)
            assert row.draws == estimator.draws

    def test_what_follows_from_them(self):
        row = compare(PAIR, [GumbelSoftmax(1.0)]).rows[0]
        square, total = (row.bias**2).sum(), row.variance.sum()
        assert row.total_bias == pytest.approx(np.sqrt(square), rel=1e-14)
        assert row.relative_bias == pytest.approx(np.sqrt(square / (PAIR.gradient**2).sum()), rel=1e-14)
        assert row.rms == pytest.approx(np.sqrt(square + total), rel=1e-14)
        assert row.ratio == pytest.approx(np.sqrt(square / total), rel=1e-14)
        assert row.crossover == pytest.approx(total / square, rel=1e-14)
        assert abs(row.bias[row.worst]) == abs(row.bias).max()

    @pytest.mark.parametrize(("logit", "t"), [(0.0, 0.45), (-1.5, 0.4), (2.0, 0.9)])
    def test_closed_forms_of_the_toy(self, logit, t):
        p = 1 / (1 + np.exp(-logit))
        s, zero, one = p * (1 - p), t**2, (1 - t) ** 2
        problem = Problem(Bernoulli([logit]), SquaredError(t), "toy")
        rows = by_name(compare(problem, [Reinforce(), MuProp(), MeanSubstitution()]))
        reinforce, mu_prop, mean = (rows[repr(e)] for e in (Reinforce(), MuProp(), MeanSubstitution()))
        expected = s * ((1 - p) * one + p * zero) ** 2
        assert abs(reinforce.standard_deviation**2 - expected) <= reinforce.error.max()
        expected = p * (1 - p) ** 6 + (1 - p) * p**6 - (s * (1 - 2 * p)) ** 2
        assert abs(mu_prop.standard_deviation**2 - expected) <= mu_prop.error.max()
        assert abs(mean.bias[0] - (2 * (p - t) - (1 - 2 * t)) * s) <= mean.error.max()
        assert (reinforce.total_bias, mu_prop.total_bias, mean.standard_deviation) == (0, 0, 0)

    def test_an_unbiased_estimator_is_never_outweighed_and_a_constant_one_always(self):
        rows = by_name(compare(PAIR, [Reinforce(), MeanSubstitution()]))
        assert rows[repr(Reinforce())].crossover == np.inf
        assert rows[repr(Reinforce())].ratio == 0
        assert rows[repr(MeanSubstitution())].crossover == 0
        assert rows[repr(MeanSubstitution())].ratio == np.inf

    def test_what_has_neither_bias_nor_noise_has_no_ratio(self):
        toy = standard_problems("bernoulli")[0]
        row = compare(toy, [MeanSubstitution()]).rows[0]
        assert row.rms == 0
        assert np.isnan(row.ratio)
        assert row.to_dict()["ratio"] is None

    def test_the_mean_of_crossover_samples_has_as_much_bias_as_noise(self):
        row = compare(PAIR, [GumbelSoftmax(0.5)]).rows[0]
        noise = row.standard_deviation / np.sqrt(row.crossover)
        assert noise == pytest.approx(row.total_bias, rel=1e-14)


@dataclass(frozen=True)
class Scaled(Reinforce):
    def __call__(self, q, f, noise):
        return 1.0005 * super().__call__(q, f, noise)


def test_a_bias_is_seen_whatever_is_claimed():
    row = compare(PAIR, [Scaled()]).rows[0]
    assert row.visible
    assert row.unbiased
    assert row.relative_bias == pytest.approx(0.0005, rel=1e-9)


class TestRows:
    def test_are_sorted_by_error(self, found):
        errors = [row.rms for row in found.rows]
        assert errors == sorted(errors)

    @pytest.mark.parametrize("family", ["bernoulli", "categorical"])
    def test_are_every_example_that_serves_the_family(self, family):
        q = Bernoulli([0.5]) if family == "bernoulli" else Categorical([[0.5, -1.0]])
        tiny = Problem(
            q, SquaredError(0.25) if family == "bernoulli" else Table([1.0, -0.5], event_shape=(1, 2)), "tiny"
        )
        rows = compare(tiny).rows
        assert {row.estimator for row in rows} == {repr(e) for e in instances() if family in e.claims.families}
        assert not [row.note for row in rows if row.note]

    def test_what_is_too_expensive_says_so_and_the_others_stand(self):
        rows = by_name(compare(PAIR, [Reinforce(), GumbelSoftmax(0.5)], limit=100, scales=(1.0,)))
        assert rows[repr(Reinforce())].note == ""
        refused = rows[repr(GumbelSoftmax(0.5))]
        assert "more than the limit of 100" in refused.note
        assert np.isnan([refused.rms, refused.total_bias, refused.crossover, refused.standard_deviation]).all()
        assert refused.to_dict()["rms"] is None
        assert list(rows)[-1] == repr(GumbelSoftmax(0.5))

    def test_an_estimator_that_fails_says_so(self):
        row = compare(Problem(PAIR.q, lambda z: np.asarray(z)[..., 0], "opaque"), [GumbelSoftmax(0.5)]).rows[0]
        assert "autograd" in row.note


class TestCurves:
    def test_over_temperature(self, found):
        curves = {curve.name: curve for curve in found.temperature}
        assert list(curves) == ["Reinforce()", "GumbelSoftmax()", "MeanSubstitution()", "Rebar(coupled)"]
        assert [curve.constant for curve in curves.values()] == [True, False, True, False]
        for name, estimator in (("GumbelSoftmax()", GumbelSoftmax(1.0)), ("Rebar(coupled)", SOME[-1])):
            for point, t in zip(curves[name].points, AT, strict=True):
                expected = exact.moments(replace(estimator, temperature=t), PAIR.q, PAIR.f)
                assert point.estimator == repr(replace(estimator, temperature=t))
                difference = point.bias - (expected.mean - PAIR.gradient)
                assert (np.abs(difference) <= point.error + expected.error).all()
                assert (np.abs(point.variance - expected.variance) <= point.error + expected.error).all()
        assert len(set(curves["Reinforce()"].values("rms"))) == 1

    def test_over_logits(self, found):
        curves = {curve.name: curve for curve in found.logits}
        assert set(curves) == {short_name(e) for e in SOME}
        np.testing.assert_array_equal(found.direction, PAIR.logits)
        for curve in curves.values():
            for point, t in zip(curve.points, (-1.0, 0.0, 1.0), strict=True):
                np.testing.assert_array_equal(point.gradient, exact.gradient(Bernoulli(t * PAIR.logits), PAIR.f))
        here = by_name(found)
        for curve in curves.values():
            assert curve.points[2].rms == pytest.approx(here[curve.points[2].estimator].rms, rel=1e-6)

    def test_level_logits_move_along_the_first_value(self):
        toy = standard_problems("bernoulli")[0]
        found = compare(toy, [Reinforce()], scales=(2.0,))
        np.testing.assert_array_equal(found.direction, [1.0])
        np.testing.assert_array_equal(found.logits[0].points[0].gradient, exact.gradient(Bernoulli([2.0]), toy.f))
        level = Problem(Categorical([[3.0, 3.0, -np.inf]]), TRIPLE.f, "level")
        np.testing.assert_array_equal(compare(level, [Reinforce()]).direction, [[1.0, 0.0, -np.inf]])

    def test_a_masked_category_stays_masked(self):
        masked = exact_problems("categorical")[1]
        points = compare(masked, [Reinforce()], scales=(-2.0, 0.0)).logits[0].points
        assert all(point.note == "" and point.gradient[0, 1] == 0 for point in points)

    def test_the_same_whoever_computes_them(self, found):
        with ThreadPoolExecutor(2) as pool:
            again = compare(PAIR, SOME, temperatures=AT, scales=(-1.0, 0.0, 1.0), executor=pool)
        assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())


def test_json_round_trip(found):
    text = json.dumps(found.to_dict(), allow_nan=False)
    read = json.loads(text)
    assert read["problem"] == str(PAIR)
    assert read["problem_logits"] == PAIR.logits.tolist()
    assert [row["estimator"] for row in read["rows"]] == [row.estimator for row in found.rows]
    for row, written in zip(found.rows, read["rows"], strict=True):
        np.testing.assert_array_equal(row.bias, written["bias"])
        assert written["rms"] == row.rms
    assert [len(curve["points"]) for curve in read["temperature"]] == [3] * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": []}, "needs at least one estimator"),
        ({"temperatures": [0.0]}, "needs positive and finite temperatures, but one is 0.0"),
        ({"temperatures": [1.0, np.nan]}, "positive and finite temperatures, but one is nan"),
        ({"temperatures": [np.inf]}, "positive and finite temperatures, but one is inf"),
        ({"scales": [np.inf]}, "needs finite scales of the logits, but one is inf"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        compare(PAIR, **options)


@dataclass(frozen=True)
class OnlyBernoulli(Reinforce):
    claims = replace(Reinforce.claims, families=("bernoulli",))


def test_a_family_that_is_not_served():
    with pytest.raises(ValueError, match=r"OnlyBernoulli\(\) serves the family bernoulli, but the problem is categor"):
        compare(TRIPLE, [OnlyBernoulli()])


class TestFigure:
    def test_axes_and_lines(self, found):
        drawn = found.figure()
        assert len(drawn.axes) == 8
        for number, panel in enumerate(drawn.axes):
            labels = [line.get_label() for line in panel.lines]
            behind = ["norm of the gradient"] if number % 4 < 3 else []
            if number < 4:
                assert labels == [*(curve.name for curve in found.temperature), *behind]
                assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
                assert panel.get_xlabel() == "temperature"
            else:
                assert labels == [*(curve.name for curve in found.logits), *behind, "the problem itself"]
                assert (panel.get_xscale(), panel.get_yscale()) == ("linear", "log")
                assert "0.6, -1.1" in panel.get_xlabel()
        titles = ["standard deviation", "root mean squared error", "bias / standard deviation"]
        assert [panel.get_title() for panel in drawn.axes[1:4]] == titles

    def test_lines_are_the_numbers(self, found):
        panels = found.figure().axes
        for panel, what in zip(panels, ["total_bias", "standard_deviation", "rms", "ratio"] * 2, strict=True):
            curves = found.temperature if panel in panels[:4] else found.logits
            for line, curve in zip(panel.lines, curves, strict=False):
                values = curve.values(what)
                np.testing.assert_array_equal(line.get_xdata(), curve.at)
                np.testing.assert_array_equal(line.get_ydata(), np.where(values > 0, values, np.nan))

    def test_lines_can_be_told_apart(self):
        names = short_names(instances())
        from refgrad.testing._figures import _styles  # noqa: PLC0415

        keys = ("color", "marker", "linestyle", "markerfacecolor")
        looks = {tuple(str(style[key]) for key in keys) for style in _styles(names)}
        assert len(looks) == len(names)

    def test_one_axis_alone(self):
        drawn = compare(PAIR, [Reinforce()], scales=(0.0, 1.0)).figure()
        assert len(drawn.axes) == 4

    def test_the_files_repeat(self, tmp_path):
        from refgrad.testing._figures import save  # noqa: PLC0415

        found = compare(PAIR, [Reinforce()], scales=(0.0, 1.0))
        for suffix in ("svg", "pdf"):
            one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
            save(found.figure(), one)
            save(found.figure(), other)
            assert one.read_bytes() == other.read_bytes()
            assert len(one.read_bytes()) > 1000

    def test_pyplot_is_not_touched(self, found, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        assert found.figure()

    def test_without_curves(self):
        with pytest.raises(ValueError, match="needs curves, but the comparison was made without"):
            compare(PAIR, [Reinforce()]).figure()

    def test_without_matplotlib(self, found, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'refgrad\[plot\]'"):
            found.figure()


class Undressed(Estimator):
    claims = Reinforce.claims

    def __call__(self, q, f, noise):
        return Reinforce()(q, f, noise)

    def __repr__(self):
        return "Undressed(...)"


class TestNames:
    def test_are_unique(self):
        names = short_names(instances())
        assert len(set(names)) == len(names)
        alike = [Relax(lambda z: z[..., 0]), Relax(lambda z: z[..., 1])]
        assert short_names(alike) == [repr(e) for e in alike]
        assert short_names([alike[0]]) == ["Relax(<lambda>, temperature=0.5)"]

    def test_show_what_differs(self):
        assert short_name(Rebar(0.1, coefficient=0.7)) == "Rebar(temperature=0.1, coefficient=0.7)"
        assert short_name(Rebar(1 / 3, coupled=True)) == "Rebar(temperature=0.3333, coupled)"
        assert short_name(MuProp(order=2)) == "MuProp(order=2)"
        assert short_name(Undressed()) == "Undressed(...)"
