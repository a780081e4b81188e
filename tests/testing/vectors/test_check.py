"""Answers to vectors: right ones pass, mistakes are named with the value that is off first; none passes by chance."""

import json
from functools import partial

import numpy as np
import pytest
from testing.vectors.answers import by, right, vectors_in, written

from refgrad.estimators import pathwise
from refgrad.testing.mistakes import mistakes
from refgrad.testing.vectors import VectorsError, check_answers, load, names, schema, shipped, write
from refgrad.testing.vectors._flags import slipped
from refgrad.testing.vectors._settings import distribution_of, made, objective_of

FILES = [name for name in names() if "/" not in name]
NAME = "rebar-bernoulli"


def judged(folder, content, against=None):
    return check_answers(written(folder, content), against)


def relaxed(f, noise, temperature, q):
    return f(q.relax(noise, temperature))


class TestRight:
    @pytest.mark.parametrize("precision", ["float64", "float32"])
    def test_what_is_expected_passes(self, tmp_path, precision):
        found = judged(tmp_path, right(*names(), precision=precision))
        assert [judgement.outcome for judgement in found] == ["right"] * len(names())
        assert {judgement.used for judgement in found} == {0.0}
        assert {judgement.implementation for judgement in found} == {"a test"}
        assert str(found[0]).startswith(f"right: {names()[0]}, ")

    @pytest.mark.parametrize("name", FILES)
    def test_so_does_the_package(self, tmp_path, name):
        (judgement,) = judged(tmp_path, by(name))
        assert (judgement.outcome, judgement.failures, judgement.suggestions) == ("right", (), ())
        assert 0 < judgement.used < 0.1
        assert str(judgement).endswith(f"largest error {judgement.used:.0%} of its tolerance; gradient alone")

    def test_the_gradient_alone_is_enough_and_float64_the_default(self, tmp_path):
        content = right(NAME, fields=("gradient",))
        del content["precision"], content["implementation"]
        assert judged(tmp_path, content)[0].outcome == "right"

    def test_of_a_folder(self, tmp_path):
        write(tmp_path / "vectors", [NAME])
        assert judged(tmp_path, right(NAME), tmp_path / "vectors")[0].outcome == "right"
        assert load(tmp_path / "vectors" / f"{NAME}.json") == shipped(NAME)


