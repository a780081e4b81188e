"""The discrete VAE of the examples: every exact number by another way, and the bookkeeping of what is printed."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from autograd import elementwise_grad

from refgrad import exact
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


@pytest.fixture
def vae(monkeypatch):
    """The modules of the example."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    class Modules:
        def __getattr__(self, name):
            return importlib.import_module(f"_vae.{name}")

        @property
        def front(self):
            return importlib.import_module("13_discrete_vae")

    yield Modules()
    for name in [name for name in sys.modules if name.split(".")[0] in {"_vae", "_shared", "13_discrete_vae"}]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture(params=["bits", "symbols"])
def code(request, vae):
    return vae.model.Bits(2) if request.param == "bits" else vae.model.Symbols(2, 3)


@pytest.fixture
def pixels():
    return (np.random.default_rng(5).random((4, 64)) < 0.4).astype(float)


@pytest.fixture
def model(vae, code):
    """Networks with weights that are not small, so that nothing is symmetric, and steps along the gradient."""
    start = vae.model.untrained(code, np.random.default_rng(1))
    encoder = [(3 * matrix, shift + 0.1) for matrix, shift in start.encoder.weights]
    plain = Adam(rate=1e3, epsilon=1e9)  # a first step of 1e3 g / (|g| + 1e9)
    return replace(
        start,
        encoder=replace(start.encoder, weights=encoder, optimizer=plain),
        decoder=replace(start.decoder, optimizer=plain),
    )


def rows(model, pixels):
    return [(model.q(one), model.likelihood(one)) for one in pixels]


def test_the_divergence_is_the_sum_over_all_codes(model, code, pixels):
    q, z = model.q(pixels), code.support()
    log_q = q.log_prob(z[:, None])  # (codes, B)
    by_sum = (np.exp(log_q) * (log_q + np.log(len(z)))).sum(axis=0)
    np.testing.assert_allclose(code.divergence(q), by_sum, rtol=1e-12)
    np.testing.assert_allclose(code.log_probs(q), log_q.T, rtol=1e-12)


def test_the_slope_of_the_divergence_is_its_derivative(model, code, pixels):
    q = model.q(pixels)
    step = 1e-5

    def moved(index, by):
        logits = np.array(q.logits)
        logits[index] += by
        return code.divergence(type(q)(logits)).sum()

    central = [(moved(at, step) - moved(at, -step)) / (2 * step) for at in np.ndindex(q.logits.shape)]
    # The third derivative is of size 1, so the truncation is below step**2, and rounding below 1e-15 / step.
    np.testing.assert_allclose(code.divergence_slope(q).ravel(), central, rtol=0, atol=1e-9)


def test_the_likelihood_is_that_of_independent_pixels(model, code, pixels):
    z = code.support()
    inks = 1 / (1 + np.exp(-np.array([decoder(model, one) for one in code.flat(z)])))
    for one, f in zip(pixels, (f for _, f in rows(model, pixels)), strict=True):
        np.testing.assert_allclose(np.exp(f(z)), np.where(one == 1, inks, 1 - inks).prod(axis=1), rtol=1e-12)


def decoder(model, inputs):
    (first, shift), (last, constant) = model.decoder.weights
    return np.tanh(inputs @ first + shift) @ last + constant


def test_the_bound_and_its_gradient_are_those_of_the_oracle(vae, model, code, pixels):
    values = [exact.value(q, f) - float(code.divergence(q)) for q, f in rows(model, pixels)]
    assert vae.bound.evidence_bound(model, pixels) == pytest.approx(np.mean(values), rel=1e-12)
    slopes = [exact.gradient(q, f) for q, f in rows(model, pixels)]
    np.testing.assert_allclose(vae.bound.gradient(model, pixels), slopes, rtol=1e-9, atol=1e-11)
    evidence = [np.log(np.exp(f(code.support())).mean()) for _, f in rows(model, pixels)]
    assert vae.bound.log_evidence(model, pixels) == pytest.approx(np.mean(evidence), rel=1e-12)
    assert vae.bound.log_evidence(model, pixels) > vae.bound.evidence_bound(model, pixels)


