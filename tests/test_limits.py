"""What derivation 07 says of the temperature: how the bias and the variance fall and rise, and where the modes are."""

import itertools
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from autograd import grad, hessian
from autograd import numpy as anp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax
from refgrad.estimators._derivatives import derivative
from refgrad.objectives import Quadratic, Table

EPS = np.finfo(float).eps
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "07_temperature.py"
quick = settings(max_examples=60, deadline=None, derandomize=True)
STEP = 0.125
X = np.arange(-45, 45 + STEP, STEP)  # nodes of the trapezoid for the integrals over one edge
WEIGHT = expit(X) * expit(-X) * STEP


class Cubic:
    """f of one binary variable."""

    def __init__(self, a, b, c):
        self.a, self.b, self.c = a, b, c

    def __call__(self, z):
        y = z[..., 0]
        return self.a * y + self.b * y**2 + self.c * y**3

    def grad(self, z):
        return self.a + 2 * self.b * z + 3 * self.c * z**2

    @property
    def steepest(self):
        """A bound on the slope between 0 and 1."""
        return abs(self.a) + 2 * abs(self.b) + 3 * abs(self.c)


def wave(z):
    """f of any shape that is not a polynomial, with interactions."""
    weight = np.linspace(-1.0, 1.5, int(np.prod(z.shape[1:]))).reshape(z.shape[1:])
    x = anp.sum(z * weight, axis=tuple(range(1, z.ndim)))
    return anp.sin(2 * x) + 2 * x**2


def edges(q, f):
    """Slope of f along each edge from each z, at the nodes X: pairs of the edge (d, i, j) and (configurations, nodes).

    Bernoulli: from z_d = 0 to 1. Categorical: z_d from category j to i.
    """
    z = q.support()
    along = np.repeat(z[:, None], X.size, axis=1)
    for d in range(q.event_shape[0]):
        pairs = [()] if q.event_ndim == 1 else itertools.combinations(range(q.event_shape[1]), 2)
        for pair in pairs:
            path, direction = along.copy(), np.zeros(q.event_shape)
            if pair:
                path[..., d, :] = 0.0
                path[..., d, pair[0]], path[..., d, pair[1]] = expit(X), expit(-X)
                direction[d, pair[0]], direction[d, pair[1]] = 1.0, -1.0
            else:
                path[..., d], direction[d] = expit(X), 1.0
            _, slope = derivative(f, path.reshape(-1, *q.event_shape))
            yield (d, *pair), np.sum(slope * direction, axis=tuple(range(1, z.ndim))).reshape(len(z), X.size)


def tie(q, edge):
    """Probability density of a tie on an edge: Eq. 07.7."""
    p = q.probs[edge[0]]
    return p * (1 - p) if q.event_ndim == 1 else p[edge[1]] * p[edge[2]]


def falling_bias(q, f):
    """Coefficient of the temperature in the bias, Eq. 07.7: the derivative in the logits of one sum."""
    integrals = [(edge, np.sum(slope * X * WEIGHT, axis=-1)) for edge, slope in edges(q, f)]

    def total(logits):
        own = type(q)(logits)
        weight = anp.exp(own.log_prob(q.support()))
        return -sum(tie(own, edge) * anp.sum(weight * integral) for edge, integral in integrals)

    return grad(total)(q.logits)


def falling_variance(q, f):
    """Coefficient of 1 / temperature in the variance, Eq. 07.9."""
    coefficient, weight = np.zeros(q.event_shape), np.exp(q.log_prob(q.support()))
    for edge, slope in edges(q, f):
        part = tie(q, edge) * np.sum(weight * np.sum((slope * expit(X) * expit(-X)) ** 2, axis=-1)) * STEP
        for k in edge[1:] or ((),):
            coefficient[(edge[0], k) if edge[1:] else edge[0]] += part
    return coefficient


def extrapolated(values, error):
    """Limit of values at x, x / 2, x / 4, ... as x goes to 0 (Neville), and a bound.

    A step takes a power of x away, and one that is missing does nothing; so two steps at least halve what is wrong
    in the worst component, and the last two are a bound. Errors of the values grow by less than 8.3, the product of
    (2**k + 1) / (2**k - 1).
    """
    column, last = np.asarray(values), []
    for level in range(1, len(column)):
        column = column[1:] + (column[1:] - column[:-1]) / (2**level - 1)
        last.append(column[-1])
    return last[-1], np.max(np.abs(last[-1] - last[-3])) + 8.3 * np.max(error)


