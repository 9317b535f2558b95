"""The OpenAPI documents, as schemathesis reads them."""

from typing import Any

import schemathesis
from schemathesis import GenerationMode, Response
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.schemas import BaseSchema

from testbed.hosting import FUNCTIONS

Json = dict[str, Any]

FILES = {
    "reserve": "reserve/reservations.openapi.json",
    "reserve-commands": "reserve/commands.openapi.json",
    "flight-seats": "flight-seats/flights.openapi.json",
    "payment": "payment/payments.openapi.json",
    "dashboard": "dashboard-projector/dashboard.openapi.json",
    "dead-letters": "dead-letters/letters.openapi.json",
}
EXAMPLES = 50
"""How many requests are generated for each operation, in addition to those for each constraint; always the same."""


def _read(file: str) -> BaseSchema:
    generation = GenerationConfig(modes=list(GenerationMode), deterministic=True, max_examples=EXAMPLES)
    config = SchemathesisConfig(seed=1, projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    return schemathesis.openapi.from_path(FUNCTIONS / file, config=config)


DOCUMENTED = {service: _read(file) for service, file in FILES.items()}


def paths_of(service: str) -> dict[str, Json]:
    """By path, what a document says about each method."""
    paths: dict[str, Json] = DOCUMENTED[service].raw_schema["paths"]
    return paths


def undocumented(service: str, path: str, answer: Response) -> list[str]:
    """The fields of an answer that the document does not name, in however deep an object."""
    document = DOCUMENTED[service].raw_schema
    method = str(answer.request.method).lower()
    content = paths_of(service)[path][method]["responses"][str(answer.status_code)].get("content", {})
    return [name for media in content.values() for name in _unnamed(answer.json(), media["schema"], document)]


def _unnamed(value: Any, schema: Json, document: Json) -> list[str]:
    schema = _resolved(schema, document)
    if isinstance(value, list):
        return [name for item in value for name in _unnamed(item, schema.get("items", {}), document)]
    known: Json = schema.get("properties", {})
    if not isinstance(value, dict) or not known:
        return []
    inside = [name for key in value.keys() & known.keys() for name in _unnamed(value[key], known[key], document)]
    return sorted(value.keys() - known.keys()) + inside


def _resolved(schema: Json, document: Json) -> Json:
    """The schema behind a reference, with the fields of the one that it builds on."""
    if "$ref" in schema:
        return _resolved(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    properties = dict(schema.get("properties", {}))
    for base in schema.get("allOf", []):
        properties |= _resolved(base, document).get("properties", {})
    return schema | {"properties": properties}
