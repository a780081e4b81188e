"""The sum that REBAR and RELAX share, for any function of the relaxed sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refgrad.testing.references._numbers import Vector, add, scale

__all__ = ["RELAXATIONS", "relaxed_control"]

RELAXATIONS = (
    {"temperature": 0.5, "coefficient": 1.0, "coupled": False},
    {"temperature": 0.25, "coefficient": 0.75, "coupled": False},
    {"temperature": 0.625, "coefficient": 0.75, "coupled": True},
)


def relaxed_control(
    q: Any,
    f: Callable[[Vector], Any],
    noise: list[Vector],
    control: Callable[[Vector], Any],
    temperature: Any,
    coefficient: Any,
    coupled: bool,
) -> dict[str, Any]:
    """REINFORCE on f less a control variate at the relaxed sample given z, and the two slopes that pay it back."""
    noise_z = noise[0]
    z = q.sample(noise_z)
    fresh = q.fresh_given(noise_z) if coupled else noise[1]

    def relaxed(own: Any) -> Vector:
        return own.relax(noise_z, temperature)

    def relaxed_given_z(own: Any) -> Vector:
        return own.relax(own.noise_given(z, fresh), temperature)

    value, score, value_z = f(z), q.score(z), control(relaxed_given_z(q))
    slope = q.slope(lambda own: control(relaxed(own)))
    slope_z = q.slope(lambda own: control(relaxed_given_z(own)))
    terms = {
        "value_score": scale(value, score),
        "control_score": scale(-coefficient * value_z, score),
        "slope": scale(coefficient, slope),
        "slope_given_z": scale(-coefficient, slope_z),
    }
    return {
        "z": z,
        "value": value,
        "score": score,
        "relaxed": relaxed(q),
        "relaxed_value": control(relaxed(q)),
        "slope": slope,
        "noise_given_z": q.noise_given(z, fresh),
        "relaxed_given_z": relaxed_given_z(q),
        "relaxed_value_given_z": value_z,
        "slope_given_z": slope_z,
        "terms": terms,
        "gradient": add(*terms.values()),  # Eq. 08.4, Eq. 10.3
    }
