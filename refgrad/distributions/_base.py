"""What both families share: the shape of the logits, and the checks of what is handed to a verb."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions._array import Array, abbreviated, as_float, traced, untraced


@dataclass(frozen=True, eq=False, repr=False)
class Distribution(ABC):
    """A factorised distribution over D discrete variables, given by its logits; leading axes are a batch."""

    logits: Any
    family: ClassVar[str]
    event_ndim: ClassVar[int]

    def __post_init__(self) -> None:
        logits = as_float(self.logits, f"{type(self).__name__} logits")
        shape = np.shape(logits)
        if len(shape) < self.event_ndim or 0 in shape[len(shape) - self.event_ndim :]:
            axes = "(..., D)" if self.event_ndim == 1 else "(..., D, K)"
            raise ValueError(
                f"{type(self).__name__} needs logits of shape {axes}, none of these zero, but they have shape {shape}"
            )
        if not traced(logits):
            self._check_logits(logits)
            logits = logits.copy()
            logits.flags.writeable = False
        object.__setattr__(self, "logits", logits)

    @abstractmethod
    def _check_logits(self, logits: Array) -> None:
        """Raise ValueError for logits that give no distribution."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one z, of one draw of noise, and of the gradient: (D,) or (D, K)."""
        return np.shape(self.logits)[-self.event_ndim :]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading axes of the logits."""
        return np.shape(self.logits)[: -self.event_ndim]

    @property
    @abstractmethod
    def support_size(self) -> int:
        """Number of configurations: 2**D or K**D."""

    @property
    @abstractmethod
    def probs(self) -> Any:
        """Probabilities, in the shape of the logits."""

    @abstractmethod
    def log_prob(self, z: Any) -> Any:
        """Log-probability of z: (...)."""

    @abstractmethod
    def score(self, z: Any) -> Any:
        """Gradient of `log_prob` in the logits: (..., *event_shape)."""

    @abstractmethod
    def support(self, start: int = 0, stop: int | None = None) -> Array:
        """Configurations in lexicographic order: (stop - start, *event_shape)."""

    @abstractmethod
    def draw_noise(self, shape: Any, rng: np.random.Generator) -> Array:
        """Standard noise: (*shape, *event_shape)."""

    @abstractmethod
    def sample(self, noise: Any) -> Array:
        """The z of some noise: (..., *event_shape)."""

    @abstractmethod
    def noise_given(self, z: Any, v: Any) -> Any:
        """Noise that yields z, from fresh noise v: (..., *event_shape)."""

    @abstractmethod
    def fresh_given(self, noise: Any) -> Array:
        """The v with `noise_given(sample(noise), v) == noise`: (..., *event_shape)."""

    @abstractmethod
    def relax(self, noise: Any, temperature: Any) -> Any:
        """The relaxed z of some noise: (..., *event_shape)."""

    @abstractmethod
    def relax_given(self, z: Any, v: Any, temperature: Any) -> Any:
        """The relaxed z of the noise that yields z: (..., *event_shape)."""

    @abstractmethod
    def relaxed_log_prob(self, relaxed: Any, temperature: Any) -> Any:
        """Log-density of a relaxed z: (...)."""

    @abstractmethod
    def _inside(self, z: Array, noise: Any) -> Any:
        """Noise of z that rounding put outside the cell of z, moved back by ulps."""

    def expand(self, value: Any) -> Any:
        """Append the event axes to an array of values, so that it multiplies a score.

        Parameters
        ----------
        value : (...) array_like of float64
            One number for each z, such as `f(z)`.

        Returns
        -------
        (..., 1) or (..., 1, 1) ndarray of float64
        """
        value = as_float(value, "value")
        return value.reshape(np.shape(value) + (1,) * self.event_ndim)

    def _event(self, x: Any, name: str) -> Any:
        """Convert an argument of a verb, whose last axes must be those of one z."""
        x = as_float(x, name)
        if np.shape(x)[-self.event_ndim :] != self.event_shape:
            needed = ", ".join(map(str, self.event_shape))
            raise ValueError(f"{name} needs shape (..., {needed}), but has shape {np.shape(x)}")
        return x

    def _hard(self, z: Any) -> Array:
        """Convert a z, whose entries must be zeros and ones."""
        z = untraced(self._event(z, "z"))
        wrong = (z != 0) & (z != 1)
        if wrong.any():
            raise ValueError(f"z needs entries 0 and 1, but has {z[wrong][0]} at {_first(wrong)}")
        return z

    def _relaxed(self, relaxed: Any, temperature: Any) -> tuple[Any, Any]:
        """Convert a relaxed z, which must lie in the cube or the simplex, and check its temperature."""
        own = np.asarray(untraced(relaxed)).dtype  # rows in float32 sum to one as float32 rounds
        eps = max(float(np.finfo(dtype).eps) for dtype in (own, np.dtype(float)) if dtype.kind == "f")
        relaxed = self._event(relaxed, "relaxed")
        self._check_relaxed(untraced(relaxed), eps)
        return relaxed, self._positive(temperature)

    @abstractmethod
    def _check_relaxed(self, relaxed: Array, eps: float) -> None:
        """Raise ValueError for a relaxed z outside of the cube or the simplex, by more than its rounding."""

    @staticmethod
    def _positive(temperature: Any) -> Any:
        """Check a temperature, which autograd may be following."""
        if np.ndim(untraced(temperature)) or not 0 < as_float(untraced(temperature), "temperature") < np.inf:
            raise ValueError(f"temperature needs to be positive and finite, but is {untraced(temperature)}")
        return temperature

    def _indices(self, start: int, stop: int | None) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Numbers of the configurations from `start` up to `stop`."""
        stop = self.support_size if stop is None else stop
        if not 0 <= start <= stop <= self.support_size:
            raise ValueError(
                f"support needs 0 <= start <= stop <= {self.support_size}, but start = {start} and stop = {stop}"
            )
        if self.support_size > 2**62:
            raise ValueError(f"support numbers at most 2**62 configurations, but there are {self.support_size}")
        return np.arange(start, stop, dtype=np.int64)

    def _noise_shape(self, shape: Any, rng: Any) -> tuple[int, ...]:
        """Shape of the noise that `draw_noise` is asked for."""
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng needs a numpy.random.Generator, but is {type(rng).__name__}")
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        return shape + self.event_shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}(logits={abbreviated(self.logits)})"


def _first(mask: Any) -> tuple[int, ...]:
    """Index of the first true entry."""
    return tuple(map(int, np.argwhere(mask)[0]))
