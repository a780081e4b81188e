"""Named objectives f(z), with their gradient by hand, in plain operators that torch and JAX arrays understand too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, ClassVar

import numpy as np

from refgrad.distributions._array import abbreviated, as_float, namespace, traced

__all__ = ["Interacting", "Quadratic", "SquaredError", "Table", "like"]


def like(z: Any, c: Any) -> Any:
    """Return the constant `c` as an array of the kind of `z`: `z.new_tensor(c)` where z has it, else `c` itself.

    Examples
    --------
    >>> float(like(np.zeros(2), 0.5))
    0.5
    """
    return z.new_tensor(c) if hasattr(z, "new_tensor") else c


@dataclass(frozen=True, eq=False, repr=False)
class _Objective:
    """Constants are copied to float64, finite and read-only; z may be any array with plain operators."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "event_shape":
                continue
            array = np.array(as_float(value, field.name))
            if not np.isfinite(array).all():
                raise ValueError(f"{type(self).__name__} needs finite {field.name}, but it is {abbreviated(array)}")
            array.flags.writeable = False
            object.__setattr__(self, field.name, array)

    def __repr__(self) -> str:
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        text = ", ".join(f"{name}={abbreviated(value)}" for name, value in values if value is not None)
        return f"{type(self).__name__}({text})"

    def _check_event(self, z: Any, shape: tuple[int, ...]) -> Any:
        """Refuse a z whose last axes are not those of the coefficients."""
        z = z if hasattr(z, "shape") else as_float(z, "z")
        if tuple(z.shape)[-len(shape) :] != shape:
            needed = ", ".join(map(str, shape))
            raise ValueError(f"{type(self).__name__} needs z of shape (..., {needed}), but it is {tuple(z.shape)}")
        return z


@dataclass(frozen=True, eq=False, repr=False)
class SquaredError(_Objective):
    """`sum (z - target)**2`, the toy of REBAR and RELAX when D = 1.

    Parameters
    ----------
    target : float, or (D,) or (D, K) array_like of float64
        A number is the target of every Bernoulli variable. For a Categorical give an array of two axes.

    Notes
    -----
    Tucker et al. (2017), section 5.1; Grathwohl et al. (2018), section 5.1.

    Examples
    --------
    >>> print(SquaredError(0.5)(np.array([[0.0, 1.0], [1.0, 2.0]])))
    [0.5 2.5]
    """

    target: Any

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., *event_shape)."""
        difference = self._difference(z)
        return (difference * difference).sum(_last(max(1, self.target.ndim)))

    def grad(self, z: Any) -> Any:
        """Return the gradient in z: (..., *event_shape)."""
        return 2 * self._difference(z)

    def _difference(self, z: Any) -> Any:
        z = z if hasattr(z, "shape") else as_float(z, "z")
        if len(z.shape) < max(1, self.target.ndim):
            raise ValueError(f"SquaredError needs z of shape (..., D) or (..., D, K), but it is {tuple(z.shape)}")
        if self.target.ndim:
            self._check_event(z, self.target.shape)
        return z - like(z, self.target)


@dataclass(frozen=True, eq=False, repr=False)
class Quadratic(_Objective):
    """`constant + linear . z + z . matrix . z` on the flattened z: every pairwise interaction.

    Parameters
    ----------
    constant : float
    linear : (D,) or (D, K) array_like of float64
        Its shape is the shape of one z.
    matrix : (D, D) or (D * K, D * K) array_like of float64
        Need not be symmetric.

    Raises
    ------
    ValueError
        If the matrix does not fit the linear coefficients, or a coefficient is not finite.

    Examples
    --------
    >>> f = Quadratic(1.0, [2.0, 0.0], [[0.0, 4.0], [0.0, 0.0]])
    >>> print(f(np.array([1.0, 1.0])), f.grad(np.array([1.0, 0.5])))
    7.0 [4. 4.]
    """

    constant: Any
    linear: Any
    matrix: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.linear.size
        if self.linear.ndim not in {1, 2} or self.matrix.shape != (size, size) or self.constant.ndim:
            raise ValueError(
                "Quadratic needs a number, linear of shape (D,) or (D, K) and a square matrix of its size, but the "
                f"shapes are {self.constant.shape}, {self.linear.shape} and {self.matrix.shape}"
            )

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., *event_shape)."""
        flat = _flat(self._check_event(z, self.linear.shape), self.linear.ndim)
        slope = like(flat, self.linear.ravel()) + _product(flat, self.matrix)
        return like(flat, self.constant) + (slope * flat).sum(-1)

    def grad(self, z: Any) -> Any:
        """Return the gradient in z: (..., *event_shape)."""
        z = self._check_event(z, self.linear.shape)
        flat = _flat(z, self.linear.ndim)
        slope = like(flat, self.linear.ravel()) + _product(flat, self.matrix + self.matrix.T)
        return slope.reshape(tuple(z.shape))


