"""Every estimator once more, from its definition and in as many digits as one asks for: the truth that vectors carry.

One module and one function for each estimator, under the name of its module in `refgrad.estimators`. Nothing here
shares a line, or NumPy, with what it is to judge: probabilities are quotients, noise given z is the inverse of its
distribution function, and every derivative is a central difference. What cancels is left to cancel, in more digits
(Eq. 16.2).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["reference"]


def reference(module: str) -> Callable[..., dict[str, Any]]:
    """The reference of an estimator, by the name of its module.

    Parameters
    ----------
    module : str
        Such as `"mu_prop"`.

    Returns
    -------
    callable
        From a distribution, an objective, noise (draws first) and parameters by name to the values in the order in
        which they are worked out; `terms` adds up to `gradient`, the last.

    Raises
    ------
    ImportError
        If mpmath is not installed; the message names the extra.
    LookupError
        If there is no such reference.
    """
    try:
        import mpmath  # noqa: F401, PLC0415
    except ImportError as error:
        raise ImportError("references need mpmath: pip install 'refgrad[vectors]'") from error
    name = f"{__name__}.{module}"
    try:
        return getattr(import_module(name), module)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise LookupError(f"there is no reference {name}") from error
