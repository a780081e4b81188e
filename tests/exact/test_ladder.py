"""The rules that are tried, when two of them agree, and how far the last is off: by hand, on sums written down."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from refgrad import Bernoulli
from refgrad.exact._factors import factors
from refgrad.exact._integrate import Sums
from refgrad.exact._ladder import _nested, _relative, _shifted, _together, agree, ladder, remaining, rough
from refgrad.exact._relaxed_rule import RelaxedGauss
from refgrad.exact._rules import Lattice, Trapezoid, single

STEPS = (0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06)
GAUSS = RelaxedGauss(np.zeros((4, 2, 2)), np.zeros((4, 2, 2)))


def plan(logit, axes, cells=2, one_z_each=False, in_turn=False):
    """What the rules depend on."""
    parts = factors(Bernoulli([logit] * max(axes, 1)))
    return SimpleNamespace(axes=axes, cells=cells, parts=parts, one_z_each=one_z_each, in_turn=in_turn)


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
    def test_trapezoids_follow_the_rarest_value_as_far_as_they_can(self, logit, axes, reach, scale):
        found = tried(plan(logit, axes))
        steps = STEPS if axes < 3 else (0.6, 0.42, 0.27, 0.19, 0.14, 0.11)
        assert [(rule.step, rule.axes) for rule in found] == [(step, axes) for step in steps]
        np.testing.assert_allclose(
            [(rule.reach, rule.scale) for rule in found], [(reach, scale)] * len(steps), rtol=1e-6
        )

    @pytest.mark.parametrize(("logit", "stretch"), [(0.0, 1.0), (12.0, 2.0), (600.0, 100.0)])
    def test_beyond_three_axes_eight_lattices_with_their_shifts(self, logit, stretch):
        found = tried(plan(logit, 4))
        assert [replace(rule, stretch=0.0) for rule in found] == [Lattice(2**13, 4, shift, 0.0) for shift in range(8)]
        np.testing.assert_allclose([rule.stretch for rule in found], [stretch] * 8, rtol=1e-5)

    def test_where_coordinates_enter_in_turn_every_index_is_taken(self):
        for in_turn in (False, True):
            assert {rule.every for rule in tried(plan(0.0, 2, in_turn=in_turn))} == {in_turn}

    @pytest.mark.parametrize(
        ("axes", "one_z_each", "sizes"),
        [
            (0, False, [1]),
            (1, False, [3, 1, 1, 1, 1]),
            (2, False, [2, 1, 1, 1, 1, 1]),
            (3, False, [2, 1, 1, 1, 1]),
            (4, False, [8]),
            (4, True, [2, 1, 1, 1, 1, 1, 1, 1]),
        ],
    )
    def test_rules_that_are_needed_in_any_case_come_together(self, axes, one_z_each, sizes):
        found = ladder(plan(0.0, axes, one_z_each=one_z_each), 2**62, "this", 0.5)
        assert [len(rules) for rules in found] == sizes

    def test_a_limit_that_the_third_exceeds_leaves_two_of_three(self):
        sizes = [2 * len(rule) for rule in tried(plan(0.0, 1))]
        assert [len(rules) for rules in ladder(plan(0.0, 1), sizes[2] - 1, "this")] == [2]

    def test_the_size_of_a_mean_is_told_by_fewer_points(self):
        assert rough(Trapezoid(0.5, 42.0, 2, 3.0, True)) == Trapezoid(1.0, 42.0, 2, 3.0, True)
        assert rough(Lattice(2**13, 4, 3, 1.5)) == Lattice(2**10, 4, 3, 1.5)
        assert rough(GAUSS) is GAUSS

    def test_the_limit_stops_the_third_rule_and_refuses_the_first_two(self):
        sizes = [2 * len(rule) for rule in tried(plan(0.0, 1))]
        assert sizes == sorted(sizes)
        for count in range(2, 7):
            assert len(tried(plan(0.0, 1), limit=sizes[count - 1])) == count
            assert len(tried(plan(0.0, 1), limit=sizes[count] - 1)) == count
        for limit, needed in ((sizes[1] - 1, sizes[1]), (sizes[0] - 1, sizes[0])):
            with pytest.raises(ValueError, match=f"^this needs {needed} evaluations, more than the limit of {limit};"):
                tried(plan(0.0, 1), limit=limit)

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

    def test_with_three_axes_it_takes_over_where_the_second_trapezoid_is_too_large(self):
        second = 2 * len(tried(plan(0.3, 3))[1])
        for limit, kind in ((second, Trapezoid), (second - 1, RelaxedGauss)):
            assert type(tried_first(plan(0.3, 3, one_z_each=True), limit, 0.5)) is kind

    def test_its_second_rule_has_to_fit(self):
        with pytest.raises(ValueError, match=r"^this needs 16,384 evaluations, more than the limit of 161;"):
            tried(plan(0.3, 4, one_z_each=True), limit=2 * 3**4 - 1, temperature=0.5)
        assert [len(rule) for rule in tried(plan(0.3, 4, one_z_each=True), 2 * 5**4, 0.5)] == [2**4, 3**4, 4**4, 5**4]

    def test_two_axes_follow_nothing_though_the_limit_is_small(self):
        with pytest.raises(ValueError, match="more than the limit of 50;"):
            tried(plan(0.3, 2, one_z_each=True), limit=50, temperature=0.5)


class TestAgreement:
    rounding = Sums(first=np.array([0.0]), second=np.zeros((1, 1)))

    @pytest.mark.parametrize(("axes", "goal"), [(0, 1e-12), (1, 1e-12), (2, 1e-11), (3, 1e-10)])
    def test_to_the_goal_of_a_trapezoid(self, axes, goal):
        rule = single() if axes == 0 else Trapezoid(0.5, 42.0, axes, 3.0)
        base = sums(1.0, 4.0, 8.0)
        for off, right in ((0.99, True), (1.01, False)):
            assert agree([base, sums(1.0 + 4 * off * goal, 4.0, 8.0)], rule, axes, self.rounding) == right
            assert agree([base, sums(1.0 - 4 * off * goal, 4.0, 8.0)], rule, axes, self.rounding) == right
            assert agree([base, sums(1.0, 4.0, 8.0 * (1 + off * goal))], rule, axes, self.rounding) == right
            assert agree([base, sums(1.0, 4.0, 8.0 * (1 - off * goal))], rule, axes, self.rounding) == right

    def test_a_rule_that_follows_the_sample_may_differ_more(self):
        for off, right in ((0.99e-8, True), (1.01e-8, False)):
            assert agree([sums(0.0), sums(off)], GAUSS, 4, self.rounding) == right

    def test_the_last_two_count(self):
        far, one, other = sums(5.0), sums(1.0), sums(1.0)
        assert agree([far, one, other], Trapezoid(0.5, 42.0, 1, 3.0), 1, self.rounding)
        assert not agree([one, other, far], Trapezoid(0.5, 42.0, 1, 3.0), 1, self.rounding)
        assert not agree([one], Trapezoid(0.5, 42.0, 1, 3.0), 1, self.rounding)

    def test_lattices_never_agree(self):
        assert not agree([sums(1.0), sums(1.0)], Lattice(64, 4, 0, 1.0), 4, self.rounding)

    def test_rounding_is_granted(self):
        wide = Sums(first=np.array([0.5]), second=np.array([[0.25]]))
        rule = Trapezoid(0.5, 42.0, 1, 3.0)
        assert agree([sums(1.0, 0.0, 8.0), sums(1.5, 0.0, 8.25)], rule, 1, wide)
        assert not agree([sums(1.0, 0.0, 8.0), sums(1.5625, 0.0, 8.0)], rule, 1, wide)
        assert not agree([sums(1.0, 0.0, 8.0), sums(1.0, 0.0, 8.3125)], rule, 1, wide)

    def test_every_component_counts_and_the_diagonal_alone_of_the_second(self):
        none = Sums(first=np.zeros(2), second=np.zeros((2, 2)))
        rule, base = Trapezoid(0.5, 42.0, 1, 3.0), sums([1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
        assert not agree([base, sums([1.0, 2.0], [1.0, 1.0], [1.0, 1.0])], rule, 1, none)
        assert not agree([base, sums([1.0, 1.0], [1.0, 1.0], [1.0, 2.0])], rule, 1, none)
        beside = replace(base, second=base.second + np.array([[0.0, 1.0], [1.0, 0.0]]))
        assert agree([base, beside], rule, 1, none)


class TestTheError:
    def test_where_differences_fall_tenfold_the_last_is_the_error(self):
        totals = [sums(0.0, second=0.0), sums(10.0, second=10.0), sums(11.0, second=11.0)]
        fine, error = _nested(totals)
        assert fine is totals[-1]
        assert (error.first, error.second) == (1.0, 1.0)

    @pytest.mark.parametrize(("last", "expected"), [(1.125, 30.0), (40.0, 120.0), (-1.125, 30.0)])
    def test_where_they_do_not_it_is_three_times_the_larger(self, last, expected):
        _, error = _nested(
            [sums(99.0), sums(0.0, second=5.0), sums(10.0, second=15.0), sums(10 + last, second=15 + last)]
        )
        assert (error.first, error.second) == (expected, expected)

    def test_where_all_fall_faster_the_root_of_the_last_fall_is_still_to_come(self):
        # The largest relative differences are 2**-1 and 2**-9, of the first: 2 * 2**-4 * 2**-9 in the scale of each.
        scale = [1.0, 4.0, 1.0]
        totals = [
            sums(firsts, scale, np.ones(3))
            for firsts in (
                [0.0, 0.0, 0.0],
                [2.0**-1, 2.0**-4, 2.0**-12],
                [2.0**-1 + 2.0**-9, 2.0**-4 + 2.0**-11, 2.0**-11],
            )
        ]
        _, error = _nested(totals)
        assert error.first.tolist() == [2.0**-12, 2.0**-11, 3 * 2.0**-12]  # by the rule; the last; it does not fall
        assert not error.second.any()
        smaller = [replace(total, second=total.second * 2.0**-40) for total in totals]  # no scale of the first moments
        np.testing.assert_array_equal(_nested(smaller)[1].first, error.first)

    def test_three_rules_have_two_differences(self):
        _, error = _nested([sums(0.0, second=5.0), sums(10.0, second=15.0), sums(12.0, second=17.0)])
        assert (error.first, error.second) == (30.0, 30.0)

    def test_of_two_rules_it_is_the_difference(self):
        totals = [sums(3.0, second=7.0), sums(1.0, second=2.0)]
        for found in (_nested(totals), remaining(totals, Trapezoid(0.5, 42.0, 1, 3.0))):
            assert found[0] is totals[-1]
            assert (found[1].first, found[1].second) == (2.0, 5.0)

    def test_of_one_rule_it_is_nothing(self):
        _, error = remaining([sums(3.0, second=7.0)], single())
        assert (error.first, error.second) == (0.0, 0.0)

    def test_of_gauss_rules_components_share_the_largest_relative_difference(self):
        # Deviations 2 and 4: relative differences 1 / 2 and 1 / 4 of the first, 2 / 4 and 4 / 16 of the second moments.
        totals = [sums([0.0, 0.0], second=[2.0, 12.0]), sums([1.0, 1.0], second=[4.0, 16.0])]
        for fine, error in (_together(totals), remaining(totals, GAUSS)):
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

    def test_shifted_lattices_are_averaged_and_differ_by_5_4_standard_errors(self):
        totals = [sums(0.0, 1.0, 2.0), sums(3.0, 2.0, 4.0), sums(6.0, 6.0, 12.0)]
        for mean, error in (_shifted(totals), remaining(totals, Lattice(64, 4, 2, 1.0))):
            assert (mean.first, mean.absolute, mean.second) == (3.0, 3.0, 6.0)
            # Variances 6 and 56 / 3 over three numbers; a standard error divides by the root of 3 - 1.
            assert error.first[0] == pytest.approx(5.4 * np.sqrt(6 / 2), rel=1e-14)
            assert error.second[0, 0] == pytest.approx(5.4 * np.sqrt(56 / 3 / 2), rel=1e-14)
