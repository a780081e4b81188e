"""What several test files share."""

import sys

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A working directory of its own, whose modules are forgotten at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or list(getattr(module, "__path__", []))).find(str(tmp_path)) >= 0:
            del sys.modules[name]
