"""Numbers and sizes in words."""

import pytest

from refgrad.testing.report import _words as words


def plain(text):
    return text.replace(words.MINUS, "-").replace(words.DASH, "-")


def test_signs_are_those_of_print():
    assert words.MINUS in words.number(-1.0)
    assert words.MINUS in words.deviation(-1.0, 2.0)
    assert words.number(None) == words.DASH


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.025, "0.025"),
        (-0.0123456, "-0.01235"),
        (0.0, "0"),
        (3.2e-5, "3.20e-05"),
        (123456.7, "123,457"),
        (1e7, "1.00e+07"),
        (None, "-"),
        (float("nan"), "-"),
        (float("-inf"), "-"),
    ],
)
def test_number(value, text):
    assert plain(words.number(value)) == text


@pytest.mark.parametrize(
    ("estimate", "exact", "off", "sentence"),
    [
        (0.01879, 0.025, "-24.8 %", "is 24.8 % too small: 0.01879 instead of 0.025"),
        (-0.15, -0.1, "+50.0 %", "is 50.0 % too large: -0.15 instead of -0.1"),
        (0.1, -0.1, "-200.0 %", "has the wrong sign: 0.1 instead of -0.1"),
        (2.5, 0.1, "+2400.0 %", "is 25 times too large: 2.5 instead of 0.1"),
        (1.00002, 1.0, "+0.002 %", "is 0.002 % too large: 1.00002 instead of 1"),
        (0.5, 0.5, "0 %", "agrees: 0.5"),
        (0.03, 0.0, "+3.0e-02", "is not zero: 0.03 instead of 0"),
        (0.0, 0.0, "0 %", "agrees: 0"),
        (None, 0.5, "-", "has no estimate"),
    ],
)
def test_how_far_off(estimate, exact, off, sentence):
    assert plain(words.deviation(estimate, exact)) == off
    assert plain(words.size(estimate, exact)) == sentence


@pytest.mark.parametrize(
    ("estimate", "exact", "largest", "off", "sentence"),
    [
        (-3.67e6, -0.3737, 0.4, "+9.8e+08 %", "is 9.8e+06 times too large: -3.67e+06 instead of -0.3737"),
        (0.03, 3e-7, 0.4, "+3.0e-02", "is not zero: 0.03 instead of 3.00e-07"),
        (0.03, 5e-324, 0.0, "+3.0e-02", "is not zero: 0.03 instead of 4.94e-324"),
        (0.0, 1e-17, 0.4, "0 (rounding)", "is not zero: 0 instead of 1.00e-17"),
        (0.0, 1e-17, 1e-9, "-1.0e-17", "is not zero: 0 instead of 1.00e-17"),
        (1e308, -1e308, 1e308, "-", "has the wrong sign: 1.00e+308 instead of -1.00e+308"),
    ],
)
def test_how_far_off_beside_the_largest_component(estimate, exact, largest, off, sentence):
    assert plain(words.deviation(estimate, exact, largest)) == off
    assert plain(words.size(estimate, exact, largest)) == sentence


def test_what_is_not_tolerated_is_not_rounding():
    assert plain(words.deviation(0.0, 1e-17, 1.0, tolerance=1e-18)) == "-1.0e-17"
    assert words.deviation(0.0, 1e-17, 1.0, tolerance=1e-16) == "0 (rounding)"


def test_the_rest():
    assert words.component((1, 0)) == "[1, 0]"
    assert words.chance(1e-9) == "1 in 1,000,000,000"
    assert words.chance(0.5) == "0.5"
    assert plain(words.chance(1e-20)) == "1e-20"
    assert [words.power(exponent) for exponent in (None, -0.2, 9.5)] == [
        "unbounded",
        "less than 1",
        "10 to the power 9.5",
    ]
    assert [words.superscript(exponent) for exponent in (0, 9, -12)] == ["1", "10⁹", "10⁻¹²"]