class TestWrong:
    @pytest.mark.parametrize("family", ["bernoulli", "categorical"])
    @pytest.mark.parametrize("precision", ["float64", "float32"])
    def test_every_mistake_of_the_catalogue_is_named(self, tmp_path, family, precision):
        count, wrong = 0, {}
        for mistake in mistakes(family):
            (name,) = [own for own in FILES if own.endswith(family) and kind(own) is type(mistake.of)]

            if name not in wrong:
                wrong[name] = {id(group): slipped(group) for group in shipped(name)["groups"]}

            def make(group, own=wrong[name], slip=mistake.name):
                return own[id(group)].get(slip)

            flags = [mistake.name in test["flags"] for _, test in vectors_in(name)]
            if not any(flags):
                continue
            count += 1
            (judgement,) = judged(tmp_path, by(name, make) | {"precision": precision})
            assert judgement.outcome == "wrong"
            assert judgement.first_off == "gradient"
            assert {f.id for f in judgement.failures} >= {
                t["id"] for (_, t), f in zip(vectors_in(name), flags, strict=True) if f
            }
            named = [text.split(":")[0] for text in judgement.suggestions]
            assert mistake.name in named, (mistake.name, judgement.suggestions)
        assert count >= 35

    def test_mistakes_of_a_mean_are_named_too(self, tmp_path):
        name = "designs/rebar-bernoulli"
        wrong = {id(group): slipped(group, mean=True) for group in shipped(name)["groups"]}
        slips = ("rebar-detached-noise-given-z", "rebar-no-slopes", "rebar-slopes-swapped")
        for slip in slips:
            (judgement,) = judged(tmp_path, by(name, lambda group, slip=slip: wrong[id(group)].get(slip)))
            assert judgement.first_off == "mean"
            assert slip in [text.split(":")[0] for text in judgement.suggestions]
        content = right(name)
        for answer in content["answers"]:
            answer["mean"] = [2 * x for x in answer["mean"]]
        assert judged(tmp_path, content)[0].suggestions == ("2 times the gradient, in every test",)

    def test_the_first_value_that_is_off(self, tmp_path):
        content = right(NAME)
        last = content["answers"][-1]
        last["relaxed"][0] += 1e-6
        last["gradient"][0] += 1e-6
        (judgement,) = judged(tmp_path, content)
        assert judgement.first_off == "relaxed"
        (failure,) = judgement.failures
        expected = vectors_in(NAME)[-1][1]["expected"]["relaxed"][0]
        assert failure.reason.startswith(
            f"[0] is {expected + 1e-6:.9g}, not {expected:.9g}; off by 1e-06, the tolerance is"
        )
        report = str(judgement)
        assert f"wrong: {NAME}, 80 of 81 tests right in float64" in report
        assert "off first: relaxed in 1, of 1 tests that are off" in report
        assert "relaxed: the relaxed sample of the first draw of noise" in report

    def test_a_term_of_the_sum(self, tmp_path):
        content = right(NAME)
        content["answers"][3]["terms"]["slope"][0] *= -1
        (judgement,) = judged(tmp_path, content)
        assert judgement.first_off == "terms.slope"

    def test_a_slip_that_intermediate_values_show(self, tmp_path):
        """The noise given z is a constant to the slope: page 16."""
        content = right(NAME, fields=())
        for (group, test), answer in zip(vectors_in(NAME), content["answers"], strict=True):
            q, f, noise = distribution_of(group, test["logits"]), objective_of(group), np.array(test["noise"])[:, None]
            temperature, coefficient, coupled = group["parameters"].values()
            z = q.sample(noise[0])
            given = q.noise_given(z, q.fresh_given(noise[0]) if coupled else noise[1])
            _, slope = pathwise(partial(relaxed, f, noise[0], temperature), q, noise[0])
            value, slope_z = pathwise(partial(relaxed, f, given, temperature), q, noise[0])
            weight = q.expand(f(z) - coefficient * value)
            answer["gradient"] = (weight * q.score(z) + coefficient * (slope - slope_z))[0].tolist()
            answer |= {"slope_given_z": slope_z[0].tolist(), "noise_given_z": given[0].tolist()}
        (judgement,) = judged(tmp_path, content)
        assert judgement.first_off == "slope_given_z"
        assert judgement.suggestions[0].startswith(
            "rebar-detached-noise-given-z: the noise given z was made of detached"
        )

    def test_a_loss(self, tmp_path):
        content = right(NAME, fields=("gradient",))
        for answer in content["answers"]:
            answer["gradient"] = [-x for x in answer["gradient"]]
        (judgement,) = judged(tmp_path, content)
        assert judgement.suggestions == ("-1 times the gradient, in every test (the gradient of a loss, -f)",)

    def test_only_a_corner(self, tmp_path):
        content = right("rebar-categorical", fields=("gradient",))
        for (_, test), answer in zip(vectors_in("rebar-categorical"), content["answers"], strict=True):
            if "masked-category" in test["flags"]:
                answer["gradient"] = [[None] * len(row) for row in answer["gradient"]]
        (judgement,) = judged(tmp_path, content)
        assert len(judgement.failures) == 6
        (text,) = judgement.suggestions
        assert text.startswith("masked-category: a category of logit -inf that takes part")
        assert text.endswith("(only tests of this flag are off)")

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ([float("nan")], "has 1 of 1 entries that are no finite number, the first nan"),
            ([float("inf")], "has 1 of 1 entries that are no finite number, the first inf"),
            ([None], "has 1 of 1 entries that are no finite number, the first None"),
            (["0.5"], "has 1 of 1 entries that are no finite number, the first '0.5'"),
            ([True], "has 1 of 1 entries that are no finite number, the first True"),
            ([0.5, 0.5], "has shape (2,), not (1,)"),
            ([[0.5]], "has shape (1, 1), not (1,)"),
            ([[0.5], 0.5], "has shape of no array, not (1,)"),
            (0.5, "has shape (), not (1,)"),
            ({}, "has shape (), not (1,)"),
            (None, "is missing"),
        ],
    )
    def test_what_is_no_gradient_is_no_pass(self, tmp_path, value, reason):
        content = right(NAME)
        content["answers"][0]["gradient"] = value
        (judgement,) = judged(tmp_path, content)
        assert [failure.reason for failure in judgement.failures] == [reason]
        assert judgement.outcome == "wrong"
        assert judgement.to_dict()["used"] is None

    def test_a_test_that_is_left_out(self, tmp_path):
        content = right(NAME, "reinforce-bernoulli")
        gone = content["answers"].pop(5)["id"]
        first, second = judged(tmp_path, content)
        assert (first.outcome, first.left_out, first.failures) == ("wrong", (gone,), ())
        assert second.outcome == "right"
        assert f"left out: 1 tests, the first {gone}" in str(first)
        assert "80 of 81 tests right" in str(first)

    def test_no_answer_at_all(self, tmp_path):
        (judgement,) = judged(tmp_path, right(NAME) | {"answers": []})
        assert len(judgement.left_out) == judgement.tests == 81
        content = right(NAME, fields=())
        (judgement,) = judged(tmp_path, content)
        assert {failure.reason for failure in judgement.failures} == {"is missing"}
        assert len(judgement.failures) == 81

    def test_tolerances_are_those_of_the_precision(self, tmp_path):
        content = right(NAME)
        for (_, test), answer in zip(vectors_in(NAME), content["answers"], strict=True):
            answer["gradient"][0] += 0.9 * test["atol"]["float32"]
        assert judged(tmp_path, content)[0].outcome == "wrong"
        (judgement,) = judged(tmp_path, content | {"precision": "float32"})
        assert judgement.outcome == "right"
        assert 0.8 < judgement.used < 1


