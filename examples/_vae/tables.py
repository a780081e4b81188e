"""What is printed: measured beside exact."""

import numpy as np
from _shared.record import table


def lines(study):
    """All tables of the runs that have begun."""
    runs = study.seen
    relaxed = [run for run in runs if run.relaxes]
    printed = [f"code of {study.code}; after {runs[0].curve[-1]['epoch']} epochs, in nats for each held-out image", ""]
    printed += table(["trained with", "ELBO", "log p(x)", "training ELBO", "evaluations"], map(_reached, runs))
    probed = [run for run in runs if run.probes]
    if probed:
        printed += ["", f"the first term of the gradient in the logits, mean over {len(study.watched)} training images"]
        head = ["at the end of", "bias/gradient", "error", "variance", "sampled", "std. error", "largest |z|"]
        printed += table(head, map(_judged, probed))
        printed += [*_verdict(probed)]
    if relaxed:
        printed += ["", "what a relaxation trains, and what it is used as, held-out"]
        printed += table(["trained with", "relaxed ELBO", "std. error", "ELBO", "difference"], map(_mismatch, relaxed))
    return printed


def _reached(run):
    last = run.curve[-1]
    numbers = [f"{last[name]:.2f}" for name in ("held_out", "log_evidence", "training")]
    return [run.name, *numbers, f"{last['evaluations']:,}"]


def _judged(run):
    last = run.probes[-1]
    variance = f"{last.variance.mean():.3g}" if last.exact else "-"
    error = np.linalg.norm(last.standard_error) / len(last.standard_error)
    sampled = [f"{last.sampled.mean():.3g}", f"{error:.1g}"] if run.estimator.draws else ["0", "0"]
    largest = max(np.abs([probe.z_score for probe in run.probes]))
    return [run.name, f"{last.relative_bias:.1%}", f"{last.relative_error:.1%}", variance, *sampled, _z(largest)]


def _z(value):
    return "-" if np.isnan(value) else f"{value:.1f}"


def _verdict(probed):
    scores = np.abs([p.z_score for run in probed for p in run.probes])
    scores = scores[~np.isnan(scores)]
    if scores.size:
        beyond = int((scores > 5).sum())
        yield f"{scores.size} comparisons of sampled and exact variance; |z| > 5 in {beyond}, 6e-7 of them by chance"


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
