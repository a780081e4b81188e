"""Categorical: every verb against fifty digits, masks, identities, and what it refuses."""

import mpmath
import numpy as np
import pytest
from autograd import grad, hessian
from autograd import numpy as anp
from autograd.test_util import check_grads
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from refgrad import Bernoulli, Categorical
from refgrad.distributions._array import untraced

EPS = np.finfo(float).eps
quick = settings(max_examples=100, deadline=None, derandomize=True)
ROWS = [[0.0, 0.0], [700.0, -700.0, 0.0], [36.0, 0.0, 1.0], [-5.0, 2.0, 2.0, -0.5], [1e3, 1e3 + 1, 0.0], [3.0]]


def exact_probs(row):
    with mpmath.workdps(700):
        weights = [mpmath.exp(mpmath.mpf(x)) for x in row]
        return [w / sum(weights) for w in weights]


@st.composite
def rows(draw):
    variables, categories = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    flat = draw(st.lists(st.floats(-700, 700), min_size=variables * categories, max_size=variables * categories))
    return np.reshape(flat, (variables, categories))


@pytest.mark.parametrize("row", ROWS)
class TestFiftyDigits:
    def test_probs(self, row):
        for value, exact in zip(Categorical([row]).probs[0], exact_probs(row), strict=True):
            assert abs(mpmath.mpf(float(value)) - exact) <= 8 * EPS * exact + mpmath.mpf("5e-324")

    def test_log_prob(self, row):
        for z, exact in zip(np.eye(len(row)), exact_probs(row), strict=True):
            with mpmath.workdps(700):
                log = mpmath.log(exact)
            # The differences of the logits are rounded once.
            bound = 8 * EPS * abs(log) if abs(log) < 1 else 8 * EPS * max(map(abs, row))
            assert abs(mpmath.mpf(float(Categorical([row]).log_prob([z]))) - log) <= bound

    def test_score(self, row):
        exact = exact_probs(row)
        for i, z in enumerate(np.eye(len(row))):
            score = Categorical([row]).score([z])[0]
            for k, p in enumerate(exact):
                with mpmath.workdps(700):
                    truth = (1 if i == k else 0) - p
                assert abs(mpmath.mpf(float(score[k])) - truth) <= 16 * EPS * abs(truth) + mpmath.mpf("5e-324")


