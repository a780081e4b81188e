"""The rules that are tried, when two of them agree, and how far the last is off: by hand, on sums written down."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.exact import _ladder
from refgrad.exact._factors import factors
from refgrad.exact._integrate import Sums
from refgrad.exact._ladder import (
    _left,
    _moved,
    _nested,
    _relative,
    _shifted,
    _together,
    agree,
    ladder,
    remaining,
    rough,
)
from refgrad.exact._relaxed_rule import RelaxedGauss
from refgrad.exact._rules import Lattice, Trapezoid, single

GAUSS = RelaxedGauss(np.zeros((4, 2, 2)), np.zeros((4, 2, 2)))


def plan(logit, axes, cells=2, one_z_each=False, in_turn=False, has_layers=False):
    """What the rules depend on."""
    parts = factors(Bernoulli([logit] * max(axes, 1)))
    return SimpleNamespace(
        axes=axes, cells=cells, parts=parts, one_z_each=one_z_each, in_turn=in_turn, has_layers=has_layers
    )


def tried(plan, limit=2**62, temperature=None):
    return [rule for rules in ladder(plan, limit, "this", temperature) for rule in rules]


def tried_first(plan, limit, temperature):
    return next(ladder(plan, limit, "this", temperature))[0]


def sums(first, absolute=1.0, second=0.0, largest=1.0):
    """Sums of one component, or of several without covariance."""
    return Sums(np.ravel(first).astype(float), np.ravel(absolute), np.diag(np.ravel(second).astype(float)), largest)


class TestRules:
    def test_nothing_to_integrate(self):
        (rule,) = tried(plan(0.0, 0))
        assert len(rule) == 1

    @pytest.mark.parametrize(("logit", "stretch"), [(0.0, 1.0), (12.0, 2.0), (600.0, 100.0)])
    def test_beyond_three_axes_eight_lattices_with_their_shifts(self, logit, stretch):
        found = tried(plan(logit, 4))
        assert [replace(rule, stretch=0.0) for rule in found] == [Lattice(2**13, 4, shift, 0.0) for shift in range(8)]
        np.testing.assert_allclose([rule.stretch for rule in found], [stretch] * 8, rtol=1e-5)

    @pytest.mark.parametrize(
        ("axes", "one_z_each", "sizes"),
        [
            (0, False, [1]),
            (1, False, [3, 1, 1, 1, 1, 1]),
            (2, False, [3, 1, 1, 1, 1, 1]),
            (3, False, [3, 1, 1, 1, 1]),
            (4, False, [8]),
            (4, True, [2, 1, 1, 1, 1, 1, 1, 1]),
        ],
    )
    def test_rules_that_are_needed_in_any_case_come_together(self, axes, one_z_each, sizes):
        found = ladder(plan(0.0, axes, one_z_each=one_z_each), 2**62, "this", 0.5)
        assert [len(rules) for rules in found] == sizes

    def test_the_size_of_a_mean_is_told_by_few_points(self):
        assert rough(Lattice(2**13, 4, 3, 1.5)) == Lattice(2**10, 4, 3, 1.5)
        for few in (GAUSS, Trapezoid(0.5, 42.0, 2, 3.0, True)):
            assert rough(few) is few

    @pytest.mark.parametrize("axes", [1, 2, 3])
    def test_the_limit_stops_the_fourth_trapezoid_and_refuses_the_first_three(self, axes):
        sizes = [2 * len(rule) for rule in tried(plan(0.0, axes))]
        assert sizes == sorted(sizes)
        for count in range(3, len(sizes)):
            assert len(tried(plan(0.0, axes), limit=sizes[count - 1])) == count
            assert len(tried(plan(0.0, axes), limit=sizes[count] - 1)) == count
        for size in sizes[:3]:
            with pytest.raises(
                ValueError, match=f"^this needs {size:,} evaluations, more than the limit of {size - 1:,};"
            ):
                tried(plan(0.0, axes), limit=size - 1)

    @pytest.mark.parametrize(
        ("axes", "temperature", "one_z_each", "limit", "kind"),
        [
            (4, 0.5, True, 2 * 3**4, RelaxedGauss),
            (4, 1, True, 2**20, RelaxedGauss),
            (4, 0.5, True, 2 * 2**13, RelaxedGauss),
            (4, 0.5, False, 2**20, Lattice),
            (4, None, True, 2**20, Lattice),
            (4, "0.5", True, 2**20, Lattice),
            (4, 0.0, True, 2**20, Lattice),
            (4, -1.0, True, 2**20, Lattice),
            (3, 0.5, True, 2**62, Trapezoid),
            (3, 0.5, True, 2 * 3**3, RelaxedGauss),
            (2, 0.5, True, 2**62, Trapezoid),
        ],
    )
    def test_a_rule_that_follows_the_relaxed_sample(self, axes, temperature, one_z_each, limit, kind):
        assert type(tried_first(plan(0.3, axes, one_z_each=one_z_each), limit, temperature)) is kind

    def test_with_three_axes_it_takes_over_where_the_third_trapezoid_is_too_large(self):
        third = 2 * len(tried(plan(0.3, 3))[2])
        for limit, kind in ((third, Trapezoid), (third - 1, RelaxedGauss)):
            assert type(tried_first(plan(0.3, 3, one_z_each=True), limit, 0.5)) is kind

    def test_trapezoids_follow_a_temperature_that_is_a_number(self):
        for temperature, found in ((0.5, 0.5), (2, 2.0), ("0.5", 0.0), (None, 0.0), ((0.5,), 0.0)):
            for rule in tried(plan(0.3, 2, has_layers=True), temperature=temperature):
                assert (rule.temperature, type(rule.temperature)) == (found, float)

    def test_its_second_rule_has_to_fit(self):
        with pytest.raises(ValueError, match=r"^this needs 16,384 evaluations, more than the limit of 161;"):
            tried(plan(0.3, 4, one_z_each=True), limit=2 * 3**4 - 1, temperature=0.5)
        assert [len(rule) for rule in tried(plan(0.3, 4, one_z_each=True), 2 * 5**4, 0.5)] == [2**4, 3**4, 4**4, 5**4]

    def test_two_axes_follow_nothing_though_the_limit_is_small(self):
        with pytest.raises(ValueError, match="more than the limit of 50;"):
            tried(plan(0.3, 2, one_z_each=True), limit=50, temperature=0.5)


NO_ROUNDING = Sums(first=np.array([0.0]), second=np.zeros((1, 1)))
TRAPEZOID = Trapezoid(0.5, 42.0, 1, 3.0)


class TestAgreement:
    @pytest.mark.parametrize(("axes", "goal"), [(1, 1e-12), (2, 1e-10), (3, 1e-10)])
    def test_trapezoids_are_enough_where_the_error_is_as_small_as_the_goal(self, axes, goal, monkeypatch):
        monkeypatch.setattr(_ladder, "ROUNDING", 0.0)
        rule, base = Trapezoid(0.5, 42.0, axes, 3.0), sums(1.0, 4.0, 8.0)
        for off, right in ((0.99, True), (1.01, False)):
            # Both differences are as large, so that ten times the last stands for the error.
            for sign in (-1, 1):
                by = sign * off * goal / 10
                first = [base, sums(1.0 + 4 * by, 4.0, 8.0), base]
                second = [base, sums(1.0, 4.0, 8.0 * (1 + by)), base]
                assert agree(first, rule, axes, NO_ROUNDING) == right
                assert agree(second, rule, axes, NO_ROUNDING) == right

    def test_the_last_two_differences_count(self):
        far, one = sums(5.0), sums(1.0)
        assert agree([far, one, one, one], TRAPEZOID, 1, NO_ROUNDING)
        for totals in ([one, one, far], [one, one, one, far, far], [one, one], [one]):
            assert not agree(totals, TRAPEZOID, 1, NO_ROUNDING)

    def test_of_a_rule_that_follows_the_sample_two_may_differ_more(self):
        for off, right in ((0.99e-8, True), (1.01e-8, False)):
            assert agree([sums(0.0, 4.0), sums(4 * off, 4.0)], GAUSS, 4, NO_ROUNDING) == right
            assert agree([sums(0.0, second=8.0 + 8 * off), sums(0.0, second=8.0)], GAUSS, 4, NO_ROUNDING) == right
        assert agree([sums(5.0), sums(1.0), sums(1.0)], GAUSS, 4, NO_ROUNDING)
        assert not agree([sums(1.0), sums(1.0), sums(5.0)], GAUSS, 4, NO_ROUNDING)
        assert not agree([sums(1.0)], GAUSS, 4, NO_ROUNDING)

    def test_the_goal_itself_is_enough(self, monkeypatch):
        monkeypatch.setattr(_ladder, "ROUNDING", 0.0)
        monkeypatch.setattr(_ladder, "GOAL", {1: 10 * 2.0**-20})
        monkeypatch.setattr(_ladder, "BEYOND", 2.0**-20)
        still = replace(TRAPEZOID, reach=1e4)  # nothing lies beyond
        assert agree([sums(0.0), sums(2.0**-20), sums(0.0)], still, 1, NO_ROUNDING)
        assert agree([sums(0.0, 4.0), sums(2.0**-18, 4.0)], GAUSS, 4, NO_ROUNDING)
        assert agree([sums(0.0, second=4.0 + 2.0**-18), sums(0.0, second=4.0)], GAUSS, 4, NO_ROUNDING)

    def test_the_last_rule_tells_the_size_of_what_is_granted(self):
        """Its mean absolute estimate, of Gauss rules; the largest estimate, of trapezoids, where much lies beyond."""
        assert agree([sums(1e-8, 0.0), sums(1e-8, 0.0), sums(0.0, 2.0)], GAUSS, 4, NO_ROUNDING)
        assert not agree([sums(1e-8, 2.0), sums(1e-8, 2.0), sums(0.0, 0.5)], GAUSS, 4, NO_ROUNDING)
        near = replace(TRAPEZOID, reach=3.0)
        totals = [sums(x, 1.0, 1e6, largest=size) for x, size in ((0.0, 0.0), (0.25, 0.0), (0.25, 0.0), (0.0, 4.0))]
        assert agree(totals, near, 1, NO_ROUNDING)
        assert (remaining(totals, near, NO_ROUNDING)[1].first == 0).all()
        assert not agree([*totals, sums(0.25, 1.0, 1e6, largest=0.0)], near, 1, NO_ROUNDING)

    def test_others_never_agree(self):
        for rule in (Lattice(64, 4, 0, 1.0), single()):
            assert not agree([sums(1.0), sums(1.0)], rule, 4, NO_ROUNDING)

    @pytest.mark.parametrize("rule", [GAUSS, TRAPEZOID], ids=["gauss", "trapezoid"])
    def test_rounding_is_granted(self, rule):
        wide, axes = Sums(first=np.array([0.5]), second=np.array([[0.25]])), 4 if rule is GAUSS else 1
        base = sums(1.0, 1.0, 8.0)
        for other, right in (
            (sums(1.5, 1.0, 8.25), True),
            (sums(1.5625, 1.0, 8.0), False),
            (sums(1.0, 1.0, 8.3125), False),
        ):
            assert agree([base, other, base], rule, axes, wide) == right

    def test_every_component_counts_and_of_gauss_rules_the_diagonal_alone_of_the_second(self):
        none = Sums(first=np.zeros(2), second=np.zeros((2, 2)))
        base = sums([1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
        beside = replace(base, second=base.second + np.array([[0.0, 1.0], [1.0, 0.0]]))
        others = [sums([1.0, 2.0], [1.0, 1.0], [1.0, 1.0]), sums([1.0, 1.0], [1.0, 1.0], [1.0, 2.0]), beside]
        for rule, axes, rights in ((TRAPEZOID, 1, [False, False, False]), (GAUSS, 4, [False, False, True])):
            assert [agree([base, other, base], rule, axes, none) for other in others] == rights


class TestTheError:
    @pytest.mark.parametrize(
        ("moved", "expected"),
        [
            ([], 0.0),  # one rule, which is exact
            ([0.25], 2.5),
            ([2.0**-8, 2.0**-12], 10 * 2.0**-8),  # of one fall nothing is believed
            ([2.0**-10, 2.0**-24], 2.0**-24),  # unless it is clear
            ([2.0**-9, 2.0**-24], 10 * 2.0**-9),  # from where it could be a chance
            ([0.004, 0.002], 0.04),  # it does not fall tenfold
            ([0.002, 0.004], 0.04),
            ([0.5, 0.02, 0.001], 0.2),  # nor is it believed so early
            ([1.0, 2.0**-8, 2.0**-12], 2.0**-12),  # a fall by 16, the one before by more
            ([2.0**-5, 2.0**-8, 2.0**-13], 2.0 ** (-8 - 3 * 1.4)),  # as much as the one before goes, with the step
            ([2.0**-12, 2.0**-16, 2.0**-24], 2.0 ** (-16 - 4 * 1.4)),  # not small enough to foresee
            ([2.0**-5, 2.0**-8, 2.0**-23], 2.0 ** (-8 - 3 * 1.4)),
            ([2.0**-9, 2.0**-8, 2.0**-17], 10 * 2.0**-8),  # before it did not fall
            ([2.0**-14, 2.0**-14, 2.0**-17], 10 * 2.0**-14),
            ([2.0**-14, 2.0**-18, 2.0**-24], 2.0 ** (-18 - 4 * 1.4 + 1 - 2 * 1.4)),  # the next fall, by the root
            ([2.0**-10, 2.0**-12, 2.0**-17], 10 * 2.0**-12),  # the one before would allow less than tenfold
            ([2.0**-9, 2.0**-10, 2.0**-24], 2.0**-24),  # clear enough by itself
            ([2.0**-20, 2.0**-20, 2.0**-34], 2.0 ** (-34 + 1 - 7)),
            ([2.0**-20, 2.0**-20, 2.0**-33], 10 * 2.0**-20),
            # At a limit, on the side of what is believed.
            ([2.0**-10, 2.0**-11, 2.0**-11 * 1e-4], 2.0**-11 * 1e-4),
            ([2e-3, 1e-3, 1e-3 * 2.0**-14], 1e-3 * 2.0**-14),
            ([2.0**-5, 2.0**-10, 2.0**-10 * 0.1], 2.0**-10 * 0.1),
            ([1.0, 1e-2, 1e-2 * 2.0**-10], 1e-2 * 1e-2**1.4),
            ([1.0, 1e-5, 1e-5 * 2.0**-8], 1e-5 * 2.0**-8),
            ([0.5, 0.0], 5.0),
            ([2.0**-17, 0.0], 0.0),
            ([0.0, 0.0], 0.0),
            ([0.0, 0.25], 2.5),
        ],
    )
    def test_after_differences_of_trapezoids(self, moved, expected):
        assert _left(moved) == pytest.approx(expected, rel=1e-12, abs=0)

    def test_differences_are_the_largest_in_the_scale_of_each_beyond_rounding(self):
        # Scales: 4 and 1 of the means; deviations 2 and 1.
        scale, second = [4.0, 1.0], [4.0, 1.0]
        rounding = Sums(first=np.array([0.0, 0.5]), second=np.array([[0.0, 0.0], [0.0, 0.25]]))
        beside = np.array([[0.0, 1.0], [1.0, 0.0]])
        start = sums([0.0, 0.0], scale, second)
        for other, expected in (
            (sums([2.0, 0.0], scale, second), 0.5),
            (sums([-2.0, 0.75], scale, second), 0.5),
            (sums([0.0, 0.75], scale, second), 0.25),
            (sums([0.0, 0.5], scale, second), 0.0),
            (sums([0.0, 0.0], scale, [3.0, 1.0]), 0.25),
            (sums([0.0, 0.0], scale, [4.0, 1.75]), 0.5),
            (replace(start, second=start.second - beside), 0.5),
        ):
            assert _moved([start, other, start], rounding) == [expected, expected]
        still = sums([1.0, 0.0], [0.0, 1.0], [0.0, 1.0])  # a component that never varies has no share
        assert _moved([start, still], replace(rounding, first=np.zeros(2))) == [0.0]

    def test_components_share_the_relative_error_in_their_scales(self, monkeypatch):
        monkeypatch.setattr(_ladder, "ROUNDING", 0.0)
        totals = [sums([x, 0.0], [4.0, 1.0], [4.0, 1.0]) for x in (0.0, 1.0, 1.5)]
        none = Sums(first=np.zeros(2), second=np.zeros((2, 2)))
        for fine, error in (_nested(totals, none), remaining(totals, TRAPEZOID, none)):
            assert fine is totals[-1]
            assert error.first.tolist() == [10.0, 2.5]  # ten times 1 / 4
            assert error.second.tolist() == [[10.0, 5.0], [5.0, 2.5]]
        granted = replace(none, first=np.array([1.0, 0.0]))
        assert remaining(totals, TRAPEZOID, granted)[1].first.tolist() == [0.0, 0.0]

    def test_rounding_of_rows_and_of_their_squares_is_granted(self):
        rule, unit = Trapezoid(0.5, 42.0, 1, 3.0), _ladder.ROUNDING
        for off, right in ((0.99, True), (1.5, False)):  # scales: 4 and sqrt(9) of the first, 9 of the second moment
            first = [sums(x, 4.0, 9.0) for x in (0.0, off * 7 * unit, 0.0)]
            second = [sums(0.0, 4.0, 9.0 + x) for x in (0.0, off * 9 * unit, 0.0)]
            for totals in (first, second):
                _, error = remaining(totals, rule, NO_ROUNDING)
                assert (error.first == 0).all() == (error.second == 0).all() == right

    def test_what_lies_beyond_the_reach_is_granted(self, monkeypatch):
        """A component that is smaller than it moves by as much as it is, and must not speak for the others."""
        monkeypatch.setattr(_ladder, "ROUNDING", 0.0)
        rule = Trapezoid(0.5, 3.0, 1, 3.0)
        beyond = 2 * np.exp(-3.0)
        for off, expected in ((0.75, 0.0), (1.5, 0.5)):
            first = [sums(x, 1.0, 1e6, largest=4.0) for x in (0.0, off * 4 * beyond, 0.0)]
            second = [sums(0.0, 1e6, 4.0 + x, largest=4.0) for x in (0.0, off * 16 * beyond, 0.0)]
            _, error = remaining(first, rule, NO_ROUNDING)
            np.testing.assert_allclose(error.first, 10 * expected * 4 * beyond, rtol=1e-12)
            _, error = remaining(second, rule, NO_ROUNDING)
            np.testing.assert_allclose(error.second, [[10 * expected * 16 * beyond]], rtol=1e-12)
            assert agree(first, rule, 1, NO_ROUNDING) == (not expected)

    def test_of_one_rule_it_is_nothing(self):
        _, error = remaining([sums(3.0, second=7.0)], single(), NO_ROUNDING)
        assert (error.first, error.second) == (0.0, 0.0)

    def test_of_gauss_rules_components_share_the_largest_relative_difference(self):
        # Deviations 2 and 4: relative differences 1 / 2 and 1 / 4 of the first, 2 / 4 and 4 / 16 of the second moments.
        totals = [sums([0.0, 0.0], second=[2.0, 12.0]), sums([1.0, 1.0], second=[4.0, 16.0])]
        for fine, error in (_together(totals), remaining(totals, GAUSS, NO_ROUNDING)):
            assert fine is totals[-1]
            np.testing.assert_allclose(error.first, 2 * 0.5 * np.array([2.0, 4.0]), rtol=1e-15)
            np.testing.assert_allclose(error.second, 2 * 0.5 * np.array([[4.0, 8.0], [8.0, 16.0]]), rtol=1e-15)

    @pytest.mark.parametrize(("before", "last", "expected"), [(8.0, 1.0, 4.0), (80.0, 1.0, 8.0)])
    def test_of_three_it_is_four_times_the_last_or_a_tenth_of_the_one_before(self, before, last, expected):
        # One component of deviation 1, so that relative differences are the differences.
        totals = [sums(77.0, second=77.0), sums(0.0, second=1 - before - last)]
        totals += [sums(before, second=1 - last), sums(before + last, second=1.0)]
        fine, error = _together(totals)
        assert fine is totals[-1]
        assert error.first[0] == pytest.approx(expected, rel=1e-14)
        assert error.second[0, 0] == pytest.approx(expected, rel=1e-14)

    def test_a_component_that_never_varies_has_no_share(self):
        moved, scales = sums([3.0, 1.0], second=[3.0, 1.0]), sums([0.0, 2.0], second=[0.0, 4.0])
        found = _relative(moved, scales, 2.0)
        np.testing.assert_array_equal(found.first, [0.0, 2.0])
        np.testing.assert_array_equal(found.second, np.diag([0.0, 2.0]))

    def test_shifted_lattices_are_averaged_component_by_component(self):
        mean, error = _shifted([sums([0.0, 1.0], [1.0, 3.0], [2.0, 8.0]), sums([2.0, 1.0], [3.0, 3.0], [4.0, 8.0])])
        assert (mean.first.tolist(), mean.absolute.tolist()) == ([1.0, 1.0], [2.0, 3.0])
        assert mean.second.tolist() == [[3.0, 0.0], [0.0, 8.0]]
        assert error.first.tolist() == [5.4, 0.0]

    def test_shifted_lattices_are_averaged_and_differ_by_5_4_standard_errors(self):
        totals = [sums(0.0, 1.0, 2.0), sums(3.0, 2.0, 4.0), sums(6.0, 6.0, 12.0)]
        for mean, error in (_shifted(totals), remaining(totals, Lattice(64, 4, 2, 1.0), NO_ROUNDING)):
            assert (mean.first, mean.absolute, mean.second) == (3.0, 3.0, 6.0)
            # Variances 6 and 56 / 3 over three numbers; a standard error divides by the root of 3 - 1.
            assert error.first[0] == pytest.approx(5.4 * np.sqrt(6 / 2), rel=1e-14)
            assert error.second[0, 0] == pytest.approx(5.4 * np.sqrt(56 / 3 / 2), rel=1e-14)
