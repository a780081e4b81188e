"""How somebody's sampler is called and read: forms, generators, and messages that name the call and the value."""

import numpy as np
import pytest

from refgrad.estimators import Reinforce
from refgrad.testing import SamplerError, check_unbiased, standard_problems
from refgrad.testing._sampler import Form, Source
from testing import samplers

PAIR = standard_problems("bernoulli")[3]
THREE = standard_problems("categorical")[0]
BOTH = [PAIR, THREE]


def with_respect_to_probs(problem, n, rng):
    """The gradient of sum_z q(z) f(z) in the probabilities, those of one variable taken as free of each other."""
    z = samplers.draw(problem, n, rng)
    probs = problem.q.probs
    slope = z / probs - ((1 - z) / (1 - probs) if problem.family == "bernoulli" else 0)
    return samplers.times(problem, problem.f(z), slope)


class TestForm:
    @pytest.mark.parametrize("problem", BOTH, ids=str)
    def test_rows_in_probs_are_rows_in_logits(self, problem):
        """On the same z the carried rows are those of REINFORCE, to rounding."""
        carried = Source(with_respect_to_probs, problem, form=Form(wrt="probs")).draw(200, 0).rows
        plain = Source(samplers.reinforce, problem).draw(200, 0).rows
        np.testing.assert_allclose(carried, plain, rtol=1e-13, atol=1e-14)

    @pytest.mark.parametrize("problem", BOTH, ids=str)
    def test_a_loss_is_minus_f(self, problem):
        loss = Source(samplers.wrong_sign, problem, form=Form(loss=True)).draw(50, 0).rows
        np.testing.assert_array_equal(loss, Source(samplers.reinforce, problem).draw(50, 0).rows)

    @pytest.mark.parametrize("problem", BOTH, ids=str)
    def test_a_mean_over_rows(self, problem):
        def mean(problem, n, rng):
            assert n == 4
            return samplers.reinforce(problem, n, rng).mean(axis=0)

        batch = Source(mean, problem, form=Form(rows=4)).draw(30, 0)
        assert batch.rows.shape == (30, problem.gradient.size)
        assert len(np.unique(batch.rows, axis=0)) > 5

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"rows": 0}, "rows needs to be None or a whole number of at least 1, but is 0"),
            ({"rows": 2.5}, "rows needs to be None or a whole number of at least 1, but is 2.5"),
            ({"wrt": "theta"}, "wrt needs to be 'logits' or 'probs', but is 'theta'"),
        ],
    )
    def test_what_makes_no_sense(self, options, message):
        with pytest.raises(ValueError, match=message):
            check_unbiased(samplers.reinforce, PAIR, **options)

    @pytest.mark.parametrize("problem", BOTH, ids=str)
    @pytest.mark.parametrize("loss", [False, True])
    def test_verdicts(self, problem, loss):
        sign = -1 if loss else 1

        def in_probs(problem, n, rng):
            return sign * with_respect_to_probs(problem, n, rng)

        said = {"wrt": "probs", "loss": loss}
        assert check_unbiased(in_probs, problem, **said).outcome == "right"
        for forgotten in ({"wrt": "logits"}, {"loss": not loss}):
            assert check_unbiased(in_probs, problem, causes=False, **said | forgotten).outcome == "wrong"

    @pytest.mark.parametrize("m", [1, 7])
    def test_verdicts_of_means(self, m):
        def mean(problem, n, rng):
            return samplers.reinforce(problem, n, rng).mean(axis=0)

        def too_small(problem, n, rng):
            return 0.5 * mean(problem, n, rng)

        right = check_unbiased(mean, PAIR, rows=m, tolerance=0.5, alpha=1e-6, max_samples=100_000)
        assert right.outcome == "right"
        assert right.n % m == 0
        assert check_unbiased(too_small, PAIR, rows=m, alpha=1e-6, causes=False).outcome == "wrong"


class TestGenerator:
    def test_every_call_has_its_own(self):
        source = Source(samplers.reinforce, PAIR, seed=3)
        first, second, again = source.draw(20, 0), source.draw(20, 1), source.draw(20, 0)
        assert (first.rows != second.rows).any()
        np.testing.assert_array_equal(first.rows, again.rows)
        expected = samplers.reinforce(PAIR, 20, np.random.default_rng([3, 1]))
        np.testing.assert_array_equal(second.rows, expected)

    @pytest.mark.parametrize(
        ("use", "used"),
        [
            (lambda rng: rng.random(), True),
            (lambda rng: rng.integers(2**63), True),
            (lambda rng: rng.spawn(1), True),
            (lambda rng: None, False),
        ],
    )
    def test_whether_it_was_used(self, use, used):
        def sampler(problem, n, rng):
            use(rng)
            return np.zeros((n, *problem.gradient.shape))

        assert Source(sampler, PAIR).draw(5, 0).used == used


def raises(problem, n, rng):
    raise KeyError("no such key")


def exits(problem, n, rng):
    raise SystemExit(0)


def asserts(problem, n, rng):
    assert not n


def third_raises():
    count = []

    def sampler(problem, n, rng):
        count.append(n)
        if len(count) == 3:
            raise OSError("the disk is full")
        return samplers.reinforce(problem, n, rng)

    return sampler


def changes_shape():
    count = []

    def sampler(problem, n, rng):
        count.append(n)
        return samplers.reinforce(problem, n - (len(count) > 4), rng)

    return sampler


def changes_precision():
    count = []

    def sampler(problem, n, rng):
        count.append(n)
        return samplers.reinforce(problem, n, rng).astype(np.float32 if len(count) > 4 else np.float64)

    return sampler


