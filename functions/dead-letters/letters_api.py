"""Dead letters over HTTP: to be read, replayed and discarded."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Row, select

import letters
import replay
import retention
from choreography import clock, conditions, fields, hal, paging, store, web
from choreography.errors import Invalid
from choreography.fields import Field
from letters import LETTERS

app = web.api("dead-letters", Path(__file__).with_name("letters.openapi.json"))

_COLUMNS = {
    "eventId": LETTERS.c.event_id,
    "type": LETTERS.c.type,
    "source": LETTERS.c.source,
    "reservationId": LETTERS.c.reservation_id,
    "function": LETTERS.c.function,
    "destination": LETTERS.c.destination,
    "status": LETTERS.c.status,
    "note": LETTERS.c.note,
    "decidedAt": LETTERS.c.decided_at,
    "code": LETTERS.c.code,
    "reason": LETTERS.c.reason,
    "times": LETTERS.c.times,
    "firstAt": LETTERS.c.first_at,
    "lastAt": LETTERS.c.last_at,
}
_SORTABLE = {name: _COLUMNS[name] for name in ("lastAt", "firstAt", "type", "times")} | {"id": LETTERS.c.id}
_KINDS = {name: _COLUMNS[name].name for name in ("reservationId", "type", "function")}
_KIND = {name: Field(fields.text(0, letters.LONGEST), None) for name in _KINDS}
_FILTERS = {"status": Field(fields.one_of("OPEN", "REPLAYED", "DISCARDED", "SETTLED"), None)}


@app.after_request
def prune(response: Response) -> Response:
    if request.method == "POST" and response.status_code == HTTPStatus.OK:  # something was decided
        retention.prune()
    return response


@app.get("/dead-letters")
def list_letters() -> Response:
    page = paging.asked(request, _SORTABLE)
    wanted = fields.read(request.args, _FILTERS) | {name: request.args.get(name) or None for name in _KINDS}
    query = paging.filtered(select(LETTERS), wanted, _COLUMNS)
    with store.reading() as connection:
        rows, total = paging.rows(connection, query, page, _SORTABLE)
    return hal.collection(request, "deadLetters", map(_as_resource, rows), page, total)


@app.get("/dead-letters/<string(length=32):identity>")
def read_letter(identity: str) -> Response:
    with store.reading() as connection:
        letter = letters.find(identity, connection)
    return conditions.read(request, _whole(letter))


@app.post("/dead-letters/<string(length=32):identity>/replay")
def replay_letter(identity: str) -> Response:
    return hal.answer(_whole(replay.one(identity)))


@app.post("/dead-letters/replay")
def replay_letters() -> Response:
    body = web.json_object(request)
    if unknown := sorted(body.keys() - _KIND - {"before"}):  # misspelt, it would let everything through
        raise Invalid("Only " + ", ".join(_KINDS) + " can be asked for.", dict.fromkeys(unknown, "is not known here"))
    asked = fields.read(body, _KIND | {"before": Field(fields.instant, clock.now())})
    before = asked.pop("before")
    done = replay.all_open({_KINDS[name]: value for name, value in asked.items() if value is not None}, before)
    return hal.answer({"replayed": done.replayed, "remaining": done.remaining, "before": clock.text(done.before)})


@app.post("/dead-letters/<string(length=32):identity>/discard")
def discard_letter(identity: str) -> Response:
    note = fields.read(web.json_object(request), {"note": Field(fields.text(1, letters.LONGEST_NOTE))})["note"]
    return hal.answer(_whole(store.commit(lambda transaction: letters.discard(identity, note, transaction))))


def _whole(letter: Row[Any]) -> dict[str, Any]:
    whole = {"attributes": json.loads(letter.attributes), "data": letters.data_of(letter)}
    return _as_resource(letter) | whole


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    values = {name: row._mapping[column] for name, column in _COLUMNS.items()}
    return hal.item(request, f"/dead-letters/{row.id}", "deadLetter", {"id": row.id} | values)
