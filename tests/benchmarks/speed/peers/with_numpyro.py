"""NumPyro: TraceEnum_ELBO enumerates the model, so its bound is log E f for a factor log f; times E f, the gradient."""

import jax
import jax.numpy as jnp
import numpyro
from numpyro.contrib.funsor import config_enumerate
from numpyro.distributions import Bernoulli
from numpyro.infer import TraceEnum_ELBO

from speed import inputs

VERSION = numpyro.__version__


def prepare(task, precision):
    if task["kind"] == "sample":
        raise NotImplementedError("has no estimates of one row each")
    jax.config.update("jax_enable_x64", precision == "float64")
    (size,) = task["shape"]
    logits = jnp.asarray(inputs.logits((size,), task["seed"]), precision)
    if task["kind"] == "table":
        values = jnp.asarray(inputs.table(2**size, task["seed"]), precision)
    else:
        constant, linear, matrix = (jnp.asarray(x, precision) for x in inputs.coefficients(size, task["seed"]))

    @config_enumerate
    def model(logits, *given):
        bits = [numpyro.sample(f"z{d}", Bernoulli(logits=logits[d])) for d in range(size)]
        if given:
            f = given[0][sum(z.astype(int) * 2 ** (size - 1 - d) for d, z in enumerate(bits))]
        else:
            z = jnp.stack(jnp.broadcast_arrays(*bits), -1).astype(precision)
            f = ((z @ matrix) * z).sum(-1) + z @ linear + constant
        numpyro.factor("f", jnp.log(f))

    def guide(logits, *given):
        pass

    bound, key = TraceEnum_ELBO(max_plate_nesting=0), jax.random.key(0)

    @jax.jit
    def gradient(logits, *given):
        loss, slope = jax.value_and_grad(lambda logits: bound.loss(key, {}, model, guide, logits, *given))(logits)
        return -slope * jnp.exp(-loss)

    given = (values,) if task["kind"] == "table" else ()
    return lambda number: jax.block_until_ready(gradient(logits, *given))
