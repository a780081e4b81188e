"""Mistakes of RELAX: the numbers of page 10; with the relaxed f they are those of REBAR."""

import numpy as np

from refgrad import Bernoulli, exact
from refgrad.estimators import Relax
from refgrad.objectives import Quadratic
from refgrad.testing.mistakes import rebar, relax

NAMED = {m.name: m for m in relax.MISTAKES}
F = Quadratic(0.5, [1.0, -0.75], [[0.0, 1.5], [0.0, 0.0]])
Q = Bernoulli([1.2, -0.4])


def test_with_the_relaxed_f_they_are_those_of_rebar():
    for mistake in rebar.MISTAKES:
        other = NAMED[mistake.name.replace("rebar", "relax")].like(Relax(F, 0.5, 0.75))
        noise = mistake.estimator.draw_noise(Q, 9, np.random.default_rng(0))
        np.testing.assert_array_equal(mistake.estimator(Q, F, noise), other.estimator(Q, F, noise))


def test_detached_as_on_page_10():
    right = Relax(Quadratic(0.0, [2.0, -2.0], np.zeros((2, 2))))
    slip = NAMED["relax-detached-noise-given-z"].like(right)
    off = exact.moments(slip.estimator, Q, F).mean / exact.gradient(Q, F) - 1
    np.testing.assert_allclose(off, [-0.89, 3.454], atol=5e-4)


def test_f_is_shown_hard_samples_alone():
    for mistake in relax.MISTAKES:
        shown = []

        def spy(z, shown=shown):
            shown.append(z)
            return F(z)

        noise = mistake.estimator.draw_noise(Q, 9, np.random.default_rng(0))
        mistake.estimator(Q, spy, noise)
        assert all(isinstance(z, np.ndarray) and np.isin(z, (0.0, 1.0)).all() for z in shown)
        assert not mistake.estimator.claims.differentiates_f
