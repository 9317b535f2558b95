"""The resource `flights` over HTTP; the holds on their seats and the promotions, read only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Row, select

import flights
import promotions
from airline.events import Event
from airline.settings import settings
from airline.values import CAPACITY, SEATS
from choreography import audit, bulk, conditions, contract, fields, hal, idempotency, resources, store, web
from choreography.contract import Access, Body, Collection, Document, Operation, Parameter, Shape, Shown
from choreography.fields import Field
from choreography.paging import Found, Page
from choreography.resources import Filter, Resource
from flights import FLIGHTS, HOLDS

LARGEST_COST = 10**12
MOST_ROWS = 500
"""Of one import, which then takes a tenth of a second."""
CODE = fields.name(20)
ANY_CODE = fields.text(1, 20)
"""What a flight of an earlier release may have."""
COUNT = fields.integer(0)
COST = fields.integer(0, LARGEST_COST)
HOLD_STATUS = fields.one_of("HELD", "REFUSED", "RELEASED", "CANCELED")

app = web.api(
    "flight-seats",
    Path(__file__).with_name("flights.openapi.json"),
    Document(
        "Flights",
        "Flights and how many seats remain. Seats are taken and given back by events alone.",
        {"number": Parameter("flightId", "The number of the flight.", [1001])},
        refuses={
            409: "Reservations hold seats on it, or the first request with this Idempotency-Key is still at work."
        },
    ),
)

_FLIGHT = Resource(
    "flight",
    "flights",
    {
        "flightId": Shown(FLIGHTS.c.id, fields.IDENTITY, "Numbered from 1; the sample flights carry 1001 and up."),
        "flightCode": Shown(FLIGHTS.c.flight_code),
        "takeoffDate": Shown(FLIGHTS.c.takeoff_date),
        "cost": Shown(FLIGHTS.c.cost, COST, "Of one seat."),
        "remainingSeatsCount": Shown(FLIGHTS.c.remaining_seats_count, COUNT),
        "capacity": Shown(FLIGHTS.c.capacity, COUNT, "Seats that remain and seats that are held."),
    },
    key=FLIGHTS.c.id,
    address="/flights/{flightId}",
    sorts=("flightCode", "takeoffDate", "cost", "remainingSeatsCount", "capacity"),
    filters={
        "minSeats": Filter(
            Field(CAPACITY, 0, "Only those with at least this many seats left."),
            lambda seats: FLIGHTS.c.remaining_seats_count >= seats,
            bounds=FLIGHTS.c.remaining_seats_count,
        ),
        "takeoffDate": Filter(Field(fields.day, None, "Only those that take off on this day."), narrow=True),
        "flightCode": Filter(Field(ANY_CODE, None, "Only those with exactly this code."), narrow=True),
    },
)
_NEW = Body(
    "NewFlight",
    {
        "flightCode": Field(CODE, examples=["ACE890"]),
        "takeoffDate": Field(fields.day, about="Of an instant, the day it writes."),
        "cost": Field(COST, about="Of one seat, in whole units of the one currency."),
        "remainingSeatsCount": Field(CAPACITY),
    },
    example={"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": "200000", "remainingSeatsCount": "5"},
)
_IMPORT = Body(
    "Import",
    {
        "flights": Field(
            fields.several(bulk.ROW, MOST_ROWS),
            about="Each as it would be sent alone, and with the `key` that it would have as Idempotency-Key.",
        )
    },
    example={
        "flights": [
            {"key": "line-2", "flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": 200000}
            | {"remainingSeatsCount": 5}
        ]
    },
)
_CHANGE = Body(
    "FlightChange",
    {
        **_NEW.fields,
        "remainingSeatsCount": Field(
            CAPACITY,
            about="Changes the capacity by as much; holds stay as they are. It is what remains at this moment: send "
            "If-Match, or the capacity instead.",
        ),
        "capacity": Field(
            CAPACITY,
            about="Seats that remain and seats that are held; what remains follows. 409 where more are held, 422 where "
            "remainingSeatsCount says otherwise.",
        ),
    },
    example={"remainingSeatsCount": 10},
    partial=True,
)
_IMPORTED = Shape(
    "Imported",
    {
        "rows": Shown(
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["key", "status", "repeated", "flight", "problem"],
                    "properties": {
                        "key": {"type": "string"},
                        "status": {"type": "integer", "description": "What it would have been answered with alone."},
                        "repeated": {"type": "boolean", "description": "Added by an earlier request with this key."},
                        "flight": {"oneOf": [{"$ref": "#/components/schemas/Flight"}, {"type": "null"}]},
                        "problem": {"oneOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]},
                    },
                },
            },
            about="What became of each row, in their order.",
        ),
    },
)
_HOLD = Resource(
    "hold",
    "holds",
    {
        "reservationId": Shown(HOLDS.c.reservation_id),
        "flightId": Shown(HOLDS.c.flight_id, fields.IDENTITY),
        "seatQty": Shown(HOLDS.c.seat_qty, SEATS),
        "status": Shown(HOLDS.c.status, HOLD_STATUS, "CANCELED where the cancel came before any seats were taken."),
        "amount": Shown(HOLDS.c.amount, COUNT, "Of the whole party; null unless seats were held."),
    },
    key=HOLDS.c.reservation_id,
    subject=("reservation", "/reservations/{reservationId}"),
    sorts=("flightId", "seatQty", "status", "amount"),
    filters={
        "status": Filter(Field(HOLD_STATUS, None, "Only those that are so now.")),
        "flightId": Filter(Field(fields.IDENTITY, None, "Only those on this flight."), narrow=True),
    },
)
_PROMOTION = Shape(
    "Promotion",
    {
        "name": Shown({"type": "string"}, about="Of its file.", examples=["summer-event.txt"]),
        "text": Shown(
            {"type": "string", "minLength": 1, "maxLength": promotions.LONGEST},
            examples=["[SUMMER EVENT] 50% DISCOUNT!"],
        ),
    },
)


@app.get("/flights")
@contract.promises(Operation(_FLIGHT.collection, access=Access.EVERYBODY))
def list_flights() -> Response:
    """A page of flights"""
    return resources.listed(request, _FLIGHT, select(FLIGHTS))


@app.post("/flights")
@contract.promises(
    Operation(_FLIGHT.shape, "Added, with the next free number.", status=201, body=_NEW, repeatable=True)
)
def add_flight() -> Response:
    """Add a flight"""
    values = resources.read_columns(_FLIGHT, web.json_object(request), _NEW.fields)

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        return conditions.created(_as_resource(flights.add_flight(values, transaction))), None

    return idempotency.carry_out(request, work, flights.SOURCE)


@app.post("/flights/import")
@contract.promises(Operation(_IMPORTED, "What became of each row; those that are refused are not added.", body=_IMPORT))
def import_flights() -> Response:
    """Add many flights

    In one transaction, and each once, however often it is sent, alone or with others. The body has at most 64 KiB.
    """
    rows = fields.read(web.json_object(request), _IMPORT.fields)["flights"]

    where = hal.here(request)

    def work(wanted: Sequence[dict[str, Any]], transaction: Connection) -> list[Response]:
        added = flights.add_flights(wanted, transaction)
        return [conditions.created(resources.shown(where, _FLIGHT, flight)) for flight in added]

    def read(body: Mapping[str, Any]) -> dict[str, Any]:
        return resources.read_columns(_FLIGHT, body, _NEW.fields)

    answers = bulk.carry_out(request, "/flights", rows, read, work)
    results = [bulk.outcome(row, answer, _FLIGHT.name) for row, answer in zip(rows, answers, strict=True)]
    return hal.answer({"rows": results})


@app.get("/flights/<int:number>")
@contract.promises(Operation(_FLIGHT.shape, conditional=True, access=Access.EVERYBODY))
def read_flight(number: int) -> Response:
    """One flight"""
    with store.reading() as connection:
        flight = flights.find_flight(number, connection)
    return conditions.read(request, _as_resource(flight))


@app.patch("/flights/<int:number>")
@contract.promises(Operation(_FLIGHT.shape, "Changed.", body=_CHANGE, conditional=True, repeatable=True))
def change_flight(number: int) -> Response:
    """Change some of its values"""
    body = web.json_object(request)
    table = {name: field for name, field in _CHANGE.fields.items() if name in body}
    values = resources.read_columns(_FLIGHT, body, table)

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(flights.locked_flight(number, transaction)))
        return conditions.written(_as_resource(flights.change_flight(number, values, transaction))), None

    return idempotency.carry_out(request, work, flights.SOURCE)


@app.delete("/flights/<int:number>")
@contract.promises(Operation(about="Removed.", conditional=True, repeatable=True))
def remove_flight(number: int) -> Response:
    """Remove it, unless a reservation holds seats"""

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(flights.locked_flight(number, transaction)))
        flights.remove_flight(number, transaction)
        idempotency.forget(f"/flights/{number}", transaction)
        return Response(status=204), None

    return idempotency.carry_out(request, work, flights.SOURCE)


@app.get("/holds")
@contract.promises(Operation(_HOLD.collection))
def list_holds() -> Response:
    """A page of holds: what each reservation has got of its flight"""
    return resources.listed(request, _HOLD, select(*_HOLD.columns.values()))


@app.get("/promotions")
@contract.promises(
    Operation(
        Collection("promotions", _PROMOTION, paged=False, most=promotions.MOST),
        f"All of them on one page, by name, at most {promotions.MOST}; an empty one keeps its empty list.",
        refuses={503: "The folder cannot be read; the same request can succeed later."},
        access=Access.EVERYBODY,
    )
)
def list_promotions() -> Response:
    """The promotions: the text files of a folder, as they are at this moment"""
    found = promotions.read(settings().promotions_folder)
    everything = Page(number=0, size=promotions.MOST, order=())
    counted = Found([], total=len(found), total_is_least=False, next=None)
    return hal.collection(request, "promotions", (one._asdict() for one in found), everything, counted)


audit.serve(app, "flight-seats")


def _as_resource(flight: Row[Any]) -> dict[str, Any]:
    return resources.shown(hal.here(request), _FLIGHT, flight)
