"""Where an implementation is tried: ordinary logits and noise, and the corners in which mistakes show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from refgrad.testing.vectors._draw import Draw, Numbers

__all__ = ["SITUATIONS", "Situation"]

Inputs = tuple[Numbers, list[list[float]]]

RARE, RAREST, SATURATED = 5.5, 16.5, 30.0  # logits of the first variable
FAR = 18.0
NEAR = {"bernoulli": -18.0, "categorical": -3.25}  # the lower tail of a Gumbel is short


@dataclass(frozen=True)
class Situation:
    """How logits and noise are chosen, and what goes wrong there.

    Parameters
    ----------
    flag : str
    make : callable
        From a `Draw` and a number of draws to flat logits and noise.
    bug, description, effect : str
        Of the note; an ordinary test has none.
    """

    flag: str
    make: Callable[[Draw, int], Inputs]
    bug: str = ""
    description: str = ""
    effect: str = ""

    def serves(self, draw: Draw) -> bool:
        """Whether the shape has room for it: a category can be masked where two are left."""
        return self.flag != "masked-category" or draw.categories > 2


def _ordinary(draw: Draw, draws: int) -> Inputs:
    logits = draw.logits()
    return logits, [draw.untied(logits) for _ in range(draws)]


def _equal(draw: Draw, draws: int) -> Inputs:
    logits: Numbers = [0.0] * draw.size
    return logits, [draw.untied(logits) for _ in range(draws)]


def _first(draw: Draw, logit: float) -> Numbers:
    """Logits of which the first variable leaves its first value, one or the first category, hardly a chance."""
    logits = draw.logits(1.0)
    logits[0] = -logit
    return logits


def _rare(draw: Draw, draws: int, logit: float = RARE) -> Inputs:
    """The noise of z alone brings the rare value about; it is put there, since it would be waited for too long."""
    logits = _first(draw, logit)
    noise = [draw.untied(logits) for _ in range(draws)]
    for own in noise[:1]:
        own[0] = logit + 1.5 + max((1.0 + x for x in own[1 : draw.categories]), default=0.0)
    return logits, noise


def _rarest(draw: Draw, draws: int) -> Inputs:
    return _rare(draw, draws, RAREST)


def _saturated(draw: Draw, draws: int) -> Inputs:
    logits = _first(draw, SATURATED)
    return logits, [draw.untied(logits) for _ in range(draws)]


def _sure(draw: Draw, draws: int) -> Inputs:
    logits = _first(draw, -SATURATED)
    return logits, [draw.untied(logits) for _ in range(draws)]


def _far(draw: Draw, draws: int) -> Inputs:
    logits = draw.logits()
    noise = [draw.untied(logits) for _ in range(draws)]
    for own in noise:
        own[-1] = FAR
    return logits, noise


def _low(draw: Draw, draws: int) -> Inputs:
    logits = draw.logits()

    def lowered(own: list[float]) -> list[float]:
        return [NEAR[draw.family], *own[1:]]

    return logits, [lowered(draw.untied(logits, lambda own: draw.apart(logits, lowered(own)))) for _ in range(draws)]


def _masked(draw: Draw, draws: int) -> Inputs:
    logits = draw.logits()
    logits[1] = None
    return logits, [draw.untied(logits) for _ in range(draws)]


SITUATIONS = (
    Situation("ordinary", _ordinary),
    Situation("ordinary", _ordinary),
    Situation(
        "equal-logits",
        _equal,
        "a derivative that is taken where two branches meet: `abs`, `max` and `where` at zero",
        "All logits are zero: every value is as likely as the other.",
        "biased",
    ),
    Situation(
        "rare-outcome",
        _rare,
        "`log(p + eps)` or a clipped probability: a rare outcome gets a score or noise that is too small",
        "The first variable takes a value of probability below 1/200.",
        "bias at extremes",
    ),
    Situation(
        "rarest-outcome",
        _rarest,
        "`u - (1 - p)` by subtraction, a uniform number on a grid of 2**-23, or a probability rounded to zero",
        "The first variable takes a value of a probability of some 1e-7.",
        "bias at extremes",
    ),
    Situation(
        "saturated-logits",
        _saturated,
        "the log of a probability that rounds to zero, or `exp(-logits)` without care: infinity less infinity",
        "The first variable is one of its values all but surely: a logit is -30.",
        "not a number",
    ),
    Situation(
        "sure-outcome",
        _sure,
        "`log(1 - p)` or `p / (1 - p)` where p rounds to one, or `exp(logits)` without care: zero less zero in a log",
        "The first variable is its first value all but surely: a logit is 30.",
        "not a number",
    ),
    Situation(
        "far-noise",
        _far,
        "a uniform number behind the noise that is clipped below one, or that rounds to one in float32",
        "The last draw of noise lies where one in some ten million does.",
        "bias at extremes",
    ),
    Situation(
        "low-noise",
        _low,
        "a uniform number behind the noise that is clipped above zero, or that rounds to zero",
        "The first draw of noise lies at the other end: logistic noise of -18, Gumbel noise of -3.25.",
        "bias at extremes",
    ),
    Situation(
        "masked-category",
        _masked,
        "a category of logit -inf that takes part: infinity less infinity, or zero times infinity",
        "One category cannot occur: its logit is null, for minus infinity. Its gradient is exactly zero.",
        "not a number",
    ),
)
