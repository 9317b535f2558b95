"""The resource `reservations` over HTTP."""

from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Row, select

import accepted_commands
import reservations
import reserve_totals
from airline import ids
from airline.events import AIRLINE, Event, saga_expected
from airline.values import RESERVATION_ID, SEATS
from choreography import (
    access,
    ahead,
    audit,
    conditions,
    contract,
    fields,
    hal,
    idempotency,
    resources,
    store,
    unsent,
    web,
)
from choreography.contract import Access, Body, Document, Operation, Parameter, Shape, Shown
from choreography.errors import Forbidden
from choreography.fields import Field
from choreography.hal import Here
from choreography.resources import Filter, Resource
from reservations import RESERVATIONS

PAYMENT_METHODS = ("accept", "decline", "slow")
STATUS = fields.one_of("PENDING", "SUCCEED", "CANCELED")

app = web.api(
    "reserve",
    Path(__file__).with_name("reservations.openapi.json"),
    Document(
        "Reservations",
        "Reserving seats and canceling. A reservation starts PENDING; seats and payment are asked for by events, so "
        "its outcome is read later, under the link `self`.",
        {"identity": Parameter("reservationId", "As `reservationId` has it; others are not found.")},
        refuses={
            409: "The present state forbids it, or the first request with this Idempotency-Key is still at work.",
        },
    ),
    sagas=AIRLINE,
)

_RESERVATION = Resource(
    "reservation",
    "reservations",
    {
        "reservationId": Shown(RESERVATIONS.c.id, RESERVATION_ID, "12 characters of Crockford base32."),
        "customerId": Shown(RESERVATIONS.c.customer_id, fields.IDENTITY),
        "flightId": Shown(RESERVATIONS.c.flight_id, fields.IDENTITY),
        "seatQty": Shown(RESERVATIONS.c.seat_qty, SEATS),
        "reserveDate": Shown(RESERVATIONS.c.reserve_date),
        "paymentMethod": Shown(RESERVATIONS.c.payment_method, fields.one_of(*PAYMENT_METHODS)),
        "status": Shown(
            RESERVATIONS.c.status,
            STATUS,
            "Belongs to the server and only moves forward: PENDING, SUCCEED, CANCELED.",
        ),
        "reason": Shown(RESERVATIONS.c.reason, about="Why it is CANCELED."),
        "createdAt": Shown(RESERVATIONS.c.created_at),
        "expiresAt": Shown(
            RESERVATIONS.c.expires_at,
            about="A reservation that is still PENDING then is canceled, with the reason `expired`.",
        ),
        "owedSince": Shown(
            RESERVATIONS.c.owed_since,
            about="Since when something of it is under way: its last move, until it has been reported that it is over "
            "and seats and money are where they belong; null from then on.",
        ),
        "requestedBy": Shown(
            {
                "type": ["object", "null"],
                "required": ["source", "id"],
                "properties": {
                    name: {"type": "string", "maxLength": reservations.LONGEST_NAME} for name in ("source", "id")
                },
            },
            about="The ReservationRequested event that asked for it; null if it was asked for by HTTP.",
            examples=[{"source": "/agency/7", "id": "order-1"}],
        ),
    },
    key=RESERVATIONS.c.id,
    owner=RESERVATIONS.c.customer_id,
    total=reserve_totals.of_list,
    address="/reservations/{reservationId}",
    sorts=("customerId", "flightId", "seatQty", "reserveDate", "status", "createdAt"),
    filters={
        "customerId": Filter(Field(fields.IDENTITY, None, "Only those of this customer."), narrow=True),
        "flightId": Filter(Field(fields.IDENTITY, None, "Only those on this flight."), narrow=True, keys_first=True),
        "status": Filter(Field(STATUS, None, "Only those that are so now.")),
        "owedBefore": Filter(
            Field(fields.instant, None, "Only those with something under way since before then."),
            lambda then: RESERVATIONS.c.owed_since < then,
            narrow=True,
        ),
    },
    some_links=("events", "alternatives"),
    about_links="`events` tells its story so far; `alternatives`, once CANCELED, are flights with seats for the party.",
)
WISH = {
    "customerId": Field(
        fields.IDENTITY,
        about="Whose reservation it is. A customer who has signed in may leave it out, and name nobody else.",
    ),
    "flightId": Field(
        fields.IDENTITY,
        about="A flight that does not exist is not refused here: the reservation is CANCELED with that reason.",
    ),
    "seatQty": Field(SEATS, about="The whole party: all of them get seats, or none."),
    "reserveDate": Field(
        fields.day,
        None,
        "Today where absent, in the time zone of the airline (setting TIME_ZONE, UTC unless it is set); of an instant, "
        "the day it writes.",
    ),
    "paymentMethod": Field(fields.one_of(*PAYMENT_METHODS), PAYMENT_METHODS[0], "How the test provider shall answer."),
}
REASON = Field(fields.text(), reservations.CANCELED_BY_CUSTOMER)
_NEW = Body(
    "NewReservation",
    WISH,
    example={"customerId": "1", "flightId": "1001", "seatQty": "3", "reserveDate": "2024-11-21"},
)
_CANCELLATION = Body(
    "Cancellation",
    {"status": Field(fields.one_of("CANCELED")), "reason": REASON},
    example={"status": "CANCELED", "reason": "ill"},
)