def sweep(q, f, temperatures):
    """Temperatures, bias, mean, variance and their error, in the shape of the estimates."""
    moments, gradient = [exact.moments(GumbelSoftmax(t), q, f) for t in temperatures], exact.gradient(q, f)
    mean, variance, error = (np.array([getattr(m, name) for m in moments]) for name in ("mean", "variance", "error"))
    return np.reshape(temperatures, (-1, *[1] * gradient.ndim)), mean - gradient, mean, variance, error + 4 * EPS


SMALL = [0.08, 0.04, 0.02, 0.01, 0.005]
LARGE = [12.0, 24.0, 48.0, 96.0, 192.0]
PROBLEMS = [
    (Bernoulli([0.7]), wave),
    (Bernoulli([0.7, -1.4]), wave),
    (Bernoulli([0.7, -0.4]), Quadratic(0.5, [1.0, -0.75], [[0.3, 1.5], [0.0, -0.6]])),
    (Categorical([[0.4, -0.8, 0.3]]), wave),
    (Categorical([[0.4, -0.8], [0.3, 0.1]]), wave),
]
FALLING = [*PROBLEMS, (Categorical([[0.4, -np.inf, 0.3, 0.0]]), wave)]
RISING = [*PROBLEMS, (Categorical([[0.4, -0.8, 0.3, 0.0]]), wave)]


def every(problems):
    return pytest.mark.parametrize(("q", "f"), problems, ids=lambda x: repr(x) if hasattr(x, "logits") else "f")


number = st.floats(-2, 2).map(lambda x: round(x, 3))
binary = given(st.floats(-4, 4), number, number, number, st.floats(0.004, 0.25))


class TestFalling:
    @binary
    @quick
    def test_the_bias_of_one_variable_is_of_first_order(self, logit, a, b, c, temperature):
        q, f = Bernoulli([logit]), Cubic(a, b, c)
        m = exact.moments(GumbelSoftmax(temperature), q, f)
        off = m.mean - exact.gradient(q, f) - temperature * falling_bias(q, f)
        # Eq. 07.8: a bound on the difference, which holds where the coefficient vanishes too.
        assert np.abs(off) <= np.pi**2 / 48 * temperature**2 * f.steepest + m.error + 8 * EPS * f.steepest

    @given(st.floats(0.25, 3), st.sampled_from([-1, 1]), number, st.floats(0.25, 2), st.floats(0.01, 0.25))
    @quick
    def test_the_ratio_goes_to_one(self, size, sign, b, c, temperature):
        q, f = Bernoulli([sign * size]), Cubic(0.5, b, c)
        coefficient = falling_bias(q, f)[0]
        assume(abs(coefficient) > f.steepest / 1000)  # logit 0 and slopes symmetric about 1/2 have no ratio
        ratio = exact.bias(GumbelSoftmax(temperature), q, f)[0] / (temperature * coefficient)
        assert abs(ratio - 1) <= np.pi**2 / 48 * temperature * f.steepest / abs(coefficient) + 1e-7

    @given(st.floats(-4, 4), number, number, st.floats(0.01, 0.25), st.booleans())
    @quick
    def test_symmetric_cases_are_of_second_order(self, logit, a, b, temperature, centred):
        # Either logit 0, or a slope that is symmetric about 1/2: a + 6 b y (1 - y).
        q = Bernoulli([0.0 if centred else logit])
        f = Cubic(a, b, 0.0) if centred else Cubic(a, 3 * b, -2 * b)
        p = q.probs[0]
        density = p * (1 - p)
        second = np.sum(f.grad(expit(X)) * X**2 * WEIGHT)
        m = exact.moments(GumbelSoftmax(temperature), q, f)
        off = m.mean - exact.gradient(q, f) - temperature**2 / 2 * density * (1 - 6 * density) * second
        bound = 7 * np.pi**4 / 1440 * temperature**4 * f.steepest
        assert np.abs(falling_bias(q, f)) <= 100 * EPS * f.steepest
        assert np.abs(off) <= bound + m.error + 8 * EPS * f.steepest

    @every(FALLING)
    def test_the_leading_terms(self, q, f):
        t, bias, _, variance, error = sweep(q, f, SMALL)
        for (limit, spread), coefficient in (
            (extrapolated(bias / t, error / t), falling_bias(q, f)),
            (extrapolated(variance * t, error * t), falling_variance(q, f)),
        ):
            assert (np.abs(limit - coefficient) <= spread).all()
            assert spread < 0.05 * np.abs(coefficient).max()  # so that one that is off by a tenth is refuted

    def test_other_coefficients_are_refuted(self):
        q, f = PROBLEMS[1]
        t, bias, *_, error = sweep(q, f, SMALL)
        limit, spread = extrapolated(bias / t, error / t)
        # Eq. 07.4 for each variable by itself, averaged over the other: the tie of the other moves the mean as well.
        weight, density = np.exp(q.log_prob(q.support())), q.probs * (1 - q.probs)
        alone = [weight @ np.sum(slope * X * WEIGHT, axis=-1) for _, slope in edges(q, f)]
        for wrong in (-density * (1 - 2 * q.probs) * alone, 1.1 * falling_bias(q, f), -falling_bias(q, f)):
            assert (np.abs(limit - wrong) > spread).any()

    def test_a_linear_f_is_of_second_order_on_several_categories_too(self):
        t, bias, *_, error = sweep(Categorical([[0.4, -0.8, 0.3]]), Table([1.0, -0.5, 2.0], event_shape=(1, 3)), SMALL)
        limit, spread = extrapolated(bias / t, error / t)
        assert (np.abs(limit) <= spread).all()
        second, spread = extrapolated(bias / t**2, error / t**2)
        assert (np.abs(second) > 100 * spread).all()


