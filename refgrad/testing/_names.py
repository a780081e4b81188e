"""Short names of estimators, for tables and legends: what differs from the defaults, in few words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from refgrad.estimators import Estimator

__all__ = ["short_name", "short_names"]


def short_name(estimator: Estimator, without: Sequence[str] = ()) -> str:
    """Class, fields that differ from their defaults, and the temperature; arrays are left out.

    Parameters
    ----------
    estimator : Estimator
    without : sequence of str
        Fields that are left out.

    Returns
    -------
    str

    Examples
    --------
    >>> from refgrad.estimators import Rebar, Relax
    >>> print(short_name(Rebar(coefficient=0.7)), short_name(Relax(), without=["temperature"]))
    Rebar(temperature=0.5, coefficient=0.7) Relax()
    """
    if not is_dataclass(estimator):
        return repr(estimator)
    shown: list[str] = []
    for field in fields(estimator):
        value = getattr(estimator, field.name)
        usual = field.default is not MISSING and repr(value) == repr(field.default)
        if field.name not in without and (field.name == "temperature" or not usual):
            shown.extend(_brief(field.name, value))
    return f"{type(estimator).__name__}({', '.join(shown)})"


def short_names(estimators: Sequence[Estimator]) -> list[str]:
    """Short names; where two estimators would share one, the `repr` of each."""
    names = [short_name(estimator) for estimator in estimators]
    shared = Counter(names)
    return [name if shared[name] == 1 else repr(e) for name, e in zip(names, estimators, strict=True)]


def _brief(name: str, value: Any) -> list[str]:
    """A number with its name, a switch or a function by its name alone; an array is left out."""
    if value is True:
        return [name]
    if value is None or isinstance(value, (bool, int, str)):
        return [f"{name}={value!r}"]
    if isinstance(value, float):
        return [f"{name}={value!r}" if len(repr(value)) <= 8 else f"{name}={value:.4g}"]
    if is_dataclass(value):
        return [type(value).__name__]
    return [value.__name__] if hasattr(value, "__name__") else []
