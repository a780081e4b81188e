"""Surrogates of PyTorch are judged as what they are."""

from threading import Event, Thread

import numpy as np
import pytest

from refgrad.estimators import GumbelSoftmax, Reinforce
from refgrad.testing import (
    SamplerError,
    check_expectation,
    check_moments,
    check_pathwise,
    check_unbiased,
    exact_problems,
    standard_problems,
)
from refgrad.testing.adapters import from_torch

torch = pytest.importorskip("torch", reason="torch is not installed here")
TOY = standard_problems("bernoulli")[0]
INTERACTIONS = [standard_problems(family)[i] for family, i in (("bernoulli", 2), ("categorical", 1))]
TIMES_HALF = "0.5 times the reference, in every row"
both = pytest.mark.parametrize("problem", INTERACTIONS, ids=str)


def distribution(problem, logits):
    family = {"bernoulli": torch.distributions.Bernoulli, "categorical": torch.distributions.OneHotCategorical}
    return torch.distributions.Independent(family[problem.family](logits=logits), 1)


def hard(problem, logits, noise):
    perturbed = (logits + noise).detach()
    if problem.family == "bernoulli":
        return (perturbed > 0).to(logits)
    return torch.nn.functional.one_hot(perturbed.argmax(-1), logits.shape[-1]).to(logits)


def reinforce(problem, logits):
    q = distribution(problem, logits)
    z = q.sample()
    return problem.f(z).detach() * q.log_prob(z)


def reinforce_on_noise(problem, logits, noise):
    z = hard(problem, logits, noise[0])
    return problem.f(z) * distribution(problem, logits).log_prob(z)


def relaxed(problem, logits, noise):
    x = (logits + noise[0]) / 0.5
    return problem.f(x.sigmoid() if problem.family == "bernoulli" else x.softmax(-1))


@both
def test_reinforce_is_right(problem):
    assert check_unbiased(from_torch(reinforce), problem, estimator=Reinforce()).outcome == "right"
    assert check_moments(from_torch(reinforce), problem, Reinforce()).outcome == "right"


@pytest.mark.parametrize("n", [1, 8])
@pytest.mark.parametrize("whole", [torch.sum, torch.mean])
def test_a_sum_and_a_mean_over_the_rows_are_refused(whole, n):
    estimate = from_torch(lambda *given: whole(reinforce(*given)))
    with pytest.raises(ValueError, match=rf"of n = {n} values, .* that nothing has summed .* but returned shape \(\)"):
        estimate(TOY, n, np.random.default_rng(0))


@both
def test_a_relaxation_taken_for_unbiased_is_wrong(problem):
    def straight_through(problem, logits):
        y = torch.rand_like(logits).logit() + logits if problem.family == "bernoulli" else None
        if y is None:
            return problem.f(torch.nn.functional.gumbel_softmax(logits, tau=0.5, hard=True))
        soft = (y / 0.5).sigmoid()
        return problem.f((y > 0).to(soft) + soft - soft.detach())

    assert check_unbiased(from_torch(straight_through), problem, causes=False).outcome == "wrong"


def test_a_loss_needs_its_option():
    loss = from_torch(lambda *given: -reinforce(*given))
    assert check_unbiased(loss, TOY, causes=False).outcome == "wrong"
    assert check_unbiased(loss, TOY, loss=True).outcome == "right"


@both
def test_on_noise_it_has_the_moments_of_the_reference(problem):
    assert check_expectation(from_torch(reinforce_on_noise), problem, Reinforce()).outcome == "right"
    assert check_expectation(from_torch(relaxed), problem, GumbelSoftmax(temperature=0.5)).outcome == "right"
    half = from_torch(lambda *given: 0.5 * reinforce_on_noise(*given))
    assert TIMES_HALF in check_expectation(half, problem, Reinforce()).causes


def test_on_noise_it_is_the_reference_row_by_row():
    assert check_pathwise(from_torch(reinforce_on_noise), Reinforce()).outcome == "right"
    assert check_pathwise(from_torch(relaxed), GumbelSoftmax(temperature=0.5)).outcome == "right"
    assert check_pathwise(from_torch(relaxed), GumbelSoftmax(temperature=0.75)).outcome == "wrong"


