"""The GAN for text: words, networks, bookkeeping, and its way to ask the oracle, against enumeration."""

import itertools
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from refgrad import Bernoulli, Categorical, exact
from refgrad.estimators import GumbelSoftmax, MeanSubstitution, MuProp, Nvil, Rebar, Reinforce, Relax

pytestmark = pytest.mark.exhaustive  # examples, pages and benchmarks are the same on every Python

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def words():
    return import_module("_text.words")


@pytest.fixture
def model():
    return import_module("_text.model")


@pytest.fixture
def oracle():
    return import_module("_text.oracle")


@pytest.fixture
def training():
    return import_module("_text.training")


@pytest.fixture
def book(words):
    return words.load()


def pair(model, seed=0):
    """Logits of one x, and a discriminator, both far enough from linear."""
    rng = np.random.default_rng(seed)
    generator, discriminator = model.first_generator(rng), model.first_discriminator(rng)
    (row,) = model.logits(generator, rng.normal(size=(1, model.INPUTS)))
    return Categorical(3 * row), [(3 * matrix, shift) for matrix, shift in discriminator]


def test_words_of_a_text(words):
    assert words.words("'Oh dear!' said Alice; it didn't\nmatter: I'm A-B.") == [
        "oh  ",
        "dear",
        "said",
        "it  ",
        "a   ",
        "b   ",
    ]
    z = words.one_hot(["oh  ", "dear"])
    assert z.shape == (2, 4, 27)
    assert (z.sum(axis=-1) == 1).all()
    assert words.spelled(z) == ["oh  ", "dear"]


def test_the_book_is_the_book_alone_and_its_source_is_beside_it(book, words):
    text = words.BOOK.read_text(encoding="ascii")
    assert text.startswith("CHAPTER I. Down the Rabbit-Hole\n")
    assert "GUTENBERG" not in text.upper()
    assert "public domain" in (words.BOOK.parent / "README.md").read_text()
    assert abs(len(book.seen) - len(book.held_out)) <= 1
    assert book.seen[:5] == ["i   ", "down", "the ", "hole", "was "]


def test_bigrams_by_hand(words):
    shares = words.bigrams(["ab  ", "a   ", "abcd"])
    a, b, c, d, edge = 0, 1, 2, 3, 26
    expected = {(edge, a): 3, (a, b): 2, (a, edge): 1, (b, edge): 1, (b, c): 1, (c, d): 1, (d, edge): 1}
    assert {pair: shares[pair] for pair in zip(*np.nonzero(shares), strict=True)} == pytest.approx(
        {pair: count / 10 for pair, count in expected.items()}, rel=1e-15
    )
    assert words.distance(shares, shares) == 0
    assert words.distance(shares, words.bigrams(["xyz "])) == 1
    assert words.distance(words.bigrams(["ab  "]), words.bigrams(["ac  "])) == pytest.approx(2 / 3, rel=1e-15)


def test_what_words_are_worth_by_hand(words):
    book = words.Book(["the ", "a   ", "the "], ["cat ", "the "])
    measured = book.measured(["the ", "cat ", "cat ", "xxxx", "the ", " a  "])
    assert {name: measured[name] for name in ("share", "distinct", "new")} == {"share": 4 / 6, "distinct": 2, "new": 1}
    assert book.measured(["the ", "a   ", "the "])["distance"] == 0


def test_yardsticks_are_in_their_order(book):
    rows = book.yardsticks(1000, np.random.default_rng(0))
    shares = [one["share"] for one in rows.values()]
    distances = [one["distance"] for one in rows.values()]
    assert list(rows) == ["random letters", "independent letters", "the held-out half", "the half to learn from"]
    assert shares == sorted(shares)
    assert shares[-2:] == [1, 1]
    assert rows["the half to learn from"]["new"] == 0
    assert distances == sorted(distances, reverse=True)


def test_words_are_drawn_as_often_as_they_are_there(book, words):
    drawn = words.spelled(book.drawn(20_000, np.random.default_rng(0)))
    share = book.seen.count("the ") / len(book.seen)
    # Rate of false alarms: 1e-6 (4.9 standard deviations).
    assert abs(np.mean([word == "the " for word in drawn]) - share) < 4.9 * np.sqrt(share * (1 - share) / 20_000)


