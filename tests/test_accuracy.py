"""Accuracy of refgrad itself: every verb and its derivatives against fifty digits; naive formulas must fail."""

from functools import cache

import numpy as np
import pytest
from _digits import figures
from _many import many_figures
from _quantities import computed, defined, quantities
from _regimes import REGIMES, tied
from _roundings import additions, units
from accuracy import MANY, bound, estimates, many, oracle
from autograd import numpy as anp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from refgrad import Bernoulli, Categorical
from refgrad.distributions import _functions, _planes, _relaxed, bernoulli, categorical
from refgrad.exact import enumeration

SPECIAL = [0.0, 1e-9, -1e-9, 0.75, 20.0, -20.0, 36.0, -36.0, 40.0, -40.0, 700.0, -700.0]
NUMBERS = st.one_of(st.sampled_from(SPECIAL), st.floats(-3, 3), st.floats(-700, 700))
NOISE = st.one_of(st.floats(-3, 6), st.sampled_from(SPECIAL), st.floats(-36, 36))
TEMPERATURES = st.sampled_from([1e-3, 0.03, 0.5, 1.0, 20.0, 1e3])
# Where formulas are known to fail: near certain, a rare cell, noise near zero, near an edge, a density near its mode.
NAMES = ("logits", "noise", "v", "relaxed", "temperature", "z")
HARD = {
    "bernoulli": [
        ([40.0], [0.5], [0.5], [0.3], 0.5, [1.0]),
        ([33.3], [0.5], [0.5], [0.3], 0.5, [0.0]),
        ([20.0], [1e-9], [1e-9], [0.3], 0.5, [1.0]),
        ([0.0], [1e-7], [1e-9], [0.3], 0.5, [1.0]),
        ([-33.3], [34.0], [-23.0], [0.3], 0.5, [1.0]),
        ([323.3], [1.0], [-300.3], [0.3], 1.0, [1.0]),
        ([-36.3], [1.0], [-8.0], [0.3], 1e-2, [1.0]),
        ([0.0], [1.0], [1.0], [0.4999], 1e-3, [1.0]),
        ([2.0**-52], [1.0], [1.0], [0.5], 1.0, [1.0]),
    ],
    "categorical": [
        ([[40.0, 0.0, 0.5]], [[0.5, 1e-9, 0.2]], [[0.3, 0.2, 0.1]], [[0.2, 0.3, 0.5]], 0.5, [[1.0, 0.0, 0.0]]),
        ([[0.0, 40.0, -1.0]], [[0.5, 1e-9, 0.2]], [[0.3, 0.2, 0.1]], [[0.2, 0.3, 0.5]], 0.5, [[1.0, 0.0, 0.0]]),
        ([[0.3, -0.2, 0.0]], [[1.0, 2.0, 3.0]], [[-277.0, -300.0, 0.0]], [[0.2, 0.3, 0.5]], 1.0, [[0.0, 1.0, 0.0]]),
        ([[0.0, 0.0, 0.0]], [[0.5, 0.1, 0.2]], [[0.3, 0.2, 0.1]], [[1 / 3, 1 / 3, 1 / 3]], 1e3, [[0.0, 1.0, 0.0]]),
        ([[0.0, 40.0, -np.inf]], [[0.5, 0.1, 0.2]], [[-6.0, 1.0, 9.0]], [[0.5, 0.5, 0.0]], 1e-2, [[1.0, 0.0, 0.0]]),
    ],
}
QUANTITIES = {own.name: own for own in quantities()}
FAMILIES = ("bernoulli", "categorical")


@st.composite
def cases(draw, family):
    """Arrays by name, and z: tied or not, masked or not, noise near the edge of its cell or not."""
    shape = (draw(st.integers(1, 2)),) if family == "bernoulli" else (1, draw(st.integers(2, 3)))
    size = int(np.prod(shape))

    def array(numbers):
        many = st.lists(numbers, min_size=size, max_size=size)
        tied = numbers.map(lambda x: [x] * size)
        return np.reshape(draw(st.one_of(many, many, tied)), shape)

    logits, noise, v, inside = array(NUMBERS), array(NOISE), array(NOISE), array(st.floats(-30, 30))
    live = np.full(shape, True)
    if family == "categorical":
        if draw(st.booleans()):
            live[0, draw(st.integers(0, size - 1))] = size == 1
        if draw(st.booleans()):
            noise = noise - np.where(draw(st.booleans()), logits, 0.0)
        winner = draw(st.sampled_from(np.flatnonzero(live).tolist()))
        weights = np.where(live, np.exp(inside - inside.max()), 0.0)
        z, relaxed = np.eye(size)[[winner]], weights / weights.sum()
        logits = np.where(live, logits, -np.inf)
    else:
        z = np.reshape(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=size, max_size=size)), shape)
        relaxed = np.clip(1 / (1 + np.exp(-inside)), 1e-300, 1 - 2**-53)
        if draw(st.booleans()):
            noise = noise - logits
    temperature = np.array(draw(TEMPERATURES))
    return {"logits": logits, "noise": noise, "v": v, "relaxed": relaxed, "temperature": temperature}, z