@dataclass(frozen=True, eq=False, repr=False)
class Interacting(_Objective):
    """Weighted squares, all pairs, all triples, and a term of no finite degree.

    `constant + squares . z**2 + (pairs . z)**2 + (triples . z)**3 + 1 / (1 + (bounded . z)**2)`: mistakes that vanish
    on polynomials of low degree, or on an f that is centred or symmetric, do not vanish here. Rational coefficients
    give rational values.

    Parameters
    ----------
    constant : float
    squares, pairs, triples, bounded : (D,) or (D, K) array_like of float64
        All of the shape of one z.

    Raises
    ------
    ValueError
        If the shapes differ, or a coefficient is not finite.

    Examples
    --------
    >>> f = Interacting(1.0, [1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0])
    >>> print(f(np.array([1.0, 1.0])), f.grad(np.array([1.0, 1.0])))
    6.5 [5.5 4. ]
    """

    constant: Any
    squares: Any
    pairs: Any
    triples: Any
    bounded: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        shapes = {field.name: getattr(self, field.name).shape for field in fields(self)}
        constant, shape, *others = shapes.values()
        if constant or len(shape) not in {1, 2} or any(other != shape for other in others):
            raise ValueError(f"Interacting needs a number and four arrays of the shape of one z, but they are {shapes}")

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., *event_shape)."""
        flat, (pair, triple, bound) = self._products(z)
        squares = _product(flat * flat, self.squares.reshape(-1, 1))[..., 0]
        return like(flat, self.constant) + squares + pair * pair + triple * triple * triple + 1 / (1 + bound * bound)

    def grad(self, z: Any) -> Any:
        """Return the gradient in z: (..., *event_shape)."""
        flat, products = self._products(z)
        pair, triple, bound = (p[..., None] for p in products)
        slope = (
            flat * like(flat, 2 * self.squares.ravel())
            + 2 * pair * like(flat, self.pairs.ravel())
            + 3 * triple * triple * like(flat, self.triples.ravel())
            - 2 * bound / ((1 + bound * bound) * (1 + bound * bound)) * like(flat, self.bounded.ravel())
        )
        return slope.reshape(tuple(flat.shape[:-1]) + self.squares.shape)

    def _products(self, z: Any) -> tuple[Any, tuple[Any, ...]]:
        """The flattened z, and its products with pairs, triples and bounded."""
        flat = _flat(self._check_event(z, self.squares.shape), self.squares.ndim)
        weights = np.stack([own.ravel() for own in (self.pairs, self.triples, self.bounded)])
        products = _product(flat, weights.T)
        return flat, tuple(products[..., i] for i in range(3))


@dataclass(frozen=True, eq=False, repr=False)
class Table(_Objective):
    """Any function on the support, by its values; inside, its multilinear extension.

    Parameters
    ----------
    values : (2**D,) or (K**D,) array_like of float64
        In the order of `q.support()`; also of shape `(K,) * D`.
    event_shape : tuple of int, optional
        `(D,)` or `(D, K)`. Without it the shape of z decides: Bernoulli where `2**z.shape[-1]` is the number of values,
        else Categorical. A Categorical with event shape (2, 2) or (2, 4) reads both ways and needs it.

    Raises
    ------
    ValueError
        If the number of values does not fit z; if z is relaxed (or not a NumPy array) and there are more than
        `Table.largest_extension` values, since each row of z costs as many operations.

    Examples
    --------
    >>> f = Table([0.0, 1.0, 2.0, 7.0])
    >>> print(f(np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]])))
    [1.  7.  2.5]
    """

    values: Any
    event_shape: tuple[int, ...] | None = None
    largest_extension: ClassVar[int] = 4096

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "values", self.values.ravel())
        shape = self.event_shape
        if shape is not None and (len(shape) not in {1, 2} or not self._fits(shape)):
            raise ValueError(f"Table needs as many values as z has configurations, but {self._mismatch(shape)}")

    def __call__(self, z: Any) -> Any:
        """Return the values: (...), from z of shape (..., *event_shape)."""
        z, shape = self._read(z)
        if isinstance(z, np.ndarray) and ((z == 0) | (z == 1)).all() and (len(shape) == 1 or (z.sum(-1) == 1).all()):
            digits = z if len(shape) == 1 else (z * np.arange(shape[1])).sum(-1)
            place = self._categories(shape) ** np.arange(shape[0])[::-1]
            return self.values[(digits * place).sum(-1).astype(np.int64)]
        return self._contract(z, [self._weights(z, shape, d) for d in range(shape[0])])

    def grad(self, z: Any) -> Any:
        """Return the gradient of the multilinear extension in z: (..., *event_shape)."""
        z, shape = self._read(z)
        weights = [self._weights(z, shape, d) for d in range(shape[0])]
        slope = 0 * z
        for index, step in self._steps(z, shape):
            changed = [step if d == index[0] else weight for d, weight in enumerate(weights)]
            unit = np.zeros(shape)
            unit[index] = 1.0
            value = self._contract(z, changed)
            slope = slope + value.reshape(tuple(value.shape) + (1,) * len(shape)) * like(z, unit)
        return slope

    def in_order(self, event_shape: tuple[int, ...]) -> Any:
        """Return the values in the order of `q.support()`, or None where a z of that shape is read in another way."""
        own = self.event_shape or next((s for s in (event_shape[-1:], event_shape) if self._fits(s)), None)
        return self.values if own is not None and tuple(own) == event_shape else None

    def _contract(self, z: Any, weights: Sequence[Sequence[Any]]) -> Any:
        """Sum the table against a product of weights, the last (and fastest) variable first."""
        if self.values.size > self.largest_extension:
            raise ValueError(
                f"Table extends to the inside, or to arrays of other libraries, up to {self.largest_extension} values "
                f"(raise Table.largest_extension for more), but has {self.values.size}"
            )
        table = like(z, self.values)
        for weight in reversed(weights):
            table = sum(table[..., k :: len(weight)] * w for k, w in enumerate(weight))
        return table[..., 0]

    @staticmethod
    def _weights(z: Any, shape: tuple[int, ...], d: int) -> list[Any]:
        """Weight of each value of variable d."""
        if len(shape) == 1:
            return [1 - z[..., d : d + 1], z[..., d : d + 1]]
        return [z[..., d, k : k + 1] for k in range(shape[1])]

    @staticmethod
    def _steps(z: Any, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
        """Derivative of the weights of one variable, for each entry of z."""
        for index in np.ndindex(*shape):
            one = 0 * _flat(z, len(shape))[..., :1] + 1
            yield index, [-one, one] if len(shape) == 1 else [one * (k == index[1]) for k in range(shape[1])]

    def _read(self, z: Any) -> tuple[Any, tuple[int, ...]]:
        """Return z and the shape of one z, which the number of values decides."""
        z = z if hasattr(z, "shape") else as_float(z, "z")
        if self.event_shape is not None:
            return self._check_event(z, tuple(self.event_shape)), tuple(self.event_shape)
        for shape in (tuple(z.shape)[-1:], tuple(z.shape)[-2:]):
            if shape and self._fits(shape):
                return z, shape
        raise ValueError(f"Table needs as many values as z has configurations, but {self._mismatch(tuple(z.shape))}")

    @staticmethod
    def _categories(shape: tuple[int, ...]) -> int:
        return 2 if len(shape) == 1 else shape[1]

    def _count(self, shape: tuple[int, ...]) -> int:
        return int(self._categories(shape) ** shape[0])

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return self._count(shape) == self.values.size

    def _mismatch(self, shape: tuple[int, ...]) -> str:
        return f"there are {self.values.size} and the shape of z is {shape}"


def _product(flat: Any, matrix: Any) -> Any:
    """`flat @ matrix`; in NumPy its rounding follows neither the number of rows, as BLAS's does, nor their layout."""
    if isinstance(flat, np.ndarray):
        return np.einsum("...i,ij->...j", np.ascontiguousarray(flat), matrix)
    return namespace(flat).einsum("...i,ij->...j", flat, matrix) if traced(flat) else flat @ like(flat, matrix)


def _last(ndim: int) -> tuple[int, ...]:
    """The last axes, as NumPy, torch and JAX take them."""
    return tuple(range(-ndim, 0))


def _flat(z: Any, ndim: int) -> Any:
    """Join the event axes."""
    shape = tuple(z.shape)
    return z.reshape((*shape[: len(shape) - ndim], prod(shape[len(shape) - ndim :])))