def kind(name):
    return type(made(shipped(name)["groups"][0]))


class TestBadAnswers:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": "refgrad-vectors"}, "needs the format refgrad-answers, but has 'refgrad-vectors'"),
            ({"schema": 2}, "needs schema 1, but has 2"),
            ({"schema": True}, "needs schema 1, but has True"),
            ({"precision": "float16"}, "does not fit the schema at precision: 'float16' is not one of"),
            ({"vectors": []}, "does not fit the schema at vectors"),
            (
                {"vectors": ["arm-bernoulli"]},
                "needs names of files of vectors, as .*rebar-bernoulli.*, but has 'arm-bernoulli'",
            ),
            ({"answers": {}}, "does not fit the schema at answers: {} is not of type 'array'"),
            ({"answers": [{"gradient": [1.0]}]}, "does not fit the schema at answers/0: 'id' is a required property"),
            ({"answers": [{"id": "no-1"}]}, "needs ids of tests in its vectors, rebar-bernoulli, but answers 'no-1'"),
            ({"extra": 1}, "does not fit the schema at its top: Additional properties are not allowed"),
        ],
    )
    def test_is_refused(self, tmp_path, change, message):
        with pytest.raises(VectorsError, match=rf"answers\.json {message}"):
            judged(tmp_path, right(NAME) | change)

    def test_an_answer_twice(self, tmp_path):
        content = right(NAME)
        content["answers"].append(content["answers"][0])
        with pytest.raises(VectorsError, match="needs one answer for each id, but has 'rebar-bernoulli-1' twice"):
            judged(tmp_path, content)

    def test_a_field_twice(self, tmp_path):
        text = json.dumps(right(NAME)).replace('"schema": 1', '"schema": 1, "schema": 1')
        with pytest.raises(VectorsError, match="needs each field once, but has 'schema' twice"):
            judged(tmp_path, text)

    def test_a_value_that_no_vector_has(self, tmp_path):
        content = right(NAME)
        content["answers"][0]["soft"] = [0.5]
        with pytest.raises(VectorsError, match=r"rebar-bernoulli-1 needs values of z, value, .*, but answers 'soft'"):
            judged(tmp_path, content)
        content = right(NAME)
        content["answers"][0]["terms"]["other"] = [0.5]
        with pytest.raises(VectorsError, match=r"but answers 'terms\.other'"):
            judged(tmp_path, content)

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
    def test_cut_off(self, tmp_path, share):
        text = json.dumps(right(NAME))
        with pytest.raises(VectorsError, match=r"answers\.json needs to be JSON, but at line 1: "):
            judged(tmp_path, text[: int(share * len(text))])

    @pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "[" * 100_000])
    def test_other_json(self, tmp_path, text):
        with pytest.raises(VectorsError, match=r"answers\.json needs "):
            judged(tmp_path, text)

    def test_no_text(self, tmp_path):
        path = tmp_path / "answers.json"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(VectorsError, match="needs to be JSON in UTF-8, but is not"):
            check_answers(path)
        with pytest.raises(FileNotFoundError):
            check_answers(tmp_path / "none.json")

    def test_its_schema_is_published(self):
        assert schema("answers-1")["title"] == "Answers of an implementation to vectors"


def changed(own, *path, to):
    for step in path[:-1]:
        own = own[step]
    if to is None:
        del own[path[-1]]
    else:
        own[path[-1]] = to


