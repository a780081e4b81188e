"""How the users of other libraries write it: one module for each, `VERSION` and `prepare(task, precision)`.

`prepare` returns a function of the number of the call, which computes the gradient, or (n, *event_shape) estimates, as
an array that is ready; NotImplementedError says that the library has no such thing.
"""

KNOWN = {
    "numpyro": "with_numpyro",
    "pyro": "with_pyro",
    "JAX": "with_jax",
    "torch": "with_torch",
    "storchastic": "with_storchastic",
}
