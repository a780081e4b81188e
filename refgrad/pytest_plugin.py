"""The pytest plugin: options for the checks of a run, their verdicts in its summary, its reports and its junit file.

Nothing heavy is imported before a test runs a check. See `pytest --help`, group refgrad.
"""

from __future__ import annotations

import pytest

from refgrad._pytest import _options

__all__ = ["pytest_addoption", "pytest_configure"]

NAME = "refgrad"  # of what is registered: a second copy of this module finds it there and steps back


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and the same ones for the configuration file."""
    group = parser.getgroup("refgrad", "refgrad, checks of gradient estimators")
    for flag, metavar, said in _options.OPTIONS:
        key = _options.key_of(flag)
        try:
            group.addoption(flag, dest=key, metavar=metavar, default=None, help=said)
        except ValueError:  # the options are there: this is a second copy
            return
        parser.addini(key, f"the same as {flag}", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options, and listen to the tests.

    Raises
    ------
    pytest.UsageError
        If an option is wrong, or the report cannot be written.
    """
    if config.pluginmanager.has_plugin(NAME):
        return
    config.addinivalue_line(
        "markers",
        "refgrad(alpha, max_samples, seed, tolerance): options of the checks of refgrad that run in this test",
    )
    options = _options.read(config)
    from refgrad._pytest._account import Account  # noqa: PLC0415  (when the options are known to be right)
    from refgrad._pytest._hearing import Listener  # noqa: PLC0415

    config.pluginmanager.register(Listener(options), NAME)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Account(config, options), _options.ACCOUNT)
