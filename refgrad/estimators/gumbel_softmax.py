"""Gumbel-Softmax: differentiate f at a relaxed sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator, keep_temperature
from refgrad.estimators._derivatives import pathwise

__all__ = ["GumbelSoftmax"]


@dataclass(frozen=True)
class GumbelSoftmax(Estimator):
    """Jang et al. (2017), Maddison et al. (2017): the reparameterised gradient of a relaxed problem, biased for ours.

    Also Concrete; on a Bernoulli it is binary Concrete. f is evaluated once, and differentiated, at the relaxed sample
    inside the cube or simplex, never at z.

    Parameters
    ----------
    temperature : float
        Positive. It trades bias (high) for variance (low), so there is no default.

    Raises
    ------
    ValueError
        If `temperature` is not positive and finite.
    """

    temperature: float
    claims: ClassVar[Claims] = Claims(
        unbiased=False, differentiates_f=True, reads=("cell",), derivation="07-gumbel-softmax"
    )
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"temperature": 1.0}, {"temperature": 0.5})

    def __post_init__(self) -> None:
        keep_temperature(self)

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)

        def relaxed(q: Distribution) -> Any:
            return f(q.relax(noise_z, self.temperature))  # Eq. 07.2

        _, slope = pathwise(relaxed, q, noise_z)
        return slope  # Eq. 07.3