def moved(family, inputs, z):
    """Whether noise given z lies so near the edge of its cell that it is moved by ulps, so that z comes of it again."""
    logits = inputs["logits"]
    noise = (Bernoulli if family == "bernoulli" else Categorical)(logits).noise_given(z, inputs["v"])
    perturbed = logits + noise
    step = 16 * np.spacing(np.abs(np.where(np.isfinite(logits), logits, 0.0)).max() + np.abs(noise).max())
    if family == "bernoulli":
        return bool((np.abs(perturbed) <= step).any())
    others = np.where(z == 1, -np.inf, perturbed).max(axis=-1)
    return bool((np.where(z == 1, perturbed, -np.inf).max(axis=-1) - others <= step).any())


def check(own, family, case):
    inputs, z = case
    if (own.name == "fresh_given" and tied(inputs)) or (own.name == "noise_given" and moved(family, inputs, z)):
        return
    given = {name: inputs[name] for name in own.inputs}
    off = max(figures(computed(own, given, z), defined(own, z), given))
    limit = units(own.name, family, z.shape[0], z.shape[-1])
    assert off <= limit, f"{own.name} is off by {off:.3g} units, and rounding explains {limit}, at {given}, z = {z}"


def hard(family):
    for own in HARD[family]:
        *inputs, z = map(np.array, own)
        yield dict(zip(NAMES, inputs, strict=False)), z


def check_hard(name, family):
    for case in hard(family):
        check(QUANTITIES[name], family, case)


def searched(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )


@cache
def prop(name, family, examples):
    """The property of one quantity."""

    @searched(examples)
    @given(cases(family))
    def holds(case):
        check(QUANTITIES[name], family, case)

    return holds


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", QUANTITIES)
def test_no_digit_is_lost_that_rounding_does_not_explain(name, family):
    check_hard(name, family)
    prop(name, family, 20 if family == "bernoulli" else 6)()


def assert_bounded(lines):
    for part, name, regime, figure in lines:
        most = bound(part, name)
        assert figure <= most, f"{part}: {name} is off by {figure:.3g} units of {most}, {regime}"


GROUND = st.tuples(st.sampled_from(FAMILIES), st.sampled_from(REGIMES[:-1]), st.integers(0, 2**32))


@searched(20)
@given(GROUND)
def test_the_oracle(ground):
    family, regime, seed = ground
    assert_bounded(oracle(family, regime, np.random.default_rng(seed)))


@searched(2)
@given(GROUND)
def test_every_estimator_in_units_of_its_terms(ground):
    family, regime, seed = ground
    assert_bounded(estimates(family, regime, np.random.default_rng(seed)))


@pytest.mark.parametrize("logits", MANY)
def test_many_categories(logits):
    assert_bounded(many(logits, 300, np.random.default_rng(0)))


def test_the_longest_chain_of_additions():
    assert [additions(size) for size in (1, 2, 7, 8, 9, 16, 128, 129)] == [0, 1, 6, 4, 5, 5, 18, 26]


def by_autograd(x):
    return anp.logaddexp(0.0, x)


def two_parts(logits, v):
    return by_autograd(v) + anp.logaddexp(-logits, -by_autograd(-v))


def by_noise(q, z, v, temperature):
    return q.relax(q.noise_given(z, v), temperature)


def without_the_largest(x, keep):
    shifted = x - _functions.untraced(x).max(axis=-1, keepdims=True)
    return anp.where(keep, shifted - anp.log(anp.sum(anp.exp(shifted), axis=-1, keepdims=True)), -np.inf)


def of_sides(logits, relaxed, temperature):
    log_one, log_zero = anp.log(relaxed), anp.log1p(-relaxed)
    noise = temperature * (log_one - log_zero) - logits
    return anp.log(temperature) - log_one - log_zero - by_autograd(noise) - by_autograd(-noise)


def from_the_first(y, g):
    rise = g - g[:1]
    return rise - anp.sum(y * rise, axis=0)


def plain(y, g):
    return g - anp.sum(y * g, axis=0)


