"""The read models over HTTP: customerInfos, and the story of one reservation."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from sqlalchemy import Row

import projection
import rebuild
import timeline
from airline.events import AIRLINE
from choreography import clock, conditions, fields, hal, paging, store, web
from choreography.errors import NotFound
from choreography.fields import Field

app = web.api("dashboard", Path(__file__).with_name("dashboard.openapi.json"), sagas=AIRLINE)

_CUSTOMERS = projection.customers()
_COLUMNS = {
    "customerId": _CUSTOMERS.selected_columns.customer_id,
    "flightCount": _CUSTOMERS.selected_columns.flight_count,
    "recentReserveDate": _CUSTOMERS.selected_columns.recent_reserve_date,
    "confirmedCount": _CUSTOMERS.selected_columns.confirmed_count,
    "canceledCount": _CUSTOMERS.selected_columns.canceled_count,
}
_SORTABLE = {name: column for name, column in _COLUMNS.items() if name != "customerId"} | {
    "customerId": _COLUMNS["customerId"],
    "id": _COLUMNS["customerId"],
}


@app.get("/customerInfos")
def list_customers() -> Response:
    page = paging.asked(request, _SORTABLE)
    with store.reading() as connection:
        rows, total = paging.rows(connection, _CUSTOMERS, page, _SORTABLE)
    return hal.collection(request, "customerInfos", map(_as_resource, rows), page, total)


@app.get("/customerInfos/<int:number>")
def read_customer(number: int) -> Response:
    query = _CUSTOMERS.where(projection.RESERVATIONS.c.customer_id == number)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"Customer {number} has no reservations.")
    return conditions.read(request, _as_resource(row))


@app.post("/customerInfos/rebuild")
def rebuild_projection() -> Response:
    asked = fields.read(request.args, {"dryRun": Field(fields.one_of("true", "false"), "false")})
    return hal.answer(rebuild.rebuild(dry_run=asked["dryRun"] == "true"))


@app.get("/reservations/<identity>/events")
def list_events(identity: str) -> Response:
    with store.reading() as connection:
        history = projection.history(identity, connection)
    if not history:
        raise NotFound(f"Nothing has been heard of reservation {identity}.")
    events, waiting = timeline.story(history, clock.now())
    here = hal.base_url(request)
    links = {
        "self": {"href": f"{here}/reservations/{identity}/events"},
        "deadLetters": {"href": f"{here}/dead-letters?{urlencode({'reservationId': identity})}"},
    }
    return hal.answer(
        {"reservationId": identity, "waitsFor": waiting, "_embedded": {"events": events}, "_links": links}
    )


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    values = dict(zip(_COLUMNS, row, strict=True))
    counts = {name: int(values[name]) for name in ("flightCount", "confirmedCount", "canceledCount")}
    return hal.item(request, f"/customerInfos/{row.customer_id}", "customerInfo", values | counts)
