"""The table of the built-in estimators."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refgrad import estimators
from refgrad.estimators import Claims, GumbelSoftmax, Reinforce
from refgrad.testing import built_in, exact_problems


def test_every_estimator_is_there():
    assert {type(e).__name__ for e in built_in.instances()} == {c.__name__ for c in built_in.classes()}
    assert {Reinforce, GumbelSoftmax} <= set(built_in.classes())
    assert estimators.Estimator not in built_in.classes()
    assert len(built_in.pairs()) == len(built_in.pairs("bernoulli")) + len(built_in.pairs("categorical"))


def test_rows():
    problem = exact_problems()[3]
    right, biased = built_in.row(Reinforce(), problem), built_in.row(GumbelSoftmax(1.0), problem)
    assert right.verdict == "unbiased"
    assert biased.verdict == "biased, as claimed"
    np.testing.assert_array_equal(biased.bias, biased.mean - biased.gradient)
    assert abs(biased.bias[biased.worst]) == abs(biased.bias).max()
    assert json.loads(json.dumps(right.to_dict(), allow_nan=False))["verdict"] == "unbiased"


@dataclass(frozen=True)
class Scaled(Reinforce):
    claims: ClassVar[Claims] = Claims(unbiased=True)

    def __call__(self, q, f, noise):
        return 1.0005 * super().__call__(q, f, noise)


@dataclass(frozen=True)
class Modest(Reinforce):
    claims: ClassVar[Claims] = Claims(unbiased=False)


def test_a_false_claim_is_wrong():
    problem = exact_problems()[3]
    assert built_in.row(Scaled(), problem).verdict == "wrong"


def test_a_bias_that_is_claimed_and_not_there_is_seen():
    rows = [built_in.row(Modest(), p) for p in exact_problems()[:2]]
    assert {row.verdict for row in rows} == {"unbiased here"}
    assert list(built_in.invisible(rows)) == ["Modest()"]
    assert list(built_in.invisible([built_in.row(GumbelSoftmax(1.0), exact_problems()[3])])) == []
