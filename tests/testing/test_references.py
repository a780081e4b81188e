"""The references in many digits: independent of what they judge, right where the answer is known, and never short."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

from refgrad.distributions import Bernoulli as FastBernoulli
from refgrad.distributions import Categorical as FastCategorical
from refgrad.testing import references
from refgrad.testing.references import _numbers, reference
from refgrad.testing.references._distributions import Bernoulli, Categorical
from refgrad.testing.references._numbers import directional, gradient, numbers, settled
from refgrad.testing.references._objectives import objective
from refgrad.testing.references._oracle import exact_gradient, exact_value
from refgrad.testing.vectors._settings import modules

FOLDER = Path(references.__file__).parent
TOY = {"kind": "quadratic", "constant": 0.25, "linear": [-1.0], "matrix": [[1.0]]}


def close(found, needed, digits=49):
    return abs(found - needed) <= mpf(10) ** -digits * abs(needed)


@pytest.fixture(autouse=True)
def many_digits():
    with mp.workdps(300):
        yield


def foreign(source):
    """What a reference imports beside the others, mpmath and the standard library."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.split(".")[0]
            if (
                not name.startswith("refgrad.testing.references")
                and top != "mpmath"
                and top not in sys.stdlib_module_names
            ):
                yield name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_reference_shares_nothing_with_what_it_judges(path):
    assert list(foreign(path.read_text())) == []


def test_a_reference_that_shares_something_is_seen():
    assert list(foreign("import numpy as np\nfrom refgrad.distributions import Bernoulli")) == [
        "numpy",
        "refgrad.distributions",
    ]


@pytest.mark.parametrize("module", modules().values())
def test_every_estimator_has_one(module):
    assert reference(module).__name__ == module


def test_what_there_is_not():
    with pytest.raises(LookupError, match=r"there is no reference refgrad\.testing\.references\.vimco"):
        reference("vimco")