_OUTBOX = Shape(
    "Outbox",
    {
        **unsent.VALUES,
        "commands": Shown(
            fields.integer(0),
            about="How many commands were accepted by /events and are not done: neither placed nor canceled.",
        ),
        "oldestCommand": Shown(fields.instant, about="When the first of them was accepted.", nullable=True),
    },
)


def wanted(body: object) -> dict[str, Any]:
    """The columns that a client has set; `status` and the rest are the server's. Raises Invalid, Forbidden.

    Without a `reserve_date` it is for `reservations.place` to say which day it is.
    """
    own = access.owner()
    if own is not None and isinstance(body, dict):
        body = {"customerId": own} | body
    columns = resources.read_columns(_RESERVATION, body, WISH)
    if not access.owns(columns["customer_id"]):
        raise Forbidden("Customers reserve for themselves: leave customerId out.")
    return columns


@app.get("/reservations")
@contract.promises(Operation(_RESERVATION.collection, access=Access.OWNERS))
def list_reservations() -> Response:
    """A page of reservations"""
    return resources.listed(request, _RESERVATION, select(RESERVATIONS), show=_shown)


@app.post("/reservations")
@contract.promises(
    Operation(_RESERVATION.shape, "PENDING.", status=201, body=_NEW, repeatable=True, access=Access.OWNERS)
)
def reserve() -> Response:
    """Reserve seats"""
    columns = wanted(web.json_object(request))
    ahead.expect(saga_expected)
    identity = ids.random_reservation_id()

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        row = reservations.place(identity, columns, transaction)
        return conditions.created(_as_resource(row)), reservations.placed(row)

    return idempotency.carry_out(request, work, reservations.SOURCE)


@app.get("/reservations/<identity>")
@contract.promises(Operation(_RESERVATION.shape, conditional=True, access=Access.OWNERS))
def read_reservation(identity: str) -> Response:
    """One reservation"""
    with store.reading() as connection:
        row = _theirs(reservations.find(identity, connection))
    return conditions.read(request, _as_resource(row))


@app.patch("/reservations/<identity>")
@contract.promises(
    Operation(
        _RESERVATION.shape,
        "CANCELED; of several reasons the first stays.",
        body=_CANCELLATION,
        conditional=True,
        repeatable=True,
        access=Access.OWNERS,
    )
)
def change_reservation(identity: str) -> Response:
    """Cancel with a reason, at any moment and any number of times"""
    reason = fields.read(web.json_object(request), _CANCELLATION.fields)["reason"]

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(_theirs(reservations.locked(identity, transaction))))
        canceled = reservations.cancel(identity, reason, transaction)
        return conditions.written(_as_resource(reservations.find(identity, transaction))), canceled

    return idempotency.carry_out(request, work, reservations.SOURCE)


@app.delete("/reservations/<identity>")
@contract.promises(
    Operation(about="CANCELED. It can still be read.", conditional=True, repeatable=True, access=Access.OWNERS)
)
def cancel_reservation(identity: str) -> Response:
    """Cancel, at any moment and any number of times"""

    def work(transaction: Connection) -> tuple[Response, Event | None]:
        conditions.check(request, _as_resource(_theirs(reservations.locked(identity, transaction))))
        canceled = reservations.cancel(identity, reservations.CANCELED_BY_CUSTOMER, transaction)
        return Response(status=204), canceled

    return idempotency.carry_out(request, work, reservations.SOURCE)


@app.get("/outbox")
@contract.promises(Operation(_OUTBOX))
def read_outbox() -> Response:
    """What was decided here and the broker has not taken yet"""
    return hal.answer(unsent.count() | accepted_commands.waiting())


audit.serve(app, "reserve")


def _theirs(row: Row[Any]) -> Row[Any]:
    """The reservation, for those who may see it. Raises NotFound for others, as if there were none."""
    if not access.owns(row.customer_id):
        raise reservations.unknown(row.id)
    return row


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    return _shown(row, hal.here(request))


def _shown(row: Row[Any], where: Here) -> dict[str, Any]:
    by_event = {"source": row.requested_source, "id": row.requested_id} if row.requested_id is not None else None
    resource = resources.shown(where, _RESERVATION, row, requestedBy=by_event)
    if not where.at_the_gateway:  # both belong to other functions
        return resource
    resource["_links"]["events"] = {"href": f"{where.base}/reservations/{row.id}/events"}
    if row.status == "CANCELED":
        resource["_links"]["alternatives"] = {"href": f"{where.base}/flights?minSeats={row.seat_qty}&sort=takeoffDate"}
    return resource
