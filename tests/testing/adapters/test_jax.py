"""Surrogates of JAX are judged as what they are."""

import numpy as np
import pytest

from refgrad.estimators import GumbelSoftmax, Reinforce
from refgrad.testing import (
    SamplerError,
    check_expectation,
    check_moments,
    check_pathwise,
    check_unbiased,
    standard_problems,
)
from refgrad.testing.adapters import from_jax

jax = pytest.importorskip("jax", reason="jax is not installed here")
TOY = standard_problems("bernoulli")[0]
INTERACTIONS = [standard_problems(family)[i] for family, i in (("bernoulli", 2), ("categorical", 1))]
TIMES_HALF = "0.5 times the reference, in every row"
both = pytest.mark.parametrize("problem", INTERACTIONS, ids=str)


@pytest.fixture
def double():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def log_prob(problem, logits, z):
    if problem.family == "bernoulli":
        return (z * logits - jax.nn.softplus(logits)).sum()
    return (z * jax.nn.log_softmax(logits)).sum()


def reinforce(problem, logits, key):
    if problem.family == "bernoulli":
        z = jax.random.bernoulli(key, jax.nn.sigmoid(logits)).astype(logits.dtype)
    else:
        z = jax.nn.one_hot(jax.random.categorical(key, logits), logits.shape[-1], dtype=logits.dtype)
    return jax.lax.stop_gradient(problem.f(z)) * log_prob(problem, logits, z)


def reinforce_on_noise(problem, logits, noise):
    perturbed = logits + noise[0]
    if problem.family == "bernoulli":
        z = (perturbed > 0).astype(logits.dtype)
    else:
        z = jax.nn.one_hot(perturbed.argmax(-1), logits.shape[-1], dtype=logits.dtype)
    return problem.f(z) * log_prob(problem, logits, z)


def relaxed(problem, logits, noise):
    x = (logits + noise[0]) / 0.5
    return problem.f(jax.nn.sigmoid(x) if problem.family == "bernoulli" else jax.nn.softmax(x))


@both
def test_reinforce_is_right(problem):
    assert check_unbiased(from_jax(reinforce), problem, estimator=Reinforce()).outcome == "right"
    assert check_moments(from_jax(reinforce), problem, Reinforce()).outcome == "right"


@both
def test_a_relaxation_taken_for_unbiased_is_wrong(problem):
    def straight_through(problem, logits, key):
        if problem.family == "bernoulli":
            x = logits + jax.random.logistic(key, logits.shape)
            soft, z = jax.nn.sigmoid(x / 0.5), (x > 0).astype(logits.dtype)
        else:
            x = logits + jax.random.gumbel(key, logits.shape)
            soft, z = jax.nn.softmax(x / 0.5), jax.nn.one_hot(x.argmax(-1), logits.shape[-1], dtype=logits.dtype)
        return problem.f(z + soft - jax.lax.stop_gradient(soft))

    assert check_unbiased(from_jax(straight_through), problem, causes=False).outcome == "wrong"


def test_a_sample_that_is_the_same_in_every_row_is_wrong_and_a_loss_needs_its_option():
    ignored = from_jax(lambda problem, logits, key: reinforce(problem, logits, jax.random.key(0)))
    assert check_unbiased(ignored, TOY, causes=False).outcome == "wrong"
    loss = from_jax(lambda *given: -reinforce(*given))
    assert check_unbiased(loss, TOY, causes=False).outcome == "wrong"
    assert check_unbiased(loss, TOY, loss=True).outcome == "right"


@both
def test_on_noise_it_has_the_moments_of_the_reference(problem, double):
    limit = 2**14  # enough for both
    assert check_expectation(from_jax(reinforce_on_noise), problem, Reinforce(), limit=limit).outcome == "right"
    half = from_jax(lambda *given: 0.5 * reinforce_on_noise(*given))
    assert TIMES_HALF in check_expectation(half, problem, Reinforce(), limit=limit).causes


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_on_noise_it_is_the_reference_row_by_row_in_both_precisions(precision, request):
    if precision == np.float64:
        request.getfixturevalue("double")
    estimate = from_jax(relaxed)
    assert estimate(TOY, np.zeros((1, 3, 1))).dtype == precision
    assert check_pathwise(estimate, GumbelSoftmax(temperature=0.5), INTERACTIONS).outcome == "right"
    assert check_pathwise(estimate, GumbelSoftmax(temperature=0.75), INTERACTIONS).outcome == "wrong"
    assert check_pathwise(from_jax(reinforce_on_noise), Reinforce(), INTERACTIONS).outcome == "right"


