"""What may change in an event between two releases, and what may not."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airline.events import BY_TYPE
from contracts import compatibility, events
from testbed.project import ROOT

NOW = {type_: events.schema(word) for type_, word in BY_TYPE.items()}
EACH_FIELD = [(type_, name) for type_, schema in NOW.items() for name in schema["properties"]]
each_field = pytest.mark.parametrize(("type_", "name"), EACH_FIELD)
each_event = pytest.mark.parametrize("type_", NOW)


def changed(type_: str) -> dict[str, Any]:
    return copy.deepcopy(NOW)[type_]


def found(type_: str, schema: dict[str, Any]) -> str:
    (sentence,) = compatibility.breaks({type_: NOW[type_]}, {type_: schema})
    return sentence


def test_no_event_of_today_breaks_consumers_of_the_last_release() -> None:
    assert compatibility.released(ROOT)
    assert compatibility.breaks(compatibility.released(ROOT), NOW) == []


@each_event
def test_the_example_of_an_event_fits_its_schema(type_: str) -> None:
    schema = NOW[type_]
    Draft202012Validator.check_schema(schema)

    for example in schema["examples"]:
        assert list(Draft202012Validator(schema).iter_errors(example)) == []
        assert example.keys() == schema["properties"].keys()


@each_event
def test_an_event_that_is_gone_breaks_its_consumers(type_: str) -> None:
    (sentence,) = compatibility.breaks({type_: NOW[type_]}, {})

    assert sentence.startswith(f"{type_} is gone")


@each_field
def test_a_field_that_is_gone_breaks_consumers(type_: str, name: str) -> None:
    schema = changed(type_)
    del schema["properties"][name]
    schema["required"] = [one for one in schema["required"] if one != name]

    assert found(type_, schema).startswith(f"{type_}.{name} is gone")


def meanings(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same field with another type, and with each of its bounds and words changed."""
    yield {"type": "boolean"}
    for bound in ("minimum", "maximum", "minLength", "maxLength", "maxItems"):
        if bound in schema:
            yield schema | {bound: schema[bound] + 1}
            yield schema | {bound: schema[bound] - 1}
            yield {key: value for key, value in schema.items() if key != bound}
    if "enum" in schema:
        yield schema | {"enum": schema["enum"][1:]}
        yield schema | {"enum": [*schema["enum"], "LOST"]}


@each_field
def test_a_field_that_means_something_else_breaks_consumers(type_: str, name: str) -> None:
    for meaning in meanings(NOW[type_]["properties"][name]):
        schema = changed(type_)
        schema["properties"][name] = meaning

        assert found(type_, schema).startswith(f"{type_}.{name} means something else now"), meaning


@each_field
def test_a_field_changes_between_required_and_optional_only_with_a_sentence(type_: str, name: str) -> None:
    schema = changed(type_)
    required = name in schema["required"]
    schema["required"] = [one for one in schema["required"] if one != name] if required else [*schema["required"], name]

    sentence = f"{type_}.{name} may be absent now" if required else f"{type_}.{name} is required now"
    assert found(type_, schema).startswith(sentence)


@each_event
def test_a_new_field_may_not_be_required(type_: str) -> None:
    schema = changed(type_)
    schema["properties"]["seatNumbers"] = {"type": "string"}
    schema["required"].append("seatNumbers")

    assert found(type_, schema).startswith(f"{type_}.seatNumbers is required now")


@each_event
def test_a_new_optional_field_passes_with_a_new_version(type_: str) -> None:
    schema = changed(type_)
    schema["properties"]["seatNumbers"] = {"type": "string"}
    assert found(type_, schema).endswith("raise `version` in its class.")

    schema["$id"] = schema["$id"].removesuffix("1") + "2"
    assert compatibility.breaks({type_: NOW[type_]}, {type_: schema}) == []


@each_event
def test_better_words_for_people_are_no_change(type_: str) -> None:
    schema = changed(type_) | {"description": "Said better.", "examples": []}

    assert compatibility.breaks({type_: NOW[type_]}, {type_: schema}) == []


def test_a_new_event_passes() -> None:
    assert compatibility.breaks({}, NOW) == []


def test_what_is_released_is_json_schema() -> None:
    for schema in compatibility.released(ROOT).values():
        Draft202012Validator.check_schema(json.loads(json.dumps(schema)))
