"""Noise designs: nodes and weights on which anybody's implementation is checked by one weighted sum."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.exact._cells import Plan
from refgrad.exact._factors import check_count, factors
from refgrad.exact._rules import Lattice, Rule, Trapezoid, gauss, single
from refgrad.objectives import Interacting

if TYPE_CHECKING:
    from refgrad.estimators import Estimator

__all__ = ["Design", "design"]

LIMIT = 2**18
FARTHEST = 60.0  # -log p up to which a rule is stretched: its weights vanish beyond
GOAL = 1e-10
REACH = 42.0  # of a trapezoid, for the likely values
STEPS = (0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06)


@dataclass(frozen=True, eq=False)
class Design:
    """Nodes and weights with `sum_i weights_i g(noise_i) = E g`.

    Parameters
    ----------
    noise : (draws, N, *event_shape) ndarray of float64
    weights : (N,) ndarray of float64
        They sum to one, to `error`.
    error : float
        Of the mean, in units of the mean absolute estimate, measured on a probing f between two rules.
    """

    noise: Array
    weights: Array
    error: float

    def save(self, path: str | Path) -> None:
        """Write to a file, JSON or npz by its suffix.

        Raises
        ------
        ValueError
            For another suffix.
        """
        path = _known(path)
        arrays = {"noise": self.noise, "weights": self.weights, "error": np.float64(self.error)}
        if path.suffix == ".npz":
            np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
        else:
            path.write_text(json.dumps({name: array.tolist() for name, array in arrays.items()}))

    @classmethod
    def load(cls, path: str | Path) -> "Design":
        """Read what `save` wrote; nothing is unpickled.

        Raises
        ------
        ValueError
            For another suffix, or a file that holds no design.
        """
        path = _known(path)
        try:
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as file:
                    found = {name: file[name] for name in ("noise", "weights", "error")}
            else:
                found = json.loads(path.read_text())
            return cls(np.asarray(found["noise"], float), np.asarray(found["weights"], float), float(found["error"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} needs noise, weights and error of a design, but holds something else") from error


def design(estimator: "Estimator", q: Distribution, *, limit: int = LIMIT, goal: float = GOAL) -> Design:
    """Choose nodes and weights for the noise of an estimator.

    Nothing is assumed of the code that will use them but what `estimator.claims.reads` says: a full product (Gauss, or
    for extreme logits a trapezoid), or beyond three coordinates a shifted lattice.

    Parameters
    ----------
    estimator : Estimator
    q : Distribution
        One row of logits.
    limit : int
        Most nodes.
    goal : float
        Error, in units of the mean absolute estimate, at which no more nodes are added.

    Returns
    -------
    Design
        Derivation 00, Eq. 00.10.

    Raises
    ------
    ValueError
        If q has a batch, or even the smallest rule has more than `limit` nodes.

    Examples
    --------
    >>> from refgrad import Bernoulli, estimators, objectives
    >>> q, f = Bernoulli([0.0]), objectives.SquaredError(0.375)
    >>> d = design(estimators.Reinforce(), q)
    >>> print(d.noise.shape, d.weights @ estimators.Reinforce()(q, f, d.noise))
    (1, 2, 1) [0.0625]
    """
    plan = Plan(q, factors(q), estimator.claims.reads, reduced=False)
    best: Design | None = None
    for rules in _ladders(plan, limit):
        found = _climbed(estimator, plan, rules, limit, goal)
        if found is not None and (best is None or found.error < best.error):
            best = found
        if best is not None and best.error <= goal:
            break
    assert best is not None
    return best


def _ladders(plan: Plan, limit: int) -> Iterator[Iterator[Rule]]:
    """Rules of growing accuracy: Gauss for mild logits, a trapezoid for extreme ones, beyond three axes a lattice."""
    rare = max(-part.log_probs.min() for part in plan.parts)
    stretch = max(1.0, min(rare, FARTHEST) / 6)
    if plan.axes == 0:
        yield iter([single()])
    elif plan.axes <= 3:
        counts = [c for c in (8, 16, 32, 64, 128, 256) if c == 8 or plan.cells * c**plan.axes <= limit]
        yield (gauss(count, plan.axes, stretch) for count in counts)
        yield (Trapezoid(step, REACH + rare, plan.axes, max(3.0, rare / 2)) for step in STEPS)
    else:
        yield (Lattice(2**k, plan.axes, 0, stretch) for k in range(8, 19))


def _climbed(estimator: "Estimator", plan: Plan, rules: Iterator[Rule], limit: int, goal: float) -> Design | None:
    """The first rule that reaches the goal, or the last one that the limit allows."""
    probe = _probe(plan.q)
    before, chosen = None, None
    for number, rule in enumerate(rules):
        size = plan.cells * len(rule)
        if number == 0 and not isinstance(rule, Trapezoid):  # which only betters what Gauss has found
            check_count(size, limit, f"a design for {estimator!r}")
        if size > limit:
            break
        noise, weights, _ = plan.nodes(rule, np.arange(size))
        weights = weights * np.repeat(plan.cell_probs(), len(rule))
        estimates = estimator(plan.q, probe, noise).reshape(len(weights), -1)
        now = weights @ estimates
        scale = (weights @ np.abs(estimates)).max() or 1.0
        rounding = 64 * np.finfo(float).eps
        if plan.axes == 0:
            return Design(noise, weights, rounding)
        difference = np.inf if before is None else np.abs(now - before).max() / scale
        # Two rules that both miss a cell agree: what the weights lack of one is an error too.
        error = max(difference, abs(weights.sum() - 1)) + rounding
        before, chosen = now, Design(noise, weights, float(error))
        if error <= goal:
            break
    return chosen


def _probe(q: Distribution) -> Interacting:
    """An f with interactions of every order."""
    rng = np.random.default_rng(0)
    return Interacting(0.5, *rng.uniform(-1, 1, size=(4, *q.event_shape)))


def _known(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix not in {".json", ".npz"}:
        raise ValueError(f"a design is saved as .json or .npz, but the path is {path}")
    return path