class TestBadVectors:
    @pytest.mark.parametrize(
        ("path", "to", "message"),
        [
            (("format",), "vectors", "needs the format refgrad-vectors or refgrad-design, but has 'vectors'"),
            (("schema",), 2, "needs schema 1, but has 2"),
            (("number_of_tests",), 80, "needs number_of_tests to be 81, but it is 80"),
            (("notes",), {}, "rebar-bernoulli-1 needs a note for each flag, but 'ordinary' has none"),
            (
                ("groups", 0, "estimator"),
                None,
                "does not fit the schema at groups/0: 'estimator' is a required property",
            ),
            (("groups", 0, "estimator"), "Arm", "rebar-bernoulli-1 needs an estimator of .*, but has 'Arm'"),
            (
                ("groups", 0, "tests", 1, "id"),
                "rebar-bernoulli-1",
                "needs each id once, but has 'rebar-bernoulli-1' twice",
            ),
            (("groups", 0, "tests", 0, "logits"), [0.5, 0.5], r"needs logits of shape \(1,\), but it has shape \(2,\)"),
            (("groups", 0, "tests", 0, "noise"), [[0.5], [0.5, 1.0]], r"needs noise of shape \(1,\) in each draw, but"),
            (("groups", 0, "tests", 0, "expected", "gradient"), [], "does not fit the schema at"),
            (
                ("groups", 0, "tests", 0, "atol", "float32"),
                0,
                "does not fit the schema at groups/0/tests/0/atol/float32",
            ),
            (("groups", 0, "objective", "kind"), "cubic", "does not fit the schema at groups/0/objective"),
            (("groups",), [], "does not fit the schema at groups"),
        ],
    )
    def test_is_refused(self, tmp_path, path, to, message):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        own = json.loads(file.read_text())
        changed(own, *path, to=to)
        file.write_text(json.dumps(own))
        with pytest.raises(VectorsError, match=message):
            load(file)
        with pytest.raises(VectorsError, match=message):
            judged(tmp_path, right(NAME), tmp_path)

    @pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
    def test_a_number_that_is_none(self, tmp_path, text):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        file.write_text(file.read_text().replace('"value": ', f'"value": {text}, "mean": ', 1))
        with pytest.raises(VectorsError, match=f"needs finite numbers, but has {text}"):
            load(file)

    def test_cut_off(self, tmp_path):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        file.write_text(file.read_text()[:100_000])
        with pytest.raises(VectorsError, match=r"rebar-bernoulli\.json needs to be JSON, but at line \d+: "):
            load(file)

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(VectorsError, match=r"needs files of vectors, \*\.json, but has none"):
            judged(tmp_path, right(NAME), tmp_path / "empty")

    def test_a_number_that_was_changed_is_seen_by_right_answers(self, tmp_path):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        own = json.loads(file.read_text())
        own["groups"][0]["tests"][0]["expected"]["gradient"][0] += 1e-9
        file.write_text(json.dumps(own))
        (judgement,) = judged(tmp_path, right(NAME), tmp_path)
        assert [failure.id for failure in judgement.failures] == ["rebar-bernoulli-1"]

    def test_without_jsonschema(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "jsonschema", None)
        with pytest.raises(
            ImportError, match=r"files of vectors need jsonschema to be read: pip install 'refgrad\[vec"
        ):
            judged(tmp_path, right(NAME))


class TestHints:
    """What is said of answers that no known mistake explains."""

    def test_single_precision_that_was_not_said(self, tmp_path):
        content = right(NAME)
        for answer in content["answers"]:
            answer["gradient"] = [float(np.float32(x)) for x in answer["gradient"]]
        (judgement,) = judged(tmp_path, content)
        assert judgement.outcome == "wrong"
        (text,) = judgement.suggestions
        assert text.startswith("float32: all is within its tolerances")

    def test_several_corners(self, tmp_path):
        content = right(NAME, fields=("gradient",))
        for (_, test), answer in zip(vectors_in(NAME), content["answers"], strict=True):
            if test["flags"][0] in {"far-noise", "rare-outcome"}:
                answer["gradient"] = [x + 1e-3 for x in answer["gradient"]]
        (judgement,) = judged(tmp_path, content)
        assert [text.split(":")[0] for text in judgement.suggestions] == ["rare-outcome", "far-noise"]
        assert all(text.endswith("(only tests of these flags are off)") for text in judgement.suggestions)

    def test_nothing_is_said_of_ordinary_tests_or_of_a_right_gradient(self, tmp_path):
        content = right("mu-prop-bernoulli")
        content["answers"][0]["value"] += 1.0
        (judgement,) = judged(tmp_path, content)
        assert judgement.first_off == "value"
        assert judgement.suggestions == ()

    def test_what_a_mistake_does_not_explain_is_counted(self, tmp_path):
        wrong = {id(group): slipped(group).get("rebar-no-slopes") for group in shipped(NAME)["groups"]}
        content = by(NAME, lambda group: wrong[id(group)])
        for (group, _), answer in zip(vectors_in(NAME), content["answers"], strict=True):
            if group["parameters"]["coupled"]:
                answer["gradient"] = [x + 1.0 for x in answer["gradient"]]
        (judgement,) = judged(tmp_path, content)
        assert judgement.suggestions[0].startswith("rebar-no-slopes: ")
        assert judgement.suggestions[0].endswith("(the same in all 54 tests in which it can be made; 27 more are off)")


