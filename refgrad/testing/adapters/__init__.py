"""Other frameworks and other languages: what their users have at hand, made into what the checks take.

`from_torch`, `from_jax` and `from_tensorflow` take a differentiable surrogate, `Subprocess` a program.

Programs in any language: JSON, one line a request, one line an answer, over standard input and output.

A request is one line without white space outside of strings; every key occurs once in it (n is 2 here):

    {"refgrad":1,"id":7,"n":2,"seed":8251,"family":"bernoulli","shape":[2],"logits":[0.5,-1.0],
     "objective":{"kind":"quadratic","constant":0.0,"linear":[1.0,0.0],"matrix":[[0.0,2.0],[0.0,0.0]],
     "values":[0.0,0.0,1.0,3.0]}}

    refgrad     1, the version of these lines
    id          a whole number, to be given back
    n           how many rows are wanted
    seed        a whole number in [0, 2**53), from which all randomness of the answer follows. In its place may stand
    draws       how many draws of noise there are for a row, and
    noise       standard logistic or Gumbel values, nested as [draws, n, *shape]; row i follows from noise[:, i] alone
    family      "bernoulli" or "categorical"
    shape       [D] or [D, K]
    logits      nested as the shape; null is minus infinity, a masked category
    objective   f: "values" at every configuration, the first variable slowest (for D = 2 at 00, 01, 10, 11), which is
                all that a score function needs; null where a category is masked and f is not defined. "kind" and its
                coefficients say what f is between: refgrad/testing/_wire.py

The answer is one line too, written through (flushed): n estimates of the gradient of E f in the logits, nested as
[n, *shape], as [n, D * K], or flat; or a text, which is raised, and after which the next request comes.

    {"id":7,"rows":[[0.25,-0.5],[0.0,0.125]]}
    {"id":7,"error":"only bernoulli is implemented"}

null, NaN, Infinity and -Infinity may stand in the rows; a check counts them. true and false are no numbers. A key
occurs once, and an error that is null is none. The line is in UTF-8, and has at most 64 bytes for every number, white
space included (17 digits hold a double), and 65,536 beside them. When its input ends, the program ends. What it has to
say goes to standard error. `examples/peers/c_reinforce.c` is such a program.
"""

from refgrad.testing.adapters._jax import from_jax
from refgrad.testing.adapters._subprocess import Subprocess, SubprocessError
from refgrad.testing.adapters._tensorflow import from_tensorflow
from refgrad.testing.adapters._torch import from_torch

__all__ = ["Subprocess", "SubprocessError", "from_jax", "from_tensorflow", "from_torch"]
