"""What the gateway shows at /docs: each OpenAPI document with the paths of the gateway, and the AsyncAPI document.

They are files of the page, so that whoever reads them wakes no function.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from contracts import asyncapi, openapi
from contracts.schemas import Json

FOLDER = Path("gateway/web/contracts")
OWN = {"/", "/healthz"}
"""What a function has for the broker and for probes; the gateway leads nobody there."""


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """By file: a document for each HTTP function, their list, and the description of the events."""
    documents = {app.name: openapi.document(app) for _, app in openapi.apps(root)}
    for name, document in documents.items():
        yield FOLDER / "openapi" / f"{name}.json", _text(through_the_gateway(document, name))
    yield (
        FOLDER / "openapi.json",
        _text([{"name": name, "title": one["info"]["title"]} for name, one in documents.items()]),
    )
    yield FOLDER / "asyncapi.json", _text(asyncapi.document())
    for path, text in asyncapi.made():
        yield FOLDER / path.name, text


def through_the_gateway(document: Json, name: str) -> Json:
    """The document of the function `name`, with the paths by which the gateway leads to it."""
    moved = {"/outbox": f"/outbox/{name}", "/openapi.json": f"/openapi/{name}.json"}
    paths = {moved.get(path, path): verbs for path, verbs in document["paths"].items() if path not in OWN}
    return document | {"paths": paths}


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
