"""The files of vectors that come with the package: complete, exact in float32, made again to the byte, and sharp."""

import json
from collections import Counter

import jsonschema
import numpy as np
import pytest
from testing import single
from testing.vectors.answers import vectors_in

import refgrad
from refgrad.distributions import Bernoulli, Categorical
from refgrad.estimators import Rebar
from refgrad.testing.mistakes import mistakes
from refgrad.testing.vectors import _inputs, generate, names, schema, shipped, write
from refgrad.testing.vectors._draw import TIE
from refgrad.testing.vectors._files import BESIDE
from refgrad.testing.vectors._flags import estimate, slipped
from refgrad.testing.vectors._format import resource
from refgrad.testing.vectors._settings import FAMILIES, distribution_of, made, modules, objective_of, stem

FILES = [name for name in names() if "/" not in name]
every_file = pytest.mark.parametrize("name", FILES)
SMALL = ["reinforce-bernoulli", "mean-substitution-categorical", "gumbel-softmax-bernoulli"]
# What no row on the noise of the right estimator can show; page 16 says why.
UNSEEN = {
    *(f"own-sample-in-the-mean-of-{m}" for m in (2, 4)),
    *(f"own-best-constant-of-{m}" for m in (2, 4)),
    *(f"product-of-means-of-{m}" for m in (2, 4)),
    "mean-substitution-straight-through",
    "mu-prop-moving-point",
    "rebar-other-sample",
    "relax-other-sample",
}


def flat(value):
    return [x for own in value for x in flat(own)] if isinstance(value, list) else [value]


def coefficients(value):
    if isinstance(value, dict):
        return [x for own in value.values() for x in coefficients(own)]
    return [x for x in flat(value) if isinstance(x, (int, float))]


def test_there_is_one_for_each_estimator_and_family():
    assert set(FILES) == {stem(module, family) for module in modules().values() for family in FAMILIES}
    assert set(modules()) <= set(refgrad.estimators.__all__)
    folder = resource("README.md").parent
    assert {path.stem for path in folder.glob("*.json")} == set(FILES)


@every_file
class TestFile:
    def test_it_keeps_to_the_schema(self, name):
        jsonschema.Draft202012Validator(schema()).validate(shipped(name))

    def test_its_head(self, name):
        own = shipped(name)
        assert (own["format"], own["schema"], own["generator_version"], own["license"]) == (
            "refgrad-vectors",
            1,
            "1.0",
            "MIT",
        )
        assert own["number_of_tests"] == len(vectors_in(name))
        module, family = next((m, f) for m in modules().values() for f in FAMILIES if stem(m, f) == name)
        assert {(g["estimator"], g["family"]) for g in own["groups"]} == {
            (type(made(own["groups"][0])).__name__, family)
        }
        assert modules()[own["groups"][0]["estimator"]] == module

    def test_names_and_flags(self, name):
        own = shipped(name)
        assert set(Counter(test["id"] for _, test in vectors_in(name)).values()) == {1}
        assert all(test["id"].startswith(f"{name}-") for _, test in vectors_in(name))
        assert {flag for _, test in vectors_in(name) for flag in test["flags"]} == set(own["notes"])

    def test_inputs_are_exact_in_single_precision_and_short(self, name):
        for group, test in vectors_in(name):
            logits = [x for x in flat(test["logits"]) if x is not None]
            for numbers, parts in ((logits, 256), (flat(test["noise"]), 1024)):
                assert all(np.float32(x) == x and (x * parts) % 1 == 0 for x in numbers)
            assert all(np.float32(x) == x for x in coefficients([group["parameters"], group["objective"]]))

    def test_no_rounding_decides_z(self, name):
        for group, test in vectors_in(name):
            q = distribution_of(group, test["logits"])
            for own in test["noise"]:
                perturbed = q.logits + np.array(own)
                if q.event_ndim == 1:
                    assert (np.abs(perturbed) >= TIE).all()
                else:
                    two = np.sort(perturbed, axis=-1)[:, -2:]
                    assert (two[:, 1] - two[:, 0] >= TIE).all()

    def test_terms_add_up_to_the_gradient(self, name):
        for _, test in vectors_in(name):
            terms = np.array(list(test["expected"]["terms"].values()))
            bound = len(terms) * np.finfo(float).eps * np.abs(terms).sum(axis=0)
            assert (np.abs(terms.sum(axis=0) - test["expected"]["gradient"]) <= bound).all()

    def test_the_package_is_within_a_tenth_of_the_tolerance(self, name):
        for group, test in vectors_in(name):
            off = np.abs(estimate(made(group), group, test) - test["expected"]["gradient"])
            assert off.max() <= test["atol"]["float64"] / 10, test["id"]
            assert test["atol"]["float64"] < 1e-12

    def test_masked_categories_are_there_and_have_a_gradient_of_zero(self, name):
        masked = [test for _, test in vectors_in(name) if None in flat(test["logits"])]
        assert bool(masked) == name.endswith("categorical")
        for test in masked:
            place = np.array(test["logits"]) == None  # noqa: E711  (elementwise)
            if "constant-baseline" not in name:
                assert (np.array(test["expected"]["gradient"])[place] == 0).all()

    def test_every_mistake_of_the_catalogue_is_caught(self, name):
        group = shipped(name)["groups"][0]
        known = {m.name for m in mistakes(group["family"]) if type(m.of).__name__ == group["estimator"]}
        caught = {flag for _, test in vectors_in(name) for flag in test["flags"]}
        assert known - UNSEEN <= caught
        assert not caught & UNSEEN

    def test_a_flag_says_what_is_seen(self, name):
        for group, test in vectors_in(name):
            for mistake, wrong in slipped(group).items():
                given = estimate(wrong, group, test)
                if given is not None:
                    far = ~(np.abs(given - test["expected"]["gradient"]) <= 10 * test["atol"]["float32"])
                    assert (mistake in test["flags"]) == far.any(), (test["id"], mistake)


