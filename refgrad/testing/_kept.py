"""Results that are kept where what they depend on can be a key."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def kept(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep the last results of a function; one that is given an estimator with fields that have no hash is computed."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        keeping = lru_cache(maxsize=most)(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                hash(args)
            except TypeError:
                return function(*args, **kwargs)
            return keeping(*args, **kwargs)  # type: ignore[arg-type]

        return call

    return decorate
