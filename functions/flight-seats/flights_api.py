"""The resource `flights` over HTTP; the holds on their seats and the promotions, read only."""

from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Row, select

import flights
import promotions
from airline.events import Event
from airline.settings import settings
from airline.values import CAPACITY
from choreography import conditions, fields, hal, idempotency, paging, store, web
from choreography.fields import Field
from choreography.paging import Page
from flights import FLIGHTS, HOLDS

LARGEST_COST = 10**12

app = web.api("flight-seats", Path(__file__).with_name("flights.openapi.json"))

_SPEC = {
    "flightCode": Field(fields.text(1, 20)),
    "takeoffDate": Field(fields.day),
    "cost": Field(fields.integer(0, LARGEST_COST)),
    "remainingSeatsCount": Field(CAPACITY),
}
_FILTERS = {"takeoffDate": Field(fields.day, None), "flightCode": Field(fields.text(1, 20), None)}
_CHANGE = _SPEC | {"capacity": Field(CAPACITY)}
_COLUMNS = {
    "flightCode": FLIGHTS.c.flight_code,
    "takeoffDate": FLIGHTS.c.takeoff_date,
    "cost": FLIGHTS.c.cost,
    "remainingSeatsCount": FLIGHTS.c.remaining_seats_count,
    "capacity": FLIGHTS.c.capacity,
}
_SORTABLE = _COLUMNS | {"id": FLIGHTS.c.id}
_HOLD_COLUMNS = {
    "reservationId": HOLDS.c.reservation_id,
    "flightId": HOLDS.c.flight_id,
    "seatQty": HOLDS.c.seat_qty,
    "status": HOLDS.c.status,
    "amount": HOLDS.c.amount,
}
_HOLD_FILTERS = {
    "status": Field(fields.one_of("HELD", "REFUSED", "RELEASED", "CANCELED"), None),
    "flightId": Field(fields.IDENTITY, None),
}
_HOLD_SORTABLE = {name: _HOLD_COLUMNS[name] for name in ("flightId", "seatQty", "status", "amount")} | {
    "id": HOLDS.c.reservation_id
}


@app.get("/flights")
def list_flights() -> Response:
    page = paging.asked(request, _SORTABLE)
    wanted = fields.read(request.args, {"minSeats": Field(CAPACITY, 0), **_FILTERS})
    enough = select(FLIGHTS).where(FLIGHTS.c.remaining_seats_count >= wanted.pop("minSeats"))
    query = paging.filtered(enough, wanted, _COLUMNS)
    with store.reading() as connection:
        rows, total = paging.rows(connection, query, page, _SORTABLE)
    return hal.collection(request, "flights", map(_as_resource, rows), page, total)


@app.post("/flights")
def add_flight() -> Response:
    values = _columns(fields.read(web.json_object(request), _SPEC))

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        return conditions.created(_as_resource(flights.add_flight(values, transaction))), None

    return idempotency.carry_out(request, work, flights.SOURCE)


@app.get("/flights/<int:number>")
def read_flight(number: int) -> Response:
    with store.reading() as connection:
        flight = flights.find_flight(number, connection)
    return conditions.read(request, _as_resource(flight))


@app.patch("/flights/<int:number>")
def change_flight(number: int) -> Response:
    body = web.json_object(request)
    values = _columns(fields.read(body, {name: field for name, field in _CHANGE.items() if name in body}))

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(flights.locked_flight(number, transaction)))
        return conditions.written(_as_resource(flights.change_flight(number, values, transaction))), None

    return idempotency.carry_out(request, work, flights.SOURCE)


@app.delete("/flights/<int:number>")
def remove_flight(number: int) -> Response:
    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(flights.locked_flight(number, transaction)))
        flights.remove_flight(number, transaction)
        idempotency.forget(f"/flights/{number}", transaction)
        return Response(status=204), None

    return idempotency.carry_out(request, work, flights.SOURCE)


@app.get("/holds")
def list_holds() -> Response:
    page = paging.asked(request, _HOLD_SORTABLE)
    query = paging.filtered(select(HOLDS), fields.read(request.args, _HOLD_FILTERS), _HOLD_COLUMNS)
    with store.reading() as connection:
        rows, total = paging.rows(connection, query, page, _HOLD_SORTABLE)
    return hal.collection(request, "holds", map(_as_hold, rows), page, total)


@app.get("/promotions")
def list_promotions() -> Response:
    found = promotions.read(settings().promotions_folder)
    everything = Page(number=0, size=promotions.MOST, sort=())
    return hal.collection(request, "promotions", (one._asdict() for one in found), everything, len(found))


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {_COLUMNS[name].name: value for name, value in values.items()}


def _as_resource(flight: Row[Any]) -> dict[str, Any]:
    values = {name: flight._mapping[column] for name, column in _COLUMNS.items()}
    return hal.item(request, f"/flights/{flight.id}", "flight", {"flightId": flight.id} | values)


def _as_hold(hold: Row[Any]) -> dict[str, Any]:
    values = {name: hold._mapping[column] for name, column in _HOLD_COLUMNS.items()}
    return hal.entry(request, values, "reservation", f"/reservations/{hold.reservation_id}")
