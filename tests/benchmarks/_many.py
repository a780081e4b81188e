"""One variable of many categories: too many for differences, so the truth and its conditioning are written out.

Every sum here is of positive numbers, so fifty digits are enough. x are logits, p their probabilities; the mean of a
positive w is `sum_k p_k w_k`. All units follow from `d log p_k / d x_j = (k = j) - p_j`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from _digits import EPS, LEAST, apart
from mpmath import mp, mpf

from refgrad import Categorical

DIGITS = 60


def many_figures(logits: Any, noise: Any, v: Any, temperature: float, winner: int) -> Iterator[tuple[str, list[float]]]:
    """Figures of each quantity, for `(K,)` logits and noise, and z the category `winner`."""
    from autograd.core import make_vjp  # noqa: PLC0415

    size, i = len(logits), winner
    z = np.eye(size)[[i]]
    q = Categorical([logits])
    with mp.workdps(DIGITS):
        x, e, w, t = _exact(logits), _exact(noise), _exact(v), mpf(temperature)
        p, of_p = _softmax(x, abs(x))
        other = p.copy()
        other[i] = 0
        rest = other.sum()
        log_p = np.array([mp.log(own) for own in p], dtype=object)
        log_p[i] = mp.log(p[i]) if p[i] < 0.5 else mp.log1p(-rest)
        mean = (p * abs(x)).sum()
        of_log = abs(x) * (1 - 2 * p) + mean  # of log p_k: |x_k| (1 - p_k) and the others' p_j |x_j|
        yield "probs", _figures(q.probs, p, of_p)
        yield "log_prob", _figures(q.log_prob(z), [log_p[i]], [of_log[i]])
        score, of_score = -p, of_p.copy()
        score[i], of_score[i] = rest, of_p[i]
        yield "score", _figures(q.score(z), score, of_score)
        back, _ = make_vjp(lambda own: Categorical(own).probs, np.array([logits]))
        yield "d probs / d logits", _figures(back(z), *_row(p, abs(x), i))
        back, _ = make_vjp(lambda own: Categorical(own).log_prob(z), np.array([logits]))
        yield "d log_prob / d logits", _figures(back(1.0), score, of_score)
        back, _ = make_vjp(lambda own: Categorical(own).score(z), np.array([logits]))
        row, of_row = _row(p, abs(x), i)
        yield "d score / d logits", _figures(back(z), -row, of_row)
        u, size_u = (x + e) / t, (abs(x) + abs(e)) / t
        y, of_y = _softmax(u, size_u)
        of_y = of_y + y * abs(u - (y * u).sum())  # of the temperature
        yield "relax", _figures(q.relax([noise], temperature), y, of_y)
        back, _ = make_vjp(lambda own: Categorical(own).relax(np.array([noise]), temperature), np.array([logits]))
        row, of_row = _row(y, size_u, i)
        yield "d relax / d logits", _figures(back(z), row / t, (of_row + abs(row)) / t)
        share = p * np.array([mp.exp(own) for own in w - w[i]], dtype=object)  # p_k exp(v_k - v_i)
        given = w - np.array([mp.log1p(own) for own in share], dtype=object)
        of_given = (share * (abs(w[i]) + of_log) + abs(w)) / (1 + share)
        given[i], of_given[i] = w[i] - log_p[i], abs(w[i]) + of_log[i]
        yield "noise_given", _figures(q.noise_given(z, [v]), given, of_given)


def _exact(values: Any) -> Any:
    return np.array([mpf(float(own)) for own in values], dtype=object)


def _softmax(x: Any, size: Any) -> tuple[Any, Any]:
    """The softmax, and `sum_j |dp_k / dx_j| size_j`."""
    weights = np.array([mp.exp(own) for own in x - max(x)], dtype=object)
    p = weights / weights.sum()
    return p, p * (size * (1 - 2 * p) + (p * size).sum())


def _row(p: Any, size: Any, i: int) -> tuple[Any, Any]:
    """`dp_i / dx_k` for all k, and its conditioning."""
    rest = p.sum() - p[i] if p[i] < 0.5 else sum(own for k, own in enumerate(p) if k != i)
    row = -p[i] * p
    row[i] = p[i] * rest
    mean = (p * size).sum()
    # log(p_i p_k) has the slope (i = j) + (k = j) - 2 p_j in x_j.
    log_size = 2 * mean - 2 * p[i] * size[i] - 2 * p * size + abs(1 - 2 * p[i]) * size[i] + abs(1 - 2 * p) * size
    # and log(p_i (1 - p_i)) has 1 - 2 p_i, times -p_j / (1 - p_i) for the others.
    log_size[i] = abs(1 - 2 * p[i]) * (size[i] + (mean - p[i] * size[i]) / rest)
    return row, abs(row) * log_size


def _figures(computed: Any, values: Any, conditions: Any) -> list[float]:
    found = np.ravel(computed).tolist()
    units = [EPS * (abs(y) + own) + LEAST for y, own in zip(values, conditions, strict=True)]
    return [apart(*own) for own in zip(found, values, units, strict=True)]
