"""Samplers with a name: right ones, and the mistakes that people make."""

import numpy as np
from scipy.special import expit, softmax

from refgrad.estimators import GumbelSoftmax, Reinforce


def draw(problem, n, rng):
    return problem.q.sample(problem.q.draw_noise(n, rng))


def times(problem, values, rows):
    return problem.q.expand(values) * rows


def reinforce(problem, n, rng):
    return Reinforce().sample(problem.q, problem.f, n, rng)


def exact_gradient(problem, n, rng):
    return np.broadcast_to(problem.gradient, (n, *problem.gradient.shape))


def exact_gradient_in_single_precision(problem, n, rng):
    return exact_gradient(problem, n, rng).astype(np.float32)


def single_precision(problem, n, rng):
    return reinforce(problem, n, rng).astype(np.float32)


def constant_baseline(problem, n, rng):
    z = draw(problem, n, rng)
    return times(problem, problem.f(z) - 0.3, problem.q.score(z))


def leave_one_out(problem, n, rng):
    z = np.stack([draw(problem, n, rng) for _ in range(3)])
    values = problem.f(z)
    others = (values.sum(axis=0) - values) / 2
    return times(problem, values - others, problem.q.score(z)).mean(axis=0)


def two_samples(problem, n, rng):
    return (reinforce(problem, n, rng) + reinforce(problem, n, rng)) / 2


def noisy(problem, n, rng):
    rows = reinforce(problem, n, rng)
    return rows + 0.2 * rng.normal(size=rows.shape)


def rarely_noisy(problem, n, rng):
    """Right, and with a thousandth of the rows 100 times as large."""
    rows = reinforce(problem, n, rng)
    scale = np.where(rng.random(n) < 1e-3, 30.0, 1.0)
    return problem.gradient + (rows - problem.gradient) * problem.q.expand(scale / (0.999 + 30e-3))


RIGHT = [
    reinforce,
    exact_gradient,
    exact_gradient_in_single_precision,
    single_precision,
    constant_baseline,
    leave_one_out,
    two_samples,
    noisy,
    rarely_noisy,
]


def five_percent_short(problem, n, rng):
    return 0.95 * exact_gradient(problem, n, rng) + (reinforce(problem, n, rng) - problem.gradient) / 10


def wrong_sign(problem, n, rng):
    return -reinforce(problem, n, rng)


def mean_zero(problem, n, rng):
    return reinforce(problem, n, rng) - problem.gradient


def group_mean_with_itself(problem, n, rng):
    z = np.stack([draw(problem, n, rng) for _ in range(4)])
    values = problem.f(z)
    return times(problem, values - values.mean(axis=0), problem.q.score(z)).mean(axis=0)


def logits_for_probs(problem, n, rng):
    z = draw(problem, n, rng)
    return times(problem, problem.f(z), z - problem.logits)


def softmax_twice(problem, n, rng):
    probs = problem.q.probs
    again = expit(probs) if problem.family == "bernoulli" else softmax(probs, axis=-1)
    z = draw(problem, n, rng)
    return times(problem, problem.f(z), z - again)


def uniform_capped(problem, n, rng):
    u = np.minimum(rng.random((n, *problem.q.event_shape)), 0.99)
    noise = np.log(u / (1 - u)) if problem.family == "bernoulli" else -np.log(-np.log(u))
    z = problem.q.sample(noise)
    return times(problem, problem.f(z), problem.q.score(z))


def relaxed(problem, n, rng):
    return GumbelSoftmax(1.0).sample(problem.q, problem.f, n, rng)


def control_variate_without_its_correction(problem, n, rng):
    z = draw(problem, n, rng)
    control = z.reshape(n, -1)[:, 0]
    return times(problem, problem.f(z) - control, problem.q.score(z))


def first_component_gone(problem, n, rng):
    rows = reinforce(problem, n, rng)
    rows.reshape(n, -1)[:, 0] = 0
    return rows


def last_variable_reversed(problem, n, rng):
    rows = reinforce(problem, n, rng)
    rows[..., -1] *= -1
    return rows


def a_thousandth_off_and_constant(problem, n, rng):
    return 1.001 * exact_gradient(problem, n, rng)


def some_nan(problem, n, rng):
    rows = reinforce(problem, n, rng)
    rows[rng.random(n) < 0.003] = np.nan
    return rows


WRONG = [
    five_percent_short,
    wrong_sign,
    mean_zero,
    group_mean_with_itself,
    logits_for_probs,
    softmax_twice,
    uniform_capped,
    relaxed,
    control_variate_without_its_correction,
    first_component_gone,
    last_variable_reversed,
    a_thousandth_off_and_constant,
    some_nan,
]