def test_what_is_not_seen_is_in_the_catalogue():
    assert {mistake.name for mistake in mistakes()} >= UNSEEN


@pytest.mark.parametrize("name", SMALL)
def test_it_is_made_again_to_the_byte(name):
    assert generate(name).encode() == resource(f"{name}.json").read_bytes()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in FILES if name not in SMALL])
def test_all_are_made_again_to_the_byte(name):
    assert generate(name).encode() == resource(f"{name}.json").read_bytes()


def test_another_reference_makes_other_bytes(monkeypatch):
    def slipped(q, f, noise):
        z = q.sample(noise[0])
        gradient = [f(z) * (one - p) * (1 + 1e-15) for one, p in zip(z, q.probs, strict=True)]
        return {"z": z, "value": f(z), "score": gradient, "terms": {"value_score": gradient}, "gradient": gradient}

    right = _inputs.reference
    monkeypatch.setattr(_inputs, "reference", lambda module: slipped if module == "reinforce" else right(module))
    assert generate("reinforce-bernoulli").encode() != resource("reinforce-bernoulli.json").read_bytes()


def test_no_such_file():
    with pytest.raises(LookupError, match=r"vectors need a name of constant-baseline-bernoulli, .*, but it is 'arm'"):
        generate("arm")


def test_all_are_written(tmp_path):
    written = write(tmp_path / "new" / "folder")
    assert len(written) == len(names()) + len(BESIDE)
    for path in written:
        assert path.read_bytes() == resource(path.relative_to(tmp_path / "new" / "folder").as_posix()).read_bytes()
    assert json.loads((tmp_path / "new" / "folder" / "rebar-bernoulli.json").read_text()) == shipped("rebar-bernoulli")


class Quadratic:
    """A quadratic of z with its gradient, in single precision."""

    def __init__(self, wire, ndim):
        self.constant, self.linear, self.matrix = (
            single.single(wire[name]) for name in ("constant", "linear", "matrix")
        )
        self.axes = (1,) * ndim

    def _flat(self, z):
        return z.reshape(len(z), -1)

    def __call__(self, z):
        z = self._flat(z)
        return (self.constant + (z * self.linear).sum(1) + (z * (z @ self.matrix.T)).sum(1)).reshape(-1, *self.axes)

    def grad(self, z):
        flat = self._flat(z)
        return (self.linear + flat @ (self.matrix + self.matrix.T)).reshape(z.shape)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_program_in_single_precision_is_well_within_its_tolerance(family, monkeypatch):
    monkeypatch.setattr(single, "Interacting", lambda f: f)
    shares = []
    for group, test in vectors_in(f"rebar-{family}"):
        if group["objective"]["kind"] != "quadratic" or group["parameters"]["coupled"] or None in flat(test["logits"]):
            continue
        q = distribution_of(group, test["logits"])
        problem = type("P", (), {"q": q, "logits": q.logits, "f": Quadratic(group["objective"], q.event_ndim)})
        noise = single.single(test["noise"])[:, None]
        parameters = group["parameters"]
        row = single.rebar(problem, noise, parameters["temperature"], parameters["coefficient"])
        assert row.dtype == np.float32
        shares.append(np.abs(row[0] - test["expected"]["gradient"]).max() / test["atol"]["float32"])
    assert len(shares) >= 30
    assert max(shares) <= 0.5


@pytest.mark.parametrize("verb", ["score", "relax", "noise_given", "sample"])
@pytest.mark.parametrize("cls", [Bernoulli, Categorical])
def test_a_broken_verb_of_the_package_is_seen(verb, cls, monkeypatch):
    right = getattr(cls, verb)

    def broken(self, *arguments):
        if verb == "sample":
            return right(self, -np.asarray(arguments[0]))
        if verb == "score":
            return (1 + 1e-6) * right(self, *arguments)
        return right(self, *arguments[:-1], (1 + 1e-6) * arguments[-1])  # temperature, or v

    name = f"rebar-{cls.family}"
    assert seen(name) == 0
    monkeypatch.setattr(cls, verb, broken)
    assert seen(name) > len(vectors_in(name)) / 4


def seen(name):
    """Tests on which the package is off."""
    count = 0
    for group, test in vectors_in(name):
        off = np.abs(estimate(made(group), group, test) - test["expected"]["gradient"]).max()
        count += off > test["atol"]["float64"]
    return count


def test_an_unknown_setting_is_an_error():
    group = shipped("nvil-bernoulli")["groups"][0]
    baseline = group["parameters"]["baseline"] | {"matrix": [[1.0, 0.0], [0.0, 0.0]]}
    with pytest.raises(
        ValueError, match="Nvil needs a baseline with a matrix of zeros, but it has products of features"
    ):
        made(group | {"parameters": group["parameters"] | {"baseline": baseline}})
    assert isinstance(made(shipped("rebar-bernoulli")["groups"][0]), Rebar)
    assert objective_of(group)(np.ones((1, *group["shape"]))).shape == (1,)
