"""Clients of the last release can go on: whatever would break one of them is found, whatever is only added is not."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.openapi_compatibility import breaks, released, resolved

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]

RELEASED = {name: resolved(document) for name, document in released(ROOT).items()}
BEFORE = copy.deepcopy(RELEASED)
NOW = {path.name: path for path in ROOT.glob("functions/*/*.openapi.json")}
BOUNDS = {"minimum": 1, "minLength": 1, "minItems": 1, "maximum": -1, "maxLength": -1, "maxItems": -1}
ON_PURPOSE = tuple(f"{one}: body.flightCode refuses" for one in ("POST /flights", "PATCH /flights/{flightId}"))
"""What was taken by mistake and is refused now: codes with characters that nobody can see."""
Place = tuple[str, Json]
Change = Callable[[Json], object]

documents = pytest.mark.parametrize("name", RELEASED)


def without(*path: str) -> Change:
    """The change that removes what is there."""

    def change(new: Json) -> None:
        for name in path[:-1]:
            new = new[name]
        del new[path[-1]]

    return change


def with_(**values: object) -> Change:
    """The change that puts these values there."""
    return lambda new: new.update(values)


def renamed(field: str) -> Change:
    """The change that gives a field another name."""
    return lambda new: rename(new["properties"], field)


def test_every_document_of_the_release_is_still_served() -> None:
    assert RELEASED
    assert RELEASED.keys() <= NOW.keys()


@documents
def test_clients_of_the_last_release_can_go_on(name: str) -> None:
    found = breaks(RELEASED[name], resolved(json.loads(NOW[name].read_text("utf-8"))))

    assert [sentence for sentence in found if not sentence.startswith(ON_PURPOSE)] == []


@documents
def test_an_operation_that_is_gone_is_named(name: str) -> None:
    for path, verbs in RELEASED[name]["paths"].items():
        for method in verbs:
            found = after(name, without("paths", path, method))

            assert found == [f"{method.upper()} {path} is gone, but clients call it: keep it too."]


@documents
def test_an_operation_that_generated_clients_would_not_find_by_its_name_is_found(name: str) -> None:
    for place, operation in operations(RELEASED[name]):
        assert_found(name, place, lambda new: new.update(operationId=new["operationId"] + "2"), operation)


@documents
def test_a_parameter_that_is_gone_renamed_retyped_or_required_is_found(name: str) -> None:
    for place, parameter in parameters(RELEASED[name]):
        assert_found(name, place, lambda new: new.update(name="other"), parameter)
        assert_found(name, place, lambda new: new.update({"in": "cookie"}), parameter)
        assert_found(name, place, lambda new: new.update(schema={"type": "boolean"}), parameter)
        if not parameter.get("required"):
            assert_found(name, place, lambda new: new.update(required=True), parameter)


@documents
def test_a_status_a_header_or_a_media_type_that_is_gone_is_found(name: str) -> None:
    for place, operation in operations(RELEASED[name]):
        for status, response in operation["responses"].items():
            assert_found(name, place, without("responses", status), operation)
            for header in response.get("headers", {}):
                assert_found(name, place, without("headers", header), response)
                assert_found(name, place, without("required"), response["headers"][header])
            for media in response.get("content", {}):
                assert_found(name, place, without("content", media), response)
        for media in operation.get("requestBody", {}).get("content", {}):
            assert_found(name, place, without("requestBody", "content", media), operation)


@documents
def test_a_field_that_is_gone_renamed_or_retyped_is_found(name: str) -> None:
    for place, schema, _ in schemas(RELEASED[name]):
        for field, inner in schema.get("properties", {}).items():
            assert_found(name, f"{place}.{field}", without("properties", field), schema)
            assert_found(name, f"{place}.{field}", renamed(field), schema)
            if {"type", "const", "enum", "allOf"} & inner.keys():
                assert_found(name, f"{place}.{field}", retype, inner)


@documents
def test_a_new_required_field_of_a_request_and_one_that_an_answer_may_lack_are_found(name: str) -> None:
    for place, schema, is_sent in schemas(RELEASED[name]):
        required = schema.get("required", [])
        for field in schema.get("properties", {}):
            if is_sent and field not in required:
                assert_found(name, place, with_(required=[*required, field]), schema)
            if not is_sent and field in required:
                assert_found(name, place, with_(required=[one for one in required if one != field]), schema)


@documents
def test_a_narrower_range_of_a_request_and_a_wider_one_of_an_answer_are_found(name: str) -> None:
    for place, schema, is_sent in schemas(RELEASED[name]):
        for bound in BOUNDS.keys() & schema.keys():
            step = BOUNDS[bound] if is_sent else -BOUNDS[bound]
            if schema[bound] + step >= 0:
                assert_found(name, place, with_(**{bound: schema[bound] + step}), schema)
        if "enum" in schema:
            assert_found(name, place, drop_a_choice if is_sent else add_a_choice, schema)
        if "pattern" in schema:
            assert_found(name, place, lambda new: new.update(pattern="^new$"), schema)
        if "default" in schema:
            assert_found(name, place, lambda new: new.update(default="other"), schema)


@documents
def test_what_is_only_added_passes(name: str) -> None:
    def add_to(new: Json) -> None:
        for _, schema, _ in list(schemas(new)):
            if "properties" in schema and "additionalProperties" not in schema:
                schema["properties"]["added"] = {"type": "string"}
        for _, operation in operations(new):
            optional = {"name": "added", "in": "query", "schema": {"type": "string"}}
            operation.setdefault("parameters", []).append(optional)
            operation["responses"]["418"] = {"description": "New."}
            operation["summary"] = "In other words."
        new["paths"]["/added"] = {"get": {"operationId": "added", "responses": {}}}

    assert after(name, add_to) == []


@documents
def test_a_wider_range_of_a_request_and_a_narrower_one_of_an_answer_pass(name: str) -> None:
    def move(new: Json) -> None:
        for _, schema, is_sent in schemas(new):
            for bound in BOUNDS.keys() & schema.keys():
                schema[bound] += -BOUNDS[bound] if is_sent else BOUNDS[bound]
            if is_sent and "enum" in schema:
                add_a_choice(schema)

    assert after(name, move) == []


def after(name: str, change: Change) -> list[str]:
    """What is found where a document is changed so."""
    new = copy.deepcopy(RELEASED[name])
    change(new)
    return breaks(RELEASED[name], new)


def assert_found(name: str, place: str, change: Change, part: Json) -> None:
    """Changes a part of an operation of the released document, expects a sentence, and puts the part back."""
    method, path = place.split()[:2]
    old, new = (
        {"paths": {path: {method.lower(): document[name]["paths"][path][method.lower()]}}}
        for document in (BEFORE, RELEASED)
    )
    kept = list(containers(part))
    try:
        change(part)
        assert breaks(old, new), f"{place} was changed without a complaint"
    finally:
        for container, content in kept:
            container.clear()
            container.update(content) if isinstance(container, dict) else container.extend(content)


def containers(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every object and list in a part, with a copy of what is in it."""
    if isinstance(node, dict | list):
        yield node, copy.copy(node)
        for inner in node.values() if isinstance(node, dict) else node:
            yield from containers(inner)


