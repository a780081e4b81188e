"""Judge a function of noise by one weighted sum over a noise design: no samples, and no false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refgrad import exact
from refgrad.distributions._array import Array
from refgrad.estimators import Estimator
from refgrad.testing._deterministic import Function, Rows, check_arguments, identify, precision_of, wrong_numbers
from refgrad.testing._kept import kept
from refgrad.testing._rounding import FLOAT32, FLOAT64, apart, rounding
from refgrad.testing._sampler import Form
from refgrad.testing.problem import Problem
from refgrad.testing.session import judged
from refgrad.testing.verdict import Verdict

__all__ = ["assert_expectation", "check_expectation"]

LIMIT = 2**18
GOAL = 1e-7  # error of the design, in units of the mean absolute estimate
CONSTANT = 2.0**-30  # of the square of an estimate: a variance below it is that of one that does not vary
LEAST = float(np.finfo(float).tiny)
SHAKEN = 4096  # nodes on which rounding is measured
NAMED = 512  # nodes on which a known mistake is recognised
CAUTION = 16  # times the error of the design: a lattice serves code that uses the noise in another way less well


@judged
def check_expectation(  # noqa: PLR0913  (options with a name)
    fn: Function,
    problem: Problem,
    estimator: Estimator,
    *,
    limit: int = LIMIT,
    covariance: bool = True,
    tolerance: float = 0.1,
    block: int | None = None,
    precision: Any = None,
    wrt: str = "logits",
    loss: bool = False,
) -> Verdict:
    """Compare the mean and the covariance of a function of noise with the exact ones of a reference.

    Parameters
    ----------
    fn : callable
        `fn(problem, noise)` takes noise of shape (draws, N, *event_shape), standard logistic or Gumbel as the reference
        takes it, and returns N estimates, array-like of shape (N, *event_shape). Each is a function of its own noise.
    problem : Problem
    estimator : Estimator
        The reference. A biased one must have exactly its bias.
    limit : int
        Most nodes.
    covariance : bool
        Whether second moments are compared too.
    tolerance : float
        Largest error of the design, relative to the mean absolute estimate, at which "right" is said.
    block : int, optional
        Most repetitions in one call.
    precision : dtype_like, optional
        Of the arithmetic in `fn`; without it the one of what is returned. `"float32"` for code that computes in it and
        returns float64.
    wrt : {"logits", "probs"}
        What the gradient is taken in.
    loss : bool
        Whether it is the gradient of -f.

    Returns
    -------
    Verdict
        Its `tolerance` is the bound for the worst component: the error of the design on this problem, of the oracle and
        of rounding. "undecided" where the design is too coarse.

    Raises
    ------
    SamplerError
        If `fn` raises; the message names the call.
    TypeError, ValueError
        If `fn` returns no real numbers or another shape, or an option makes no sense.

    Notes
    -----
    Nothing is assumed of `fn` but what `estimator.claims.reads` says of its noise: the nodes are a full product or a
    lattice, up to `limit`. Noise reaches as far as the tails need it, about 40. Nodes where float32 might round z to
    another value are moved inside the cell of z, and what that changes is part of the bound.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import standard_problems
    >>> def reinforce(problem, noise):
    ...     z = problem.q.sample(noise[0])
    ...     return problem.f(z)[:, None] * (z - problem.q.probs)
    >>> problem = standard_problems("bernoulli")[2]
    >>> verdict = check_expectation(reinforce, problem, Reinforce())
    >>> print(f"{verdict.outcome}: {verdict.reason}")
    right: mean and covariance are those of Reinforce()
    >>> def less(problem, noise):
    ...     return 0.875 * reinforce(problem, noise)
    >>> check_expectation(less, problem, Reinforce()).causes
    ('0.875 times the reference, in every row',)
    """
    check_arguments(fn, estimator, block)
    if not 0 < tolerance < np.inf:
        raise ValueError(f"tolerance needs to be positive and finite, but is {tolerance}")
    form, stated = Form(None, wrt, loss), precision_of(precision)
    bench = _bench(estimator, problem, limit, max(stated or FLOAT32, FLOAT32))
    given = Rows.of(fn, problem, bench.noise, block, form)
    unit = stated or given.precision
    if unit > bench.precision:  # coarser than float32: more nodes are too near to an edge
        bench = _bench(estimator, problem, limit, unit)
        given = Rows.of(fn, problem, bench.noise, block, form)
    return _judge(bench, given.rows, unit, covariance, tolerance)


def assert_expectation(fn: Function, problem: Problem, estimator: Estimator, **options: Any) -> Verdict:
    """Raise unless `check_expectation` says "right".

    Parameters
    ----------
    fn, problem, estimator, **options
        As in `check_expectation`.

    Returns
    -------
    Verdict

    Raises
    ------
    AssertionError
        If the function is wrong; the message is the report.
    Undecided
        If the design is too coarse to say.
    SamplerError, TypeError, ValueError
        As in `check_expectation`.
    """
    return check_expectation(fn, problem, estimator, **options).raised()


@dataclass(frozen=True, eq=False)
class Bench:
    """Nodes for a problem, and everything about the reference on them; nothing of what is judged."""

    problem: Problem
    estimator: Estimator
    noise: Array  # (draws, N, *event_shape)
    weights: Array  # (N,)
    precision: float  # the coarsest that its nodes serve
    exact: tuple[Array, Array]  # mean (d,), covariance (d, d)
    size: tuple[float, float]  # mean absolute estimate, and mean squared deviation, of the largest component
    design_error: tuple[Array, Array]
    rounding: tuple[Array, Array, Array]  # at `precision`: of the mean; of the covariance, linear and quadratic

    @classmethod
    def of(cls, estimator: Estimator, problem: Problem, limit: int, precision: float) -> Bench:
        q, f = problem.q, problem.f
        design, moments = exact.design(estimator, q, limit=limit, goal=GOAL), exact.moments(estimator, q, f)
        d, weights = moments.mean.size, design.weights
        mean, covariance = moments.mean.ravel(), moments.covariance.reshape(d, d)
        noise = apart(estimator, q, design.noise, precision)
        rows = np.asarray(estimator(q, f, noise)).reshape(-1, d)
        rest = rows - mean
        absolute, second = weights @ np.abs(rows), (weights[:, None] * rest).T @ rest
        spread = (weights[:, None] * np.abs(rest)).T @ np.abs(rest)
        # On this f, with these nodes; and as the design has it, for code that uses the noise in another way.
        of_mean = np.maximum(np.abs(weights @ rows - mean), design.error * absolute)
        of_second = np.maximum(np.abs(second - covariance), design.error * spread)
        return cls(
            problem=problem,
            estimator=estimator,
            noise=noise,
            weights=weights,
            precision=precision,
            exact=(mean, covariance),
            size=(float(absolute.max()) + LEAST, float(spread.max() + CONSTANT * absolute.max() ** 2) + LEAST),
            design_error=(
                CAUTION * of_mean + moments.error.ravel(),
                CAUTION * of_second + moments.covariance_error.reshape(d, d),
            ),
            rounding=_weighted_rounding(estimator, problem, noise, weights, rest, precision),
        )

    def moments_of(self, rows: Array) -> tuple[Array, Array]:
        """Mean of rows (N, d), and their second moments about the exact mean."""
        rest = rows - self.exact[0]
        return self.weights @ rows, (self.weights[:, None] * rest).T @ rest

    def bounds(self, unit: float) -> tuple[Array, Array]:
        """Largest deviations of the mean and the covariance of correct code in a precision."""
        share = unit / self.precision
        mean, linear, quadratic = self.rounding
        return self.design_error[0] + share * mean, self.design_error[1] + share * linear + share**2 * quadratic


@kept(4)
def _bench(estimator: Estimator, problem: Problem, limit: int, precision: float) -> Bench:
    """The bench of a problem, kept for the next function."""
    return Bench.of(estimator, problem, limit, precision)


def _weighted_rounding(
    estimator: Estimator, problem: Problem, noise: Array, weights: Array, rest: Array, precision: float
) -> tuple[Array, Array, Array]:
    """Weighted sums of the rounding of the rows; of many nodes some, those that carry weight or variance."""
    chosen, share = np.arange(len(weights)), np.ones(len(weights))
    if len(weights) > SHAKEN:
        squares = weights * ((rest / (np.abs(rest).max() or 1.0)) ** 2).sum(axis=1)
        probs = weights / weights.sum() + squares / (squares.sum() or 1.0)
        probs /= probs.sum()
        chosen = np.random.default_rng(0).choice(len(weights), SHAKEN, p=probs)
        share = 1 / (SHAKEN * probs[chosen])
    weights, off = share * weights[chosen], np.abs(rest[chosen])
    bound = rounding(estimator, problem.q, problem.f, noise[:, chosen], precision)
    linear = (weights[:, None] * off).T @ bound
    return weights @ bound, linear + linear.T, (weights[:, None] * bound).T @ bound


def _judge(bench: Bench, rows: Array, unit: float, covariance: bool, tolerance: float) -> Verdict:
    problem, shape = bench.problem, bench.problem.q.event_shape
    bounds = bench.bounds(unit)
    with np.errstate(invalid="ignore", over="ignore"):
        given = bench.moments_of(rows)
        off = [np.abs(one - other) for one, other in zip(given, bench.exact, strict=True)]
    order = int(np.argmax(off[0] / bounds[0]))
    worst: tuple[int, ...] = tuple(map(int, np.unravel_index(order, shape)))
    outcome, reason = "right", f"the mean is that of {bench.estimator!r}"
    notes: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    bad = wrong_numbers(problem, bench.noise, rows)
    if bad is not None:
        outcome, reason = "wrong", bad
    elif (off[0] > bounds[0]).any():
        outcome = "wrong"
        reason = (
            f"the mean over the nodes is not that of {bench.estimator!r}: component {list(worst)} is off by "
            f"{off[0][order]:.2e}, and the nodes and rounding explain {bounds[0][order]:.2e}"
        )
    elif covariance and (off[1] > bounds[1]).any():
        outcome, pair = "wrong", np.unravel_index(np.argmax(off[1] / bounds[1]), off[1].shape)
        one, other = (tuple(map(int, np.unravel_index(k, shape))) for k in pair)
        worst = one + other
        reason = (
            f"the mean is right, but the covariance is not that of {bench.estimator!r}: components {list(one)} and "
            f"{list(other)} are off by {off[1][pair]:.2e}, and the nodes and rounding explain {bounds[1][pair]:.2e}"
        )
    elif coarse := _too_coarse(bench, covariance, tolerance):
        outcome, reason = "undecided", coarse
    elif covariance:
        reason = f"mean and covariance are those of {bench.estimator!r}"
    if outcome == "wrong" and bad is None:
        causes = _causes(bench, rows, unit)
        notes = () if causes else _in_float32(bench, off, unit, covariance)
    certified = float((off[0] + bounds[0]).max())
    return Verdict(
        outcome=outcome,
        problem=str(problem),
        reason=reason,
        alpha=0.0,
        tolerance=float(bounds[0][order]),
        n=len(rows),
        exact=bench.exact[0].reshape(shape),
        estimate=given[0].reshape(shape),
        standard_error=np.zeros(shape),
        worst=worst,
        certified=certified if np.isfinite(certified) else np.inf,
        evidence=np.inf if outcome == "wrong" else 0.0,
        assumes=f"nothing: a weighted sum over {len(rows):,} nodes",
        seed=0,
        causes=causes,
        off=tuple(tuple(map(int, index)) for index in np.argwhere((off[0] > bounds[0]).reshape(shape))),
        notes=notes,
        low=(given[0] - bounds[0]).reshape(shape),
        high=(given[0] + bounds[0]).reshape(shape),
        counted="nodes",
        **(_second(bench, given[1]) if covariance else {}),
    )


def _second(bench: Bench, given: Array) -> dict[str, Any]:
    shape = bench.problem.q.event_shape * 2
    found = {"exact_covariance": bench.exact[1], "covariance": given, "covariance_error": np.zeros(given.shape)}
    return {name: value.reshape(shape) for name, value in found.items()}


def _too_coarse(bench: Bench, covariance: bool, tolerance: float) -> str:
    """Say what is certified if the nodes are too few to call anything right."""
    errors = [float(error.max()) for error in bench.design_error]
    if errors[0] > tolerance * bench.size[0]:
        what, error, size = "mean", errors[0], bench.size[0]
    elif covariance and errors[1] > tolerance * bench.size[1]:
        what, error, size = "covariance", errors[1], bench.size[1]
    else:
        return ""
    share = f"{error / size:.1%}" if error < size else f"{error / size:.1e} times"
    return (
        f"{len(bench.weights):,} nodes are too few for this problem: the {what} is that of {bench.estimator!r} to "
        f"{error:.1e}, {share} of its size; allow more nodes by limit"
    )


def _causes(bench: Bench, rows: Array, unit: float) -> tuple[str, ...]:
    probs = bench.weights / bench.weights.sum()
    some = np.arange(len(rows))
    if len(rows) > NAMED:
        some = np.random.default_rng(0).choice(len(rows), NAMED, p=probs)
    noise = bench.noise[:, some]
    expected = np.asarray(bench.estimator(bench.problem.q, bench.problem.f, noise)).reshape(len(some), -1)
    return identify(rows[some], noise, expected, bench.estimator, bench.problem, unit)


def _in_float32(bench: Bench, off: list[Array], unit: float, covariance: bool) -> tuple[str, ...]:
    """Whether float64 that was computed in float32 would explain everything."""
    bounds = bench.bounds(FLOAT32)
    near = (off[0] <= bounds[0]).all() and (not covariance or (off[1] <= bounds[1]).all())
    if unit > FLOAT64 or not near:
        return ()
    return ("rounding of float32 would explain it: if the code computes in it, pass precision='float32'",)
