"""Golden vectors: what every estimator returns on given noise, in fifty digits, for implementations in any language."""

from refgrad.testing.vectors._check import Judgement, check_answers
from refgrad.testing.vectors._compare import Failure
from refgrad.testing.vectors._files import generate, write
from refgrad.testing.vectors._format import VectorsError, load, names, schema, shipped

__all__ = [
    "Failure",
    "Judgement",
    "VectorsError",
    "check_answers",
    "generate",
    "load",
    "names",
    "schema",
    "shipped",
    "write",
]