def test_logits_letter_by_letter(model):
    rng = np.random.default_rng(0)
    weights = model.first_generator(rng)
    into, around, place, out, shift = weights
    place[:] = rng.normal(size=place.shape)
    shift[:] = rng.normal(size=shift.shape)
    x = rng.normal(size=(3, model.INPUTS))
    hidden, rows = np.zeros((3, model.HIDDEN)), []
    for t in range(4):
        hidden = np.tanh(hidden @ around + x @ into + place[t])  # Eq. 15.1
        rows.append(hidden @ out + shift)
    np.testing.assert_allclose(model.logits(weights, x), np.stack(rows, axis=1), rtol=1e-12, atol=1e-12)


def test_the_discriminator_ascends_the_log_likelihood_of_its_verdicts(model, words):
    _, weights = pair(model)
    real, fake = words.one_hot(["the ", "oh  ", "dear"]), words.one_hot(["xqzz", "a a ", "thes"])
    likelihood = (
        np.log(expit(model.realness(weights, real))).mean() + np.log1p(-expit(model.realness(weights, fake))).mean()
    )
    assert model.told_apart(weights, real, fake) == pytest.approx(likelihood, rel=1e-12)  # Eq. 15.2


def test_two_letters_a_place_are_the_words_of_them(model, oracle):
    q, weights = pair(model)

    def f(z):
        return model.realness(weights, z)

    small, g, word = oracle.in_two_letters(q, weights)
    z = small.support()
    assert (word(z).sum(axis=-1) == 1).all()
    np.testing.assert_allclose(g(z), f(word(z)), rtol=1e-12)
    kept = oracle.kept(q, [2, 2, 2, 2])
    np.testing.assert_allclose(small.log_prob(z), kept.log_prob(word(z)), rtol=1e-12)
    assert exact.value(small, g) == pytest.approx(exact.value(kept, f), rel=1e-12)
    gradient = exact.gradient(kept, f)
    rows = np.sort(np.abs(gradient), axis=-1)[:, -2:]
    np.testing.assert_allclose(np.abs(exact.gradient(small, g))[:, None].repeat(2, axis=1), rows, rtol=1e-9)


def test_the_likeliest_letters_are_kept(model, oracle):
    q, _ = pair(model)
    kept = oracle.kept(q, [1, 2, 3, 27])
    assert (kept.probs > 0).sum(axis=-1).tolist() == [1, 2, 3, 27]
    for row, count in zip(range(4), [1, 2, 3, 27], strict=True):
        best = np.sort(q.probs[row])[-count:]
        np.testing.assert_allclose(np.sort(kept.probs[row])[-count:], best / best.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    "estimator", [Reinforce(), MuProp(), Nvil(features=[0.5], average=0.3)], ids=lambda e: type(e).__name__
)
def test_the_total_variance_is_that_of_the_moments(model, oracle, estimator):
    q, weights = pair(model)
    kept = oracle.kept(q, [3, 1, 2, 2])

    def f(z):
        return model.realness(weights, z)

    moments = exact.moments(estimator, kept, f)
    variance = oracle.total_variance(estimator, kept, f, exact.gradient(kept, f))
    assert variance == pytest.approx(moments.variance.sum(), rel=1e-9)  # Eq. 15.7


@pytest.mark.parametrize(
    "estimator", [Reinforce(), GumbelSoftmax(0.5), Rebar(), MuProp()], ids=lambda e: type(e).__name__
)
def test_what_is_measured_agrees_with_what_is_exact(model, oracle, estimator):
    q, weights = pair(model, seed=3)
    small, f, _ = oracle.in_two_letters(q, weights)
    gradient = exact.gradient(small, f)
    one = oracle.by_quadrature("it", estimator, small, f, gradient, 20_000, np.random.default_rng(0))
    worst, count, limit = oracle.worst([one])
    assert (count, worst) == (1, one.evidence)
    assert worst < limit  # rate of false alarms: 1e-6 in each
    assert (one.bias > 0.01) == isinstance(estimator, GumbelSoftmax)


