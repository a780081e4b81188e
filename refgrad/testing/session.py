"""What a test runner tells the checks that run inside it, and what it hears of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from refgrad._session import NOW, current
from refgrad.testing.verdict import Verdict

__all__ = ["Session", "judged", "once", "session"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """Options where a call gives none, and every verdict.

    Parameters
    ----------
    options : dict
        By the name of the option; a check takes those that it has.
    verdicts : list of Verdict
        In order.
    errors : list of str
        What ended a check without a verdict.
    kept : dict
        What need not be computed again in this session.
    """

    options: dict[str, Any]
    verdicts: list[Verdict] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    kept: dict[Any, Any] = field(default_factory=dict)


@contextmanager
def session(**options: Any) -> Iterator[Session]:
    """Give the checks inside the block their defaults, and collect their verdicts.

    Parameters
    ----------
    **options
        `alpha`, `seed`, `max_samples`, `tolerance`: taken where a call does not say them itself.

    Yields
    ------
    Session

    Notes
    -----
    Bound to the context (`contextvars`), so that tasks, and threads that begin inside, do not hear each other. A check
    that runs in no session of its context is heard by the test runner, if refgrad's plugin of pytest is there, from
    whatever thread or task. In a child process (`multiprocessing`, a fork) nobody hears it.

    Examples
    --------
    >>> from refgrad.estimators import Reinforce
    >>> from refgrad.testing import check_unbiased, standard_problems
    >>> def estimate(problem, n, rng):
    ...     return Reinforce().sample(problem.q, problem.f, n, rng)
    >>> with session(seed=7, alpha=1e-6) as heard:
    ...     verdict = check_unbiased(estimate, standard_problems()[0], alpha=1e-4)
    >>> print(verdict.seed, verdict.alpha, heard.verdicts == [verdict])
    7 0.0001 True
    """
    begun = Session(options)
    token = NOW.set(begun)
    try:
        yield begun
    finally:
        NOW.reset(token)


def once(key: Any, compute: Callable[[], T]) -> T:
    """Compute something, in a session only if it was not before under that key."""
    now = current()
    try:
        hash(key)
    except TypeError:
        return compute()
    if now is None:
        return compute()
    if key not in now.kept:
        now.kept[key] = compute()
    found: T = now.kept[key]
    return found


def judged(check: Callable[P, Verdict]) -> Callable[P, Verdict]:
    """A check, `check_NAME(fn, ...)`, that a session directs and hears; its verdict says its name and that of fn."""
    accepted = set(inspect.signature(check).parameters)
    kind = check.__name__.removeprefix("check_")

    @wraps(check)
    def heard(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        now = current()
        told = {} if now is None else now.options
        defaults = {name: value for name, value in told.items() if name in accepted}
        try:
            verdict = check(*args, **defaults | kwargs)
        except Exception as error:
            if now is not None:
                now.errors.append(f"{type(error).__name__}: {error}")
            raise
        code: Any = args[0] if args else next(iter(kwargs.values()))
        verdict = replace(verdict, check=kind, sampler=getattr(code, "__name__", type(code).__name__))
        if now is not None:
            now.verdicts.append(verdict)
        return verdict

    return heard
