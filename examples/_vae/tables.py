"""What is printed: measured beside exact."""

import numpy as np
from _shared.record import table

from _vae.audit import ratio, watched_ratios

LIMIT = 5  # standard errors


def lines(study):
    """All tables of the runs that have begun."""
    runs = study.seen
    relaxed = [run for run in runs if run.relaxes]
    printed = [f"code of {study.code}; after {runs[0].curve[-1]['epoch']} epochs, in nats for each held-out image", ""]
    head = ["trained with", "ELBO", "log p(x)", "training ELBO", "evaluations", "of them to learn"]
    equal = min((run.curve[-1]["evaluations"] for run in runs if _draws(run)), default=0)
    if equal:
        head += [f"ELBO at {equal:,}", "learning free"]
    printed += table(head, (_reached(run, equal) for run in runs))
    probed = [run for run in runs if run.probes]
    if probed:
        printed += ["", f"the first term of the gradient in the logits, mean over {len(study.watched)} training images"]
        head = ["at the end of", "bias/gradient", "error", "variance", "error", "sampled", "std. error", "largest |z|"]
        printed += table(head, map(_judged, probed))
        printed += verdict("comparisons of sampled and exact variance", [p.z_score for r in probed for p in r.probes])
    audited = [run for run in runs if run.saw and _draws(run)]
    if audited:
        printed += [
            "",
            "what training saw of its variance over what is exact: of all images of the first step of an epoch,",
        ]
        printed += ["at that very step; and of the watched images in every epoch, by interpolation between checkpoints"]
        head = ["trained with", "images", "ratio", "std. error", "z", "watched", "ratio", "std. error"]
        printed += table(head, map(_audited, audited))
        printed += verdict("comparisons at the moment", [_seen(run)[2] for run in audited if run.audits])
    if relaxed:
        printed += ["", "what a relaxation trains, and what it is used as, held-out"]
        printed += table(["trained with", "relaxed ELBO", "std. error", "ELBO", "difference"], map(_mismatch, relaxed))
    return printed


def _draws(run):
    return run.estimator is not None and run.estimator.draws


def _reached(run, equal):
    last = run.curve[-1]
    numbers = [f"{last[name]:.2f}" for name in ("held_out", "log_evidence", "training")]
    row = [run.name, *numbers, f"{last['evaluations']:,}", f"{last['to_learn']:,}"]
    if not equal:
        return row
    spent = run.column("evaluations")
    return [*row, _at(run, spent, equal), _at(run, spent - run.column("to_learn"), equal)]


def _at(run, spent, equal):
    """The bound when that much was spent, linear within an epoch; at the end if less was."""
    return f"{np.interp(equal, spent, run.column('held_out')):.2f}"


def _judged(run):
    last = run.probes[-1]
    exact = ["-", "-"]
    if last.exact:
        exact = [_digits(last.variance.mean()), _percent(last.variance_error.mean(), last.variance.mean())]
    error = np.linalg.norm(last.standard_error) / len(last.standard_error)
    sampled = [_digits(last.sampled.mean()), _percent(error, last.sampled.mean())]
    largest = max(np.abs([probe.z_score for probe in run.probes]))
    bias = [f"{last.relative_bias:.1%}", f"{last.relative_error:.1%}"]
    return [run.name, *bias, *exact, *sampled, "-" if np.isnan(largest) else f"{largest:.1f}"]


def _digits(value):
    return f"{value:.3g}" if value else "0"


def _percent(part, whole):
    return f"{part / whole:.1%}" if whole else "0.0%"


def _seen(run):
    """Ratio, its standard error, and how many of them it is away from 1."""
    mean, error = ratio(run.audits)
    return mean, error, (mean - 1) / error


def _audited(run):
    row = [run.name]
    if run.audits:
        mean, error, z = _seen(run)
        row += [f"{sum(audit.rows for audit in run.audits):,}", f"{mean:.3f}", f"{error:.3f}", f"{z:+.1f}"]
    else:
        row += ["-"] * 4
    ratios = watched_ratios(run.probes, run.saw)
    if len(ratios) < 2:
        return [*row, *["-"] * 3]
    return [*row, f"{len(ratios)}", f"{ratios.mean():.2f}", f"{ratios.std(ddof=1) / np.sqrt(len(ratios)):.2f}"]


def verdict(what, scores):
    """How many scores are far from 0; nothing where there is none."""
    scores = np.abs(scores)
    scores = scores[~np.isnan(scores)]
    if scores.size:
        yield f"{scores.size} {what}; |z| > {LIMIT} in {int((scores > LIMIT).sum())}, by chance in 6e-7 of them"


def _mismatch(run):
    last = run.curve[-1]
    away = last["relaxed"] - last["held_out"]
    return [
        run.name,
        f"{last['relaxed']:.2f}",
        f"{last['relaxed_error']:.2f}",
        f"{last['held_out']:.2f}",
        f"{away:+.2f}",
    ]