def test_every_draw_is_handed_over():
    given = []
    from_torch(lambda problem, logits, noise: given.append(noise) or logits.sum(-1))(TOY, np.ones((2, 3, 1)))
    assert given[0].shape == (2, 3, 1)


def test_code_in_single_precision_says_so():
    single = from_torch(lambda problem, logits, noise: relaxed(problem, logits.float(), noise.float()))
    estimator = GumbelSoftmax(temperature=0.5)
    assert check_pathwise(single, estimator, INTERACTIONS).outcome == "wrong"
    assert check_pathwise(single, estimator, INTERACTIONS, precision="float32").outcome == "right"


@both
def test_the_same_generator_gives_the_same_bits_and_leaves_the_global_one_alone(problem):
    estimate = from_torch(reinforce)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, other, third = (estimate(problem, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    assert torch.equal(torch.get_rng_state(), state)


def test_other_leaves_are_not_touched_and_no_grad_does_not_matter():
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        rows = from_torch(lambda *given: weight * reinforce(*given))(TOY, 4, np.random.default_rng(0))
    assert rows.shape == (4, 1)
    assert weight.grad is None


@pytest.mark.parametrize(
    "surrogate",
    [
        lambda problem, logits: problem.f(distribution(problem, logits).sample()),
        lambda problem, logits: torch.ones(len(logits), requires_grad=True),
    ],
    ids=["sampled", "unrelated"],
)
def test_it_says_that_no_gradient_reaches_the_logits(surrogate):
    with pytest.raises(SamplerError, match="needs to depend on the logits, but no gradient reaches them"):
        check_unbiased(from_torch(surrogate), TOY)


def test_another_shape_or_kind_is_refused():
    needed = "a tensor of n = 1024 values, one a row, that nothing has summed or averaged"
    with pytest.raises(SamplerError, match=rf"{needed}, but returned shape \(1024, 1\)"):
        check_unbiased(from_torch(lambda problem, logits: logits), TOY)
    with pytest.raises(SamplerError, match=rf"{needed}, but returned a numpy\.ndarray"):
        check_unbiased(from_torch(lambda problem, logits: np.zeros(len(logits))), TOY)


def test_inference_mode_around_it_does_not_matter():
    expected = from_torch(reinforce)(TOY, 64, np.random.default_rng(0))
    with torch.inference_mode():
        assert torch.equal(from_torch(reinforce)(TOY, 64, np.random.default_rng(0)), expected)


def test_another_thread_draws_nothing_in_between():
    def two(problem, logits, between):
        one = torch.rand_like(logits)
        between()
        return ((one - torch.rand_like(logits)) * logits).sum(-1)

    def inside():
        entered.set()
        ready.wait()

    def meanwhile():
        other.start()
        entered.wait(0.5)  # in vain: it waits for us

    def estimate(between, seed):
        return from_torch(lambda *given: two(*given, between))(TOY, 64, np.random.default_rng(seed))

    expected = estimate(lambda: None, 0)
    other, entered, ready = Thread(target=estimate, args=(inside, 1)), Event(), Event()
    rows = estimate(meanwhile, 0)
    ready.set()
    other.join()
    assert entered.is_set()
    assert torch.equal(rows, expected)


def test_an_estimate_inside_of_another_does_not_wait_for_itself():
    inner = from_torch(reinforce)
    estimate = from_torch(
        lambda problem, logits: (inner(problem, len(logits), np.random.default_rng(0)) * logits).sum(-1)
    )
    assert torch.equal(estimate(TOY, 4, np.random.default_rng(1)), inner(TOY, 4, np.random.default_rng(0)))


def test_nan_passes_through_and_is_counted():
    def dividing(problem, logits):
        return reinforce(problem, logits) * torch.where(torch.rand(len(logits)) < 0.25, torch.nan, 1.0)

    verdict = check_unbiased(from_torch(dividing), TOY)
    assert verdict.outcome == "wrong"
    assert "not finite" in verdict.reason


def test_a_masked_category_is_minus_infinity():
    masked = exact_problems("categorical")[1]
    given = from_torch(lambda problem, logits: logits.nan_to_num(neginf=0.0).sum((-1, -2)))
    assert given(masked, 2, np.random.default_rng(0)).tolist() == [[[1.0, 0.0, 1.0]]] * 2
