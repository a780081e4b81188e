"""The schema: valid itself, complete, closed; and what a report begins with."""

import dataclasses
import json
import re

import jsonschema
import pytest

import refgrad
from refgrad.testing import Cause, Diagnosis, Verdict
from refgrad.testing._quality import Quality
from refgrad.testing.built_in import Row
from refgrad.testing.comparison import Curve
from refgrad.testing.report import begin, schema
from refgrad.testing.vectors import Judgement

DEFS = schema()["$defs"]


def test_the_schema_keeps_to_its_own():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema()["$id"] == "urn:refgrad:report:1"
    with pytest.raises(jsonschema.SchemaError):
        jsonschema.Draft202012Validator.check_schema(schema() | {"type": "dict"})


def test_each_schema_is_a_copy():
    schema()["$defs"].clear()
    assert schema()["$defs"] == DEFS


@pytest.mark.parametrize("command", ["verify", "compare", "vectors", "pytest"])
def test_a_report_begins(command):
    expected = {"format": "refgrad-report", "schema": 1, "version": refgrad.__version__, "command": command}
    assert begin(command) == expected
    assert expected.keys() <= DEFS[command]["properties"].keys()


def test_no_other_command():
    message = "a report needs the command verify, compare, vectors or pytest, but is of 'judge'"
    with pytest.raises(ValueError, match=re.escape(message)):
        begin("judge")


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("verdict", Verdict, {"test"}),
        ("diagnosis", Diagnosis, set()),
        ("cause", Cause, set()),
        ("row", Row, {"bias"}),
        ("judgement", Judgement, {"outcome", "first_off"}),
        ("curve", Curve, set()),
        ("quality", Quality, {"total_bias", "relative_bias", "standard_deviation", "rms", "ratio", "crossover"}),
    ],
)
def test_the_fields_are_those_of_the_class(name, kind, more):
    fields = {field.name for field in dataclasses.fields(kind)}
    assert set(DEFS[name]["properties"]) == fields | more
    assert set(DEFS[name]["required"]) <= fields | more


def objects(node, path="$"):
    """Every schema of an object with properties, below a node."""
    if isinstance(node, dict):
        if "properties" in node and node.get("type") == "object" and path != "$":
            yield path, node
        for key, value in node.items():
            yield from objects(value, f"{path}.{key}")


def described(rule):
    """Whether a schema, or what it refers to, says what it is."""
    target = DEFS[rule["$ref"].rsplit("/", 1)[1]] if "$ref" in rule else {}
    return bool(rule.get("description") or target.get("description"))


def test_every_object_is_closed_and_every_field_described():
    found = dict(objects(schema()))
    assert len(found) == 16
    for path, node in found.items():
        assert node["additionalProperties"] is False, path
        undescribed = [k for k, v in node["properties"].items() if "const" not in v and not described(v)]
        assert not (set(undescribed) - {"right", "wrong", "undecided"}), path


def test_a_field_without_words_is_seen():
    assert not described({"$ref": "#/$defs/count"})
    assert not described({"type": "string"})


def test_every_reference_leads_somewhere():
    names = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema())))
    assert names <= DEFS.keys()
    assert DEFS.keys() - names == set()
