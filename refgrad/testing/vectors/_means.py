"""The mean that a design is held against: by enumeration, or by a rule that is not the design's."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf

from refgrad.testing.references._distributions import distribution
from refgrad.testing.references._numbers import Vector, add, flat, numbers, scale, settled, sub
from refgrad.testing.references._objectives import objective
from refgrad.testing.references._oracle import exact_gradient, expectation
from refgrad.testing.vectors._inputs import Inputs
from refgrad.testing.vectors._rule import axes, free, products, steps

__all__ = ["true_mean"]

STEPS, SCALE = ("0.35", "0.25", "0.18", "0.125", "0.09"), 6  # they grow from |v| = SCALE on
CLOSE = mpf(10) ** -11  # two rules may differ by: the error of the finer one, of 7/10 of the step, is its 10/7th power
TRUTH = 50  # digits of the arithmetic
TAIL = 40  # of a logistic, beyond what is rare
FAINT = mpf(10) ** -22  # a weight that is left out, in units of the rarest probability


def true_mean(module: str, group: dict[str, Any], logits: list[Any], claims: Any) -> Vector:
    """The mean of an estimator without its design, to more digits than float64 has.

    Parameters
    ----------
    module : str
    group : dict
    logits : list
        In the shape of one z.
    claims : Claims
        Unbiased: the gradient by enumeration. Else the mean over z, or of a relaxation a trapezoid that knows of no z.

    Raises
    ------
    ArithmeticError
        If finer and finer steps do not agree.
    """

    def given() -> Any:
        return distribution(group["family"], numbers(flat(logits)), tuple(group["shape"]))

    def estimate(*noise: Vector) -> Vector:
        return Inputs(module, group, {"logits": logits, "noise": list(noise)}).values()["gradient"]

    def over_z() -> Vector:
        q = given()
        middle, reads = [mpf(0)] * len(q.logits), claims.reads
        rows = [(z, estimate(*[q.noise_given(z, middle)] * len(reads))) for z in q.support() if q.possible(z)]
        return [expectation(q, [(z, row[i]) for z, row in rows]) for i in range(len(q.logits))]

    def by_steps(step: Any) -> Vector:
        q = given()
        rare = max(-mp.log(min(p, 1 - p)) for p in q.probs)
        rule, least = steps(step, TAIL + rare, max(SCALE, rare)), FAINT * mp.exp(-rare)
        last = [int(i % q.shape[-1] == q.shape[-1] - 1) for i in range(len(q.logits))]
        count = axes(q.family, q.shape)  # the indices of a node are all even or all odd
        near = ((v, w) for half in (rule[::2], rule[1::2]) for v, w in products(half, count) if w > least)
        return scale(2 ** (count - 1), add(*(scale(w, estimate(free(q, v, last))) for v, w in near)))

    if claims.unbiased:
        return settled(lambda: {"mean": exact_gradient(given(), objective(group["objective"], given()))})["mean"]
    if "cell" not in claims.reads:
        return settled(lambda: {"mean": over_z()})["mean"]
    with mp.workdps(TRUTH):
        before = None
        for text in STEPS:
            now = by_steps(mpf(text))
            if before is not None and max(map(abs, sub(now, before))) <= CLOSE * max(map(abs, now)):
                return now
            before = now
    raise ArithmeticError(f"the mean of {group['estimator']} needs steps below {STEPS[-1]}")
