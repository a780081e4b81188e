"""The relaxed path, and what is refused before an estimator sees it."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import get_ident

import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp

from refgrad import Bernoulli, Categorical
from refgrad.estimators import (
    Estimator,
    GumbelSoftmax,
    MeanSubstitution,
    MuProp,
    Rebar,
    Reinforce,
    Relax,
    _blocks,
    pathwise,
)
from refgrad.objectives import SquaredError
from refgrad.testing import built_in


def test_pathwise_gives_every_repetition_its_own_gradient():
    q, noise = Bernoulli([0.5, -1.0]), np.random.default_rng(0).logistic(size=(6, 2))
    value, slope = pathwise(lambda q: (q.relax(noise, 0.5) ** 2).sum(-1), q, noise)
    relaxed = q.relax(noise, 0.5)
    np.testing.assert_allclose(value, (relaxed**2).sum(-1), rtol=1e-15)
    np.testing.assert_allclose(slope, 2 * relaxed * relaxed * (1 - relaxed) / 0.5, rtol=1e-13)


def test_pathwise_of_a_constant_is_zero():
    q, noise = Categorical([[0.5, -1.0]]), np.zeros((3, 1, 2))
    value, slope = pathwise(lambda _: np.ones(3), q, noise)
    np.testing.assert_array_equal(value, np.ones(3))
    np.testing.assert_array_equal(slope, np.zeros((3, 1, 2)))
    _, slope = pathwise(lambda _: np.ones(3), Bernoulli([-800.0]), np.zeros((3, 1)))  # whose probability underflows
    np.testing.assert_array_equal(slope, np.zeros((3, 1)))


def test_an_estimator_that_serves_one_family_refuses_the_other():
    class Binary(Reinforce):
        claims = type(Reinforce.claims)(unbiased=True, families=("bernoulli",))

    with pytest.raises(TypeError, match=r"Binary needs q of family bernoulli, but q is Categorical\(logits="):
        Binary()(Categorical([[0.0, 1.0]]), np.sum, np.zeros((1, 1, 2)))


def test_noise_that_is_no_number_is_named_and_what_is_followed_may_be_anything():
    q, f = Bernoulli([0.0]), SquaredError(0.5)
    with pytest.raises(TypeError, match=r"^noise needs real numbers, but has dtype <U1"):
        Reinforce()(q, f, [[["a"]]])
    with pytest.raises(ValueError, match="Reinforce needs finite noise"):
        Reinforce()(q, f, [[[np.inf]]])
    seen = []
    grad(lambda noise: (seen.append(Reinforce()(q, f, noise)), noise.sum())[1])(np.array([[[np.inf]]]))
    np.testing.assert_array_equal(seen, [[[0.125]]])


def test_a_draw_needs_a_generator():
    with pytest.raises(TypeError, match=r"rng needs a numpy\.random\.Generator, but is int"):
        Reinforce().sample(Bernoulli([0.0]), SquaredError(0.5), 3, 7)


def test_samples_come_in_blocks_and_a_block_is_no_seam():
    q = Bernoulli(np.linspace(-1, 1, 300))
    rng = np.random.default_rng(0)
    estimates = Reinforce().sample(q, SquaredError(0.5), 1000, rng)
    noise = q.draw_noise((1, 1000), np.random.default_rng(0))
    np.testing.assert_array_equal(estimates, Reinforce()(q, SquaredError(0.5), noise))


@pytest.mark.parametrize("size", [1, 300, 2**17 + 1])
@pytest.mark.parametrize("estimator", [Reinforce(), Rebar(), MeanSubstitution()], ids=repr)
def test_a_block_is_as_large_as_fits(estimator, size):
    """Of 2**17 numbers of noise at most, and of one repetition at least."""

    class Watched(type(estimator)):
        def __call__(self, q, f, noise):  # noqa: ARG002
            rows.append(noise.shape[1])
            return np.zeros(noise.shape[1:])

    rows, q = [], Bernoulli(np.zeros(size))
    most = max(1, 2**17 // (max(1, estimator.draws) * size))
    Watched().sample(q, SquaredError(0.5), 2 * most + 1, np.random.default_rng(0))
    assert rows == [most, most, 1]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize("estimator", [Reinforce(), MuProp(), GumbelSoftmax(0.5), Rebar()], ids=repr)
@pytest.mark.parametrize(
    "q", [Bernoulli([0.5, -1.0, 3.0]), Categorical([[0.5, -1.0, -np.inf], [0.0, 3.0, 1.0]])], ids=repr
)
def test_bits_do_not_depend_on_the_size_of_a_block(q, estimator, size, monkeypatch):
    f = SquaredError(np.full(q.event_shape, 0.45))
    one = estimator.sample(q, f, 200, np.random.default_rng(0))
    noise = q.draw_noise((estimator.draws, 200), np.random.default_rng(0))
    np.testing.assert_array_equal(one, estimator(q, f, noise))
    monkeypatch.setattr(_blocks, "BLOCK", size)
    np.testing.assert_array_equal(one, estimator.sample(q, f, 200, np.random.default_rng(0)))


class Antithetic(Reinforce):
    """Draws its noise in an order of its own."""

    def draw_noise(self, q, n, rng):
        half = super().draw_noise(q, -(-n // 2), rng)
        return np.concatenate([half, -half], axis=1)[:, :n]


@pytest.mark.parametrize("workers", [None, 2])
def test_noise_that_a_subclass_draws_is_drawn_as_a_whole(workers, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 64)
    monkeypatch.setattr(_blocks, "SHARED", 64)
    q, f = Bernoulli([0.5, -1.0, 3.0]), SquaredError(0.45)
    noise = Antithetic().draw_noise(q, 101, np.random.default_rng(0))
    with ThreadPoolExecutor(2) as threads:
        executor = None if workers is None else threads
        estimates = Antithetic().sample(q, f, 101, np.random.default_rng(0), executor=executor)
    np.testing.assert_array_equal(estimates, Antithetic()(q, f, noise))


class Recording(ThreadPoolExecutor):
    """Threads, and what was handed to them."""

    def submit(self, fn, /, *args, **kwargs):
        self.given = [*getattr(self, "given", []), args]
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("estimator", [Reinforce(), Rebar()], ids=repr)
@pytest.mark.parametrize("workers", [1, 3])
def test_bits_do_not_depend_on_who_computes_them(estimator, workers, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 64)
    monkeypatch.setattr(_blocks, "SHARED", 64)
    q, f = Bernoulli([0.5, -1.0, 3.0]), SquaredError(0.45)
    alone = estimator.sample(q, f, 500, np.random.default_rng(0))
    with Recording(workers) as executor:
        together = estimator.sample(q, f, 500, np.random.default_rng(0), executor=executor)
    np.testing.assert_array_equal(alone, together)
    assert len(executor.given) == -(-500 // (64 // (3 * estimator.draws)))


class Processes(ProcessPoolExecutor):
    """Processes, and how often something was handed to them."""

    count = 0

    def submit(self, fn, /, *args, **kwargs):
        self.count += 1
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("estimator", [Reinforce(), Rebar()], ids=repr)
def test_threads_draw_the_last_noise_of_larger_blocks(estimator, monkeypatch):
    """In processes and alone, blocks are smaller, and noise is drawn here."""
    monkeypatch.setattr(_blocks, "BLOCK", 64 * estimator.draws)
    monkeypatch.setattr(_blocks, "SHARED", 128 * estimator.draws)
    q, f, drawn, draw_noise = Bernoulli([0.5, -1.0, 3.0]), SquaredError(0.45), [], Bernoulli.draw_noise

    def watched(q, shape, rng):
        drawn.append((shape, get_ident() == here))
        return draw_noise(q, shape, rng)

    here = get_ident()
    monkeypatch.setattr(Bernoulli, "draw_noise", watched)
    with ThreadPoolExecutor(1) as executor:
        estimator.sample(q, f, 100, np.random.default_rng(0), executor=executor)
    assert drawn == [((estimator.draws - 1, 100), False), *(((1, n), False) for n in (42, 42, 16))]
    drawn.clear()
    estimator.sample(q, f, 50, np.random.default_rng(0))
    with Processes(1, mp_context=get_context("spawn")) as executor:
        estimator.sample(q, f, 50, np.random.default_rng(0), executor=executor)
    assert executor.count == 3
    assert drawn == 2 * [((estimator.draws - 1, 50), True), *(((1, n), True) for n in (21, 21, 8))]


def test_blocks_go_to_processes_too(monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 64)
    monkeypatch.setattr(_blocks, "SHARED", 64)
    q, f = Bernoulli([0.5, -1.0, 3.0]), SquaredError(0.45)
    alone = Rebar().sample(q, f, 100, np.random.default_rng(0))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        there = Rebar().sample(q, f, 100, np.random.default_rng(0), executor=executor)
    np.testing.assert_array_equal(alone, there)


def test_samples_show_no_bar(capsys):
    for executor in (None, ThreadPoolExecutor(1), ProcessPoolExecutor(1, mp_context=get_context("spawn"))):
        Reinforce().sample(Bernoulli([0.5]), SquaredError(0.45), 3, np.random.default_rng(0), executor=executor)
        if executor is not None:
            executor.shutdown()
    assert capsys.readouterr() == ("", "")


def test_no_estimates_at_all():
    assert Rebar().sample(Bernoulli([0.5, -1.0]), SquaredError(0.45), 0, np.random.default_rng(0)).shape == (0, 2)
    assert Rebar().sample(Bernoulli(np.zeros((0, 2))), SquaredError(0.45), 3, np.random.default_rng(0)).shape == (
        3,
        0,
        2,
    )


def test_breaks_are_the_edges_of_the_cells():
    np.testing.assert_array_equal(GumbelSoftmax(0.5).breaks(Bernoulli([0.5, -1.0])), [-0.5, 1.0])


def test_every_call_has_a_docstring():
    assert Reinforce.__call__.__doc__ == Estimator.__call__.__doc__
    assert "Eq." not in (Estimator.__call__.__doc__ or "")


def test_a_docstring_of_ones_own_is_kept_and_one_that_is_missing_is_lent():
    class Own(Reinforce):
        def __call__(self, q, f, noise):
            """Mine."""

    class Lent(Reinforce):
        def __call__(self, q, f, noise):
            pass

    class Neither(Own):
        pass

    assert Own.__call__.__doc__ == Neither.__call__.__doc__ == "Mine."
    assert Lent.__call__.__doc__ == Estimator.__call__.__doc__
    Own.__call__.__doc__ = None
    type("Later", (Own,), {})
    assert Own.__call__.__doc__ is None


@pytest.mark.parametrize("estimator", built_in.instances(), ids=repr)
def test_a_claim_that_is_made_or_not_is_a_bool(estimator):
    for name in ("unbiased", "differentiates_f", "additive", "shift_invariant", "symmetric"):
        assert type(getattr(estimator.claims, name)) is bool


@pytest.mark.parametrize("estimator", built_in.instances(), ids=repr)
def test_every_claim_names_its_page(estimator):
    assert (Path(__file__).resolve().parents[2] / "derivations" / f"{estimator.claims.derivation}.md").exists()


STEPS = [
    lambda z: (z > 0.5).sum(axis=-1),
    lambda z: np.where(z[..., 0] > 0.5, 3.0, 1.0),
    lambda z: anp.round(z).sum(axis=-1),
    lambda z: z.astype(int).sum(axis=-1),
    lambda z: z.sum(axis=-1) > 0.5,
]


@pytest.mark.parametrize("f", STEPS)
@pytest.mark.parametrize("estimator", [GumbelSoftmax(0.5), Rebar(), MeanSubstitution(), Relax()], ids=repr)
def test_steps_have_no_derivative_of_zero(estimator, f):
    """A step that autograd loses is no constant: an error, never a zero gradient. A black box may have steps."""
    q = Bernoulli([0.5, -1.0])
    for n in (1, 5):
        noise = estimator.draw_noise(q, n, np.random.default_rng(0))
        if isinstance(estimator, Relax):
            assert np.isfinite(estimator(q, f, noise)).all()
            with pytest.raises(TypeError, match="the control variate needs to be differentiable"):
                Relax(f)(q, f, noise)
        else:
            with pytest.raises(TypeError, match="f needs to be differentiable, but autograd cannot follow"):
                estimator(q, f, noise)


def test_a_constant_has_a_derivative_of_zero():
    for q in (Bernoulli([0.5, -1.0]), Categorical([[0.5, -1.0, 0.0]])):
        noise = q.draw_noise((1, 5), np.random.default_rng(0))
        ones = {1: lambda z: np.ones(np.shape(z)[:-1]), 2: lambda z: np.ones(np.shape(z)[:-2])}[q.event_ndim]
        assert not GumbelSoftmax(0.5)(q, ones, noise).any()
        assert not GumbelSoftmax(0.5)(q, lambda z, ones=ones: ones(z).astype(int), noise).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("estimator", [Reinforce(), GumbelSoftmax(0.5), Rebar(), Relax(), MuProp()], ids=repr)
def test_values_of_f_that_are_not_finite(estimator, bad):
    q = Bernoulli([0.5, -1.0])
    with pytest.raises(ValueError, match="f needs to return finite values, but"):
        estimator.sample(q, lambda z: bad + 0 * z.sum(axis=-1), 3, np.random.default_rng(0))


def test_an_f_that_writes_into_its_argument_does_no_harm():
    def scribble(z):
        z *= 2
        return z.sum(axis=-1)

    q, noise = Bernoulli([0.5, -1.0]), np.random.default_rng(0).logistic(size=(1, 9, 2))
    np.testing.assert_array_equal(Reinforce()(q, scribble, noise), Reinforce()(q, lambda z: 2 * z.sum(axis=-1), noise))
