"""Whether the clients of the last release can still use an API, by its OpenAPI document.

What a client sends must still be accepted, so what is read may only become wider. A client must understand what it
gets, so what is answered may only become narrower, or have more fields: clients ignore unknown ones. Any other change
needs a new path, or a new optional field in addition to the old one.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

RELEASED = Path("contracts/released/openapi")
_LEAST = {"minimum": float("-inf"), "minLength": 0, "minItems": 0}
_MOST = ("maximum", "maxLength", "maxItems")
_AS_IT_IS = ("pattern", "format")
_CHOICES = ("anyOf", "oneOf")


def released(root: Path) -> dict[str, Json]:
    """The documents of the last release, by the names of their files."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted((root / RELEASED).glob("*.json"))}


def resolved(document: Json) -> Json:
    """A document with the components where they are referred to."""
    plain: Json = _resolved(document["paths"], document)
    return {"paths": plain}


def _resolved(node: Any, document: Json) -> Any:
    if isinstance(node, list):
        return [_resolved(one, document) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {key: _resolved(value, document) for key, value in node.items()}
    target: Any = document
    for step in node["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return _resolved(target, document)


def breaks(old: Json, new: Json) -> list[str]:
    """A sentence for each thing in a resolved document that breaks clients of the old one; empty: all is well."""
    return [sentence for path, verbs in old["paths"].items() for sentence in _of_path(path, verbs, new["paths"])]


def _of_path(path: str, old: Json, paths: Json) -> Iterator[str]:
    for method, operation in old.items():
        place = f"{method.upper()} {path}"
        now = paths.get(path, {}).get(method)
        if now is None:
            yield f"{place} is gone, but clients call it: keep it too."
            continue
        if operation["operationId"] != now["operationId"]:
            yield f"{place} has another operationId, which generated clients use: keep {operation['operationId']}."
        yield from _of_parameters(place, operation, now)
        yield from _of_body(place, operation.get("requestBody"), now.get("requestBody"))
        for status, response in operation["responses"].items():
            yield from _of_response(f"{place} {status}", response, now["responses"].get(status))


def _of_parameters(place: str, old: Json, new: Json) -> Iterator[str]:
    before, after = _parameters(old), _parameters(new)
    for name, parameter in after.items():
        if parameter.get("required") and not before.get(name, {}).get("required"):
            yield f"{place}: {name} is required now, but clients do not send it: make it optional."
    for name, parameter in before.items():
        if name not in after:
            yield f"{place}: {name} is gone, but clients send it: keep it."
            continue
        if any(parameter.get(key) != after[name].get(key) for key in ("style", "explode")):
            yield f"{place}: {name} is written in another way: keep its style."
        yield from _taken(f"{place}: {name}", parameter["schema"], after[name]["schema"])


def _parameters(operation: Json) -> dict[str, Json]:
    return {f"{one['in']} {one['name']}": one for one in operation.get("parameters", [])}


def _of_body(place: str, old: Json | None, new: Json | None) -> Iterator[str]:
    if new and new.get("required") and not (old or {}).get("required"):
        yield f"{place}: a body is required now, but clients do not send one: make it optional."
    for media, content in (old or {}).get("content", {}).items():
        now = (new or {}).get("content", {}).get(media)
        if now is None:
            yield f"{place}: a body of {media} is not taken any more, but clients send it: keep it."
        else:
            yield from _taken(f"{place}: body", content["schema"], now["schema"])


def _of_response(place: str, old: Json, new: Json | None) -> Iterator[str]:
    if new is None:
        yield f"{place} is gone, but clients wait for it: keep it."
        return
    for name, header in old.get("headers", {}).items():
        now = new.get("headers", {}).get(name)
        if now is None or (header.get("required") and not now.get("required")):
            yield f"{place}: the header {name} is gone or may be absent, but clients read it: keep it."
        else:
            yield from _given(f"{place}: {name}", header["schema"], now["schema"])
    for media, content in old.get("content", {}).items():
        now = new.get("content", {}).get(media)
        if now is None:
            yield f"{place}: {media} is gone, but clients read it: keep it."
        else:
            yield from _given(f"{place}: answer", content["schema"], now["schema"])


def _taken(place: str, old: Json, new: Json) -> Iterator[str]:
    """What clients send."""
    if old == new:
        return
    yield from (f"{where} is gone, but clients send it: keep it." for where in _gone(place, old, new))
    for where, what in _misfits(place, old, new):
        yield f"{where} refuses what it took, or needs what was optional ({what}): take it again."
    for where in _other_defaults(place, old, new):
        yield f"{where} has another default, so a request without it means something else: keep the default."


def _given(place: str, old: Json, new: Json) -> Iterator[str]:
    """What clients get."""
    if old == new:
        return
    yield from (f"{where} is gone, but clients read it: keep it." for where in _gone(place, old, new))
    for where, what in _misfits(place, new, old):
        yield f"{where} can be absent or have a value that no client knows ({what}): add a new field instead."


def _inside(place: str, one: Json, other: Json) -> Iterator[tuple[str, Json, Json]]:
    """The schemas inside two schemas that both have, where they are not the same."""
    return ((where, before, after) for where, before, after in _of_both(place, one, other) if before != after)


def _of_both(place: str, one: Json, other: Json) -> Iterator[tuple[str, Json, Json]]:
    for name, schema in one.get("properties", {}).items():
        if name in other.get("properties", {}):
            yield f"{place}.{name}", schema, other["properties"][name]
    if "items" in one and "items" in other:
        yield f"{place}[]", one["items"], other["items"]
    for key in (*_CHOICES, "allOf"):
        for number, (schema, match) in enumerate(zip(one.get(key, []), other.get(key, []), strict=False)):
            yield f"{place}({key} {number})", schema, match


def _gone(place: str, old: Json, new: Json) -> Iterator[str]:
    yield from (f"{place}.{name}" for name in old.get("properties", {}) if name not in new.get("properties", {}))
    for where, before, after in _inside(place, old, new):
        yield from _gone(where, before, after)


def _other_defaults(place: str, old: Json, new: Json) -> Iterator[str]:
    if old.get("default") != new.get("default"):
        yield place
    for where, before, after in _inside(place, old, new):
        yield from _other_defaults(where, before, after)


def _misfits(place: str, values: Json, schema: Json) -> Iterator[tuple[str, str]]:
    """Where some of the values that one schema describes may not fit another one, and for which keyword."""
    yield from ((place, what) for what in (*_wrong_values(values, schema), *_wrong_objects(values, schema)))
    for where, inner, outer in _inside(place, values, schema):
        yield from _misfits(where, inner, outer)


def _wrong_values(values: Json, schema: Json) -> Iterator[str]:
    if "type" in schema and not _types(values) <= _types(schema):
        yield "type"
    choices = _choices(schema)
    if choices is not None and ((some := _choices(values)) is None or any(one not in choices for one in some)):
        yield "enum"
    for key, unbounded in _LEAST.items():
        if key in schema and values.get(key, unbounded) < schema[key]:
            yield key
    for key in _MOST:
        if key in schema and values.get(key, float("inf")) > schema[key]:
            yield key
    yield from (key for key in _AS_IT_IS if key in schema and values.get(key) != schema[key])


def _wrong_objects(values: Json, schema: Json) -> Iterator[str]:
    if missing := set(schema.get("required", [])) - set(values.get("required", [])):
        yield "required: " + ", ".join(sorted(missing))
    if schema.get("additionalProperties") is False and values.get("additionalProperties") is not False:
        yield "additionalProperties"
    for key in _CHOICES:
        if key in schema and not 0 < len(values.get(key, [])) <= len(schema[key]):
            yield key
    if len(schema.get("allOf", [])) > len(values.get("allOf", [])):
        yield "allOf"
    if "items" in schema and "items" not in values:
        yield "items"


def _types(schema: Json) -> set[str]:
    if "type" not in schema:
        return {"anything"}
    types = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    return types | ({"integer"} if "number" in types else set())


def _choices(schema: Json) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")