@pytest.mark.parametrize("mistake", ["mean", "variance"])
def test_a_mistake_is_seen(model, oracle, mistake):
    class Wrong(Reinforce):
        def sample(self, q, f, n, rng):
            rows = super().sample(q, f, n, rng)
            return 1.1 * rows if mistake == "variance" else rows + 0.1 * exact.gradient(q, f)

    q, weights = pair(model, seed=3)
    small, f, _ = oracle.in_two_letters(q, weights)
    one = oracle.by_quadrature("it", Wrong(), small, f, exact.gradient(small, f), 100_000, np.random.default_rng(0))
    worst, _, limit = oracle.worst([one])
    assert worst > limit


def test_an_estimator_without_noise_is_compared_too(model, oracle):
    q, weights = pair(model)
    small, f, _ = oracle.in_two_letters(q, weights)
    gradient = exact.gradient(small, f)
    one = oracle.by_quadrature("it", MeanSubstitution(), small, f, gradient, 100, np.random.default_rng(0))
    assert one.along == pytest.approx(one.exact_along, rel=1e-9)
    assert one.evidence < 0
    assert one.bias > 0.01


def test_a_control_variate_of_words_goes_on_seeing_words(model, oracle):
    q, weights = pair(model)
    small, f, word = oracle.in_two_letters(q, weights)
    learned = Relax().update(
        q, lambda z: model.realness(weights, z), Relax().draw_noise(q, 2, np.random.default_rng(0))
    )
    own = oracle.for_two_letters(learned, word)
    z = np.array(list(itertools.product([0.0, 0.25, 1.0], repeat=4)))
    flat = word(z).reshape(len(z), -1)
    np.testing.assert_array_equal(own.control_variate(z), learned.control_variate(flat))
    rows = own.sample(small, f, 10, np.random.default_rng(0))
    assert rows.shape == (10, 4)
    assert oracle.for_two_letters(Rebar(), word) == Rebar()


def test_the_chance_that_two_words_are_the_same(model):
    logits = 2 * np.random.default_rng(0).normal(size=(3, 4, 27))
    logits[..., 3:] = -np.inf  # 81 words are left
    kept = Categorical(logits[0, :, :3]).support()
    probs = [np.exp(Categorical(row[:, :3]).log_prob(kept)) for row in logits]
    pairs = [probs[i] @ probs[j] for i in range(3) for j in range(3) if i != j]
    assert model.alike(logits) == pytest.approx(np.log(np.mean(pairs)), rel=1e-12)  # Eq. 15.10


def test_what_the_bonus_costs(book, words, training):
    """The best generator with it says `the` half as often as the book, and its bigrams are 0.106 off: see the page."""
    kinds = sorted(set(book.seen))
    p = np.array([book.seen.count(word) for word in kinds]) / len(book.seen)
    q = p.copy()
    for _ in range(2000):
        best = p * np.exp(-2 * training.APART * q / (q @ q))  # where what is ascended rises alike for every word
        q = 0.98 * q + 0.02 * best / best.sum()
    np.testing.assert_allclose(best / best.sum(), q, rtol=1e-9)
    pairs = [words.bigrams([word]) for word in kinds]
    lengths = [len(word.strip()) + 1 for word in kinds]
    off = sum(weight * length * table for weight, length, table in zip(q, lengths, pairs, strict=True)) / (q @ lengths)
    assert f"{words.distance(off, words.bigrams(book.seen)):.3f}" == "0.106"
    the = kinds.index("the ")
    assert (f"{p[the]:.1%}", f"{q[the]:.1%}") == ("6.3%", "3.0%")


