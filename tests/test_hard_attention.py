"""Hard attention, part by part: what is seen, how a step moves, how masks and estimators are judged."""

import importlib
import itertools
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from refgrad import Bernoulli, exact
from refgrad.estimators import (
    Adam,
    ConstantBaseline,
    GumbelSoftmax,
    MeanSubstitution,
    MovingAverageBaseline,
    MuProp,
    Nvil,
    Rebar,
    Reinforce,
    Relax,
)

pytestmark = pytest.mark.exhaustive  # examples, pages and benchmarks are the same on every Python

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
HAND = [MeanSubstitution(), GumbelSoftmax(0.5), Reinforce(), Rebar()]


@pytest.fixture
def part(monkeypatch):
    """Import a module of the application by its name."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


@pytest.fixture
def digits(part):
    rng = np.random.default_rng(0)
    return part("_shared.digits").Digits((rng.random((7, 64)) < 0.4).astype(float), np.array([3, 0, 9, 3, 1, 7, 2]))


@pytest.fixture
def classifier(part):
    networks = part("_shared.networks")
    weights = networks.layers((64, 12, 10), np.random.default_rng(1), last=3.0)
    return networks.Model(weights, Adam(rate=0.01))


@pytest.fixture
def learner(part, classifier):
    module = part("_attention.learner")
    return module.Learner(Reinforce(), 0.1, "likelihood", module.attention(np.random.default_rng(2)), classifier)


@pytest.fixture
def few(part, digits, classifier):
    """Four open patches of one image: q and f."""
    f = part("_attention.glimpse").Reward(classifier.weights, digits.take(0), 0.1)
    logits = np.random.default_rng(3).normal(size=16) * np.linspace(0.5, 4, 16)
    return part("_attention.oracle").problem(Reinforce(), Bernoulli(logits), f, 4)[1:]


# What is seen


def test_a_patch_is_two_by_two_pixels_and_hidden_is_neither_ink_nor_paper(part):
    seen = part("_attention.glimpse").seen
    ink = np.arange(64) % 2.0
    shown = seen(ink, np.eye(16)[5]).reshape(8, 8)
    assert set(zip(*np.nonzero(shown), strict=True)) == set(itertools.product((2, 3), (2, 3)))
    assert shown[2:4, 2:4].tolist() == [[-1, 1], [-1, 1]]
    assert np.abs(seen(ink, np.ones(16))).tolist() == [1.0] * 64


def test_the_reward_is_the_log_probability_less_the_price(part, digits, classifier):
    glimpse = part("_attention.glimpse")
    z = (np.random.default_rng(0).random((3, 7, 16)) < 0.5) * 1.0
    values = glimpse.Reward(classifier.weights, digits, 0.25)(z)
    (first, shift), (last, final) = classifier.weights
    for draw, image in itertools.product(range(3), range(7)):
        pixels = [(2 * digits.pixels[image, i] - 1) * z[draw, image, i // 16 * 4 + i % 8 // 2] for i in range(64)]
        scores = np.tanh(pixels @ first + shift) @ last + final
        by_hand = scores[digits.labels[image]] - np.log(np.exp(scores).sum()) - 0.25 * z[draw, image].sum()
        assert values[draw, image] == pytest.approx(by_hand, rel=1e-12)
        alone = glimpse.Reward(classifier.weights, digits.take(image), 0.25)
        assert alone(z[draw, image]) == pytest.approx(by_hand, rel=1e-12)


def test_the_other_reward_counts_what_is_right(part, digits, classifier):
    glimpse = part("_attention.glimpse")
    z = (np.random.default_rng(0).random((40, 7, 16)) < 0.5) * 1.0
    right = glimpse.log_probs(classifier.weights, digits.pixels, z).argmax(-1) == digits.labels
    assert 0 < right.mean() < 1
    values = glimpse.Reward(classifier.weights, digits, 0.5, "accuracy")(z)
    assert (values == right - 0.5 * z.sum(-1)).all()


def test_the_derivative_at_a_relaxed_mask_is_that_of_f(part, digits, classifier):
    f = part("_attention.glimpse").Reward(classifier.weights, digits.take(0), 0.25)
    logits = np.random.default_rng(4).normal(size=16)
    slope = MeanSubstitution()(Bernoulli(logits), f, np.zeros((0, 16)))
    step = 1e-4  # its cube is below the fourth digit that is asked for
    for at in range(16):
        up, down = (f(Bernoulli(logits + sign * step * np.eye(16)[at]).probs) for sign in (1, -1))
        assert slope[at] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-7)


# One step


@pytest.mark.parametrize("estimator", HAND, ids=repr)
def test_a_step_climbs_the_mean_of_the_estimates(learner, digits, estimator):
    from _attention import learner as module  # noqa: PLC0415
    from autograd import grad  # noqa: PLC0415
    from autograd.misc import flatten  # noqa: PLC0415

    learner = replace(learner, estimator=estimator, fixed=True)
    moved = learner.step(digits, np.random.default_rng(5))
    q = module.masks(learner.attention.weights, digits.pixels)
    noise = estimator.draw_noise(q, 1, np.random.default_rng(5))
    estimates = estimator(q, learner.reward(digits), noise)[0]
    flat, unflatten = flatten(learner.attention.weights)

    def projected(flat):
        return (estimates * module.forward(unflatten(flat), 2 * digits.pixels - 1)).sum() / 7

    expected, _ = learner.attention.optimizer.step(flat, -grad(projected)(flat))
    assert np.abs(flatten(moved.attention.weights)[0] - expected).max() < 1e-12
    assert moved.classifier is learner.classifier
    assert moved.steps == 1


def test_the_classifier_is_shown_what_the_estimator_is(learner, digits):
    from _attention import learner as module  # noqa: PLC0415

    q = module.masks(learner.attention.weights, digits.pixels)
    noise = q.draw_noise((1, 1, 7), np.random.default_rng(5))[0]
    for estimator, z in ((Reinforce(), q.sample(noise)), (GumbelSoftmax(0.7), q.relax(noise, 0.7))):
        moved = replace(learner, estimator=estimator).step(digits, np.random.default_rng(5)).classifier
        expected = module.taught(learner.classifier, digits, z)
        assert all((a == b).all() for a, b in zip(_flat(moved), _flat(expected), strict=True))
        assert not all((a == b).all() for a, b in zip(_flat(moved), _flat(learner.classifier), strict=True))


def _flat(model):
    return [array for layer in model.weights for array in layer]


def test_what_learns_has_learned_and_rebar_only_now_and_then(learner, digits, part):
    every = part("_attention.learner").EVERY
    rng = np.random.default_rng(6)
    nvil = replace(learner, estimator=Nvil(np.zeros(64))).step(digits, rng).estimator
    assert nvil.average != 0
    assert (nvil.features == digits.pixels).all()
    own = replace(learner, estimator=Rebar())
    temperatures = []
    for _ in range(2 * every):
        own = own.step(digits, rng)
        temperatures.append(own.estimator.temperature)
    assert len(set(temperatures)) == 2


def test_a_name_has_the_fields_that_are_no_defaults(part):
    name = part("_attention.learner").name
    names = [
        name(e) for e in (GumbelSoftmax(0.5), Nvil(np.zeros(64)), Rebar(temperature=0.25), MuProp(order=2), Relax())
    ]
    assert names == ["GumbelSoftmax(0.5)", "Nvil", "Rebar(0.25)", "MuProp(2)", "Relax"]


# How masks are judged


def test_masks_have_the_size_that_is_asked_for(part):
    judge = part("_attention.judge")
    counts = np.array([[0, 3, 16], [1, 8, 15]])
    z = judge.random_masks(counts, np.random.default_rng(0))
    assert (z.sum(-1) == counts).all()
    assert set(np.unique(z)) == {0.0, 1.0}
    assert judge.largest(np.array([0.1, 0.9, 0.5]), 2).tolist() == [0, 1, 1]


def test_random_masks_use_every_patch_alike(part):
    n, count = 20_000, 5
    z = part("_attention.judge").random_masks(np.full(n, count), np.random.default_rng(0))
    share, p = z.mean(axis=0), count / 16
    assert (np.abs(share - p) < 6 * np.sqrt(p * (1 - p) / n)).all()  # exceeded once in 3e7 runs


def test_the_mask_alone_is_read_by_the_rule_of_bayes(part):
    rng = np.random.default_rng(0)
    q, labels = Bernoulli(rng.normal(size=(12, 3))), np.arange(12) % 3
    z = q.support()
    by_hand = []
    for mask in z:
        joint = np.zeros(10)
        for row in range(12):
            joint[labels[row]] += np.exp(Bernoulli(q.logits[row]).log_prob(mask))
        by_hand.append(joint.argmax())
    assert part("_attention.judge").mask_reader(q, labels, z).tolist() == by_hand
    assert len(set(by_hand)) > 1


def test_a_mask_that_spells_the_digit_is_read(part):
    judge = part("_attention.judge")
    labels = np.arange(40) % 10
    code = (labels[:, None] >> np.arange(4)) % 2
    telling, silent = Bernoulli(30.0 * (2 * code - 1)), Bernoulli(np.zeros((40, 4)))
    assert (judge.mask_reader(telling, labels, code * 1.0) == labels).all()
    assert len(set(judge.mask_reader(silent, labels, code * 1.0))) == 1


def test_the_qualities_of_masks_that_are_certain(part, learner, digits):
    judge = part("_attention.judge")
    (first, shift), (last, _) = learner.attention.weights
    constant = np.where(np.arange(16) < 6, 40.0, -40.0)
    attention = replace(learner.attention, weights=[(first, shift), (0 * last, constant)])
    own = replace(learner, attention=attention)
    found = judge.quality(own, learner.classifier, digits, digits, np.random.default_rng(0))
    z = np.broadcast_to((constant > 0) * 1.0, (7, 16))
    assert found.patches == 6
    assert found.commonest == 1
    assert found.objective == pytest.approx(own.reward(digits)(z).mean(), rel=1e-12)
    assert found.own == found.judged == found.same_for_all
    assert found.from_mask == np.mean(digits.labels == 3)  # the commonest digit, whatever the mask
    assert np.isnan(found.relaxed)


def test_the_commonest_mask_is_counted_and_the_same_patches_are_the_most_used(part, learner, digits):
    judge = part("_attention.judge")
    (first, shift), (last, _) = learner.attention.weights
    late = np.where(np.arange(16) > 1, 40.0 * (-1) ** np.arange(16), 0.0)  # all but two are certain
    attention = replace(learner.attention, weights=[(first, shift), (30 * last * (late == 0), late)])
    own = replace(learner, attention=attention)
    found = judge.quality(own, learner.classifier, digits, digits, np.random.default_rng(0))
    q = part("_attention.learner").masks(attention.weights, digits.pixels)
    counted = Counter(map(tuple, (q.logits > 0).tolist())).most_common(1)[0][1]
    assert 1 < counted < 7
    assert found.commonest == counted / 7
    size = round(found.patches)
    used = np.isin(np.arange(16), np.argsort(-q.probs.mean(axis=0), kind="stable")[:size]) * 1.0
    right = part("_attention.glimpse").right(learner.classifier.weights, digits, np.broadcast_to(used, (7, 16)))
    assert found.same_for_all == right.mean()


def test_a_relaxation_has_two_objectives_and_at_a_certain_mask_they_are_one(part, learner, digits):
    judge = part("_attention.judge")
    soft = replace(learner, estimator=GumbelSoftmax(1.0))
    discrete, relaxed = judge.objectives(soft, digits, np.random.default_rng(0), 100)
    assert abs(discrete - relaxed) > 0.01
    (first, shift), (last, _) = learner.attention.weights
    attention = replace(learner.attention, weights=[(first, shift), (0 * last, np.full(16, 200.0))])
    discrete, relaxed = judge.objectives(replace(soft, attention=attention), digits, np.random.default_rng(0), 100)
    assert relaxed == pytest.approx(discrete, rel=1e-12)
    assert [judge.biased(e) for e in (*HAND, MuProp())] == [True, True, False, False, False]


# The oracle


def test_a_problem_of_few_patches_is_the_whole_one_with_the_others_held(part, digits, classifier):
    f = part("_attention.glimpse").Reward(classifier.weights, digits.take(0), 0.1)
    logits = np.array([9.0, -8, 0.1, 7, -6, -0.2, 5, 9, -9, 8, -7, 0.3, 6, -5, 9, -9])
    problem = part("_attention.oracle").problem
    _, q, own = problem(Reinforce(), Bernoulli(logits), f, 3)
    assert q.logits.tolist() == [0.1, -0.2, 0.3]
    for z in q.support():
        whole = (logits > 0) * 1.0
        whole[[2, 5, 11]] = z
        assert own(z) == pytest.approx(f(whole), rel=1e-12)
    _, everything, same = problem(Reinforce(), Bernoulli(logits), f, 16)
    assert (everything.logits == logits).all()
    assert same(whole) == pytest.approx(f(whole), rel=1e-12)


def test_what_was_learned_of_all_patches_serves_few(part, digits, classifier):
    f = part("_attention.glimpse").Reward(classifier.weights, digits.take(0), 0.1)
    q = Bernoulli(np.linspace(-3, 3, 16))
    learned = Relax().tune(q, f, np.random.default_rng(0), steps=2)
    for own in (learned, ConstantBaseline(tuple(range(16)))):
        few, fewer, f_few = part("_attention.oracle").problem(own, q, f, 2)
        noise = own.draw_noise(q, 50, np.random.default_rng(1))
        noise[..., [*range(7), *range(9, 16)]] = np.where(q.logits > 0, 50, -50)[[*range(7), *range(9, 16)]]
        # The others are certain: what they give is the same, to what is left of a relaxed 50.
        same = few(fewer, f_few, noise[..., 7:9])
        assert np.abs(own(q, f, noise)[..., 7:9] - same).max() < 1e-9


@pytest.mark.parametrize("estimator", [Reinforce(), MovingAverageBaseline(-1.0), MuProp()], ids=repr)
def test_the_sampled_variance_is_the_exact_one(few, estimator):
    q, f = few
    n, m = 20_000, exact.moments(estimator, q, f)
    rows = estimator.sample(q, f, n, np.random.default_rng(7))
    squares = ((rows - m.mean) ** 2).sum(axis=-1)
    z = q.support()
    every = estimator(q, f, q.noise_given(z, np.zeros((16, 4)))[None])
    exact_squares = ((every - m.mean) ** 2).sum(axis=-1)
    spread = np.sqrt(np.exp(q.log_prob(z)) @ (exact_squares - m.variance.sum()) ** 2 / n)
    assert abs(squares.mean() - m.variance.sum()) < 6 * spread  # exceeded once in 5e8 runs


@pytest.mark.parametrize("estimator", [Reinforce(), Relax(), MovingAverageBaseline(0.5), Nvil([0.5])], ids=repr)
def test_what_needs_no_gradient_of_f_is_unbiased_for_the_other_reward(part, digits, classifier, estimator):
    f = part("_attention.glimpse").Reward(classifier.weights, digits.take(0), 0.1, "accuracy")
    estimator, q, own = part("_attention.oracle").problem(estimator, Bernoulli(np.linspace(-3, 3, 16)), f, 2)
    m = exact.moments(estimator, q, own)
    assert (np.abs(m.mean - exact.gradient(q, own)) <= m.error).all()


def test_the_verdict_on_a_line(part, few):
    oracle = part("_attention.oracle")
    for estimator, biased in ((Reinforce(), False), (MuProp(), False), (MeanSubstitution(), True)):
        line = oracle.line(estimator, *few, 20_000, np.random.default_rng(8))
        assert (line.biased, line.agrees) == (biased, True)
        assert (line.bias > 1e-6) == biased
    soft = oracle.line(GumbelSoftmax(2.0), *few, 20_000, np.random.default_rng(8), 2**13)
    assert (soft.biased, soft.agrees) == (True, True)
    assert abs(soft.off - soft.bias) < 6 * soft.noise


def test_the_tests_refute_what_is_wrong(part, few):
    oracle, (q, f) = part("_attention.oracle"), few
    rows = Reinforce().sample(q, f, 20_000, np.random.default_rng(9))
    m = exact.moments(Reinforce(), q, f)
    shift = 8 * np.sqrt(m.variance / 20_000)
    assert not oracle.refuted(rows, m.mean)
    assert oracle.refuted(rows + shift, m.mean)
    assert oracle.agreed(rows, m)
    assert not oracle.agreed(rows + shift, m)
    still = np.broadcast_to(m.mean, (10, 4))
    assert not oracle.refuted(still, m.mean)
    assert oracle.refuted(still + 1e-9, m.mean)
    nothing = replace(m, covariance=0 * m.covariance)
    assert oracle.agreed(still, nothing)
    assert not oracle.agreed(still + 1e-3, nothing)


@pytest.mark.parametrize("kind", ["likelihood", "accuracy"])
def test_flips_have_the_exact_mean_and_less_variance(part, digits, classifier, kind):
    flips, problem = part("_attention.flips").Flips(), part("_attention.oracle").problem
    f = part("_attention.glimpse").Reward(classifier.weights, digits.take(0), 0.1, kind)
    _, q, own = problem(flips, Bernoulli(np.linspace(-3, 3, 16)), f, 6)
    m, other = exact.moments(flips, q, own), exact.moments(Reinforce(), q, own)
    assert (np.abs(m.mean - exact.gradient(q, own)) <= m.error).all()  # Eq. 14.8
    assert 0 < m.variance.sum() < 0.1 * other.variance.sum()
    batch = Bernoulli(np.random.default_rng(1).normal(size=(3, 6)))
    noise = flips.draw_noise(batch, 5, np.random.default_rng(2))
    for row in range(3):
        alone = flips(Bernoulli(batch.logits[row]), own, noise[:, :, row])
        np.testing.assert_allclose(flips(batch, own, noise)[:, row], alone, rtol=1e-12, atol=1e-14)


def test_what_hardly_varies_is_not_called_biased(part):
    oracle, flips = part("_attention.oracle"), part("_attention.flips").Flips()
    q = Bernoulli([0.3, -1.2, 2.0, 0.7])

    def linear(z):  # what f gains by a patch is always the same, to rounding
        return 0.3 - 0.1 * z.sum(-1)

    for estimator in (flips, MuProp(), MeanSubstitution()):
        line = oracle.line(estimator, q, linear, 4000, np.random.default_rng(0))
        assert (line.biased, line.agrees) == (False, True)
        assert line.deviation < 1e-12
    rows = flips.sample(q, linear, 4000, np.random.default_rng(0))
    assert not oracle.refuted(rows, exact.gradient(q, linear))
    assert oracle.refuted(rows + 1e-9, exact.gradient(q, linear))


def test_rare_masks_do_not_make_a_bias(part):
    oracle, flips = part("_attention.oracle"), part("_attention.flips").Flips()
    q = Bernoulli([-5.0, 0.5])  # what z = 1 alone shows, most samples have not seen
    refuted = []
    for seed in range(40):
        line = oracle.line(flips, q, lambda z: 10 * z[..., 0] * z[..., 1], 200, np.random.default_rng(seed))
        refuted.append(line.biased)
    assert not any(refuted)  # 4e-5


def test_a_gradient_of_zero_has_no_unit(part):
    line = part("_attention.oracle").line(
        Reinforce(), Bernoulli([0.3, -0.2]), lambda z: 1.0 + 0 * z[..., 0], 4000, np.random.default_rng(0)
    )
    assert (line.biased, line.agrees) == (False, True)
    assert line.deviation == pytest.approx(np.sqrt(np.sum(Bernoulli([0.3, -0.2]).probs * expit([-0.3, 0.2]))))


def test_estimators_learn_from_batches_while_the_networks_stay(part, learner, digits):
    warmed = part("_attention.oracle").warmed
    own = warmed(MovingAverageBaseline(decay=0.5), learner, [digits] * 30, np.random.default_rng(0))
    z = np.random.default_rng(1).random((1000, 7, 16)) < 0.5
    assert own.average == pytest.approx(learner.reward(digits)(z * 1.0).mean(), rel=0.5)
    assert warmed(Reinforce(), learner, [digits], np.random.default_rng(0)) == Reinforce()


# The study


@pytest.fixture
def application(part, monkeypatch):
    """The front door, with sizes of nearly nothing."""
    module = part("14_hard_attention")
    sizes = part("_attention.study").Sizes(judge=3, steps=4, points=2, n=200, warm=1, patches=4, open=4, limit=2**13)
    monkeypatch.setattr(module, "QUICK", sizes)
    return module


OPTIONS = ["--quick", "--estimator", "Reinforce", "--estimator", "GumbelSoftmax", "--price", "0.1", "--price", "0.3"]


def test_the_plan_has_every_estimator_at_every_price(application, tmp_path):
    options = application.parser().parse_args([*OPTIONS, "--price", "0.2", "--price", "0.2", "--out", str(tmp_path)])
    study = application.Application(options).study
    plan = [(type(e).__name__, getattr(e, "temperature", None), price, part) for e, price, part in study._plan()]
    both, fixed = "both learn", "fixed classifier"
    one, other = ("Reinforce", None), ("GumbelSoftmax", 0.5)
    assert plan == [
        *((*own, price, both) for price in (0.2, 0.1, 0.3) for own in (one, other)),
        (*one, 0.2, fixed),
        (*other, 0.2, fixed),
        ("GumbelSoftmax", 0.25, 0.2, "temperature"),
        ("GumbelSoftmax", 1.0, 0.2, "temperature"),
        ("Flips", None, 0.2, both),
        ("Flips", None, 0.2, fixed),
    ]


def test_more_temperatures_are_those_that_nobody_named(application, tmp_path):
    for names, more in (
        (["Reinforce"], []),
        (["GumbelSoftmax(temperature=1)"], [0.25]),
        (["GumbelSoftmax"], [0.25, 1.0]),
    ):
        chosen = [option for name in names for option in ("--estimator", name)]
        options = application.parser().parse_args(["--quick", *chosen, "--out", str(tmp_path)])
        plan = application.Application(options).study._plan()
        assert [estimator.temperature for estimator, _, part in plan if part == "temperature"] == more


def test_a_fixed_classifier_is_the_judge_to_the_end(application, tmp_path):
    options = application.parser().parse_args([*OPTIONS, "--out", str(tmp_path)])
    study = application.Application(options).study
    study.train()
    for run in study.runs:
        assert run.learner.steps == 4
        assert (run.learner.classifier is study.trusted) == (run.part == "fixed classifier")
        assert (run.quality.own == run.quality.judged) >= (run.part == "fixed classifier")


def test_the_image_of_the_oracle_is_one_whose_class_depends_on_its_patches(application, part, tmp_path, monkeypatch):
    options = application.parser().parse_args([*OPTIONS, "--reward", "accuracy", "--out", str(tmp_path)])
    options.estimator, glimpse = ["Reinforce"], part("_attention.glimpse")
    study = application.Application(options).study
    start = part("_attention.learner").attention(np.random.default_rng(0))
    telling = study.held_out.pixels[5]

    def right(weights, digits, z):
        return z[..., 0] * 0 + (z.sum(-1) % 2) * (digits.pixels == telling).all(axis=-1)

    monkeypatch.setattr(glimpse, "right", right)
    learner = part("_attention.learner").Learner(Reinforce(), 0.1, "accuracy", start, start)
    assert (study._image(learner).pixels == telling).all()
    monkeypatch.setattr(glimpse, "right", lambda weights, digits, z: z[..., 0] * 0)
    assert (study._image(learner).pixels == study.held_out.pixels[0]).all()


@pytest.mark.parametrize(("after", "files"), [(0, 0), (1, 0), (2, 2), (5, 4), (30, 5)])
def test_an_interrupt_leaves_what_there_is(application, part, tmp_path, monkeypatch, capsys, after, files):
    module, count = part("_attention.learner"), itertools.count()
    step = module.Learner.step

    def interrupted(self, digits, rng):
        if next(count) == after:
            raise KeyboardInterrupt
        return step(self, digits, rng)

    monkeypatch.setattr(module.Learner, "step", interrupted)
    assert application.main([*OPTIONS, "--out", str(tmp_path)]) == 130
    said = capsys.readouterr()
    assert len(list(tmp_path.iterdir())) == files
    if not after:
        assert "interrupted while the judge learned" in said.err
    elif after < 4:
        assert f"after {after} of 4 steps of Reinforce at price 0.3" in said.err
    assert ("held-out digits" in said.out) == (after >= 4)


def test_prices_and_estimators_that_do_not_apply_are_refused(application, tmp_path, capsys):
    for text in ("-1", "nan", "inf", "1e7", "cheap"):
        with pytest.raises(SystemExit, match="2"):
            application.main([f"--price={text}", "--out", str(tmp_path)])
        assert f"a price needs to be a number from 0 to 1,000,000, but is '{text}'" in capsys.readouterr().err
    for name in ("GumbelSoftmax", "MuProp", "Rebar", "MeanSubstitution"):
        assert application.main(["--reward", "accuracy", "--estimator", name, "--out", str(tmp_path)]) == 2
        said = capsys.readouterr().err
        assert re.search(rf"{name} needs a gradient of f, but with --reward accuracy f is 1 or 0 less the price", said)


def test_without_a_gradient_the_usual_ones_need_none(application, tmp_path):
    options = application.parser().parse_args(["--quick", "--reward", "accuracy", "--out", str(tmp_path)])
    study = application.Application(options).study
    assert [type(e).__name__ for e in study.estimators] == ["Reinforce", "MovingAverageBaseline", "Nvil", "Relax"]
    assert not any(e.claims.differentiates_f for e in study.estimators)


def test_the_other_reward_runs_to_its_end(application, tmp_path, capsys):
    options = ["--quick", "--reward", "accuracy", "--estimator", "Relax", "--price", "0.02", "--out", str(tmp_path)]
    assert application.main(options) == 0
    assert "Relax" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {
        "14_masks.png", "14_accuracy.png", "14_learning.png", "14_oracle.png", "results.json"
    }  # fmt: skip
