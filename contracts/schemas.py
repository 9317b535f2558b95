"""JSON Schemas (2020-12) of what the code reads and shows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Date, Integer, String, Text

from choreography import fields
from choreography.columns import Instant, LongText
from choreography.contract import Body, Collection, Shape, Shown
from choreography.fields import ABSENT, Field, Reader

Json = dict[str, Any]

_TYPES: list[tuple[tuple[type, ...], Mapping[str, Any]]] = [
    ((Instant,), fields.instant.schema),
    ((Date,), fields.day.schema),
    ((Boolean,), {"type": "boolean"}),
    ((Integer, BigInteger), {"type": "integer"}),
    ((String, Text, LongText), {"type": "string"}),
]


def reference(name: str, kind: str = "schemas") -> Json:
    """A reference to a shared component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def shown(value: Shown) -> Json:
    """What an answer has. Raises TypeError for a column of a type that no schema is known of."""
    column = isinstance(value.of, ColumnElement)
    schema = _of(value.of) | dict(value.reader.schema if value.reader else {})
    nullable = getattr(value.of, "nullable", False) if column and value.nullable is None else value.nullable
    if nullable:
        schema["type"] = [schema["type"], "null"]
    return _described(schema, value.about, value.examples)


def _of(source: object) -> Json:
    if isinstance(source, Reader):
        return dict(source.schema)
    if isinstance(source, Mapping):
        return dict(source)
    type_ = getattr(source, "type", None)
    for types, schema in _TYPES:
        if isinstance(type_, types):
            longest = getattr(type_, "length", None)
            return dict(schema) | ({"maxLength": longest} if longest else {})
    raise TypeError(f"{source} has the type {type_!r}, which has no JSON Schema here.")


def asked(field: Field) -> Json:
    """What a parameter of an address has: the usual form of the value, as an address has text only."""
    return _with_default(dict(field.read.schema), field)


def sent(field: Field) -> Json:
    """What a body may have: the usual form, and also the digits of a number, or an instant for its day."""
    schema = dict(field.read.schema)
    if schema.get("type") == "integer":
        digits = digits_between(schema["minimum"], schema["maximum"])
        schema |= {"type": ["integer", "string"], "pattern": digits}
    if schema.get("format") == "date":
        schema = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}
        schema["examples"] = ["2025-12-25", "2025-12-25T00:00:00.000+00:00"]
    return _described(_with_default(schema, field), field.about, field.examples)


def digits_between(minimum: int, maximum: int) -> str:
    """A pattern of digits that are surely within the bounds: fewer than the maximum has, or a round maximum."""
    most = len(str(maximum)) - 1
    fewer = f"[0-9]{{1,{most}}}" if minimum == 0 else f"[1-9][0-9]{{0,{most - 1}}}"
    return f"^({fewer}|{maximum})$" if maximum == 10**most else f"^{fewer}$"


def body(body: Body) -> Json:
    """A JSON object that a client sends."""
    schema: Json = {"type": "object"}
    required = [name for name, field in body.fields.items() if field.default is ABSENT and not body.partial]
    if body.about:
        schema["description"] = body.about
    if required:
        schema["required"] = required
    if body.closed:
        schema["additionalProperties"] = False
    schema["properties"] = {name: sent(field) for name, field in body.fields.items()}
    if body.example:
        schema["examples"] = [dict(body.example)]
    return schema


def shapes(shape: Shape) -> dict[str, Json]:
    """An answer and what it is made of, by name."""
    found: dict[str, Json] = {}
    for part in (*shape.embeds.values(), *([shape.extends] if shape.extends else [])):
        found |= shapes(part)
    properties: Json = {name: shown(value) for name, value in shape.values.items()}
    required = list(properties)
    if shape.embeds:
        properties["_embedded"] = _embedded(shape.embeds)
        required.append("_embedded")
    if shape.links or shape.some_links:
        properties["_links"] = _links(shape)
        required += ["_links"] if shape.links else []
    schema: Json = {"allOf": [reference(shape.extends.name)]} if shape.extends else {"type": "object"}
    if shape.about:
        schema["description"] = shape.about
    if properties:
        schema |= {"required": required, "properties": properties}
    return found | {shape.name: schema}


def _embedded(parts: Mapping[str, Shape]) -> Json:
    lists = {name: {"type": "array", "minItems": 1, "items": reference(part.name)} for name, part in parts.items()}
    return {"type": "object", "required": list(parts), "properties": lists}


def _links(shape: Shape) -> Json:
    schema: Json = {"type": "object"}
    if shape.about_links:
        schema["description"] = shape.about_links
    # an item without links of its own has those to its subject, or none at all
    schema["required"] = list(shape.links or shape.some_links)
    schema["properties"] = {name: reference("Link") for name in (*shape.links, *shape.some_links)}
    return schema


def collection(collection: Collection) -> dict[str, Json]:
    """A page of things and what it is made of, by name."""
    items: Json = {"type": "array", "items": reference(collection.of.name)}
    if collection.most:
        items["maxItems"] = collection.most
    embedded = {"type": "object", "required": [collection.plural], "properties": {collection.plural: items}}
    page = {
        "type": "object",
        "required": ["_embedded", "_links", "page"],
        "properties": {"_embedded": embedded, "_links": reference("PageLinks"), "page": reference("Page")},
    }
    return shapes(collection.of) | {name_of(collection): page}


def name_of(answer: Shape | Collection) -> str:
    """The name of its component."""
    return answer.plural[0].upper() + answer.plural[1:] if isinstance(answer, Collection) else answer.name


def _with_default(schema: Json, field: Field) -> Json:
    return schema if field.default in (ABSENT, None) else schema | {"default": field.default}


def _described(schema: Json, about: str, examples: object) -> Json:
    described = {"description": about} if about else {}
    return schema | described | ({"examples": list(examples)} if examples else {})  # type: ignore[call-overload]