def test_a_step_carries_the_estimate_to_the_weights(book, model, training):
    """The ascent of the weights: a mean over the words of one estimate each, and what makes words differ. Eq. 15.4."""
    run = training.started(Reinforce(), "it", seed=0)
    before = run.generator
    training.step(run, book, 8, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    x = training.noise_of(8, rng)

    def mean(weights, z, values):
        logits = model.logits(weights, x)
        return (Categorical(logits).log_prob(z) * values).mean() - 0.2 * model.alike(logits)

    noise = Reinforce().draw_noise(Categorical(model.logits(before.weights, x)), 1, rng)
    z = Categorical(model.logits(before.weights, x)).sample(noise[0])[0]
    start = training.started(Reinforce(), "it", seed=0).discriminator
    values = model.realness(start.weights, z)
    _, back = before.back(lambda weights: mean(weights, z, values))
    by_hand = before.ascend(back(1.0))
    for one, other in zip(by_hand.weights, run.generator.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    assert (run.steps, run.rows) == (1, 8)


def test_the_discriminator_sees_what_the_estimator_shows(book, training, monkeypatch):
    shown = []
    told_apart = training.model.told_apart
    monkeypatch.setattr(
        training.model, "told_apart", lambda w, real, fake: shown.append(fake) or told_apart(w, real, fake)
    )
    for estimator in (Rebar(), GumbelSoftmax(0.5)):
        training.step(training.started(estimator, "it", seed=0), book, 4, np.random.default_rng(0))
    hard, relaxed = shown
    assert set(np.unique(hard)) == {0.0, 1.0}
    assert relaxed.max() < 1


def test_a_look_leaves_the_training_alone_and_can_be_taken_again(book, training):
    runs = [training.started(GumbelSoftmax(0.5), "it", seed=0) for _ in range(2)]
    rngs = [np.random.default_rng(0) for _ in range(2)]
    for _ in range(3):
        training.look(runs[0], book, 0)
        for run, rng in zip(runs, rngs, strict=True):
            training.step(run, book, 8, rng)
    training.look(runs[0], book, 0)
    training.look(runs[1], book, 0)
    assert runs[0].looks[-1] == runs[1].looks[-1]
    assert [look["step"] for look in runs[0].looks] == [0, 1, 2, 3]
    last = runs[0].looks[-1]
    assert last["gap"] == pytest.approx(last["relaxed"] - last["hard"], abs=1e-12)


def test_what_relaxes_and_only_that_has_a_mismatch(book, training):
    for estimator, relaxes in ((MeanSubstitution(), True), (Rebar(), True), (Reinforce(), False), (MuProp(), False)):
        run = training.started(estimator, "it", seed=0)
        training.look(run, book, 0)
        (look,) = run.looks
        assert ("gap" in look) == relaxes
        if relaxes:
            assert look["gap"] == pytest.approx(look["relaxed"] - look["hard"], abs=1e-12)
            assert look["gap error"] > 0


def test_bits_of_a_word_given_its_x(training):
    with np.errstate(divide="ignore"):
        q = Categorical(np.log([[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]))
    assert training.bits(q) == pytest.approx((1 + 1.5 + 0) / 2, rel=1e-12)


def test_blanks_inside_a_word_are_seen(training):
    assert [training.shown_as(word) for word in ("the ", " a b", "    ")] == ["the", "_a_b", "_"]


def test_names_tell_two_of_a_class_apart():
    study = import_module("_text.study")
    names = study.labels([GumbelSoftmax(0.5), Rebar(), GumbelSoftmax(1.0)])
    assert names == ["GumbelSoftmax(temperature=0.5)", "Rebar", "GumbelSoftmax(temperature=1.0)"]


def test_rows_in_which_no_word_is_rare_have_the_exact_moments(model, oracle):
    q, weights = pair(model, seed=3)
    small, f, _ = oracle.in_two_letters(q, weights)
    rows, share = oracle.spread_evenly(Reinforce(), small, f, np.random.default_rng(0))
    moments = exact.moments(Reinforce(), small, f)
    np.testing.assert_allclose(share @ rows, moments.mean, rtol=1e-9)
    np.testing.assert_allclose(share @ (rows - moments.mean) ** 2, moments.variance, rtol=1e-9)


def test_rare_words_are_no_evidence(oracle):
    """Where a standard error that was measured would be far too small: a letter that comes up once in 3,000 draws."""

    def f(z):
        return z[..., 0] + 0.1 * z[..., 1]

    q = Bernoulli([-8.0, 0.0])
    for seed in range(20):
        one = oracle.by_quadrature("it", Reinforce(), q, f, exact.gradient(q, f), 2000, np.random.default_rng(seed))
        assert one.evidence < 6
