"""Hypothesis strategies for problems, logits and objectives (extra `hypothesis`), and a seed for each example."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from refgrad.distributions import Bernoulli, Categorical, Distribution
from refgrad.distributions._array import Array
from refgrad.objectives import Table
from refgrad.testing._bounds import KINDS, Bounds, amount, check_kinds, exceeds, free_entry, whole
from refgrad.testing._examples import Example, seed_of
from refgrad.testing.problem import Problem

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["logits", "objectives", "problems", "register_types", "seed_of"]


def problems(  # noqa: PLR0913  (options with a name)
    family: str | None = None,
    *,
    variables: tuple[int, int] = (1, 3),
    categories: tuple[int, int] = (2, 4),
    configurations: int = 32,
    ties: bool = True,
    rare: bool = False,
    saturated: bool = False,
    masked: bool = True,
    constant: bool = False,
    kinds: Collection[type] = KINDS,
) -> SearchStrategy[Problem]:
    """Problems that shrink to one variable with logit 0 and an f of small round numbers.

    An example is shown as the Python that rebuilds it, and its name tells it too.

    Parameters
    ----------
    family : {"bernoulli", "categorical"}, optional
        Only this.
    variables : (int, int)
        Fewest and most variables, D.
    categories : (int, int)
        Fewest and most categories of a Categorical, K, masked ones included. One category is drawn only if `constant`,
        and more than 1,024 entries in a z never: Hypothesis takes no examples of that size.
    configurations : int
        Most configurations, K**D, up to 4,096; larger sizes within the other bounds are not drawn.
    ties : bool
        Whether logits of one variable may be equal; for a Bernoulli, whether a logit may be 0.
    rare : bool
        Whether a value of a variable may have a logit that is 7 below its best rival: a probability of 0.0009 at most,
        and of K - 1 times less at least (masks aside).
    saturated : bool
        Whether logits may be up to 702 in size: hundreds apart, or hundreds away from 0 together. Otherwise the logits
        of a variable are in [-2, 2], a rare one apart.
    masked : bool
        Whether categories may have the logit -inf; a variable keeps at least one.
    constant : bool
        Whether f may be the same for every z of positive probability. Without it f varies, always, where probabilities
        are positive in float64; to within rounding the gradient may still be 0, if all z but one are improbable.
    kinds : collection of type
        Of f, among `SquaredError`, `Table`, `Quadratic` and `Interacting`. Coefficients are quarters, up to 2 in size.

    Returns
    -------
    SearchStrategy of Problem

    Raises
    ------
    ImportError
        Without Hypothesis.
    TypeError, ValueError
        If a bound makes no sense or nothing is within the bounds; at once, not when drawn.

    Notes
    -----
    `assert_expectation(fn, problem, estimator)` decides every example, extremes too, if the estimator reads its noise
    through z alone (REINFORCE, MuProp); `assert_pathwise(fn, estimator, [problem], seed=seed_of(problem))` does so for
    every estimator, of code that uses its noise as the reference does. The expectation of what is smooth in the noise
    takes seconds; from eight numbers of noise on (draws times the size of z) there may be too few nodes, so
    `variables=(1, 2), categories=(2, 2)`, and one variable for REBAR. Samples do not suffice on a few examples in a
    hundred, where f is large and hardly varies: what is asked of a black box is that `check_unbiased(sampler, problem,
    seed=seed_of(problem)).outcome` is not "wrong". A check may take longer than Hypothesis allows by default:
    `deadline=None`.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import assert_expectation
    >>> @settings(max_examples=50, deadline=None)
    ... @given(problems(variables=(1, 2)))
    ... def test_mine(problem):
    ...     def mine(problem, noise):
    ...         z = problem.q.sample(noise[0])
    ...         return problem.q.expand(problem.f(z)) * problem.q.score(z)
    ...
    ...     assert_expectation(mine, problem, Reinforce())
    >>> test_mine()
    """
    bounds = Bounds(family, variables, categories, configurations, ties, rare, saturated, masked, constant)
    kinds = check_kinds(kinds)
    st = _hypothesis()
    from refgrad.testing._logit_strategies import draw_distribution  # noqa: PLC0415  (an extra)
    from refgrad.testing._objective_strategies import draw_objective  # noqa: PLC0415

    def problem(draw: DrawFn) -> Problem:
        q = draw_distribution(draw, bounds)
        return Example.of(q, draw_objective(draw, q, kinds, constant))

    return st.composite(problem)()


def logits(  # noqa: PLR0913
    family: str | None = None,
    *,
    variables: tuple[int, int] = (1, 3),
    categories: tuple[int, int] = (2, 4),
    configurations: int = 32,
    ties: bool = True,
    rare: bool = False,
    saturated: bool = False,
    masked: bool = True,
    constant: bool = False,
) -> SearchStrategy[Array]:
    """One row of logits, as those of `problems`.

    Parameters
    ----------
    family, variables, categories, configurations, ties, rare, saturated, masked
        As in `problems`.
    constant : bool
        Whether a single z may be all that is possible, in float64: one category, one that is not masked, or one that
        is hundreds above all others, in each variable.

    Returns
    -------
    SearchStrategy of (D,) or (D, K) ndarray of float64
        Read-only.

    Raises
    ------
    ImportError, TypeError, ValueError
        As in `problems`.
    """
    bounds = Bounds(family, variables, categories, configurations, ties, rare, saturated, masked, constant)
    st = _hypothesis()
    from refgrad.testing._logit_strategies import draw_distribution  # noqa: PLC0415  (an extra)

    def row(draw: DrawFn) -> Array:
        return draw_distribution(draw, bounds).logits

    return st.composite(row)()


def objectives(
    q: Distribution | tuple[int, ...], *, constant: bool = False, kinds: Collection[type] = KINDS
) -> SearchStrategy[Any]:
    """Objectives of the z of a distribution, as those of `problems`.

    Parameters
    ----------
    q : Distribution or tuple of int
        One row of logits; or the shape of one z, `(D,)` for Bernoulli and `(D, K)` for Categorical, all of it possible.
    constant : bool
        Whether f may be the same for every z of positive probability.
    kinds : collection of type
        As in `problems`.

    Returns
    -------
    SearchStrategy of callable

    Raises
    ------
    ImportError
        Without Hypothesis.
    TypeError
        If q is neither a distribution nor a shape.
    ValueError
        If q has a batch or too many configurations; or only one z has a probability that is positive in float64, and f
        may not be constant.
    """
    q = _one_row(q)
    if not constant and free_entry(q) is None:
        raise ValueError(
            f"only one z is possible in float64, so every f is constant, which needs constant=True: q is {q!r}"
        )
    kinds = check_kinds(kinds)
    st = _hypothesis()
    from refgrad.testing._objective_strategies import draw_objective  # noqa: PLC0415  (an extra)

    def objective(draw: DrawFn) -> Any:
        return draw_objective(draw, q, kinds, constant)

    return st.composite(objective)()


def register_types() -> None:
    """Tell Hypothesis what `from_type` of Problem, Bernoulli and Categorical is. Nothing is drawn or built yet."""
    st = _hypothesis()
    st.register_type_strategy(Problem, lambda _: problems())
    st.register_type_strategy(Bernoulli, lambda _: logits("bernoulli").map(Bernoulli))
    st.register_type_strategy(Categorical, lambda _: logits("categorical").map(Categorical))


def _hypothesis() -> Any:
    try:
        from hypothesis import strategies  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ImportError("refgrad's strategies need Hypothesis: pip install 'refgrad[hypothesis]'") from error
    return strategies


def _one_row(q: Any) -> Distribution:
    """Check q of `objectives`, or make one of a shape."""
    if not isinstance(q, Distribution):
        shape = tuple(q) if isinstance(q, (tuple, list)) else ()
        if len(shape) not in {1, 2} or not all(whole(n) and n > 0 for n in shape):
            raise TypeError(f"objectives needs a distribution or a shape (D,) or (D, K), but was given {q!r}")
        _check_size(shape)
        q = (Bernoulli if len(shape) == 1 else Categorical)(np.zeros(shape))
    if q.batch_shape:
        raise ValueError(f"objectives needs one row of logits, but q has the batch shape {q.batch_shape}")
    _check_size(q.event_shape)
    return q


def _check_size(shape: tuple[int, ...]) -> None:
    values, variables, limit = (*shape, 2)[1], shape[0], Table.largest_extension
    if exceeds(values, variables, limit):
        raise ValueError(
            f"objectives needs at most {limit:,} configurations, but there are {amount(values, variables)}"
        )