def test_the_bound_is_tight_where_the_encoder_is_the_posterior(vae, pixels):
    model = vae.model.untrained(vae.model.Bits(2), np.random.default_rng(1))
    (first, shift), last = model.decoder.weights
    blind = first * np.array([[1.0], [0.0]])  # the decoder sees the first bit alone: the posterior is factorised
    seen = replace(model, decoder=replace(model.decoder, weights=[(blind, shift), last]))
    f = seen.likelihood(pixels[0])
    odds = f(np.array([1.0, 0.0])) - f(np.zeros(2))
    zeros = [(0 * matrix, 0 * shift) for matrix, shift in seen.encoder.weights]
    zeros[-1] = (zeros[-1][0], np.array([odds, 0.0]))
    seen = replace(seen, encoder=replace(seen.encoder, weights=zeros))
    bound, evidence = vae.bound.evidence_bound(seen, pixels[:1]), vae.bound.log_evidence(seen, pixels[:1])
    assert bound == pytest.approx(evidence, rel=1e-12)


def estimators(vae, code):
    control = vae.control.of_image(code, np.random.default_rng(0))
    return [
        Reinforce(),
        MovingAverageBaseline(average=-40.0),
        Nvil(features=np.zeros(64), average=-40.0),
        MuProp(),
        Rebar(),
        Relax(control_variate=control),
    ]


def of_last_shift(before, after):
    """How far a network's last shift was moved: by the mean gradient of its outputs alone."""
    return after.weights[-1][1] - before.weights[-1][1]


def first_step(gradient):
    """The step that the optimizer of the model takes."""
    return 1e3 * gradient / (np.abs(gradient) + 1e9)


def test_a_step_moves_the_encoder_along_the_estimates_and_the_decoder_along_the_samples(vae, model, code, pixels):
    estimator, rng = Reinforce(), np.random.default_rng(3)
    moved, after, count, variances = vae.steps.sampled(model, estimator, pixels, rng)
    q, f = model.q(pixels), model.likelihood(pixels)
    noise = estimator.draw_noise(q, 2, np.random.default_rng(3))
    g = estimator(q, f, noise)
    z = q.sample(noise[0])
    up = (g.mean(axis=0) - code.divergence_slope(q)).reshape(len(pixels), -1).mean(axis=0)
    np.testing.assert_allclose(of_last_shift(model.encoder, moved.encoder), first_step(up), rtol=1e-6)
    ink = 1 / (1 + np.exp(-decoder(model, code.flat(z))))
    away = (pixels - ink).mean(axis=(0, 1))
    np.testing.assert_allclose(of_last_shift(model.decoder, moved.decoder), first_step(away), rtol=1e-6)
    assert after == estimator
    assert count == (2 * 2 * len(pixels), 0)  # the values, and the derivatives in the weights
    np.testing.assert_allclose(variances, ((g[0] - g[1]) ** 2).reshape(len(pixels), -1).sum(axis=1) / 2, rtol=1e-12)


def test_an_exact_step_follows_the_oracle(vae, model, code, pixels):
    moved, count = vae.steps.enumerated(model, pixels)
    assert count == 2 * len(code.support())
    q, z = model.q(pixels), code.support()
    slopes = np.array([exact.gradient(q, f) for q, f in rows(model, pixels)])
    up = (slopes - code.divergence_slope(q)).reshape(len(pixels), -1).mean(axis=0)
    np.testing.assert_allclose(of_last_shift(model.encoder, moved.encoder), first_step(up), rtol=1e-6)
    ink = 1 / (1 + np.exp(-decoder(model, code.flat(z))))
    away = (pixels - np.exp(code.log_probs(q)) @ ink).mean(axis=0)
    np.testing.assert_allclose(of_last_shift(model.decoder, moved.decoder), first_step(away), rtol=1e-6)