@both
def test_rows_are_those_of_blocks_of_any_size(problem, double):
    noise = problem.q.draw_noise((1, 2050), np.random.default_rng(0))
    estimate = from_jax(relaxed)
    rows = estimate(problem, noise)
    expected = GumbelSoftmax(temperature=0.5)(problem.q, problem.f, noise)
    assert rows.shape == expected.shape
    for some in (1, 1024, 1025):
        assert (estimate(problem, noise[:, :some]) == rows[:some]).all()


@both
def test_the_same_generator_gives_the_same_bits_and_every_row_its_own(problem):
    def uniform(problem, logits, key):
        return (logits * jax.random.uniform(key, logits.shape)).sum()

    estimate = from_jax(uniform)
    one, other, third = (estimate(problem, 2050, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == other).all()
    # 2 x 2050 x 3 values of 23 bits: about 10 pairs are equal by chance, and no two rows.
    assert len(np.unique(np.concatenate([one, third]).reshape(4100, -1), axis=0)) == 4100


def test_a_problem_is_compiled_once():
    traced = []

    def counted(problem, logits, key):
        traced.append(problem.name)
        return reinforce(problem, logits, key)

    estimate = from_jax(counted)
    for n in (1, 64, 1024, 1025, 4096):
        for problem in INTERACTIONS:
            assert estimate(problem, n, np.random.default_rng(0)).shape == (n, *problem.q.event_shape)
    assert traced == [problem.name for problem in INTERACTIONS]


def test_another_shape_is_refused():
    with pytest.raises(SamplerError, match=r"needs to return a scalar for its one row, but returned shape \(1,\)"):
        check_unbiased(from_jax(lambda problem, logits, key: logits), TOY)
    with pytest.raises(SamplerError, match="but returned None: is a return missing"):
        check_unbiased(from_jax(lambda problem, logits, key: None), TOY)


def test_nan_passes_through_and_is_counted():
    def dividing(problem, logits, key):
        one, other = jax.random.split(key)
        return reinforce(problem, logits, one) * jax.numpy.where(jax.random.bernoulli(other, 0.25), jax.numpy.nan, 1.0)

    verdict = check_unbiased(from_jax(dividing), TOY)
    assert verdict.outcome == "wrong"
    assert "not finite" in verdict.reason


@pytest.fixture(params=["rbg", "unsafe_rbg"])
def other_keys(request):
    before = jax.config.jax_default_prng_impl
    jax.config.update("jax_default_prng_impl", request.param)
    yield
    jax.config.update("jax_default_prng_impl", before)


def test_keys_of_another_size_do_as_well(other_keys):
    assert check_unbiased(from_jax(reinforce), TOY, estimator=Reinforce()).outcome == "right"


def test_nothing_is_transferred_implicitly():
    estimates = {from_jax(reinforce): (4, np.random.default_rng(0)), from_jax(relaxed): (np.zeros((1, 3, 1)),)}
    for estimate, given in estimates.items():
        with jax.transfer_guard("disallow"):
            assert np.isfinite(estimate(TOY, *given)).all()


@both
def test_no_rows_are_no_rows(problem):
    assert from_jax(reinforce)(problem, 0, np.random.default_rng(0)).shape == (0, *problem.q.event_shape)
    assert from_jax(relaxed)(problem, np.zeros((1, 0, *problem.q.event_shape))).shape == (0, *problem.q.event_shape)


def test_what_depends_on_no_logits_is_zero_and_wrong():
    verdict = check_unbiased(from_jax(lambda problem, logits, key: jax.random.uniform(key)), TOY)
    assert verdict.outcome == "wrong"
