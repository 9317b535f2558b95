"""CloudEvents 1.0 over HTTP in OpenAPI: structured mode in the body, binary mode in `ce-` headers."""

from choreography import fields
from choreography.contract import AnyEvent, Commands
from choreography.fields import Field
from contracts import schemas
from contracts.components import parameter
from contracts.schemas import Json, reference

_TEXT = "^[ -~]*$"
_SOME_TEXT = "^[ -~]+$"
_BINARY = "Binary mode."
_VERSION = {"const": "1.0"}


def headers_of_any(event: AnyEvent) -> list[Json]:
    """The headers of an event in binary mode; the function reads only these."""
    required = [
        parameter(f"ce-{name}", "header", _BINARY, {"type": "string", "minLength": 1, "pattern": _SOME_TEXT})
        for name in ("id", "source", "type")
    ]
    others = [
        parameter(f"ce-{name}", "header", about, {"type": "string", "pattern": _TEXT})
        for name, about in event.attributes.items()
    ]
    return [parameter("ce-specversion", "header", _BINARY, _VERSION), *required, *others]


def body_of_any() -> Json:
    """The body of an event of whatever type and mode."""
    return {"content": {"*/*": {"schema": {"description": "Any CloudEvent, structured or binary."}}}}


def headers(commands: Commands) -> list[Json]:
    """The headers of a command in binary mode."""
    all_or_none = "Binary mode; all four of the required attributes, or none."
    trace = "Binary mode: W3C Trace Context; the trace is carried on."
    return [
        parameter("ce-specversion", "header", all_or_none, _VERSION),
        *(parameter(f"ce-{name}", "header", _BINARY, _in_header(field)) for name, field in commands.attributes.items()),
        parameter("ce-type", "header", _BINARY, {"enum": list(commands.data)}),
        parameter("ce-time", "header", _BINARY, {"type": "string", "format": "date-time"}),
        parameter("ce-traceparent", "header", trace, {"type": "string", "pattern": _TEXT}),
    ]


def _in_header(field: Field) -> Json:
    schema = schemas.sent(field)
    return schema | {"pattern": _SOME_TEXT} if schema["pattern"] == fields.PRINTABLE else schema


def body(commands: Commands) -> Json:
    """The body of a command in either mode."""
    data = [reference(body.name) for body in commands.data.values()]
    about = "In binary mode the data; without `ce-` headers a whole event, as in structured mode."
    content = {
        "application/cloudevents+json": {"schema": reference("Command")},
        "application/json": {"schema": {"description": about, "anyOf": [*data, reference("Command")]}},
    }
    return {"required": True, "content": content}


def components(commands: Commands) -> dict[str, Json]:
    """The events and their data, by name."""
    events = {type_: _event(type_, body.name, commands) for type_, body in commands.data.items()}
    command = {"oneOf": [reference(type_) for type_ in events], "discriminator": {"propertyName": "type"}}
    return {"Command": command, **events, **{body.name: schemas.body(body) for body in commands.data.values()}}


def _event(type_: str, data: str, commands: Commands) -> Json:
    return {
        "type": "object",
        "required": ["specversion", *commands.attributes, "type", "data"],
        "properties": {
            "specversion": _VERSION,
            **{name: schemas.sent(field) for name, field in commands.attributes.items()},
            "type": {"const": type_},
            "datacontenttype": {"type": "string", "examples": ["application/json"]},
            "time": dict(fields.instant.schema),
            "traceparent": {"type": "string", "description": "W3C Trace Context; the trace is carried on."},
            "data": reference(data),
        },
    }