@pytest.mark.parametrize(
    ("made", "evaluations", "to_learn"),
    [
        (Reinforce(), 4, 0),
        (MovingAverageBaseline(), 4, 0),  # its update asks for values that are kept
        (MuProp(), 6, 0),  # and once at the mean, with a derivative, for two repetitions
        (GumbelSoftmax(temperature=0.5), 6, 0),
        (MeanSubstitution(), 3, 0),  # no repetitions
        (Rebar(), 20, 8),  # f(z), two relaxed samples differentiated, these again in the update, and the decoder
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else "",
)
def test_evaluations_are_counted(vae, model, pixels, made, evaluations, to_learn):
    """For two repetitions of an image."""
    _, _, count, _ = vae.steps.sampled(model, made, pixels, np.random.default_rng(0))
    assert count == (evaluations * len(pixels), to_learn * len(pixels))


def test_what_is_kept_is_forgotten_at_other_codes(vae):
    asked = []
    kept = vae.steps.Kept(lambda z: asked.append(1) or z.sum(axis=-1))
    one, other = np.zeros((2, 3)), np.ones((2, 3))
    assert [kept(z).tolist() for z in (one, one.copy(), other, one)] == [[0, 0], [0, 0], [3, 3], [0, 0]]
    assert len(asked) == 3


def test_the_variance_that_training_sees_has_the_exact_mean(vae, model, pixels):
    rng = np.random.default_rng(7)
    for estimator in estimators(vae, model.code):
        if estimator.claims.reads != ("z",):
            continue
        own = vae.control.shown_to(estimator, pixels)
        q, f = model.q(pixels), model.likelihood(pixels)
        noise = own.draw_noise(q, 2 * 2000, rng)
        g = own(q, f, noise).reshape(2, 2000, len(pixels), -1)
        seen = ((g[0] - g[1]) ** 2).sum(axis=-1) / 2  # (2000, B)
        for row, (one, f_row) in enumerate(rows(model, pixels)):
            expected = exact.moments(vae.control.shown_to(estimator, pixels[row]), one, f_row).variance.sum()
            error = seen[:, row].std() / np.sqrt(len(seen))
            # 24 or 32 comparisons, each beyond 5.5 standard errors once in 3e7.
            assert abs(seen[:, row].mean() - expected) < 5.5 * error


def test_the_probe_agrees_with_the_oracle_and_with_its_draws(vae, model, pixels):
    sizes = replace(vae.study.QUICK, draws=2000)
    if model.code.axes == model.code.latents:
        every = [*estimators(vae, model.code), GumbelSoftmax(temperature=0.5), MeanSubstitution()]
    else:
        every = estimators(vae, model.code)[:4]
    for estimator in every:
        found = vae.probe.probe(model, estimator, pixels[:2], 0, sizes, np.random.default_rng(2))
        assert found.exact
        assert (np.abs(found.bias) <= found.error).all() == estimator.claims.unbiased
        expected = [exact.gradient(q, f).ravel() for q, f in rows(model, pixels[:2])]
        np.testing.assert_allclose(found.gradient, expected)
        if estimator.draws:
            assert abs(found.z_score) < 5.5  # once in 3e7
        else:
            assert np.isnan(found.z_score)
            assert not found.variance.any()
            assert not found.sampled.any()


def test_a_probe_of_a_wrong_variance_is_seen(vae, model, pixels):
    sizes = replace(vae.study.QUICK, draws=2000)
    found = vae.probe.probe(model, Reinforce(), pixels[:2], 0, sizes, np.random.default_rng(2))
    assert abs(replace(found, variance=1.5 * found.variance).z_score) > 5.5
    assert replace(found, variance=found.sampled).z_score == 0


def test_without_the_oracle_the_draws_stand_with_their_error(vae, model, pixels):
    sizes = replace(vae.study.QUICK, draws=2000, limit=10)
    found = vae.probe.probe(model, Rebar(), pixels[:2], 0, sizes, np.random.default_rng(2))
    assert not found.exact
    assert np.isnan(found.variance).all()
    assert np.isnan(found.z_score)
    assert (found.error > 1e-4).all()
    assert (np.abs(found.bias) < 5.5 * found.error).all()  # 4 or 12 components, each once in 3e7
    less, more = (replace(found, bias=share * found.error) for share in (0.5, 1.25))
    assert less.relative_bias == 0  # the square of noise alone is larger
    assert more.relative_bias == pytest.approx(0.75 * found.relative_error)
    assert replace(less, variance=found.sampled).relative_bias == pytest.approx(0.5 * found.relative_error)


def test_pairs_have_the_exact_mean_and_deviation_of_the_oracle_and_of_all_pairs(vae, model, code, pixels):
    z = code.support()
    noise = (50 * (2 * z - 1))[None]  # each of them leads to its z
    learned = vae.steps.sampled(model, Nvil(features=np.zeros(64)), 1 - pixels, np.random.default_rng(0))[1]
    for estimator in [*estimators(vae, code)[:4], learned]:
        assert vae.audit.applies(estimator)
        variance, deviation = vae.audit.of_pairs(model, estimator, pixels)
        for row, (q, f) in enumerate(rows(model, pixels)):
            own = vae.control.shown_to(estimator, pixels[row])
            moments = exact.moments(own, q, f)
            np.testing.assert_allclose(variance[row], moments.variance.sum(), rtol=1e-9)
            every, weights = own(q, f, noise).reshape(len(z), -1), np.exp(q.log_prob(z))
            half = ((every[:, None] - every) ** 2).sum(axis=-1) / 2
            by_pairs = np.sqrt(weights @ (half - variance[row]) ** 2 @ weights)
            np.testing.assert_allclose(deviation[row], by_pairs, rtol=1e-9)
    for estimator in (Rebar(), GumbelSoftmax(temperature=0.5), MeanSubstitution()):
        assert not vae.audit.applies(estimator)


def test_an_audit_agrees_with_training_and_sees_a_wrong_variance(vae, model, pixels):
    for estimator in estimators(vae, model.code)[:4]:
        rng = np.random.default_rng(11)
        seen = [vae.steps.sampled(model, estimator, pixels, rng)[3] for _ in range(144)]
        first = vae.audit.audit(model, estimator, pixels, seen[0], 0)
        assert first.seen == seen[0].mean()
        audits = [replace(first, seen=one.mean()) for one in seen]  # nothing else depends on what was seen
        mean, error = vae.audit.ratio(audits)
        assert error == pytest.approx(first.deviation / first.exact / 12)
        assert abs(mean - 1) < 5.5 * error  # 8 comparisons, each once in 3e7
        wrong = [replace(audit, seen=2 * audit.seen) for audit in audits]  # without the half
        assert vae.audit.ratio(wrong)[0] - 1 > 5.5 * error


def test_an_audit_of_many_codes_takes_fewer_rows(vae, model, pixels, monkeypatch):
    seen = np.arange(4.0)
    assert vae.audit.audit(model, Reinforce(), pixels, seen, 3).rows == 4
    monkeypatch.setattr(vae.audit, "MOST", 2 * len(model.code.support()) + 1)
    part = vae.audit.audit(model, Reinforce(), pixels, seen, 3)
    variance, deviation = vae.audit.of_pairs(model, Reinforce(), pixels[:2])
    assert (part.epoch, part.rows, part.seen) == (3, 2, 0.5)
    assert part.exact == pytest.approx(variance.mean())
    assert part.deviation == pytest.approx(np.sqrt((deviation**2).sum()) / 2)


def test_between_checkpoints_the_variance_is_a_power_of_the_epoch(vae):
    def at(epoch, variance):
        zeros = np.zeros((2, 1))
        return vae.probe.Probe(epoch, zeros, zeros, zeros, np.array(variance), *np.zeros((3, 2)))

    probes = [at(0, [100.0, 1.0]), at(1, [8.0, 1.0]), at(4, [2.0, 4.0]), at(16, [2.0, 16.0])]
    saw = [(0.5, 0, 9.0), (2.0, 0, 4.0), (2.5, 1, 5.0), (8.0, 0, 1.0), (9.0, 1, 9.0), (16.5, 0, 1.0)]
    np.testing.assert_allclose(vae.audit.watched_ratios(probes, saw), [1.0, 2.0, 0.5, 1.0], rtol=1e-12)
    sampled = [replace(probe, variance=np.full(2, np.nan)) for probe in probes]
    np.testing.assert_allclose(vae.audit.watched_ratios([sampled[1], *probes[2:]], saw), [0.5, 1.0], rtol=1e-12)
    for none in (probes[:2], sampled, [at(1, [0.0, 0.0]), at(4, [0.0, 0.0])]):
        assert vae.audit.watched_ratios(none, saw).shape == (0,)


def test_the_control_variate_of_relax_sees_the_image_and_stays_unbiased(vae, model, code, pixels):
    estimator = Relax(control_variate=vae.control.of_image(code, np.random.default_rng(0)))
    q, f = model.q(pixels), model.likelihood(pixels)
    own = vae.control.shown_to(estimator, pixels)
    z = q.relax(own.draw_noise(q, 3, np.random.default_rng(0))[0], 0.5)
    values = own.control_variate(z)
    assert values.shape == (3, len(pixels))
    other = vae.control.shown_to(estimator, 1 - pixels).control_variate(z)
    assert not np.allclose(values, other)
    slope = elementwise_grad(own.control_variate)(z)
    assert (np.abs(slope).max(axis=tuple(range(1, slope.ndim))) > 0).all()
    learned = own.update(q, f, own.draw_noise(q, 2, np.random.default_rng(1)))
    assert not np.array_equal(learned.control_variate.parameters, own.control_variate.parameters)


def test_the_relaxed_bound_is_the_bound_where_the_relaxation_is_cold(vae, model, pixels):
    mean, error = vae.bound.relaxed_bound(
        model, GumbelSoftmax(temperature=1e-4), pixels, np.random.default_rng(0), 4000
    )
    # 5.5 standard errors, and what a temperature of 1e-4 leaves: once in 3e7.
    assert abs(mean - vae.bound.evidence_bound(model, pixels)) < 5.5 * error + 1e-2
    warm, error = vae.bound.relaxed_bound(model, GumbelSoftmax(temperature=1.0), pixels, np.random.default_rng(0), 4000)
    assert abs(warm - mean) > 5.5 * error
    assert vae.bound.relaxed_bound(model, MeanSubstitution(), pixels, np.random.default_rng(0))[1] == 0


def test_training_is_the_same_again_and_every_image_is_seen_once_an_epoch(vae):
    sizes = replace(vae.study.QUICK, epochs=1, checkpoints=(1,), draws=100)

    def trained():
        study = vae.study.Study(vae.model.Bits(2), [("Reinforce", Reinforce())], sizes, 3)
        study.train()
        return study

    one, other = trained(), trained()
    assert vae.tables.lines(one) == vae.tables.lines(other)
    assert len(one.train_set) == 1397
    run = one.runs[1]
    assert sorted(image for _, image, _ in run.saw) == list(range(sizes.images))
    assert all(0 <= at < 1 for at, _, _ in run.saw)
    assert [audit.rows for audit in run.audits] == [127]
    fresh = vae.study.Study(vae.model.Bits(2), [("Reinforce", Reinforce())], sizes, 3)
    first = fresh.train_set.pixels[np.random.default_rng([3, 2]).permutation(1397)[:127]]
    assert run.audits[0].exact == vae.audit.of_pairs(fresh.runs[1].vae, Reinforce(), first)[0].mean()
    assert run.curve[-1]["evaluations"] == 2 * 2 * 1397
    assert one.at == "after 1 of 1 epochs of Reinforce"


def test_a_study_that_has_not_begun_reports_nothing(vae, tmp_path):
    front = vae.front
    options = front.parser().parse_args(["--quick", "--out", str(tmp_path), "--estimator", "Reinforce"])
    assert front.Application(options).report(partial=True) == []
    assert not list(tmp_path.iterdir())


def test_a_study_that_was_stopped_reports_what_there_is(vae, tmp_path, capsys):
    front = vae.front
    arguments = ["--quick", "--latents", "2", "--out", str(tmp_path), "--estimator", "GumbelSoftmax"]
    study = front.Application(front.parser().parse_args(arguments))
    study.sizes = replace(study.sizes, epochs=1, checkpoints=(1,), draws=100)
    step, taken = study._step, []

    def until(*given):
        taken.append(1)
        if len(taken) > 14:  # in the first epoch of the second run, before any checkpoint
            raise KeyboardInterrupt
        return step(*given)

    study._step = until
    with pytest.raises(KeyboardInterrupt):
        study.train()
    paths = study.report(partial=True)
    assert {path.name for path in paths} == {
        "13_elbo.png",
        "13_training.png",
        "13_mismatch.png",
        "13_pictures.png",
        "results.json",
    }
    assert "exact gradient" in capsys.readouterr().out
    assert study.at == "after 0 of 1 epochs of GumbelSoftmax"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--latents", "13"], "at most 4,096 values, to enumerate them, but --latents 13 makes 8,192"),
        (
            ["--code", "categorical", "--latents", "5"],
            "at most 4,096 values, to enumerate them, but --latents 5 makes 32,768",
        ),
        (["--code", "categorical", "--categories", "1"], "--categories needs to be at least 2, but is 1"),
        (["--estimator", "Nope"], "there is no estimator 'Nope'"),
        (["--estimator", "GumbelSoftmax(temperature=0)"], "GumbelSoftmax needs a positive and finite temperature"),
    ],
)
def test_what_cannot_be_run_is_a_plain_message(vae, tmp_path, capsys, options, message):
    assert vae.front.main([*options, "--quick", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("13_discrete_vae.py: ")
    assert message in said


@pytest.mark.parametrize("given", ["0", "-1", "six"])
def test_a_number_of_latents_is_whole_and_positive(vae, capsys, given):
    with pytest.raises(SystemExit):
        vae.front.main([f"--latents={given}"])
    assert f"needs to be a whole number of at least 1, but is '{given}'" in capsys.readouterr().err


@pytest.mark.parametrize("code_name", ["bernoulli", "categorical"])
def test_every_estimator_that_is_listed_trains(vae, tmp_path, code_name):
    front, sizes = vae.front, replace(vae.study.QUICK, epochs=1, checkpoints=(1,), images=1, draws=100)
    listed = front.choices(vae.model.Bits(1)).listed()
    assert {"Reinforce", "ConstantBaseline", "Relax"} < set(listed)
    arguments = ["--code", code_name, "--latents", "2", "--categories", "2", "--quick", "--out", str(tmp_path)]
    for name in listed:
        arguments += ["--estimator", name]
    study = front.Application(front.parser().parse_args(arguments))
    assert ConstantBaseline(vae.control.START) in [run.estimator for run in study.runs]
    study.sizes = sizes
    study.train()
    printed = "\n".join(vae.tables.lines(study))
    assert all(printed.count(f"\n{name} ") >= 2 for name in listed)
    assert "e-" not in printed.replace("6e-7", "")  # no digit of rounding


def test_bounds_at_equal_evaluations_are_read_off_the_curve(vae):
    bound = [-40.0, -30.0, -26.0]

    def run(estimator, rows, to_learn):
        points = [
            {"epoch": at, "evaluations": at * rows, "to_learn": at * to_learn, "log_evidence": 0.0, "training": 0.0}
            for at in range(3)
        ]
        curve = [{**point, "held_out": value} for point, value in zip(points, bound, strict=True)]
        return vae.study.Run("none" if estimator is None else repr(estimator), estimator, None, curve)

    runs = [
        run(None, 5, 0),
        run(Reinforce(), 10, 0),
        run(MuProp(), 40, 0),
        run(Rebar(), 40, 24),
        run(MeanSubstitution(), 7, 0),
    ]
    for each in runs[-1:]:
        for point in each.curve:
            point |= {"relaxed": 0.0, "relaxed_error": 0.0}
    study = type("Seen", (), {"code": vae.model.Bits(2), "seen": runs})
    _, _, head, *printed = vae.tables.lines(study)
    assert "ELBO at 20  learning free" in head
    ends = [line.split()[-2:] for line in printed[:5]]
    # 20 evaluations: all of REINFORCE's; half an epoch of MuProp and REBAR; of REBAR with learning free, 1 1/4.
    assert ends == [["-26.00"] * 2, ["-26.00"] * 2, ["-35.00"] * 2, ["-35.00", "-29.00"], ["-26.00"] * 2]


def test_the_estimates_of_a_watched_image_are_its_own(vae, monkeypatch):
    weights = np.random.default_rng(0).random(64)
    monkeypatch.setattr(vae.steps, "sampled", lambda vae, own, pixels, rng: (vae, own, (0, 0), pixels @ weights))
    sizes = replace(vae.study.QUICK, epochs=2, checkpoints=(), images=3)
    study = vae.study.Study(vae.model.Bits(2), [("Reinforce", Reinforce())], sizes, 0)
    study.train()
    run, own = study.runs[1], study.train_set.pixels[:3] @ weights
    assert [value for _, image, value in run.saw] == pytest.approx([own[image] for _, image, _ in run.saw])
    assert sorted((int(at), image) for at, image, _ in run.saw) == [
        (epoch, image) for epoch in (0, 1) for image in range(3)
    ]


def test_the_page_quotes_the_categorical_run_that_is_kept():
    kept = json.loads((EXAMPLES / "figures" / "13_discrete_vae_categorical.json").read_text())
    assert {name: kept["options"][name] for name in ("code", "seed", "quick")} == {
        "code": "categorical",
        "seed": 0,
        "quick": False,
    }
    page = (EXAMPLES.parent / "derivations" / "13-discrete-vae.md").read_text()
    _, after = page.split("`python examples/13_discrete_vae.py --code categorical --seed 0`\n\n```text\n")
    quoted = after.split("```")[0].splitlines()
    assert [line.split() for line in quoted] == [line.split() for line in kept["printed"]]