NAIVE = {
    "1 less a sigmoid": ("bernoulli", "probs", bernoulli, "sigmoid", lambda x: 1 - _functions.sigmoid(-x)),
    "1 less a probability": ("bernoulli", "score", bernoulli.Bernoulli, "score", lambda q, z: z - q.probs),
    "exp of a difference": ("bernoulli", "d log_prob / d logits", bernoulli, "softplus", by_autograd),
    "log1p of exp": ("bernoulli", "log_prob", bernoulli, "softplus", lambda x: np.log(1 + np.exp(x))),
    "a sum of two signs": ("bernoulli", "noise_given", bernoulli, "noise_above", two_parts),
    "its derivative": ("bernoulli", "d noise_given / d v", bernoulli, "noise_above", two_parts),
    "by way of the noise": ("bernoulli", "relax_given", bernoulli.Bernoulli, "relax_given", by_noise),
    "and its slope": ("bernoulli", "d relax_given / d logits", bernoulli.Bernoulli, "relax_given", by_noise),
    "log of expm1": ("bernoulli", "fresh_given", bernoulli, "log_complement", lambda s: np.log(-np.expm1(-s))),
    "log1p of -exp": ("bernoulli", "fresh_given", bernoulli, "log_complement", lambda s: np.log1p(-np.exp(-s))),
    "softplus on both sides": ("bernoulli", "d relaxed_log_prob / d logits", _relaxed, "binary_density", of_sides),
    "and both halves": ("bernoulli", "d relaxed_log_prob / d relaxed", _relaxed, "binary_density", of_sides),
    "1 less the likeliest": ("categorical", "score", categorical, "complement", lambda p: 1 - p),
    "g less the mean of g": ("categorical", "d probs / d logits", _functions, "centred", plain),
    "g less the first g": ("categorical", "d relax / d logits", _functions, "centred", from_the_first),
    "log of a sum near 1": ("categorical", "log_prob", categorical, "log_softmax", without_the_largest),
    "softmax of it": ("categorical", "d log_prob / d logits", categorical, "log_softmax", without_the_largest),
    "logaddexp of autograd": ("categorical", "d noise_given / d v", categorical, "logaddexp", anp.logaddexp),
    "Gumbel noise first": ("categorical", "relax_given", categorical.Categorical, "relax_given", by_noise),
    "the slope of that": ("categorical", "d relax_given / d logits", categorical.Categorical, "relax_given", by_noise),
    "Gumbel log of expm1": (
        "categorical",
        "fresh_given",
        categorical,
        "log_complement",
        lambda s: np.log(-np.expm1(-s)),
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what overflows is naive too
@pytest.mark.parametrize("mistake", NAIVE)
def test_a_naive_formula_is_refuted(mistake, monkeypatch):
    family, name, owner, attribute, naive = NAIVE[mistake]
    monkeypatch.setattr(owner, attribute, naive)
    with pytest.raises(AssertionError, match="rounding explains"):
        check_hard(name, family)


class TestManyNaive:
    """What shows among many categories alone."""

    def found(self, name, logits, winner):
        rng = np.random.default_rng(0)
        noise, v = rng.gumbel(size=(2, len(logits)))
        return max(dict(many_figures(logits, noise, v, 0.5, winner))[name])

    def test_the_largest_is_always_taken_off(self, monkeypatch):
        def from_the_largest(y, g):
            largest = _planes.planes(_planes.first_maximum(_planes.rows(_functions.untraced(y))))
            rise = g - anp.sum(largest * g, axis=0)
            return rise - anp.sum(y * rise, axis=0)

        monkeypatch.setattr(_functions, "centred", from_the_largest)
        assert self.found("d probs / d logits", np.zeros(300), 0) > bound("300 categories", "d probs / d logits")

    def test_the_others_are_always_added(self, monkeypatch):
        monkeypatch.setattr(categorical, "complement", lambda p: p.sum(axis=0) - p)
        assert self.found("score", np.eye(300)[0] * 40, 0) > bound("300 categories", "score")


def test_a_naive_slope_of_the_oracle(monkeypatch):
    monkeypatch.setattr(enumeration, "_softmax_slope", lambda p, m: p * (m - (p * m).sum(axis=-1, keepdims=True)))
    with pytest.raises(AssertionError, match=r"exact\.gradient"):
        test_the_oracle()


@pytest.mark.parametrize(
    ("q", "z", "v", "temperature", "message"),
    [
        (bernoulli.Bernoulli([0.0]), [0.5], [0.0], 1.0, r"z needs entries 0 and 1, but has 0.5 at \(0,\)"),
        (bernoulli.Bernoulli([0.0]), [1.0], [[0.0, 1.0]], 1.0, r"v needs shape \(..., 1\), but has shape \(1, 2\)"),
        (bernoulli.Bernoulli([0.0]), [1.0], [0.0], 0.0, "temperature needs to be positive and finite, but is 0.0"),
        (
            categorical.Categorical([[0.0, -np.inf]]),
            [[0.0, 1.0]],
            [[0.0, 0.0]],
            1.0,
            r"z needs a positive probability, but has a masked category at \(0, 1\)",
        ),
    ],
)
def test_what_relax_given_refuses(q, z, v, temperature, message):
    with pytest.raises(ValueError, match=message):
        q.relax_given(z, v, temperature)
