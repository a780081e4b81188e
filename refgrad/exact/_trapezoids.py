"""The trapezoids that are tried for a plan, the coarsest first: derivation 00, Eq. 00.8, 00.12 and 00.16."""

import numpy as np

from refgrad.exact._cells import Plan
from refgrad.exact._factors import configurations, count
from refgrad.exact._layers import layers
from refgrad.exact._rules import Rule, Trapezoid

REACH = 42.0  # beyond it lies less than 1e-16 of the least likely value, with three axes too
# By the number of axes: steps; the scale beyond which they grow, at least and as a share of the largest -log p; the
# largest -log p that the reach follows.
FIXED = {
    1: ((0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06), 12.0, 1.0, np.inf),
    2: ((0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.06), 3.0, 0.5, 60.0),
    3: ((0.85, 0.6, 0.42, 0.27, 0.2, 0.15, 0.11), 3.0, 0.5, 20.0),
}
# By the number of axes, and whether coordinates enter in turn: the first step; the scale, at least and as a share of
# the distance of the farthest layer; the largest distance that is followed.
FOLLOWING = {
    (1, False): (0.7, 4.0, 1.0, np.finfo(float).max),
    (2, False): (0.75, 2.0, 0.5, 60.0),
    (2, True): (0.7, 3.0, 0.5, 60.0),
    (3, False): (0.66, 2.0, 0.5, 20.0),
    (3, True): (0.66, 3.0, 0.5, 20.0),
}
RATIO = 1.4  # of two steps


def trapezoids(plan: Plan, temperature: float) -> list[Rule]:
    """Around the layers of a sample relaxed at this temperature, if that is positive and there are layers.

    Without them around the origin.
    """
    return _following(plan, temperature) if temperature > 0 and plan.has_layers else _fixed(plan)


def rarest(plan: Plan) -> float:
    """Largest -log p of all values."""
    return float(max(-part.log_probs.min() for part in plan.parts))


def _fixed(plan: Plan) -> list[Rule]:
    """As far as the rarest value needs."""
    steps, scale, share, most = FIXED[plan.axes]
    stretch = min(rarest(plan), most)
    reach, scale = REACH + stretch, max(scale, share * stretch)
    return [Trapezoid(step, reach, plan.axes, scale, plan.in_turn) for step in steps]


def _following(plan: Plan, temperature: float) -> list[Rule]:
    """The same, and as much farther as the layers are."""
    first, scale, share, most = FOLLOWING[plan.axes, plan.in_turn]
    z, _ = configurations(plan.parts, np.arange(count(plan.parts)))
    distances = np.abs(layers(plan.parts, z, temperature))
    draws = plan.axes // distances.shape[1]
    farthest = min(draws * float(distances.sum(axis=1).max()), most)
    reach, scale = REACH + min(rarest(plan), most) + farthest, max(scale, share * min(float(distances.max()), most))
    steps = [first / RATIO**k for k in range(len(FIXED[plan.axes][0]))]
    return [Trapezoid(step, reach, plan.axes, scale, plan.in_turn, temperature, farthest) for step in steps]