def rising_moments(q, f):
    """Coefficients of 1 / t and 1 / t**2 in the mean and of 1 / t**4 in the variance: Eq. 07.10."""
    if q.event_ndim == 1:
        center = np.full(q.event_shape, 0.5)
        slope, curvature = grad(lambda z: f(z[None])[0])(center), hessian(lambda z: f(z[None])[0])(center)
        matrix = curvature / 16
        return slope / 4, matrix @ q.logits, np.pi**2 / 3 * np.sum(matrix**2, axis=-1)
    (variables, categories), size = q.event_shape, q.logits.size
    center = np.full(q.event_shape, 1 / categories)
    slope, curvature = grad(lambda z: f(z[None])[0])(center), hessian(lambda z: f(z[None])[0])(center)
    centring = np.eye(categories) - 1 / categories
    slope = slope @ centring
    matrix = np.einsum("ki,dief,fj->dkej", centring, curvature, centring) / categories**2
    for d in range(variables):
        matrix[d, :, d] += np.diag(slope[d]) @ centring / categories - slope[d] / categories**2
    mean = np.einsum("dkej,ej->dk", matrix, q.logits)
    matrix = matrix.reshape(*q.event_shape, size)
    return slope / categories, mean, np.pi**2 / 6 * np.sum(matrix**2, axis=-1)


class TestRising:
    @every(RISING)
    def test_the_leading_terms(self, q, f):
        t, bias, mean, variance, error = sweep(q, f, LARGE)
        first, second, fourth = rising_moments(q, f)
        for (limit, spread), coefficient in (
            (extrapolated(mean * t, error * t), first),
            (extrapolated((mean * t - first) * t, error * t**2), second),
            (extrapolated(variance * t**4, error * t**4), fourth),
            (extrapolated(bias, error), -exact.gradient(q, f)),
        ):
            assert (np.abs(limit - coefficient) <= spread).all()
            assert spread < 0.05 * np.abs(coefficient).max()  # so that one that is off by a tenth is refuted


def critical(y, temperature):
    """Logits that make y a critical point, and its weights s: Eq. 07.13."""
    weights = (temperature + 1 - len(y) * y) / (len(y) * temperature)
    return np.log(weights) + temperature * np.log(y), weights


def curvature(y, weights, temperature):
    """Eigenvalues of the Hessian of the log-density on directions v of sum 0, in coordinates a = v / y: Eq. 07.11."""
    size = len(y)
    matrix = np.diag((temperature + 1) * (1 - size * temperature * weights))
    matrix += size * temperature**2 * np.outer(weights, weights)
    tangent = np.linalg.svd(y[None])[2][1:]  # sum of y a = 0
    return np.linalg.eigvalsh(tangent @ matrix @ tangent.T)


def weights_at(logits, y, temperature):
    x = logits - temperature * np.log(y)
    weights = np.exp(x - x.max())
    return weights / weights.sum()


sizes = pytest.mark.parametrize("size", [2, 3, 4, 5])


