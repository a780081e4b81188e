"""How many units rounding may cost: half of the number of roundings on the longest way to a number.

One operation rounds once, by eps / 2; a function of the library (exp, log, log1p) counts twice, `logaddexp` as its
difference, exp, log1p and sum: six. A softmax counts its difference, exp, quotient, and the sum, whose terms have
rounded too; `centred` of it (Eq. 01.17) is a difference of two that may be twice what is left, so it counts double.
The log of a probability among K is off by three roundings of log K, where logits near zero condition nothing.
"""

import math

SIGMOID, LOGADDEXP = 4, 6


def additions(size: int) -> int:
    """Longest chain of additions of a sum over categories, NumPy's or ours."""
    return max(_of_numpy(size), _by_halves(size))


def _of_numpy(size: int) -> int:
    """One by one below 8, 8 chains up to 128, and pairs above."""
    if size < 8:
        return size - 1
    if size <= 128:
        return size // 8 - 1 + 3 + size % 8
    return _of_numpy(128) + 7 + math.ceil(math.log2(size / 128))


def _by_halves(size: int) -> int:
    """By halves, and one more where they are not even, down to less than 8; these one by one."""
    return 1 + size % 2 + _by_halves(size // 2) if size >= 8 else size - 1


def units(name: str, family: str, variables: int, size: int = 1) -> float:
    """The most that a quantity may be off: in units, for D variables of K categories."""
    counts = _bernoulli() if family == "bernoulli" else _categorical(additions(size), 3 * math.log(size))
    over = variables - 1 + (additions(variables) if name == "d score / d logits" else 0)
    return (counts[name] + (over if "log_prob" in name else 0)) / 2


def _bernoulli() -> dict[str, float]:
    product = 2 * SIGMOID + 2  # sigmoid(x) sigmoid(-x) and what it is multiplied with
    inner = LOGADDEXP + 1  # v + softplus(logits)
    deep = inner + LOGADDEXP + 1  # depth / temperature
    return {
        "probs": SIGMOID,
        "d probs / d logits": product,
        "log_prob": LOGADDEXP,
        "d log_prob / d logits": SIGMOID + 2,
        "score": SIGMOID + 1,
        "d score / d logits": product + 1,
        "relax": 2 + SIGMOID,
        "d relax / d logits": 2 + product + 1,
        "d relax / d noise": 2 + product + 1,
        "d relax / d temperature": 2 + product + 4,
        "noise_given": inner + LOGADDEXP + 2,  # and a move by an ulp
        "d noise_given / d logits": inner + 2 * SIGMOID + 3,
        "d noise_given / d v": inner + SIGMOID + 1,
        "relax_given": deep + SIGMOID,
        "d relax_given / d logits": deep + product + inner + 2 * SIGMOID + 4,
        "d relax_given / d v": deep + product + inner + SIGMOID + 3,
        "d relax_given / d temperature": 2 * deep + product + 3,
        "fresh_given": 2 * LOGADDEXP + 6,
        "relaxed_log_prob": 2 * (3 * 4 + 6 + 5),  # three products with a log, a log1p of an exp, five sums; both signs
        "d relaxed_log_prob / d logits": 2 * (4 + SIGMOID + 4),
        "d relaxed_log_prob / d relaxed": 2 * (8 + SIGMOID + 8),
        "d relaxed_log_prob / d temperature": 2 * (8 + SIGMOID + 8),
    }


def _categorical(chain: int, log_size: float) -> dict[str, float]:
    softmax = 7 + chain
    slope = softmax + 2 * (softmax + chain + 3) + 1
    log_prob = 6 + chain
    inner = log_prob + log_size + 2  # v_i - v_k - log p_k
    deep = inner + LOGADDEXP + 2
    through = softmax + 2 * chain + 4  # the slope of log p_k
    return {
        "probs": softmax,
        "d probs / d logits": slope,
        "log_prob": log_prob + 1,
        "d log_prob / d logits": softmax + chain + 4,
        "score": softmax + chain + 2,
        "d score / d logits": slope + 3,
        "relax": 2 + softmax,
        "d relax / d logits": 2 + slope + 1,
        "d relax / d noise": 2 + slope + 1,
        "d relax / d temperature": 4 + 2 * (slope + chain + 3),  # a sum of entries that add up to zero
        "noise_given": inner + LOGADDEXP + 2,
        "d noise_given / d logits": inner + SIGMOID + through + 2,
        "d noise_given / d v": inner + SIGMOID + 2,
        "relax_given": deep + softmax,
        "d relax_given / d logits": 2 * (deep + slope + inner + SIGMOID + through + 3),
        "d relax_given / d v": 2 * (deep + slope + inner + SIGMOID + chain + 3),
        "d relax_given / d temperature": 4 + 2 * (slope + deep + chain + 3),
        "fresh_given": inner + 9,
        "relaxed_log_prob": 2 * (4 * (chain + 1) + 3 * 4 + 6 + 6),
        "d relaxed_log_prob / d logits": 2 * (6 + softmax + chain + 6),
        "d relaxed_log_prob / d relaxed": 2 * (6 + softmax + chain + 12),
        "d relaxed_log_prob / d temperature": 2 * (6 + softmax + 2 * chain + 12),
    }
