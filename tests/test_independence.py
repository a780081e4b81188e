"""Two judges that share nothing: the oracle and the vectors each see a broken score, relaxation and quadrature."""

import numpy as np
import pytest

from refgrad import exact
from refgrad.distributions import Bernoulli, Categorical
from refgrad.distributions._array import untraced
from refgrad.estimators import Rebar, Reinforce
from refgrad.exact import _rules
from refgrad.objectives import Interacting
from refgrad.testing.vectors import shipped
from refgrad.testing.vectors._flags import estimate
from refgrad.testing.vectors._settings import distribution_of, made, objective_of

FAMILIES = [Bernoulli, Categorical]


def problem(cls):
    shape = (1,) if cls is Bernoulli else (1, 2)
    rng = np.random.default_rng(1)
    return cls(rng.normal(size=shape)), Interacting(0.5, *rng.normal(size=(4, *shape)))


def oracle_sees(estimator, cls):
    """Whether the exact mean of an unbiased estimator is not the exact gradient, or its error does not vouch for it."""
    q, f = problem(cls)
    moments = exact.moments(estimator, q, f)
    off = np.abs(moments.mean - exact.gradient(q, f))
    return bool((off > moments.error).any() or (moments.error > 1e-6).any())


def vectors_see(name):
    """Whether the package is off on a vector."""
    pairs = [(group, test) for group in shipped(name)["groups"] for test in group["tests"]]
    return any(
        (np.abs(estimate(made(group), group, test) - test["expected"]["gradient"]) > test["atol"]["float64"]).any()
        for group, test in pairs
    )


def designs_see(name):
    """Whether the mean of the oracle is not that of a design."""
    group = shipped(f"designs/{name}")["groups"][0]
    test = group["tests"][0]
    moments = exact.moments(made(group), distribution_of(group, test["logits"]), objective_of(group))
    off = np.abs(moments.mean - test["expected"]["mean"])
    return bool((off > test["atol"]["float64"] + moments.error).any() or (moments.error > 1e-6).any())


@pytest.mark.parametrize("cls", FAMILIES)
def test_nothing_is_seen_where_nothing_is_broken(cls):
    assert not oracle_sees(Reinforce(), cls)
    assert not oracle_sees(Rebar(0.5, 0.75), cls)
    for module in ("reinforce", "rebar", "gumbel-softmax"):
        assert not vectors_see(f"{module}-{cls.family}")
        assert not designs_see(f"{module}-{cls.family}")


@pytest.mark.parametrize("cls", FAMILIES)
def test_a_broken_score(cls, monkeypatch):
    right = cls.score
    monkeypatch.setattr(cls, "score", lambda self, z: (1 + 1e-6) * right(self, z))
    assert oracle_sees(Reinforce(), cls)
    assert vectors_see(f"reinforce-{cls.family}")
    assert designs_see(f"reinforce-{cls.family}")


@pytest.mark.parametrize("cls", FAMILIES)
def test_a_broken_relaxation(cls, monkeypatch):
    """Its value is right, its derivative a little off: the mean of REBAR, and every row of it."""
    right = cls.relax

    def broken(self, noise, temperature):
        relaxed = right(self, noise, temperature)
        return relaxed + 1e-6 * (relaxed - untraced(relaxed)) * untraced(self.logits)

    monkeypatch.setattr(cls, "relax", broken)
    assert oracle_sees(Rebar(0.5, 0.75), cls)
    assert vectors_see(f"gumbel-softmax-{cls.family}")
    assert vectors_see(f"rebar-{cls.family}")
    assert designs_see(f"gumbel-softmax-{cls.family}")


@pytest.mark.parametrize("cls", FAMILIES)
def test_relaxations_of_another_temperature(cls, monkeypatch):
    """REBAR is unbiased for every relaxation: its mean cannot see this one; its rows do, and a mean with a bias."""
    for verb in ("relax", "relax_given"):
        right = getattr(cls, verb)
        monkeypatch.setattr(cls, verb, lambda self, *x, right=right: right(self, *x[:-1], (1 + 1e-6) * x[-1]))
    assert not oracle_sees(Rebar(0.5, 0.75), cls)
    assert vectors_see(f"rebar-{cls.family}")
    assert designs_see(f"gumbel-softmax-{cls.family}")


@pytest.mark.parametrize("cls", FAMILIES)
def test_a_relaxation_given_z_that_is_broken(cls, monkeypatch):
    """Its fresh noise is no standard noise."""
    right = cls.relax_given
    monkeypatch.setattr(cls, "relax_given", lambda self, z, v, temperature: right(self, z, (1 + 1e-4) * v, temperature))
    assert oracle_sees(Rebar(0.5, 0.75), cls)
    assert vectors_see(f"rebar-{cls.family}")


@pytest.mark.parametrize("cls", FAMILIES)
def test_a_broken_quadrature(cls, monkeypatch):
    """Weights that are off in proportion still add up to one."""
    right = _rules._density
    monkeypatch.setattr(_rules, "_density", lambda v: (1 + 1e-4 * np.tanh(v)) * right(v))
    assert oracle_sees(Rebar(0.5, 0.75), cls)
    assert designs_see(f"gumbel-softmax-{cls.family}")
