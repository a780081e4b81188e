"""Problems with a known answer: a distribution, a function, a name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.distributions import Bernoulli, Categorical, Distribution
from refgrad.distributions._array import Array
from refgrad.exact._evaluate import evaluate
from refgrad.objectives import Interacting, Quadratic, SquaredError, Table

__all__ = ["Problem", "exact_problems", "standard_problems"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a sampler is given: `q` (and its logits) and `f`; the exact gradient is computed once.

    Parameters
    ----------
    q : Distribution
        One row of logits.
    f : callable
        From (n, *event_shape) to (n,); real and finite. It is called once, at the likeliest z.
    name : str

    Raises
    ------
    TypeError
        If q is no Distribution, f no callable or no real function, or the name no text.
    ValueError
        If q has a batch, or f returns a wrong shape or, at the likeliest z, a value that is not finite; elsewhere that
        is an error of `gradient`. Both name the z.

    Examples
    --------
    >>> problem = Problem(Bernoulli([0.0]), SquaredError(0.375), "toy")
    >>> print(problem.gradient)
    [0.0625]
    """

    q: Distribution
    f: Callable[[Any], Any]
    name: str

    def __post_init__(self) -> None:
        q, what = self.q, f"the problem {self.name!r}"
        if not isinstance(self.name, str):
            raise TypeError(f"a problem needs a text as name, but it is {self.name!r}")
        if not isinstance(q, Distribution):
            raise TypeError(f"{what} needs a Bernoulli or a Categorical as q, but q is {q!r}")
        if q.batch_shape:
            raise ValueError(f"{what} needs one row of logits, but q has the batch shape {q.batch_shape}")
        if not callable(self.f):
            raise TypeError(f"{what} needs a callable f, but f is {self.f!r}")
        # As many rows as no axis of z has, so that a sum over the wrong axis shows; no masked z among them.
        rows = int(np.prod(q.event_shape)) + 1
        evaluate(self.f, q.sample(np.zeros((rows, *q.event_shape))))

    @cached_property
    def gradient(self) -> Array:
        """Exact gradient of E f in the logits: (*event_shape,), read-only.

        Raises
        ------
        ValueError, TypeError
            If f returns what is no finite real number (the z is named), or there are too many configurations.
        """
        result = exact.gradient(self.q, self.f)
        result.flags.writeable = False
        return result

    @property
    def logits(self) -> Array:
        """The logits of q, read-only."""
        return self.q.logits

    @property
    def family(self) -> str:
        """`"bernoulli"` or `"categorical"`."""
        return self.q.family

    def __str__(self) -> str:
        sizes = ", ".join(f"{axis} = {size}" for axis, size in zip("DK", self.q.event_shape, strict=False))
        return f"{self.name} ({self.family}, {sizes})"


