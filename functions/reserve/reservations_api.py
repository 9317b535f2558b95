"""The resource `reservations` over HTTP."""

from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Row, select

import accepted_commands
import reservations
from airline import ids
from airline.events import AIRLINE, Event
from airline.values import SEATS
from choreography import conditions, fields, hal, idempotency, outbox, paging, store, web
from choreography.fields import Field
from reservations import RESERVATIONS

PAYMENT_METHODS = ("accept", "decline", "slow")

app = web.api("reserve", Path(__file__).with_name("reservations.openapi.json"), sagas=AIRLINE)

_COLUMNS = {
    "reservationId": RESERVATIONS.c.id,
    "customerId": RESERVATIONS.c.customer_id,
    "flightId": RESERVATIONS.c.flight_id,
    "seatQty": RESERVATIONS.c.seat_qty,
    "reserveDate": RESERVATIONS.c.reserve_date,
    "paymentMethod": RESERVATIONS.c.payment_method,
    "status": RESERVATIONS.c.status,
    "reason": RESERVATIONS.c.reason,
    "createdAt": RESERVATIONS.c.created_at,
    "expiresAt": RESERVATIONS.c.expires_at,
    "owedSince": RESERVATIONS.c.owed_since,
}
_SORTABLE = {
    name: _COLUMNS[name] for name in ("customerId", "flightId", "seatQty", "reserveDate", "status", "createdAt")
}
_SORTABLE["id"] = RESERVATIONS.c.id
_FILTERS = {
    "customerId": Field(fields.IDENTITY, None),
    "flightId": Field(fields.IDENTITY, None),
    "status": Field(fields.one_of("PENDING", "SUCCEED", "CANCELED"), None),
}


def wanted(body: object) -> dict[str, Any]:
    """The columns that a client has set; `status` and the rest are the server's. Raises Invalid.

    Without a `reserve_date` it is for `reservations.place` to say which day it is.
    """
    spec = {
        "customerId": Field(fields.IDENTITY),
        "flightId": Field(fields.IDENTITY),
        "seatQty": Field(SEATS),
        "reserveDate": Field(fields.day, None),
        "paymentMethod": Field(fields.one_of(*PAYMENT_METHODS), PAYMENT_METHODS[0]),
    }
    values = fields.read(body, spec)
    return {_COLUMNS[name].name: value for name, value in values.items() if value is not None}


@app.get("/reservations")
def list_reservations() -> Response:
    page = paging.asked(request, _SORTABLE)
    query = paging.filtered(select(RESERVATIONS), fields.read(request.args, _FILTERS), _COLUMNS)
    with store.reading() as connection:
        rows, total = paging.rows(connection, query, page, _SORTABLE)
    return hal.collection(request, "reservations", map(_as_resource, rows), page, total)


@app.post("/reservations")
def reserve() -> Response:
    columns = wanted(web.json_object(request))
    identity = ids.random_reservation_id()

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        row = reservations.place(identity, columns, transaction)
        return conditions.created(_as_resource(row)), reservations.placed(row)

    return idempotency.carry_out(request, work, reservations.SOURCE)


@app.get("/reservations/<identity>")
def read_reservation(identity: str) -> Response:
    with store.reading() as connection:
        row = reservations.find(identity, connection)
    return conditions.read(request, _as_resource(row))


@app.patch("/reservations/<identity>")
def change_reservation(identity: str) -> Response:
    spec = {
        "status": Field(fields.one_of("CANCELED")),
        "reason": Field(fields.text(), reservations.CANCELED_BY_CUSTOMER),
    }
    reason = fields.read(web.json_object(request), spec)["reason"]

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(reservations.locked(identity, transaction)))
        canceled = reservations.cancel(identity, reason, transaction)
        return conditions.written(_as_resource(reservations.find(identity, transaction))), canceled

    return idempotency.carry_out(request, work, reservations.SOURCE)


@app.delete("/reservations/<identity>")
def cancel_reservation(identity: str) -> Response:
    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(reservations.locked(identity, transaction)))
        canceled = reservations.cancel(identity, reservations.CANCELED_BY_CUSTOMER, transaction)
        return Response(status=204), canceled

    return idempotency.carry_out(request, work, reservations.SOURCE)


@app.get("/outbox")
def read_outbox() -> Response:
    return hal.answer(outbox.unsent() | accepted_commands.waiting())


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    values = {name: row._mapping[column] for name, column in _COLUMNS.items()}
    by_event = row.requested_id is not None
    values["requestedBy"] = {"source": row.requested_source, "id": row.requested_id} if by_event else None
    resource = hal.item(request, f"/reservations/{row.id}", "reservation", values)
    if not hal.is_at_the_gateway(request):  # both belong to other functions
        return resource
    here = hal.base_url(request)
    resource["_links"]["events"] = {"href": f"{here}/reservations/{row.id}/events"}
    if row.status == "CANCELED":
        resource["_links"]["alternatives"] = {"href": f"{here}/flights?minSeats={row.seat_qty}&sort=takeoffDate"}
    return resource