def test_without_mpmath(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpmath", None)
    with pytest.raises(ImportError, match=r"references need mpmath: pip install 'refgrad\[vectors\]'"):
        reference("rebar")


class TestNumbers:
    def test_a_derivative_has_two_thirds_of_the_digits(self):
        assert close(directional(lambda x: mp.exp(x[0]) * x[1], [mpf(1), mpf(3)], [mpf(1), mpf(2)]), 5 * mp.e, 199)
        along = gradient(lambda x: x[0] ** 2 * x[1], [mpf(3), mpf(2)])
        assert close(along[0], 12, 199)
        assert close(along[1], 9, 199)

    def test_a_masked_logit_has_none(self):
        assert gradient(lambda x: x[0] ** 2, [mpf(1), mpf("-inf")])[1] == 0

    def test_what_cancels_takes_more_digits(self):
        p = settled(lambda: {"rest": 1 - 1 / (1 + mp.exp(mpf(-700)))})["rest"]
        with mp.workdps(60):
            assert close(p, 1 / (1 + mp.exp(mpf(700))))

    def test_zero_is_believed_of_enough_digits_only(self):
        seen = []

        def hidden():
            seen.append(mp.dps)
            return {"x": 1 + mpf(10) ** -320 - 1}

        assert close(settled(hidden)["x"], mpf(10) ** -320)
        assert seen[-1] >= 600
        assert settled(lambda: {"x": [mpf(0), 0]})["x"] == [0, 0]

    def test_two_precisions_that_are_blind_alike_do_not_agree(self):
        """At logit 699 neither 150 nor 300 digits see what one less a probability is."""
        q = Bernoulli([mpf(699)], (1,))
        noise = settled(lambda: {"x": q.fresh_given(q.noise_given([0], [mpf(1)]))})["x"][0]
        with mp.workdps(60):
            assert close(noise, 1)

    def test_what_never_settles_is_an_error(self, monkeypatch):
        monkeypatch.setattr(_numbers, "LADDER", (50, 100))
        with pytest.raises(ArithmeticError, match="50 digits need an arithmetic of more than 100"):
            settled(lambda: {"x": 1 + mpf(mp.dps)})


def test_the_score_is_that_of_the_definition():
    q = Bernoulli([mpf(2), mpf(-1)], (2,))
    p = q.probs
    assert all(close(s, x) for s, x in zip(q.score([1, 0]), [1 - p[0], -p[1]], strict=True))
    q = Categorical(numbers([0.5, None, -1.0]), (1, 3))
    assert q.score([1, 0, 0])[1] == 0
    assert close(q.score([1, 0, 0])[0], q.probs[2])


@pytest.mark.parametrize("q", [Bernoulli(numbers([1.5, -4.0]), (2,)), Categorical(numbers([0.5, -2.0, None]), (1, 3))])
def test_noise_given_z_gives_z_and_its_fresh_noise_again(q):
    v = numbers([0.75, -1.25, 0.5])[: len(q.logits)]
    for z in q.support():
        if q.possible(z):
            noise = q.noise_given(z, v)
            assert q.sample(noise) == z
            assert all(close(x, y) for x, y in zip(q.fresh_given(noise), v, strict=True))


def test_the_families_are_those_of_the_package():
    logits = np.array([[0.5, -1.0, 2.0], [0.25, 0.75, -3.0]])
    slow, fast = Categorical(numbers(logits.ravel().tolist()), (2, 3)), FastCategorical(logits)
    noise = np.array([[0.5, 1.5, -1.0], [0.25, -0.5, 2.0]])
    own = numbers(noise.ravel().tolist())
    assert slow.sample(own) == fast.sample(noise).ravel().tolist()
    np.testing.assert_allclose(np.array(slow.relax(own, mpf(0.5)), float), fast.relax(noise, 0.5).ravel(), rtol=1e-14)
    assert [list(map(int, z.ravel())) for z in fast.support()] == list(slow.support())
    assert [list(map(int, z)) for z in FastBernoulli([0.0] * 3).support()] == list(
        Bernoulli([mpf(0)] * 3, (3,)).support()
    )


def test_pairs_are_means_of_products():
    for q in (Bernoulli(numbers([1.5, -1.0]), (2,)), Categorical(numbers([0.5, -2.0, 0.0, 1.0]), (2, 2))):
        for i in range(len(q.logits)):
            for j in range(len(q.logits)):
                mean = exact_value(q, lambda z, i=i, j=j: mpf(z[i] * z[j]))
                assert mean == q.pairs(i, j) == 0 or close(q.pairs(i, j), mean)


class TestKnown:
    """f = (z - 1/2)**2 + a constant, logit 0."""

    Q = Bernoulli([mpf(0)], (1,))

    def test_the_toy(self):
        f = objective(TOY, self.Q)
        assert close(exact_value(self.Q, f), mpf(1) / 4)
        assert abs(exact_gradient(self.Q, f)[0]) < mpf(10) ** -150

    def test_reinforce(self):
        found = reference("reinforce")(self.Q, objective(TOY, self.Q), [[mpf(1)]])
        assert found["z"] == [1]
        assert close(found["gradient"][0], mpf(1) / 8)

    def test_gumbel_softmax(self):
        found = reference("gumbel_softmax")(self.Q, objective(TOY, self.Q), [[mpf(1)]], temperature=mpf(2))
        y = 1 / (1 + mp.exp(mpf(-1) / 2))
        assert close(found["gradient"][0], 2 * (y - mpf(1) / 2) * y * (1 - y) / 2)

    def test_rebar_by_hand(self):
        """Given z = 1 the uniform number is (1 - p) + p u with p = sigmoid(logit), of derivative (u - 1) p (1 - p)."""
        v, t, c = mpf(1) / 2, mpf(1) / 2, mpf(3) / 4
        found = reference("rebar")(
            self.Q, objective(TOY, self.Q), [[mpf(1)], [v]], temperature=t, coefficient=c, coupled=False
        )
        u = 1 / (1 + mp.exp(-v))
        inner = (1 + u) / 2
        slope_inner = (u - 1) / 4
        x = mp.log(inner / (1 - inner)) / t
        y = 1 / (1 + mp.exp(-x))
        slope_z = 2 * (y - mpf(1) / 2) * y * (1 - y) / t * (1 + slope_inner / (inner * (1 - inner)))
        w = 1 / (1 + mp.exp(-1 / t))
        slope = 2 * (w - mpf(1) / 2) * w * (1 - w) / t
        needed = (mpf(1) / 4 - c * (y - mpf(1) / 2) ** 2) / 2 + c * (slope - slope_z)
        assert close(found["slope_given_z"][0], slope_z)
        assert close(found["gradient"][0], needed)

    def test_terms_add_up(self):
        found = reference("rebar")(
            self.Q, objective(TOY, self.Q), [[mpf(1)], [mpf(2)]], temperature=mpf(1), coefficient=mpf(1), coupled=False
        )
        assert close(sum(term[0] for term in found["terms"].values()), found["gradient"][0])