class TestIdentities:
    @given(rows(), st.integers(0, 2**32))
    @quick
    def test_noise_given_z_gives_z_back(self, logits, seed):
        q, rng = Categorical(logits), np.random.default_rng(seed)
        z = np.eye(logits.shape[1])[rng.integers(logits.shape[1], size=(20, len(logits)))]
        v = q.draw_noise(20, rng) * rng.choice([1.0, 10.0, 30.0])
        np.testing.assert_array_equal(q.sample(q.noise_given(z, v)), z)

    @given(rows(), st.floats(0.05, 20), st.integers(0, 2**32))
    @quick
    def test_the_relaxation_rounds_to_the_sample(self, logits, temperature, seed):
        q = Categorical(logits)
        noise = q.draw_noise(50, np.random.default_rng(seed))
        relaxed = q.relax(noise, temperature)
        np.testing.assert_allclose(relaxed.sum(-1), 1, atol=20 * EPS)
        assert ((relaxed.max(-1) - (relaxed * q.sample(noise)).sum(-1)) == 0).all()

    def test_given_z_the_largest_is_a_gumbel_and_the_others_lie_below(self):
        q, rng = Categorical([[1.0, -0.5, 2.0]]), np.random.default_rng(0)
        v = q.draw_noise(1000, rng)
        for z in np.eye(3)[:, None]:
            noise = q.noise_given(np.broadcast_to(z, v.shape), v)
            perturbed = np.log(q.probs) + noise
            np.testing.assert_allclose((perturbed * z).sum((1, 2)), (v * z).sum((1, 2)), atol=1e-13)
            assert (perturbed * (1 - z) <= (perturbed * z).sum(-1, keepdims=True) * (1 - z)).all()

    def test_noise_given_z_averaged_over_z_is_gumbel(self):
        q, rng = Categorical([[1.0, -0.5, 2.0, -1.0]]), np.random.default_rng(0)
        noise = q.noise_given(q.sample(q.draw_noise(100_000, rng)), q.draw_noise(100_000, rng))
        pvalues = [kstest(noise[:, 0, k], "gumbel_r").pvalue for k in range(4)]
        assert min(pvalues) > 1e-9 / 4  # rate of false alarms: 1e-9

    def test_the_distribution_function_given_z(self):
        # P(noise_k <= x, z = i) by quadrature over the winner's arrival, against a design of v.
        q, x = Categorical([[0.4, -0.8]]), 0.3
        binary = Bernoulli([1.2])
        u = (np.arange(200) + 0.5) / 200
        v = -np.log(-np.log(u))
        pairs = np.stack(np.meshgrid(v, v, indexing="ij"), axis=-1).reshape(-1, 1, 2)
        z = np.broadcast_to([[1.0, 0.0]], pairs.shape)
        noise = q.noise_given(z, pairs)
        given_pair = np.mean(noise[:, 0, 0] - noise[:, 0, 1] <= x)
        p = binary.probs[0]
        truth = max(0.0, 1 / (1 + np.exp(-x)) - (1 - p)) / p  # the difference is logistic, above -1.2
        assert abs(given_pair - truth) < 1 / 100  # cells of the grid that the curve crosses: two in 200

    def test_the_score_is_the_gradient_of_log_prob(self):
        x, z = np.array([[0.5, -2.0, 1.0], [3.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        by_autograd = grad(lambda x: Categorical(x).log_prob(z))(x)
        np.testing.assert_allclose(by_autograd, Categorical(x).score(z), atol=4 * EPS)

    def test_the_gradient_of_log_prob_has_the_shape_of_the_logits(self):
        # Also where z has more rows than the logits: the sum over the support of a gradient is one gradient.
        x = np.array([[0.5, -2.0, 1.0], [3.0, 0.0, -np.inf]])
        z = np.eye(3)[np.array([[0, 0], [1, 1], [2, 0], [2, 1]])]
        slope = grad(lambda x: anp.sum(Categorical(x).log_prob(z)))(x)
        assert slope.shape == x.shape
        np.testing.assert_allclose(slope, Categorical(x).score(z).sum(axis=0), atol=16 * EPS)

    def test_the_race_and_the_argmax_agree_on_the_same_noise(self):
        q = Categorical([[1.0, -0.5, 2.0, -1.0, -np.inf]])
        noise = q.draw_noise(100_000, np.random.default_rng(0))
        with np.errstate(divide="ignore"):
            arrivals = np.exp(-noise) / q.probs  # xi / p, an exponential with rate p; never, where it is masked
        first = np.argmin(arrivals, axis=-1)[..., None] == np.arange(5)
        gaps = np.sort(arrivals, axis=-1)
        # exp, a division and a sum in either race: some eps times the size of the noise. Closer ones may be swapped.
        sure = (gaps[..., 1] - gaps[..., 0]) > 16 * EPS * (1 + np.abs(noise).max(axis=-1)) * gaps[..., 1]
        assert (~sure).sum() <= 1  # two arrivals within 1e-13 are a matter of 1e-8 for 100,000 draws
        np.testing.assert_array_equal(first[sure], q.sample(noise)[sure])

    def test_one_logistic_is_the_difference_of_two_gumbels(self):
        pair, one = Categorical([[0.25, 1.0]]), Bernoulli([0.75])  # dyadic: the difference of the logits is exact
        noise = pair.draw_noise(100_000, np.random.default_rng(0))
        difference = noise[..., 1] - noise[..., 0]
        sure = np.abs(one.logits + difference)[:, 0] > 8 * EPS * (1 + np.abs(noise).max(axis=(-2, -1)))
        assert (~sure).sum() <= 1
        np.testing.assert_array_equal(pair.sample(noise)[sure, 0, 1], one.sample(difference)[sure, 0])
        assert kstest(difference[:, 0], "logistic").pvalue > 1e-9  # rate of false alarms: 1e-9
        assert kstest(noise[:, 0, 0] + noise[:, 0, 1], "logistic").pvalue < 1e-9  # the sum is not one

    def test_the_score_has_mean_zero(self):
        q = Categorical([[0.5, -2.0, 1.0], [3.0, 0.0, 0.0]])
        z = q.support()
        np.testing.assert_allclose(np.tensordot(np.exp(q.log_prob(z)), q.score(z), 1), 0, atol=20 * EPS)

    def test_two_categories_are_a_bernoulli(self):
        q, b = Categorical([[0.25, 1.0]]), Bernoulli([0.75])
        np.testing.assert_allclose(q.probs[0, 1], b.probs[0], rtol=4 * EPS)
        np.testing.assert_allclose(q.log_prob([[0.0, 1.0]]), b.log_prob([1.0]), rtol=4 * EPS)
        np.testing.assert_allclose(q.relax([[0.5, 1.5]], 0.3)[0, 1], b.relax([1.0], 0.3)[0], rtol=1e-14)

    @given(rows(), st.floats(-100, 100))
    @quick
    def test_a_common_shift_changes_nothing(self, logits, shift):
        one, other = Categorical(logits), Categorical(logits + shift)
        # Shifted logits are rounded: the relative error of a probability is that rounding.
        np.testing.assert_allclose(one.probs, other.probs, rtol=4 * EPS * 1000, atol=1e-300)


class TestMasks:
    q = Categorical([[0.5, -np.inf, 1.0], [-np.inf, 0.0, -np.inf]])

    def test_probability_and_score_are_exactly_zero(self):
        assert (self.q.probs[[0, 1, 1], [1, 0, 2]] == 0).all()
        assert self.q.probs[1, 1] == 1
        z = np.array([[1.0, 0, 0], [0, 1, 0]])
        assert (self.q.score(z)[[0, 1, 1, 1], [1, 0, 1, 2]] == 0).all()
        assert np.isfinite(self.q.log_prob(z))
        assert self.q.log_prob([[0, 1.0, 0], [0, 1, 0]]) == -np.inf

    def test_never_sampled_and_exactly_zero_when_relaxed(self):
        noise = self.q.draw_noise(1000, np.random.default_rng(0))
        for values in (self.q.sample(noise), self.q.relax(noise, 0.1), self.q.relax(noise, 1e-3)):
            assert (values[:, [0, 1, 1], [1, 0, 2]] == 0).all()

    def test_a_masked_category_keeps_its_noise(self):
        v = self.q.draw_noise(1000, np.random.default_rng(0))
        z = self.q.sample(self.q.draw_noise(1000, np.random.default_rng(1)))
        noise = self.q.noise_given(z, v)
        np.testing.assert_array_equal(noise[:, [0, 1, 1], [1, 0, 2]], v[:, [0, 1, 1], [1, 0, 2]])

    def test_a_z_of_probability_zero_is_refused(self):
        z = np.array([[0, 1.0, 0], [0, 1, 0]])
        with pytest.raises(ValueError, match=r"z needs a positive probability, but has a masked category at \(0, 1\)"):
            self.q.noise_given(z, np.zeros((2, 3)))

    @pytest.mark.parametrize("derivative", [grad, hessian])
    def test_derivatives_are_finite_and_zero(self, derivative):
        z, v = np.array([[1.0, 0, 0], [0, 1, 0]]), np.random.default_rng(0).gumbel(size=(2, 3))
        weight = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        for fn in (
            lambda x: anp.sum(weight * Categorical(x).relax(v, 0.5) ** 2),
            lambda x: anp.sum(weight * Categorical(x).relax(Categorical(x).noise_given(z, v), 0.5) ** 2),
            lambda x: Categorical(x).log_prob(z) ** 2,
        ):
            values = derivative(fn)(self.q.logits)
            assert np.isfinite(values).all()
            assert (values[[0, 1, 1], [1, 0, 2]] == 0).all()
        slope = grad(lambda t: anp.sum(weight * self.q.relax(v, t) ** 2))(0.5)
        assert np.isfinite(slope)


class TestSecondOrder:
    x = np.array([[0.3, -1.0, 0.2], [2.0, 0.5, 0.1]])
    z = np.array([[1.0, 0, 0], [0, 0, 1]])
    noise = np.array([[0.2, 1.0, -0.3], [0.4, 0.0, 2.0]])
    weight = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])

    @pytest.mark.parametrize(
        "fn",
        [
            lambda q, noise, t: q.relax(noise, t) ** 2,
            lambda q, noise, t: q.relax(q.noise_given(TestSecondOrder.z, noise), t) ** 2,
            lambda q, noise, t: q.noise_given(TestSecondOrder.z, noise) * t,
            lambda q, noise, t: q.score(TestSecondOrder.z) * q.probs * t + noise,
            lambda q, noise, t: q.log_prob(TestSecondOrder.z) ** 2 * t + noise,
        ],
    )
    def test_autograd(self, fn):
        def total(x, noise, t):
            return anp.sum(self.weight * fn(Categorical(x), noise, t))

        check_grads(total, modes=["rev"], order=2)(self.x, self.noise, 0.5)

    def test_broadcasting(self):
        rng = np.random.default_rng(0)
        z = np.eye(3)[rng.integers(3, size=(5, 1, 2))]

        def total(x, noise, t):
            q = Categorical(x)
            return anp.sum(q.relax(q.noise_given(z, noise), t) ** 2)

        check_grads(total, modes=["rev"], order=2)(rng.normal(size=(2, 2, 3)), rng.gumbel(size=(5, 2, 2, 3)), 0.7)


class TestTies:
    """Losers that arrive with the winner: fresh noise of theirs far above that of the winner."""

    q = Categorical([[1.0, -0.5, 2.0, -np.inf]])
    v = np.random.default_rng(0).normal(size=(1000, 1, 4)) * 8 + np.array([0.0, 200.0, 200.0, 0.0])
    z = np.broadcast_to([[1.0, 0.0, 0.0, 0.0]], v.shape)

    def noise(self, x):
        return Categorical(x).noise_given(self.z, self.v)

    def test_they_are_moved_inside_by_ulps(self):
        noise, logits = self.noise(self.q.logits), self.q.logits[0]
        perturbed = logits + noise[:, 0]
        gap = perturbed[:, :1] - perturbed[:, 1:3]
        assert (gap > 0).all()
        size = np.abs(perturbed[:, :1]) + np.abs(logits[1:3]) + np.abs(noise[:, 0, 1:3])
        assert (gap <= 4 * EPS * size).all()
        np.testing.assert_array_equal(noise[:, 0, 3], self.v[:, 0, 3])

    def test_the_move_is_the_first_of_1_3_7_ulps_that_does(self):
        """Of the size of what is compared; half as far, less half an ulp, would not have done."""
        rng, steps = np.random.default_rng(0), []
        for _ in range(2000):
            q = Categorical(rng.normal(size=(1, 3)) * 10 ** rng.uniform(-3, 3))
            z = np.eye(3)[None, rng.integers(3)]
            noise = rng.normal() * 10 ** rng.uniform(-3, 3) - q.logits
            best = (q.logits + noise)[z == 1]
            moved = q._inside(z, noise)
            np.testing.assert_array_equal(moved[z == 1], noise[z == 1])
            ulp = np.spacing(np.abs(best) + np.abs(q.logits) + np.abs(noise))
            move = noise - moved
            for k in np.flatnonzero(move[0]):
                assert q.logits[0, k] + moved[0, k] < best
                assert q.logits[0, k] + (noise[0, k] - (move[0, k] - ulp[0, k]) / 2) >= best
                steps.append(round(move[0, k] / ulp[0, k]))
        assert {1, 3, 7} <= set(steps)

    def test_followed_or_not_they_have_the_same_bits_and_the_move_is_a_constant(self):
        seen = []

        def total(x, own=slice(None)):
            noise = self.noise(x)
            seen.append(untraced(noise))
            return anp.sum(noise[own, 0, 1])

        # In a tie the noise of a loser is that of the winner, v + log p(loser) taken off: a softmax is its slope.
        slope = grad(total)(self.q.logits)[0]
        np.testing.assert_allclose(slope, 1000 * (self.q.probs[0] - [0.0, 1.0, 0.0, 0.0]), rtol=1e-9)
        np.testing.assert_array_equal(seen[0], self.noise(self.q.logits))


class TestShapes:
    def test_batches(self):
        q = Categorical(np.zeros((4, 2, 3)))
        assert q.event_shape == (2, 3)
        assert q.batch_shape == (4,)
        noise = q.draw_noise((5, 4), np.random.default_rng(0))
        z = q.sample(noise)
        assert z.shape == noise.shape == (5, 4, 2, 3)
        assert q.log_prob(z).shape == (5, 4)
        assert (q.expand(q.log_prob(z)) * q.score(z)).shape == (5, 4, 2, 3)
        np.testing.assert_array_equal(
            q.noise_given(z, noise)[:, 1], Categorical(q.logits[1]).noise_given(z[:, 1], noise[:, 1])
        )

    def test_one_row_alone_or_among_many(self):
        q = Categorical(np.random.default_rng(0).normal(size=(4, 2, 3)))
        noise = q.draw_noise((5, 4), np.random.default_rng(0))
        z, row = q.sample(noise), Categorical(q.logits[2])
        for verb in ("score", "log_prob", "fresh_given", "sample"):
            given = noise if verb in {"fresh_given", "sample"} else z
            np.testing.assert_array_equal(getattr(q, verb)(given)[:, 2], getattr(row, verb)(given[:, 2]))

    def test_support_is_in_lexicographic_order(self):
        q = Categorical(np.zeros((2, 3)))
        assert q.support().argmax(-1).tolist() == [[a, b] for a in range(3) for b in range(3)]
        np.testing.assert_array_equal(q.support(4, 6), q.support()[4:6])

    def test_one_category(self):
        q = Categorical([[3.0], [-1.0]])
        z = q.sample(q.draw_noise(3, np.random.default_rng(0)))
        assert (z == 1).all()
        assert (q.score(z) == 0).all()
        assert (q.log_prob(z) == 0).all()
        assert (q.relax(z, 0.5) == 1).all()
        np.testing.assert_array_equal(q.noise_given(z, z), z)

    def test_many_categories(self):
        q = Categorical(np.linspace(-5, 5, 10_000)[None])
        assert q.probs.sum() == pytest.approx(1, abs=1e-12)
        z = q.sample(q.draw_noise(10, np.random.default_rng(0)))
        np.testing.assert_array_equal(q.sample(q.noise_given(z, q.draw_noise(10, np.random.default_rng(1)))), z)


class TestErrors:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_logits_that_are_none(self, bad):
        with pytest.raises(ValueError, match=rf"needs logits that are finite or -inf, but has {bad} at \(0, 1\)"):
            Categorical([[0.0, bad]])

    def test_every_category_masked(self):
        with pytest.raises(ValueError, match=r"needs a finite logit in each variable, but all of \(1,\) are -inf"):
            Categorical([[0.0, 1.0], [-np.inf, -np.inf]])

    def test_every_category_of_one_variable_in_a_batch_masked(self):
        logits = np.zeros((3, 2, 2))
        logits[2, 1] = -np.inf
        with pytest.raises(ValueError, match=r"but all of \(2, 1\) are -inf"):
            Categorical(logits)
        logits[2, 1, 0], logits[1, 0, 1], logits[:, :, 1] = 0.0, -np.inf, -np.inf  # one is left in each
        assert (Categorical(logits).probs[..., 0] == 1).all()

    @pytest.mark.parametrize("bad", [0.5, [1.0, 2.0], np.zeros((0, 3)), np.zeros((3, 0))])
    def test_no_variables_or_categories(self, bad):
        with pytest.raises(ValueError, match=r"needs logits of shape \(\.\.\., D, K\), none of these zero, but"):
            Categorical(bad)

    def test_a_z_that_is_not_one_hot(self):
        q = Categorical([[0.0, 1.0, 2.0]])
        for verb in (q.log_prob, lambda z: q.noise_given(z, np.zeros((1, 3)))):
            with pytest.raises(ValueError, match=r"z needs one-hot rows, but the row at \(0,\) is \[1\. 1\. 0\.\]"):
                verb([[1.0, 1.0, 0.0]])
            with pytest.raises(ValueError, match=r"z needs entries 0 and 1, but has 0\.5"):
                verb([[0.5, 0.5, 0.0]])

    def test_wrong_last_axes(self):
        with pytest.raises(ValueError, match=r"noise needs shape \(\.\.\., 1, 3\), but has shape \(4, 3\)"):
            Categorical([[0.0, 1.0, 2.0]]).sample(np.zeros((4, 3)))

    def test_the_argument_that_is_wrong_is_named(self):
        q, right, wrong = Categorical([[0.0, 1.0, 2.0]]), np.eye(3)[:1], np.zeros((4, 3))
        for verb, name in (
            (q.score, "z"),
            (lambda x: q.noise_given(x, right), "z"),
            (lambda x: q.noise_given(right, x), "v"),
            (q.fresh_given, "noise"),
            (lambda x: q.relax(x, 1.0), "noise"),
            (lambda x: q.relax_given(x, right, 1.0), "z"),
            (lambda x: q.relax_given(right, x, 1.0), "v"),
        ):
            with pytest.raises(ValueError, match=rf"^{name} needs shape \(\.\.\., 1, 3\), but has shape \(4, 3\)"):
                verb(wrong)
        for verb in (q.log_prob, lambda z: q.noise_given(z, right), lambda z: q.relax_given(z, right, 1.0)):
            with pytest.raises(TypeError, match=r"^z needs real numbers, but has dtype <U1"):
                verb([["a", "b", "c"]])
