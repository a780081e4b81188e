"""What the adapters of all frameworks share; no framework is needed here."""

import json
import sys

import numpy as np
import pytest

from refgrad.testing import SamplerError, check_unbiased, standard_problems
from refgrad.testing.adapters import from_jax, from_tensorflow, from_torch
from refgrad.testing.adapters._adapter import Adapter, check_value, no_gradient

TOY, PAIR = standard_problems("bernoulli")[0], standard_problems("bernoulli")[3]
FRAMEWORKS = {from_torch: "torch", from_jax: "jax", from_tensorflow: "tensorflow"}


def told(problem, n, rng, noise):
    return problem, n, rng, noise


def test_both_forms_go_to_one_function():
    estimate, rng = Adapter(print, told), np.random.default_rng(0)
    noise = np.zeros((3, 5, 2))
    assert estimate(PAIR, 5, rng) == (PAIR, 5, rng, None)
    problem, n, nobody, given = estimate(PAIR, noise)
    assert (problem, n, nobody) == (PAIR, 5, None)
    assert (given == noise).all()


@pytest.mark.parametrize("shape", [(5, 2), (1, 5, 3), (1, 5, 2, 1), (2,)])
def test_noise_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=rf"noise needs shape \(draws, n, 2\), but has shape \({shape[0]},"):
        Adapter(print, told)(PAIR, np.zeros(shape))


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_a_surrogate_needs_to_be_callable(adapter):
    with pytest.raises(TypeError, match="the surrogate needs to be callable, but is 3"):
        adapter(3)


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_a_framework_is_imported_when_it_is_used(adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, FRAMEWORKS[adapter], None)
    estimate = adapter(lambda problem, logits, given: None)
    name = FRAMEWORKS[adapter]
    with pytest.raises(ImportError, match=rf"{adapter.__name__} needs {name}, which is not installed here"):
        estimate(TOY, 4, np.random.default_rng(0))


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_reports_are_about_the_surrogate(adapter):
    def my_surrogate(problem, logits, given):
        raise AssertionError

    class Network:
        def __call__(self, *_):
            raise AssertionError

    assert adapter(my_surrogate).__name__ == "my_surrogate"
    assert adapter(Network()).__name__ == "Network"


def test_a_report_names_the_line_of_the_surrogate_that_raised_and_not_that_of_the_framework():
    def surrogate():
        return json.loads("")

    estimate = Adapter(surrogate, lambda problem, n, rng, noise: surrogate())
    with pytest.raises(SamplerError, match=r"^surrogate\(.*\(test_adapter.py, line \d+: return json.loads"):
        check_unbiased(estimate, TOY)


@pytest.mark.parametrize(("n", "kind", "text"), [(-1, ValueError, "at least 0, but is -1"), (1.5, TypeError, "float")])
def test_the_number_of_rows_is_checked(n, kind, text):
    with pytest.raises(kind, match=text):
        Adapter(print, told)(PAIR, n, np.random.default_rng(0))
    assert Adapter(print, told)(PAIR, np.int64(0), np.random.default_rng(0))[1] == 0


def test_a_value_of_another_shape_or_kind_is_refused():
    check_value(np.zeros(4), ((4,), ()), "four")
    for value, text in [
        (None, "needs to return four, but returned None: is a return missing?"),
        (np.zeros((4, 1)), r"needs to return four, but returned shape \(4, 1\)"),
        (0.5, "needs to return four, but returned a float"),
    ]:
        with pytest.raises(ValueError, match=text):
            check_value(value, ((4,), ()), "four")
    with pytest.raises(ValueError, match=r"needs to return four, but returned a numpy\.ndarray$"):
        check_value(np.zeros(4), ((4,),), "four", dict)


def test_no_gradient_says_what_may_be_the_reason():
    assert "no gradient reaches them: what leads there is detached" in str(no_gradient())
