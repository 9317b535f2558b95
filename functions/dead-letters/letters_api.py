"""Dead letters over HTTP, read only."""

import json
from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Row, select

import letters
from airline import hal, paging, store, web
from airline.errors import NotFound
from letters import LETTERS

app = web.api("dead-letters", Path(__file__).with_name("letters.openapi.json"))

_COLUMNS = {
    "eventId": LETTERS.c.event_id,
    "type": LETTERS.c.type,
    "source": LETTERS.c.source,
    "reservationId": LETTERS.c.reservation_id,
    "function": LETTERS.c.function,
    "code": LETTERS.c.code,
    "reason": LETTERS.c.reason,
    "times": LETTERS.c.times,
    "firstAt": LETTERS.c.first_at,
    "lastAt": LETTERS.c.last_at,
}
_SORTABLE = {name: _COLUMNS[name] for name in ("lastAt", "firstAt", "type", "times")} | {"id": LETTERS.c.id}
_FILTERS = {name: _COLUMNS[name] for name in ("reservationId", "type", "function")}


@app.get("/dead-letters")
def list_letters() -> Response:
    page = paging.asked(request, _SORTABLE)
    query = select(LETTERS)
    for name, column in _FILTERS.items():
        if wanted := request.args.get(name):
            query = query.where(column == wanted)
    with store.reading() as connection:
        rows, total = paging.rows(connection, query, page, _SORTABLE)
    return hal.collection(request, "deadLetters", map(_as_resource, rows), page, total)


@app.get("/dead-letters/<identity>")
def read_letter(identity: str) -> Response:
    with store.reading() as connection:
        letter = letters.find(identity, connection)
    if letter is None:
        raise NotFound(f"There is no dead letter {identity}.")
    whole = {"attributes": json.loads(letter.attributes), "data": json.loads(letter.data)}
    return hal.answer(_as_resource(letter) | whole)


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    values = {name: row._mapping[column] for name, column in _COLUMNS.items()}
    return hal.item(request, f"/dead-letters/{row.id}", "deadLetter", {"id": row.id} | values)
