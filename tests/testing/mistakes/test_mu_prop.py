"""Mistakes of MuProp: the number of page 06, and closed forms."""

import numpy as np
from autograd import numpy as anp

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import pathwise
from refgrad.estimators._derivatives import hessian
from refgrad.objectives import Interacting, Quadratic
from refgrad.testing.mistakes import mu_prop

NAMED = {m.name: m.estimator for m in mu_prop.MISTAKES}
PROBLEMS = (
    (Bernoulli([0.5, -1.0]), Interacting(0.5, *np.arange(-4, 4).reshape(4, 2) / 4)),
    (Categorical([[1.0, 2.5, 0.5]]), Interacting(0.5, *np.arange(-6, 6).reshape(4, 1, 3) / 4)),
)


def bend(z):
    return anp.cos(2 * z[..., 0] + 0.3) + z[..., 0] ** 3


def test_a_moving_point_as_on_page_06():
    q = Bernoulli([np.log(3 / 7)])
    off = exact.bias(NAMED["mu-prop-moving-point"], q, bend) / exact.gradient(q, bend)
    assert f"{abs(off[0]):.0%}" == "207%"
    w = 0.3 * 0.7
    third = 8 * np.sin(2 * 0.3 + 0.3) + 6
    np.testing.assert_allclose(exact.bias(NAMED["mu-prop-moving-point"], q, bend), w**2 * third / 2, rtol=1e-10)


def test_a_moving_point_by_differences():
    """The derivative of the whole mean of the expansion, against differences of it in the logits."""
    step = 2.0**-12
    for q, f in PROBLEMS:
        size = q.logits.size

        def mean(logits, q=q, f=f, size=size):
            p = type(q)(logits).probs
            blocks = [np.diag(row) - np.outer(row, row) for row in np.atleast_2d(p)]
            spread = np.diag(p * (1 - p)) if q.event_ndim == 1 else blocks[0]
            return f(p) + (hessian(f, p, q.event_ndim).reshape(size, size) * spread).sum() / 2

        def slope_of(step, q=q, mean=mean, size=size):
            steps = step * np.eye(size).reshape(size, *q.event_shape)
            return np.array([mean(q.logits + h) - mean(q.logits - h) for h in steps]).reshape(q.event_shape) / (
                2 * step
            )

        needed = (4 * slope_of(step) - slope_of(2 * step)) / 3
        given = exact.moments(NAMED["mu-prop-moving-point"], q, f).mean
        right = exact.moments(NAMED["mu-prop-no-share-of-curvature"], q, f).mean
        _, fixed = pathwise(lambda own, f=f: f(own.probs), q, q.logits)
        # Richardson: the error is of the fourth order in the step, 4e-15, and rounding is 1e-16 / step.
        np.testing.assert_allclose(given - (right - fixed), needed, atol=1e-10)


def test_no_correction_of_a_linear_f_is_always_zero():
    estimator, (q, interacting) = NAMED["mu-prop-no-correction"], PROBLEMS[0]
    noise = estimator.draw_noise(q, 9, np.random.default_rng(0))
    linear = Quadratic(0.25, [1.0, -0.5], np.zeros((2, 2)))
    assert (np.abs(estimator(q, linear, noise)) <= 1e-15).all()
    assert np.abs(exact.gradient(q, linear)).min() > 0.05
    assert np.abs(estimator(q, interacting, noise)).max() > 1e-3
