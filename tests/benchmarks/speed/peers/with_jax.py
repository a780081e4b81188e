"""JAX: `jax.jit` of `jax.grad`, of sum(q f) or of a surrogate with one row of logits for each estimate."""

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, log_softmax, sigmoid, softmax

from speed import inputs

VERSION = jax.__version__


def prepare(task, precision):
    jax.config.update("jax_enable_x64", precision == "float64")
    logits = jnp.asarray(inputs.logits(tuple(task["shape"]), task["seed"]), precision)
    work = sampler(task, precision) if task["kind"] == "sample" else exact(task, precision)
    return lambda number: jax.block_until_ready(work(logits, number))


def log_prob(z, logits, bernoulli):
    if bernoulli:
        return (z * log_sigmoid(logits) + (1 - z) * log_sigmoid(-logits)).sum(-1)
    return (z * log_softmax(logits)).sum((-2, -1))


def exact(task, precision):
    shape = tuple(task["shape"])
    z = jnp.asarray(inputs.support(shape), precision)
    if task["kind"] == "table":
        values = jnp.asarray(inputs.table(len(z), task["seed"]), precision)
    else:
        constant, linear, matrix = (jnp.asarray(x, precision) for x in inputs.coefficients(*shape, task["seed"]))

    @jax.jit
    def gradient(logits, z, *given):
        f = given[0] if given else ((z @ matrix) * z).sum(-1) + z @ linear + constant
        return jax.grad(lambda logits: (jnp.exp(log_prob(z, logits, len(shape) == 1)) * f).sum())(logits)

    given = (values,) if task["kind"] == "table" else ()
    return lambda logits, number: gradient(logits, z, *given)


def sampler(task, precision):
    shape, n, temperature = tuple(task["shape"]), task["n"], task["temperature"]
    bernoulli = len(shape) == 1
    event = (-1,) if bernoulli else (-2, -1)
    target = jnp.asarray(inputs.target(shape, task["seed"]), precision)
    squash = sigmoid if bernoulli else softmax
    draw = jax.random.logistic if bernoulli else jax.random.gumbel

    def f(z):
        return ((z - target) ** 2).sum(event)

    def hard(x):
        return (x > 0).astype(x.dtype) if bernoulli else jax.nn.one_hot(x.argmax(-1), shape[-1], dtype=x.dtype)

    def given(z, v, logits):
        """Relaxed logits given z, from uniform v."""
        if bernoulli:
            p = sigmoid(logits)
            u = z * (v * p + 1 - p) + (1 - z) * v * (1 - p)
            return logits + jnp.log(u) - jnp.log1p(-u)
        own = (jnp.log(v) * z).sum(-1, keepdims=True)
        return jnp.where(z == 1, -jnp.log(-own), -jnp.log(-jnp.log(v) / softmax(logits) - own))

    def reinforce(logits, noise, fresh):
        z = hard(logits + noise)
        return f(z) * log_prob(jax.lax.stop_gradient(z), logits, bernoulli)

    def mu_prop(logits, noise, fresh):
        z, mean = hard(logits + noise), squash(logits)
        center = jax.lax.stop_gradient(mean[:1])
        slope = jax.grad(lambda z: f(z).sum())(center)
        rest = f(z) - f(center) - (slope * (z - center)).sum(event)
        return jax.lax.stop_gradient(rest) * log_prob(z, logits, bernoulli) + (slope * mean).sum(event)

    def gumbel_softmax(logits, noise, fresh):
        return f(squash((logits + noise) / temperature))

    def rebar(logits, noise, fresh):
        z = jax.lax.stop_gradient(hard(logits + noise))
        relaxed_given_z = f(squash(given(z, fresh, logits) / temperature))
        weight = jax.lax.stop_gradient(f(z) - relaxed_given_z)
        relaxed = f(squash((logits + noise) / temperature))
        return weight * log_prob(z, logits, bernoulli) + relaxed - relaxed_given_z

    surrogate = {"Reinforce": reinforce, "MuProp": mu_prop, "GumbelSoftmax": gumbel_softmax, "Rebar": rebar}
    own = surrogate[task["estimator"]]

    @jax.jit
    def estimates(logits, key):
        first, second = jax.random.split(key)
        rows = jnp.broadcast_to(logits, (n, *shape))
        noise = draw(first, rows.shape, rows.dtype)
        least = jnp.finfo(rows.dtype).eps
        fresh = jax.random.uniform(second, rows.shape, rows.dtype, minval=least, maxval=1 - least)
        return jax.grad(lambda rows: own(rows, noise, fresh).sum())(rows)

    return lambda logits, number: estimates(logits, jax.random.key(number))
