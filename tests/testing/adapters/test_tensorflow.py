"""Surrogates of TensorFlow are judged as what they are."""

from threading import Event, Thread

import numpy as np
import pytest

from refgrad.estimators import GumbelSoftmax, Reinforce
from refgrad.testing import Problem, SamplerError, check_pathwise, check_unbiased, standard_problems
from refgrad.testing.adapters import from_tensorflow

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed here")
TOY = standard_problems("bernoulli")[0]
INTERACTIONS = [standard_problems(family)[i] for family, i in (("bernoulli", 2), ("categorical", 1))]
both = pytest.mark.parametrize("problem", INTERACTIONS, ids=str)


def surrogate(problem, logits, noise):
    perturbed = logits + noise
    if problem.family == "bernoulli":
        z = tf.cast(perturbed > 0, logits.dtype)
        log_prob = tf.reduce_sum(z * logits - tf.nn.softplus(logits), -1)
    else:
        z = tf.one_hot(tf.argmax(perturbed, -1), logits.shape[-1], dtype=logits.dtype)
        log_prob = tf.reduce_sum(z * tf.nn.log_softmax(logits), (-1, -2))
    return tf.stop_gradient(problem.f(z)) * log_prob


def noise_of(problem, uniform):
    return (
        tf.math.log(uniform) - tf.math.log1p(-uniform)
        if problem.family == "bernoulli"
        else -tf.math.log(-tf.math.log(uniform))
    )


def reinforce(problem, logits, generator):
    return surrogate(problem, logits, noise_of(problem, generator.uniform(logits.shape, dtype=logits.dtype)))


def reinforce_globally(problem, logits):
    return surrogate(problem, logits, noise_of(problem, tf.random.uniform(logits.shape, dtype=logits.dtype)))


def relaxed(problem, logits, noise):
    x = (logits + noise[0]) / 0.5
    return problem.f(tf.sigmoid(x) if problem.family == "bernoulli" else tf.nn.softmax(x))


@both
@pytest.mark.parametrize(
    "estimate",
    [from_tensorflow(reinforce), from_tensorflow(reinforce_globally, global_seed=True)],
    ids=["generator", "global"],
)
def test_reinforce_is_right(problem, estimate):
    verdict = check_unbiased(estimate, problem, estimator=Reinforce())
    assert (verdict.outcome, verdict.notes) == ("right", ())
    one, other, third = (estimate(problem, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == other).all()
    assert (one != third).any()


@both
def test_a_relaxation_taken_for_unbiased_is_wrong(problem):
    def taken(problem, logits, generator):
        uniform = generator.uniform(logits.shape, dtype=logits.dtype)
        return relaxed(problem, logits, noise_of(problem, uniform)[None])

    assert check_unbiased(from_tensorflow(taken), problem, causes=False).outcome == "wrong"


def test_on_noise_it_is_the_reference_row_by_row():
    on_noise = from_tensorflow(lambda problem, logits, noise: surrogate(problem, logits, noise[0]))
    assert check_pathwise(on_noise, Reinforce(), INTERACTIONS).outcome == "right"
    assert check_pathwise(from_tensorflow(relaxed), GumbelSoftmax(temperature=0.5)).outcome == "right"
    assert check_pathwise(from_tensorflow(relaxed), GumbelSoftmax(temperature=0.75)).outcome == "wrong"


def test_with_a_generator_the_global_seed_is_left_alone():
    def two(between):
        tf.random.set_seed(3)
        one = tf.random.uniform((4,)).numpy()
        between()
        return [*one, *tf.random.uniform((4,)).numpy()]

    def call(**options):
        taken = reinforce_globally if options else reinforce
        from_tensorflow(taken, **options)(TOY, 4, np.random.default_rng(0))

    expected = two(lambda: None)
    assert two(call) == expected
    assert two(lambda: call(global_seed=True)) != expected


def test_what_f_cannot_be_differentiated_is_said():
    plain = Problem(TOY.q, lambda z: z[..., 0] ** 2, "plain")
    assert check_unbiased(from_tensorflow(reinforce), plain).outcome == "right"
    with pytest.raises(SamplerError, match="TypeError: f needs a method grad where TensorFlow is to differentiate it"):
        check_pathwise(from_tensorflow(relaxed), GumbelSoftmax(temperature=0.5), [plain])


@pytest.mark.parametrize(
    "value", [lambda logits: tf.ones(len(logits)), lambda logits: tf.reduce_sum(tf.round(logits), -1)]
)
def test_it_says_that_no_gradient_reaches_the_logits(value):
    with pytest.raises(SamplerError, match="needs to depend on the logits, but no gradient reaches them"):
        check_unbiased(from_tensorflow(lambda problem, logits, generator: value(logits)), TOY)


@pytest.mark.parametrize(
    ("value", "shape"),
    [(lambda logits: logits, r"\(1024, 1\)"), (tf.reduce_sum, r"\(\)"), (tf.reduce_mean, r"\(\)")],
    ids=["logits", "sum", "mean"],
)
def test_another_shape_is_refused(value, shape):
    needed = "a tensor of n = 1024 values, one a row, that nothing has summed or averaged"
    with pytest.raises(SamplerError, match=rf"{needed}, but returned shape {shape}"):
        check_unbiased(from_tensorflow(lambda problem, logits, generator: value(logits)), TOY)


def test_another_thread_draws_nothing_in_between():
    def two(problem, logits, between=lambda: None):
        one = tf.random.uniform(logits.shape, dtype=logits.dtype)
        between()
        return tf.reduce_sum((one - tf.random.uniform(logits.shape, dtype=logits.dtype)) * logits, -1)

    def estimate(surrogate, seed):
        return from_tensorflow(surrogate, global_seed=True)(TOY, 64, np.random.default_rng(seed))

    def elsewhere():
        estimate(two, 1)
        done.set()

    def meanwhile():
        other.start()
        done.wait(0.5)  # in vain: it waits for us

    expected = estimate(two, 0)
    other, done = Thread(target=elsewhere), Event()
    rows = estimate(lambda *given: two(*given, meanwhile), 0)
    other.join()
    assert done.is_set()
    assert (rows == expected).all()


def test_nan_passes_through_and_is_counted():
    verdict = check_unbiased(from_tensorflow(lambda *given: reinforce(*given) * np.nan), TOY)
    assert verdict.outcome == "wrong"
    assert "not finite" in verdict.reason