def operations(document: Json) -> Iterator[Place]:
    """Every operation, by method and path."""
    for path, verbs in document["paths"].items():
        for method, operation in verbs.items():
            yield f"{method.upper()} {path}", operation


def parameters(document: Json) -> Iterator[Place]:
    """Every parameter of every operation."""
    for place, operation in operations(document):
        for parameter in operation.get("parameters", []):
            yield f"{place} {parameter['name']}", parameter


def schemas(document: Json) -> Iterator[tuple[str, Json, bool]]:
    """Every schema in every operation, and whether clients send what it describes."""
    for place, operation in operations(document):
        for parameter in operation.get("parameters", []):
            yield from (
                (where, one, True) for where, one in inside(f"{place} {parameter['name']}", parameter["schema"])
            )
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield from ((where, one, True) for where, one in inside(f"{place} body", content["schema"]))
        for status, response in operation["responses"].items():
            for part in (*response.get("content", {}).values(), *response.get("headers", {}).values()):
                yield from ((where, one, False) for where, one in inside(f"{place} {status}", part["schema"]))


def inside(place: str, schema: Json) -> Iterator[Place]:
    """A schema and those in it."""
    yield place, schema
    for name, inner in schema.get("properties", {}).items():
        yield from inside(f"{place}.{name}", inner)
    for inner in [schema["items"]] if "items" in schema else []:
        yield from inside(f"{place}[]", inner)
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(key, []):
            yield from inside(f"{place} {key}", inner)


def rename(fields: Json, name: str) -> None:
    """The field under another name."""
    fields["renamed"] = fields.pop(name)


def retype(schema: Json) -> None:
    """A schema of another type, which none of its values has."""
    types = schema.get("type", [])
    schema.clear()
    schema["type"] = "string" if "boolean" in types else "boolean"


def drop_a_choice(schema: Json) -> None:
    """One word less."""
    schema["enum"].pop()


def add_a_choice(schema: Json) -> None:
    """One word more."""
    schema["enum"].append("NEW")
