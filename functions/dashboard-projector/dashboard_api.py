"""The read models over HTTP: customerInfos, and the story of one reservation."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from flask import Response, request
from sqlalchemy import Column, select

import projection
import rebuild
import timeline
from airline import saga
from airline.events import AIRLINE
from choreography import access, audit, clock, conditions, contract, fields, hal, resources, store, web
from choreography.contract import Access, Document, Operation, Parameter, Shape, Shown
from choreography.errors import NotFound
from choreography.fields import Field
from choreography.resources import Resource

COUNT = fields.integer(0)

app = web.api(
    "dashboard",
    Path(__file__).with_name("dashboard.openapi.json"),
    Document(
        "Dashboard",
        "What follows from the events: customers, and the history of each reservation, a moment behind.",
        {
            "number": Parameter("customerId", "The number of the customer.", [1]),
            "identity": Parameter("reservationId", "As reservations have it."),
        },
    ),
    sagas=AIRLINE,
)

_CUSTOMERS = projection.customers().subquery()
_COLUMNS = _CUSTOMERS.c
cast("Column[int]", _COLUMNS.customer_id).nullable = False  # every reservation that was placed has one
_CUSTOMER = Resource(
    "customerInfo",
    "customerInfos",
    {
        "customerId": Shown(_COLUMNS.customer_id, fields.IDENTITY),
        "flightCount": Shown(
            _COLUMNS.flight_count, fields.integer(1), "All reservations ever placed; it never goes down."
        ),
        "recentReserveDate": Shown(_COLUMNS.recent_reserve_date, about="The greatest of their dates."),
        "confirmedCount": Shown(_COLUMNS.confirmed_count, COUNT, "Of these, the ones that are SUCCEED."),
        "canceledCount": Shown(_COLUMNS.canceled_count, COUNT, "Of these, the ones that are CANCELED."),
        "spent": Shown(
            _COLUMNS.spent,
            COUNT,
            "All that the provider took for them, in whole units, also what went back later; null where an amount is "
            "not known, because the events of a reservation were pruned by a release that kept none.",
            nullable=True,
        ),
        "refunded": Shown(_COLUMNS.refunded, COUNT, "All that went back; null as `spent`.", nullable=True),
    },
    key=_COLUMNS.customer_id,
    owner=_COLUMNS.customer_id,
    address="/customerInfos/{customerId}",
    sorts=("flightCount", "recentReserveDate", "confirmedCount", "canceledCount", "customerId"),
)
_REBUILD = {
    "dryRun": Field(fields.one_of("true", "false"), "false", "Compare only."),
    "after": Field(fields.text(1, 40), None, "Where to go on, from a `next` link."),
}
_REBUILT = Shape(
    "Rebuilt",
    {
        "events": Shown(COUNT, about="In the history."),
        "reservations": Shown(COUNT, about="That these events are about."),
        "withoutHistory": Shown(
            COUNT, about="Reservations that are left as they are: their events are pruned, or there never were any."
        ),
        "differing": Shown(COUNT, about="Reservations whose row was another or missing."),
        "repaired": Shown(COUNT),
        "customers": Shown(COUNT, about="Customers whose counts were not those of their reservations."),
        "examples": Shown(
            {"type": "array", "maxItems": rebuild.MOST_EXAMPLES, "items": {"type": "string"}},
            about="Some that differed.",
        ),
        "seconds": Shown({"type": "number", "minimum": 0}),
    },
    some_links=("next",),
    about_links="`next`, while there is more to compare, is where to go on; send it as this was sent.",
)
_EVENT = Shape(
    "Event",
    {
        "id": Shown(projection.EVENTS.c.id),
        "type": Shown(projection.EVENTS.c.type, examples=["ReservationPlaced"]),
        "source": Shown(projection.EVENTS.c.source, examples=["/airline/reserve"]),
        "causationId": Shown(projection.EVENTS.c.causation_id, about="The id of the event that caused this one."),
        "time": Shown(fields.instant),
        "after": Shown(
            {"type": ["number", "null"]},
            about="Seconds since its cause; null if that is not among these events.",
        ),
        "data": Shown({"type": "object"}),
    },
)
_WAIT = {
    "function": {"type": "string", "examples": [saga.FORWARD[1].name], "description": "Who has to say something."},
    "for": {"type": "number", "description": "Seconds since the event that it must hear."},
}
_EVENTS = Shape(
    "Events",
    {
        "reservationId": Shown({"type": "string"}),
        "waitsFor": Shown(
            {"type": "array", "items": {"type": "object", "required": [*_WAIT], "properties": _WAIT}},
            about="What has to happen next; empty where it ended and everything was given back.",
        ),
    },
    embeds={"events": _EVENT},
    links=("self", "deadLetters"),
)


@app.get("/customerInfos")
@contract.promises(Operation(_CUSTOMER.collection, access=Access.OWNERS))
def list_customers() -> Response:
    """A page of customers"""
    return resources.listed(request, _CUSTOMER, select(_CUSTOMERS))


@app.get("/customerInfos/<int:number>")
@contract.promises(Operation(_CUSTOMER.shape, conditional=True, access=Access.OWNERS))
def read_customer(number: int) -> Response:
    """One customer"""
    query = select(_CUSTOMERS).where(_COLUMNS.customer_id == number)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or not access.owns(number):
        raise NotFound(f"Customer {number} has no reservations.")
    return conditions.read(request, resources.shown(hal.here(request), _CUSTOMER, row))


@app.post("/customerInfos/rebuild")
@contract.promises(Operation(_REBUILT, "What was found, and done.", query=_REBUILD, name="rebuild"))
def rebuild_projection() -> Response:
    """Compare the projection with the history of events, and repair what differs

    Works while events arrive, and can be repeated. It goes on for 20 seconds at most, in the order of
    reservations, then of customers: follow `next` until there is none. The figures are of this call.
    """
    asked, started = fields.read(request.args, _REBUILD), time.monotonic()
    audit.begin()
    found, place = rebuild.rebuild(asked["after"] or "", dry_run=asked["dryRun"] == "true")
    figures = {fields.camel(name): value for name, value in asdict(found).items()}
    figures["seconds"] = round(time.monotonic() - started, 3)
    if place is not None:
        following = urlencode({"dryRun": asked["dryRun"], "after": place})
        figures["_links"] = {"next": {"href": f"{hal.base_url(request)}/customerInfos/rebuild?{following}"}}
    return hal.answer(figures)


@app.get("/reservations/<identity>/events")
@contract.promises(Operation(_EVENTS, "What has been heard of it so far.", access=Access.OWNERS))
def list_events(identity: str) -> Response:
    """The events of one reservation, oldest first"""
    with store.reading() as connection:
        history = projection.history(identity, connection)
        theirs = access.owner() is None or access.owns(projection.customer_of(identity, connection))
    if not history or not theirs:
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


audit.serve(app, "dashboard")