class Graph:
    requires_grad = True

    def detach(self):
        raise AssertionError("nobody asked")


CALL = r"\(one pair \(bernoulli, D = 2\), n=1024, rng=default_rng\(\[0, 0\]\)\)"


@pytest.mark.parametrize(
    ("sampler", "kind", "message"),
    [
        (raises, SamplerError, rf"raises{CALL} raised KeyError: 'no such key'"),
        (third_raises(), SamplerError, r"\(\[0, 0\]\)\), the second time, raised OSError: the disk is full"),
        (exits, SamplerError, rf"exits{CALL} raised SystemExit: 0 \(test_sampler.py, line \d+: raise SystemExit"),
        (asserts, SamplerError, rf"asserts{CALL} raised AssertionError.* \(test_sampler.py, line \d+: assert not n"),
        (lambda p, n, rng: np.ma.zeros((n, 2)), TypeError, "but returned a masked array: which of them count"),
        (lambda p, n, rng: (x for x in "ab"), TypeError, "returned a generator of objects"),
        (
            lambda p, n, rng: np.zeros((n - 1, 2)),
            ValueError,
            rf"{CALL} needs to return shape \(1024, 2\), .*\(1023, 2\)",
        ),
        (lambda p, n, rng: np.zeros(2), ValueError, r"returned shape \(2,\); if that is the mean .* say rows=M"),
        (lambda p, n, rng: 0.3, ValueError, rf"{CALL} needs to return shape .* returned shape \(\)"),
        (lambda p, n, rng: None, TypeError, rf"{CALL} needs to return numbers, but returned None: is a return missing"),
        (lambda p, n, rng: np.zeros((n, 2), complex), TypeError, "real numbers, but returned dtype complex128"),
        (lambda p, n, rng: "0.3", TypeError, "real numbers, but returned dtype <U3"),
        (lambda p, n, rng: [[1.0], [1.0, 2.0]], TypeError, "real numbers, but returned a list: "),
        (lambda p, n, rng: Graph(), TypeError, rf"{CALL} .* returned a tensor that requires grad; return it detached"),
        (changes_shape(), ValueError, r"n=16, rng=default_rng\(\[0, 3\]\)\) .* shape \(16, 2\), .* shape \(15, 2\)"),
        (
            changes_precision(),
            TypeError,
            "one kind of numbers on one pair .*, but a call of n=16 has a precision of 1e-07",
        ),
    ],
)
def test_messages_name_the_call_and_the_value(sampler, kind, message):
    with pytest.raises(kind, match=message):
        check_unbiased(sampler, PAIR)


def test_what_the_sampler_raised_is_the_cause():
    with pytest.raises(SamplerError) as caught:
        check_unbiased(raises, PAIR)
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_is_array_like_is_read():
    class Device:
        """A tensor on another device."""

        def __init__(self, rows):
            self.rows = rows

        def cpu(self):
            return self.rows

    for form in (np.ndarray.tolist, Device, lambda rows: rows.astype(np.float16)):
        batch = Source(lambda p, n, rng, form=form: form(samplers.reinforce(p, n, rng)), PAIR).draw(9, 0)
        assert batch.rows.shape == (9, 2)
        assert batch.rows.dtype == np.float64


def test_a_tensor_without_numbers():
    class Meta:
        def cpu(self):
            raise NotImplementedError("no data")

    with pytest.raises(TypeError, match="needs to return real numbers, but returned a Meta: no data"):
        Source(lambda p, n, rng: Meta(), PAIR).draw(3, 0)


def test_a_buffer_that_is_overwritten_is_copied():
    buffer = np.zeros((5, 2))

    def sampler(problem, n, rng):
        buffer[:] = rng.normal(size=(n, 2))
        return buffer

    source = Source(sampler, PAIR)
    first = source.draw(5, 0).rows
    kept = first.copy()
    source.draw(5, 1)
    np.testing.assert_array_equal(first, kept)


def test_a_mean_in_a_buffer_that_is_overwritten_is_copied():
    buffer = np.zeros(2)

    def sampler(problem, n, rng):
        buffer[:] = rng.normal(size=2)
        return buffer

    rows = Source(sampler, PAIR, form=Form(rows=3)).draw(5, 0).rows
    np.testing.assert_array_equal(rows, np.random.default_rng([0, 0]).normal(size=(5, 2)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, bool])
@pytest.mark.parametrize("n", [1, 7, 50_000])
def test_rows_are_kept_by_columns(n, dtype):
    returned = np.random.default_rng(n).integers(0, 2, size=(n, *THREE.gradient.shape)).astype(dtype)
    rows = Source(lambda problem, n, rng: returned, THREE).draw(n, 0).rows
    np.testing.assert_array_equal(rows, returned.reshape(n, -1))
    assert rows.dtype == np.float64
    assert rows.T.flags.c_contiguous
    assert not np.shares_memory(rows, returned)


def test_a_slow_call_is_a_warning(monkeypatch):
    clock = iter([0.0, 61.0, *np.arange(100.0, 1e4)])
    monkeypatch.setattr("refgrad.testing._sampler.time.monotonic", lambda: next(clock))
    source = Source(samplers.reinforce, PAIR)
    with pytest.warns(UserWarning, match=r"reinforce\(one pair .*, n=10, .* took 61 s"):
        source.draw(10, 0)
    source.draw(10, 1)


def test_what_is_printed_stays_with_whom_it_was_printed_by(capsys):
    def sampler(problem, n, rng):
        print("loss", 0.3)
        return Reinforce().sample(problem.q, problem.f, n, rng)

    Source(sampler, PAIR).draw(3, 0)
    assert capsys.readouterr().out == "loss 0.3\n"
