"""The OpenAPI 3.1 document of each HTTP function: its routes, with what choreography/contract.py says about them."""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

from apispec import APISpec
from flask import Flask
from werkzeug.routing import IntegerConverter, Rule

from choreography import contract, fields, paging
from choreography.contract import AnyEvent, Body, Collection, Commands, Document, Operation
from contracts import cloudevents, components, schemas
from contracts.components import PARAMETERS, REFUSALS, parameter
from contracts.schemas import Json, reference

VERSION = "1.0.0"
LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_LENGTH = re.compile(r"\[\^/\]\{([0-9]+)\}")


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """Every document is next to its routes: <resource>_api.py has <resource>.openapi.json."""
    for path, app in chain(apps(root), apps_of_others(root)):
        target = path.with_name(path.name.removesuffix("_api.py") + ".openapi.json")
        yield target.relative_to(root), json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"


def apps(root: Path) -> Iterator[tuple[Path, Flask]]:
    """Every file that has routes, with its application."""
    for path in _with_routes(root, "functions/*/*_api.py"):
        yield path, _imported(path, path.parent).app


def apps_of_others(root: Path) -> Iterator[tuple[Path, Flask]]:
    """As `apps`, of those to which no gateway leads, such as a server that is somebody else's."""
    for path in _with_routes(root, "functions/*/*/*_api.py"):
        yield path, _imported(path, path.parent.parent).app


def _with_routes(root: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(root.glob(pattern)) if "web.api(" in path.read_text("utf-8")]


def _imported(path: Path, folder: Path) -> Any:
    # folders of functions are not packages: an image has only one of them, on Python's path
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(".".join(path.relative_to(folder).with_suffix("").parts))


def document(app: Flask) -> Json:
    """The document of one application."""
    about: Document = app.extensions[contract.EXTENSION]
    info = {"description": f"{about.about} {components.MANNERS}", "license": LICENSE}
    spec = APISpec(about.title, VERSION, "3.1.0", info=info, servers=[{"url": "/"}])
    routes = list(_routes(app, about))
    for path, method, route, parts in routes:
        spec.path(path=path, operations={method: _operation(route, parts)})
    _add_components(spec, [contract.promised(route) for _, _, route, _ in routes], about)
    made: Json = json.loads(json.dumps(spec.to_dict()))  # plain dicts: some are ordered ones
    return {"openapi": made.pop("openapi"), "info": made.pop("info"), "servers": made.pop("servers")} | made


def _routes(app: Flask, about: Document) -> Iterator[tuple[str, str, Callable[..., Any], list[Json]]]:
    for (method, path), route in about.elsewhere.items():
        yield path, method, route, []
    shared = {"openapi", "ready"}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint in shared):
        path = re.sub(r"<(?:[^<>:]+:)?(\w+)>", lambda found: f"{{{about.parameters[found[1]].name}}}", rule.rule)
        parts = [_part(rule, name, about) for name in sorted(rule.arguments)]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield path, method.lower(), app.view_functions[rule.endpoint], parts


def _part(rule: Rule, name: str, about: Document) -> Json:
    converter, part = rule._converters[name], about.parameters[name]
    length = _LENGTH.fullmatch(converter.regex)
    if isinstance(converter, IntegerConverter):
        schema = dict(fields.IDENTITY.schema)
    elif length:
        schema = {
            "type": "string",
            "minLength": int(length[1]),
            "maxLength": int(length[1]),
            "pattern": "^[^\\u0000/]*$",
        }
    else:
        schema = {"type": "string", "pattern": "^[^\\u0000]*$"}
    examples = {"examples": list(part.examples)} if part.examples else {}
    return parameter(part.name, "path", part.about, schema | examples, required=True)


def _operation(route: Callable[..., Any], parts: list[Json]) -> Json:
    operation = contract.promised(route)
    summary, _, description = inspect.cleandoc(route.__doc__ or "").partition("\n")
    made: Json = {"operationId": operation.name or fields.camel(route.__name__), "summary": summary}
    made["x-access"] = operation.access.value
    if description.strip():
        made["description"] = " ".join(description.split())
    if parameters := [*_parameters(operation), *parts]:
        made["parameters"] = parameters
    if operation.body:
        made["requestBody"] = _body(operation.body)
    made["responses"] = {str(status): answer for status, answer in sorted(_answers(operation, parts).items())}
    return made


def _parameters(operation: Operation) -> list[Json | str]:
    """Each as it is, or the name of a shared one."""
    found: list[Json | str] = []
    if operation.conditional:
        found += ["If-Match", "If-None-Match"]
    if operation.repeatable:
        found.append("Idempotency-Key")
    query = dict(operation.query)
    if isinstance(operation.answers, Collection) and operation.answers.paged:
        found += [*(name.capitalize() for name in paging.TABLE), _sort(operation.answers)]
        query |= operation.answers.filters
    found += [parameter(name, "query", field.about, schemas.asked(field)) for name, field in query.items()]
    if isinstance(operation.body, Commands):
        found += cloudevents.headers(operation.body)
    if isinstance(operation.body, AnyEvent):
        found += cloudevents.headers_of_any(operation.body)
    return found