def points(size, rng, n=300):
    """Points of the simplex, many beside its facets and vertices, and logits."""
    for spread in (0.3, 3.0, 30.0, 200.0):
        for _ in range(n // 4):
            y = np.exp(-np.minimum(spread * rng.exponential(size=size), 600))
            yield y / y.sum(), rng.normal(size=size) * rng.choice([0.0, 1.0, 5.0])


class TestLogConvexity:
    """Eigenvalues have errors of some eps times the norm of the matrix, which is below (t + 1) (1 + K t) + K t**2."""

    @sizes
    def test_the_hessian_is_that_of_the_density(self, size):
        rng = np.random.default_rng(0)
        for y, logits in points(size, rng, 8):
            if y.min() > 1e-3:
                for t in (0.2, 1.0, 2.5):
                    weights = weights_at(logits, y, t)
                    tangent = np.linalg.svd(y[None])[2][1:]
                    by_autograd = hessian(lambda y, t=t, x=logits: Categorical([x]).relaxed_log_prob(y[None], t))(y)
                    scaled = tangent @ (by_autograd * np.outer(y, y)) @ tangent.T
                    np.testing.assert_allclose(np.linalg.eigvalsh(scaled), curvature(y, weights, t), atol=1e-11)

    @sizes
    def test_no_negative_curvature_up_to_the_bound(self, size):
        rng = np.random.default_rng(0)
        for y, logits in points(size, rng):
            for t in (0.01 / (size - 1), 0.5 / (size - 1), 1 / (size - 1)):
                lowest = curvature(y, weights_at(logits, y, t), t)[0]
                assert lowest >= -4 * size * EPS * ((t + 1) * (1 + size * t) + size * t**2)

    @given(st.integers(2, 5), st.floats(0.01, 1.0), st.data())
    @settings(max_examples=300, deadline=None, derandomize=True)
    def test_a_density_is_convex_on_every_chord(self, size, share, data):
        numbers = st.lists(st.floats(0, 100), min_size=size, max_size=size).map(np.array)
        ends = [np.exp(data.draw(numbers) - 100) for _ in range(2)]
        one, other = (y / y.sum() for y in ends)
        q, t = Categorical([data.draw(numbers) / 10]), share / (size - 1)
        middle = (one + other) / 2
        low, high, between = (float(q.relaxed_log_prob(y[None] / y.sum(), t)) for y in (one, other, middle))
        bound = 64 * EPS * (1 + np.abs(q.logits).sum() + (1 + t) * 100 * size)
        assert between <= (low + high) / 2 + bound

    @sizes
    @pytest.mark.parametrize("excess", [1.0, 0.1, 1e-3, 1e-6])
    def test_just_above_convexity_fails_beside_a_facet(self, size, excess):
        t = (1 + excess) / (size - 1)
        x = (excess / (4 * size * (size - 1))) ** (1 / t)  # Eq. 07.12
        y = np.r_[x, np.ones(size - 1)] / (size - 1 + x)
        assert curvature(y, weights_at(np.zeros(size), y, t), t)[0] < -excess / 8

    @sizes
    def test_just_above_convexity_fails_for_other_logits_and_facets_too(self, size):
        rng, t = np.random.default_rng(0), 1.01 / (size - 1)
        for _ in range(20):
            logits, facet = rng.normal(size=size) * 2, rng.integers(size)
            y = rng.dirichlet(np.ones(size))
            y[facet] = 1e-100
            y = y / y.sum()
            assert curvature(y, weights_at(logits, y, t), t)[0] < 0

    @sizes
    def test_no_mode_up_to_one(self, size):
        rng = np.random.default_rng(0)
        found = 0
        for y, _ in points(size, rng, 800):
            for t in np.linspace(1 / (size - 1), 1, 5)[:: 1 if size > 2 else 4]:
                if (t + 1 - size * y).min() <= 0:
                    continue  # never a critical point, whatever the logits
                logits, weights = critical(y, t)
                slope = grad(lambda y, x=logits, t=t: Categorical([x]).relaxed_log_prob(y[None], t))(y)
                # At a critical point the slope is the same in every direction, -K.
                assert np.abs(y * (slope + size)).max() <= 1e3 * EPS * size
                largest = size * y.max()
                toward = (size - 2) * (largest - 1) + (1 - t) * (size - 1)
                assert toward >= 0
                a = np.where(y == y.max(), 1 / largest, -1 / (size - largest)) * size
                along = np.sum((t + 1) * (1 - size * t * weights) * a**2) + size * t**2 * np.sum(weights * a) ** 2
                exactly = (t + 1) * size**3 * toward / (largest * (size - largest)) ** 2  # Eq. 07.13
                assert along == pytest.approx(exactly, rel=1e-9, abs=1e3 * EPS * np.sum(a**2))
                found += 1
        assert found > 100

    @sizes
    def test_the_center_is_a_mode_above_one_and_not_up_to_it(self, size):
        center, logits = np.full(size, 1 / size), np.zeros(size)
        for t in (1.0 + 1e-6, 1.5, 3.0, 100.0):
            eigenvalues = curvature(center, weights_at(logits, center, t), t)
            np.testing.assert_allclose(eigenvalues, 1 - t**2, rtol=1e-6)
            assert eigenvalues[-1] < 0
        for t in (0.5, 0.99):
            assert curvature(center, weights_at(logits, center, t), t)[-1] > 0
        step = np.r_[size - 1, -np.ones(size - 1)] * 1e-2
        q = Categorical([logits])
        rise = q.relaxed_log_prob([center * (1 + step)], 1.0) - q.relaxed_log_prob([center], 1.0)
        third = np.sum(step**3) / 3  # Eq. 07.14
        if size == 2:
            assert abs(rise) <= 8 * EPS  # uniform
        else:
            assert rise > 0
            assert abs(rise - third) <= 5 * np.sum(step**4)

    @pytest.mark.parametrize("temperature", [1.0001, 1.5])
    def test_a_wrong_bound_is_refuted(self, temperature):
        # The check of convexity, were the bound 1 for every K: refuted for K = 3, where it holds at 1/2.
        rng = np.random.default_rng(0)
        lowest = [curvature(y, weights_at(x, y, temperature), temperature)[0] for y, x in points(3, rng)]
        assert min(lowest) < -0.1


class TestExample:
    """examples/07_temperature.py: figures, a table of exact numbers, and limits that are those of this page."""

    @pytest.fixture
    def example(self, monkeypatch):
        monkeypatch.syspath_prepend(EXAMPLE.parent)
        yield runpy.run_path(str(EXAMPLE))
        for name in [name for name in sys.modules if name.split(".")[0] == "_shared"]:
            del sys.modules[name]

    @pytest.mark.parametrize("module", ["matplotlib", "tqdm", "rich"])
    def test_a_missing_extra(self, example, module, tmp_path, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, module, None)
        assert example["main"](["--quick", "--out", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"07_temperature.py: needs {module}: pip install 'refgrad[examples]'\n"

    def test_it_writes_figures_and_its_numbers(self, example, tmp_path, capsys):
        assert example["main"](["--quick", "--out", str(tmp_path), "--seed", "1"]) == 0
        names = {"07_simplex.png", "07_temperature.png", "results.json"}
        assert {path.name for path in tmp_path.iterdir()} == names
        for name in names - {"results.json"}:
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        m = exact.moments(GumbelSoftmax(1.0), example["PAIR"], example["F"])
        gradient = exact.gradient(example["PAIR"], example["F"])[0]
        bias, deviation = m.mean[0] - gradient, np.sqrt(m.variance[0])
        lines = capsys.readouterr().out.splitlines()
        (row,) = [line.split() for line in lines if line.split()[0] == "1"]
        assert row[:4] == ["1", f"{bias:+.5f}", f"{deviation:.5f}", f"{np.hypot(bias, deviation):.5f}"]
        assert float(row[5]) == pytest.approx((float(row[4]) - m.mean[0]) / (deviation / 100), abs=0.06)  # 10,000 draws
        found = json.loads((tmp_path / "results.json").read_text())
        assert found["printed"] == lines[: len(found["printed"])]
        assert found["results"]["gradient"] == gradient

    def test_it_draws_what_there_is(self, example, tmp_path, capsys):
        study = example["Study"](SimpleNamespace(quick=True, seed=0, out=tmp_path))
        assert study.report(partial=True) == []
        assert study.at == "after 0 of 41 temperatures"
        study.moments = [exact.moments(GumbelSoftmax(t), example["PAIR"], example["F"]) for t in study.all[:7]]
        study.sampled = [0.1, 0.2]
        assert len(study.report(partial=True)) == 3
        assert len(capsys.readouterr().out.splitlines()) == 4

    def test_its_limits(self, example):
        q, f = example["PAIR"], example["F"]
        first, _, fourth = rising_moments(q, f)
        expected = [falling_bias(q, f)[0], falling_variance(q, f)[0], first[0], fourth[0]]
        np.testing.assert_allclose(example["leading_terms"](), expected, rtol=1e-12)

    def test_its_triangles_cover_the_simplex(self, example):
        corners, triangles, centers = example["triangulation"](10)
        (a, b), (c, d) = np.moveaxis(corners[triangles[:, 1:]] - corners[triangles[:, :1]], (1, 2), (0, 1))
        np.testing.assert_allclose(np.abs(a * d - b * c) / 2, np.sqrt(0.75) / 2 / 100, rtol=1e-12)
        assert len(triangles) == 100
        assert centers.min() > 0