class TestNames:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"terms.slope": [0.5]}, r"a term stands in terms, but a value is called 'terms\.slope'"),
            ({"terms": [0.5]}, "does not fit the schema at answers/0/terms"),
        ],
    )
    def test_a_term_has_its_place(self, tmp_path, value, message):
        content = right(NAME)
        content["answers"][0] |= value
        with pytest.raises(VectorsError, match=message):
            judged(tmp_path, content)

    def test_the_worst_example_is_shown_in_digits_that_differ(self, tmp_path):
        content = right(NAME)
        for answer, off in zip(content["answers"], (1e-12, 3e-12), strict=False):
            answer["value"] += off
        (judgement,) = judged(tmp_path, content)
        assert judgement.worst.id == "rebar-bernoulli-2"
        given, expected = judgement.worst.reason.split()[1].rstrip(","), judgement.worst.reason.split()[3].rstrip(";")
        assert given != expected

    def test_control_characters_stay_away_from_the_terminal(self, tmp_path):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        file.write_text(file.read_text().replace('"rebar-bernoulli-1"', r'"\u001b[31m"'))
        content = right(NAME)
        content["answers"][0] |= {"id": "\x1b[31m", "gradient": [9.0]}
        (judgement,) = judged(tmp_path, content, tmp_path)
        assert "\x1b" not in str(judgement)

    def test_depth_and_size(self, tmp_path):
        content = right(NAME)
        text = json.dumps(content).replace('"gradient": [', '"gradient": ' + 900 * "[", 1).replace("]", 900 * "]", 1)
        with pytest.raises(VectorsError, match=r"answers\.json needs "):
            judged(tmp_path, text)
        for huge in ("1e400", "-1e400", "1" + 400 * "0"):
            text = json.dumps(content).replace(json.dumps(content["answers"][0]["value"]), huge, 1)
            (judgement,) = judged(tmp_path, text)
            assert judgement.outcome == "wrong"
            assert "no finite number" in judgement.failures[0].reason


class TestBadParameters:
    @pytest.mark.parametrize(
        ("path", "to"),
        [
            (("groups", 0, "parameters", "temperature"), -1.0),
            (("groups", 0, "parameters", "temperature"), [1.0, 2.0]),
            (("groups", 0, "parameters", "tau"), 1.0),
            (("groups", 0, "parameters", "coupled"), 1),
            (("groups", 3, "objective", "values"), [1.0, 2.0]),
        ],
    )
    def test_settings_that_make_no_estimator_are_refused(self, tmp_path, path, to):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        own = json.loads(file.read_text())
        changed(own, *path, to=to)
        file.write_text(json.dumps(own))
        with pytest.raises(VectorsError, match="has parameters or an objective that make none: "):
            load(file)

    def test_a_tolerance_without_end(self, tmp_path):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        file.write_text(file.read_text().replace('"float64": ', '"float64": 1e400, "x": ', 1))
        with pytest.raises(VectorsError, match="needs finite numbers, but has 1e400"):
            load(file)

    def test_the_gradient_is_needed_wherever_it_stands(self, tmp_path):
        write(tmp_path, [NAME])
        file = tmp_path / f"{NAME}.json"
        own = json.loads(file.read_text())
        expected = own["groups"][0]["tests"][0]["expected"]
        own["groups"][0]["tests"][0]["expected"] = {"gradient": expected.pop("gradient"), **expected}
        file.write_text(json.dumps(own))
        content = right(NAME)
        del content["answers"][0]["gradient"]
        (judgement,) = judged(tmp_path, content, tmp_path)
        assert [failure.reason for failure in judgement.failures] == ["is missing"]

    def test_another_page_is_not_replaced(self, tmp_path):
        (tmp_path / "README.md").write_text("# Mine\n")
        with pytest.raises(ValueError, match=r"needs to be a folder of its own, but has another README\.md"):
            write(tmp_path, [NAME])
        assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