def _sort(collection: Collection) -> Json:
    pattern = f"^({'|'.join(collection.sorts)})(,(asc|desc))?$"
    return parameter(
        "sort",
        "query",
        f"A field, or a field and a direction; may be repeated, up to {paging.MOST_SORTS} times.",
        {"type": "array", "maxItems": paging.MOST_SORTS, "items": {"type": "string", "pattern": pattern}},
        example=[f"{collection.sorts[0]},desc"],
        style="form",
        explode=True,
    )


def _body(body: Body | Commands | AnyEvent) -> Json:
    if isinstance(body, Commands):
        return cloudevents.body(body)
    if isinstance(body, AnyEvent):
        return cloudevents.body_of_any()
    return {"required": True, "content": {"application/json": {"schema": reference(body.name)}}}


def _answers(operation: Operation, parts: list[Json]) -> dict[int, Json]:
    refused = {status: reference(REFUSALS[status][0], "responses") for status in _refused(operation, bool(parts))}
    said = {status: components.refusal(words) for status, words in operation.refuses.items()}
    unchanged = {"description": "The client has it already (If-None-Match).", "headers": _headers("ETag")}
    reading = operation.conditional and not operation.repeatable
    return {_status(operation): _success(operation)} | ({304: unchanged} if reading else {}) | refused | said


def _refused(operation: Operation, has_parts: bool) -> set[int]:
    """The refusals that follow from what an operation reads."""
    is_list = isinstance(operation.answers, Collection) and operation.answers.paged
    reads_body = isinstance(operation.body, Body | Commands)
    reasons = {
        400: True,
        503: operation.reads_database,
        404: has_parts,
        409: operation.repeatable,
        412: operation.conditional,
        413: reads_body,
        415: reads_body,
        422: reads_body or is_list or bool(operation.query) or operation.repeatable,
    }
    return {status for status, applies in reasons.items() if applies}


def _status(operation: Operation) -> int:
    return operation.status if operation.answers else HTTPStatus.NO_CONTENT.value


def _success(operation: Operation) -> Json:
    if operation.answers is None:
        return {"description": operation.about}
    is_list = isinstance(operation.answers, Collection)
    usual = "The page; an empty one keeps its empty list." if is_list else "As it is now."
    made: Json = {"description": operation.about or usual}
    if operation.conditional:
        made["headers"] = _headers("ETag")
    elif operation.status == HTTPStatus.CREATED:
        made["headers"] = _headers("ETag", "Location")
    elif operation.status == HTTPStatus.ACCEPTED:
        made["headers"] = _headers("Location")
    made["content"] = {operation.media: {"schema": reference(schemas.name_of(operation.answers))}}
    return made


def _headers(*names: str) -> Json:
    return {name: reference(name, "headers") for name in names}


def _add_components(spec: APISpec, operations: list[Operation], about: Document) -> None:
    """The components that these operations refer to, directly or by another one."""
    named = {
        "headers": components.HEADERS,
        "parameters": PARAMETERS,
        "responses": _refusals(operations, about),
        "schemas": _schemas(operations),
    }
    used = _used(json.dumps(spec.to_dict()["paths"]), named)
    for name, header in used["headers"].items():
        spec.components.header(name, header)
    for name, shared in used["parameters"].items():
        spec.components.parameter(name, shared["in"], shared)
    for name, response in used["responses"].items():
        spec.components.response(name, response)
    for name, schema in used["schemas"].items():
        spec.components.schema(name, schema)


def _refusals(operations: list[Operation], about: Document) -> dict[str, Json]:
    words = {status: text for status, (_, text) in REFUSALS.items()}
    if any(operation.repeatable for operation in operations):
        words[422] += " Also an Idempotency-Key that was used for another request."
    words |= about.refuses
    return {REFUSALS[status][0]: components.refusal(text) for status, text in words.items()}


def _schemas(operations: list[Operation]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for operation in operations:
        if isinstance(operation.answers, Collection):
            found |= schemas.collection(operation.answers)
        elif operation.answers:
            found |= schemas.shapes(operation.answers)
        if isinstance(operation.body, Body):
            found[operation.body.name] = schemas.body(operation.body)
        if isinstance(operation.body, Commands):
            found |= cloudevents.components(operation.body)
    return found | components.SCHEMAS


def _used(text: str, named: dict[str, dict[str, Json]]) -> dict[str, dict[str, Json]]:
    """The components that the text refers to, directly or by another one."""
    used: set[tuple[str, str]] = set()
    waiting = [text]
    while waiting:
        for kind, name in re.findall(r'"#/components/(\w+)/([\w-]+)"', waiting.pop()):
            if (kind, name) not in used:
                used.add((kind, name))
                waiting.append(json.dumps(named[kind][name]))
    return {kind: {name: one for name, one in ones.items() if (kind, name) in used} for kind, ones in named.items()}
