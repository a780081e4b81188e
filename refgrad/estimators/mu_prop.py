"""MuProp: REINFORCE on what a Taylor expansion of f at the mean leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions import Distribution
from refgrad.distributions._array import Array
from refgrad.estimators._base import Claims, Estimator
from refgrad.estimators._derivatives import derivative, hessian, pathwise

__all__ = ["MuProp"]


@dataclass(frozen=True)
class MuProp(Estimator):
    """Gu et al. (2016): a Taylor expansion of f at the mean as control variate; unbiased.

    f is evaluated at z, and once for each row of logits at the mean, where it is differentiated, for order 2 twice
    (once for each entry of z, in one call). Exact, without variance, for linear f; for quadratic f with order 2. A
    wrong `f.grad` costs variance and never the mean.

    Parameters
    ----------
    order : {1, 2}
        Of the expansion. With 2 autograd follows the gradient of f, `f.grad` where there is one.

    Raises
    ------
    ValueError
        If `order` is neither 1 nor 2; when called, if f or a derivative is not finite at the mean.
    TypeError
        When called, if autograd cannot follow f, or with order 2 its gradient.
    """

    order: int = 1
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"order": 2})

    def __post_init__(self) -> None:
        if np.ndim(self.order) or self.order not in {1, 2}:
            raise ValueError(f"MuProp needs order 1 or 2, but it is {self.order}")

    @property
    def claims(self) -> Claims:  # type: ignore[override]
        """Unbiased, and exact for what the expansion is exact for."""
        exact_for = {1: "linear", 2: "quadratic"}[self.order]
        return Claims(unbiased=True, exact_for=exact_for, differentiates_f=True, derivation="06-muprop")

    def __call__(self, q: Distribution, f: Callable[[Any], Any], noise: Any) -> Array:  # noqa: D102
        f, (noise_z,) = self._prepare(q, f, noise)  # (..., *event_shape)
        z, mean = q.sample(noise_z), q.probs  # Eq. 06.1
        event = tuple(range(-q.event_ndim, 0))
        rest = z - mean
        value, slope = _finite(*derivative(f, mean))  # (*batch_shape,), (*batch_shape, *event_shape)
        expansion, weights = value + (slope * rest).sum(event), slope  # Eq. 06.2
        if self.order == 2:
            (curvature,) = _finite(hessian(f, mean, q.event_ndim))  # (*batch_shape, *event_shape, *event_shape)
            expansion = expansion + _half_square(curvature, rest, q.event_ndim)  # Eq. 06.5
            weights = slope + _mean_weights(curvature, mean, q.event_ndim)  # Eq. 06.6
        _, mean_gradient = pathwise(lambda q: (weights * q.probs).sum(event), q, q.logits)  # Eq. 06.3
        return q.expand(f(z) - expansion) * q.score(z) + mean_gradient  # Eq. 06.4


def _finite(*terms: Array) -> tuple[Array, ...]:
    """Refuse terms of the expansion that are infinite or not a number: f is shown the mean, where no z ever is."""
    for term in terms:
        wrong = ~np.isfinite(term)
        if wrong.any():
            raise ValueError(
                f"MuProp needs f and its derivatives to be finite at the mean of z, but {wrong.sum()} of {wrong.size} "
                "numbers are not"
            )
    return terms


def _half_square(curvature: Array, rest: Array, event_ndim: int) -> Array:
    """Half of the quadratic form of the rest: (...). Row by row, so that memory stays that of the rest."""
    size = int(np.prod(rest.shape[-event_ndim:]))
    flat = rest.reshape((*rest.shape[:-event_ndim], size))
    matrix = curvature.reshape((*curvature.shape[: curvature.ndim - 2 * event_ndim], size, size))
    rows = (flat[..., i] * (matrix[..., i, :] * flat).sum(-1) for i in range(size))
    return sum(rows, np.zeros(flat.shape[:-1])) / 2


def _mean_weights(curvature: Array, mean: Array, event_ndim: int) -> Array:
    """What the mean of the second-order term is multiplied with in the mean of z: only pairs within a variable stay."""
    if event_ndim == 1:
        within = diagonal = np.einsum("...dd->...d", curvature)
        return diagonal / 2 - within * mean
    within = np.einsum("...dkdj->...dkj", curvature)
    diagonal = np.einsum("...dkk->...dk", within)
    return diagonal / 2 - (within * mean[..., None, :]).sum(-1)