def standard_problems(family: str | None = None) -> list[Problem]:
    """Problems for a black box: REINFORCE is decided on each within 500,000 samples.

    Together they leave no place to hide for mistakes that vanish at logits 0, at D = 1, with two categories, on
    polynomials of low degree, on a centred f, or on normalised logits.

    Parameters
    ----------
    family : {"bernoulli", "categorical"}, optional
        Only these.

    Returns
    -------
    list of Problem

    Raises
    ------
    ValueError
        For another family.

    Notes
    -----
    Beside the toys of the papers, interactions and tables, for what shows nowhere else:

    * *one in a thousand*: outcomes of probability just below 1e-3, the first and the last in order, where f is large. A
      uniform number that is capped, or on a grid of half precision, misses them or half of them.
    * *saturated*: logits hundreds apart and far from 0. Whoever takes `log(1 - p)`, multiplies 0 by an infinity, or
      subtracts no maximum in single precision has NaN; a clamp of the probabilities is a bias. In double precision even
      `exp(logits)` is finite.
    * *quiet*: f is nearly the inverse of a linear combination of the scores, so REINFORCE hardly varies along it, and a
      variable that is off by 1 % shows within 100,000 samples. The rows of *quiet, shifted* are offset by 18 and -30.
    """
    return of_family(
        [
            Problem(Bernoulli([0.0]), SquaredError(0.45), "toy"),
            Problem(Bernoulli([-1.5]), SquaredError(0.4), "tilted toy"),
            Problem(Bernoulli([0.6, -1.1, 0.3]), _interacting(3), "interactions"),
            Problem(Bernoulli([1.2, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]]), "one pair"),
            Problem(Bernoulli([3.5, -0.5]), Table([0.25, 1.0, 2.0, -0.5]), "rare zero"),
            Problem(Bernoulli([-4.8, 0.4]), Table([0.25, 1.0, 8.0, 12.0]), "rare one"),
            Problem(Bernoulli([-0.8, 0.5, 1.0, -0.2]), Table(np.random.default_rng(4).normal(size=16)), "random table"),
            Problem(
                Bernoulli([-6.9375, 0.9, 6.9375]), Table([0.5, -1, -84, 2, -0.5, -0.75, 1, 84]), "one in a thousand"
            ),
            Problem(Bernoulli([350.0, -40.0, 0.375, -350.0]), _interacting(4, seed=132), "saturated"),
            Problem(
                Bernoulli([-0.5, 0.875, -1.375]),
                Table([-2.5, -0.5, 0.875, -1.375, -0.75, -0.375, 2.875, -0.625]),
                "quiet",
            ),
            Problem(Categorical([[1.0, 2.5, 0.5]]), _table([1.0, -0.5, 2.0], 1, 3), "three categories"),
            Problem(Categorical([[0.5, 1.0, -0.6], [2.0, 1.2, 2.4]]), _interacting(2, 3), "interactions"),
            Problem(Categorical([[4.0, -1.0, 0.0, 2.5]]), _table([0.5, 8.0, -1.0, 1.5], 1, 4), "rare category"),
            Problem(
                Categorical([[-1.0, 0.0], [0.5, -0.4], [0.3, 1.0]]),
                _table(np.random.default_rng(1).normal(size=8), 3, 2),
                "pairs of categories",
            ),
            Problem(
                Categorical([[0.2, 1.0, 0.0, -0.5], [1.0, 0.4, 0.8, 1.3]]),
                _table(np.random.default_rng(2).normal(size=16), 2, 4),
                "random table",
            ),
            Problem(
                Categorical([[-5.125, 1.0, 1.25, -5.125]]),
                _table([100.0, -1.5, 2.5, -100.0], 1, 4),
                "one in a thousand",
            ),
            Problem(
                Categorical([[380.0, 340.0, 379.5, -380.0], [-700.0, -699.5, -701.0, -699.0]]),
                _interacting(2, 4, seed=1850),
                "saturated",
            ),
            Problem(
                Categorical([[-0.125, -0.625, -1.0, 0.25, -0.5]]),
                _table([-0.875, 0.625, 1.0, -1.125, 0.75], 1, 5),
                "quiet",
            ),
            Problem(
                Categorical([[18.875, 17.625, 17.5], [-30.0, -30.375, -29.25]]),
                _table([0.625, 1.25, -1.5, -1.625, -0.875, -0.375, 0.375, 0.5, 1.75], 2, 3),
                "quiet, shifted",
            ),
        ],
        family,
    )


def exact_problems(family: str | None = None) -> list[Problem]:
    """Problems for the oracle: small, and hard for a sampler (nearly flat, saturated, masked).

    Parameters
    ----------
    family : {"bernoulli", "categorical"}, optional
        Only these.

    Returns
    -------
    list of Problem

    Raises
    ------
    ValueError
        For another family.
    """
    return of_family(
        [
            Problem(Bernoulli([0.0]), SquaredError(0.45), "toy, t = .45"),
            Problem(Bernoulli([0.0]), SquaredError(0.499), "toy, t = .499"),
            Problem(Bernoulli([36.0]), SquaredError(0.45), "toy, saturated"),
            Problem(Bernoulli([0.6, -1.1]), _interacting(2), "interactions"),
            Problem(Categorical([[1.0, 2.5, 0.5]]), _interacting(1, 3), "interactions"),
            Problem(Categorical([[1.0, -np.inf, 0.5]]), _table([1.0, 9.0, 2.0], 1, 3), "masked category"),
            Problem(Categorical([[0.5, 1.0], [2.0, 1.2]]), _interacting(2, 2), "two pairs"),
        ],
        family,
    )


def _interacting(*shape: int, seed: int | None = None) -> Interacting:
    """Interactions of every order, with coefficients of both signs."""
    rng = np.random.default_rng(sum(shape) if seed is None else seed)
    return Interacting(0.5, *rng.integers(-8, 9, size=(4, *shape)) / 8)


def _table(values: Any, variables: int, categories: int) -> Table:
    return Table(values, event_shape=(variables, categories))


def check_family(family: str | None) -> None:
    """Refuse what is no family."""
    if family not in {None, "bernoulli", "categorical"}:
        raise ValueError(f"family needs to be 'bernoulli' or 'categorical', but is {family!r}")


def of_family(problems: Iterable[Problem], family: str | None) -> list[Problem]:
    """Those of a family, or all."""
    check_family(family)
    return [problem for problem in problems if family in {None, problem.family}]
