"""Other frameworks and other languages: what their users have at hand, made into what the checks take."""

from refgrad.testing.adapters._jax import from_jax
from refgrad.testing.adapters._subprocess import Subprocess, SubprocessError
from refgrad.testing.adapters._tensorflow import from_tensorflow
from refgrad.testing.adapters._torch import from_torch

__all__ = ["Subprocess", "SubprocessError", "from_jax", "from_tensorflow", "from_torch"]
