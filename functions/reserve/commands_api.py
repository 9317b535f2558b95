"""Commands that come from outside as CloudEvents: judged here, then put into the broker.

In structured mode the type is in the body, where no gateway looks, so this is the place that keeps strangers from
speaking for the airline. The 202 is given when the command is remembered (accepted_commands.py) and in the outbox,
whether or not the broker can be reached at that moment.
"""

import dataclasses
import json
from http import HTTPStatus
from pathlib import Path

from flask import Response, request
from sqlalchemy import Connection

import accepted_commands
import reservations
import reservations_api
from airline.events import AIRLINE, CancellationRequested, Command, ReservationRequested, saga_expected
from airline.values import RESERVATION_ID
from choreography import (
    access,
    ahead,
    audit,
    clock,
    conformance,
    contract,
    fields,
    hal,
    origins,
    outbox,
    policy,
    store,
    web,
    wire,
)
from choreography.contract import Access, Body, Commands, Document, Operation, Shape, Shown
from choreography.errors import Forbidden
from choreography.fields import Field, Reader
from choreography.policy import Announcer, HeardEvent
from choreography.wire import CloudEvent, Envelope

LONGEST_ATTRIBUTE = 255


def _read_uri(value: object) -> str:
    source: str = fields.text(1, LONGEST_ATTRIBUTE)(value)
    if not conformance.is_uri_reference(source):
        raise ValueError("must be a URI reference")
    return source


_URI = Reader(
    _read_uri,
    {
        "type": "string",
        "format": "uri-reference",
        "minLength": 1,
        "maxLength": LONGEST_ATTRIBUTE,
        "pattern": r"^([!#$&-;=?-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})+$",
    },
)
_ATTRIBUTES = {
    "id": Field(
        fields.text(1, LONGEST_ATTRIBUTE),
        about="With `source`, it decides the reservation id: the same command sent again is the same reservation, "
        "another one under the same id is refused with 422.",
    ),
    "source": Field(
        _URI,
        about="Who asks. What the airline says itself (`/airline` and below) is refused.",
        examples=["/travel-agency/seoul"],
    ),
}
_CANCELLATION = {
    "reservationId": Field(RESERVATION_ID, about="12 characters of Crockford base32."),
    "reason": reservations_api.REASON,
}
_COMMANDS = Commands(
    {
        "ReservationRequested": Body("ReservationWish", reservations_api.WISH, "Data of a ReservationRequested."),
        "CancellationRequested": Body("CancellationWish", _CANCELLATION, "Data of a CancellationRequested."),
    },
    _ATTRIBUTES,
)
_ACCEPTED = Shape(
    "Accepted",
    {"reservationId": Shown(RESERVATION_ID, about="12 characters of Crockford base32.")},
    links=("status",),
)

app = web.api(
    "reserve-commands",
    Path(__file__).with_name("commands.openapi.json"),
    Document(
        "Commands from outside",
        "ReservationRequested and CancellationRequested as CloudEvents 1.0 over HTTP, structured or binary. Extension "
        "attributes other than `traceparent` do not travel on.",
        refuses={
            400: "This is not a CloudEvent as the specification has it (both `data` and `data_base64`, a `time` that "
            "is not a timestamp, names of attributes in capitals), or its data is not JSON, or there is a NUL in the "
            "address.",
            415: "Another media type than JSON, a batch of events, or another format of events.",
            422: "Well formed, but a value is missing or wrong; `errors` names every such field. Also another command "
            "under a source and id that were used before: the same command sent again gets the first answer.",
            503: "The database is out of reach, so the command cannot be remembered; the same command can succeed "
            "later.",
        },
    ),
)


@app.post("/events")
@contract.promises(
    Operation(
        _ACCEPTED,
        "The command is remembered and will be carried out, even if the broker is away now. What became of it is read "
        "under the link `status`.",
        status=202,
        body=_COMMANDS,
        refuses={
            403: "A type that is not a command, or a source that is the airline's own; or a customer who has signed in "
            "asks for somebody else.",
            404: "A cancellation of a reservation that was neither placed nor promised to an accepted command.",
        },
        name="command",
        access=Access.OWNERS,
    )
)
def accept() -> Response:
    """Give a command"""
    envelope = conformance.read(request, request.get_data())
    command = judged(envelope)
    if isinstance(command, ReservationRequested):
        ahead.expect(saga_expected)

    def remember(transaction: Connection) -> CloudEvent:
        audit.note(transaction, HTTPStatus.ACCEPTED, f"/reservations/{command.reservation_id}")
        began = origins.of(command.reservation_id, transaction, envelope.traceparent)
        event = wire.forward(envelope, _complete(command), began) | access.attributes()
        return accepted_commands.remember(event, command, transaction)

    outbox.pass_on(remember, AIRLINE)
    status = f"{hal.base_url(request)}/reservations/{command.reservation_id}"
    answer = {"reservationId": command.reservation_id, "_links": {"status": {"href": status}}}
    return Response(json.dumps(answer), 202, {"Location": status}, content_type=hal.HAL_JSON)


def judged(envelope: Envelope) -> Command:
    """The command in the envelope. Raises Forbidden for anything else, Malformed and Invalid for a broken one."""
    if f"{envelope.source}/".startswith(AIRLINE.sources):
        raise Forbidden("Only the airline itself may use the source /airline.")
    fields.read(envelope.attributes, _ATTRIBUTES)
    if envelope.type == ReservationRequested.__name__:
        return _reservation(envelope)
    if envelope.type == CancellationRequested.__name__:
        return _cancellation(envelope)
    raise Forbidden(f"{envelope.type} is not a command; ReservationRequested and CancellationRequested are.")


def understood(envelope: Envelope, rule: Announcer[HeardEvent]) -> HeardEvent:
    """What an event says to a policy that also hears commands, which may come straight from the broker's ingress.

    Raises Invalid for another command under a source and id that are known.
    """
    heard = policy.hears(rule).get(envelope.type)
    if heard is ReservationRequested:
        ahead.expect(saga_expected)
        asked = policy.understood(envelope, rule) if wire.saga_of(envelope, AIRLINE) else _reservation(envelope)
        return _by_event(envelope, asked)  # type: ignore[return-value, arg-type]
    if heard is CancellationRequested:
        command = _cancellation(envelope)
        store.commit(lambda transaction: accepted_commands.heard(envelope.source, envelope.id, command, transaction))
        return command  # type: ignore[return-value]
    return policy.understood(envelope, rule)


def _complete(command: Command) -> Command:
    # what is left open is decided once: the same command sent again tomorrow is the same reservation
    if isinstance(command, ReservationRequested) and command.reserve_date is None:
        return dataclasses.replace(command, reserve_date=clock.today())
    return command


def _reservation(envelope: Envelope) -> ReservationRequested:
    columns = {"reserve_date": None} | reservations_api.wanted(wire.json_data(envelope))
    return ReservationRequested(reservation_id=reservations.promised_id(envelope.source, envelope.id), **columns)


def _by_event(envelope: Envelope, asked: ReservationRequested) -> reservations.RequestedByEvent:
    values = {each.name: getattr(asked, each.name) for each in dataclasses.fields(ReservationRequested)}
    return reservations.RequestedByEvent(**values, source=envelope.source, event_id=envelope.id)


def _cancellation(envelope: Envelope) -> CancellationRequested:
    values = fields.read(wire.json_data(envelope), _CANCELLATION)
    return CancellationRequested(reservation_id=values["reservationId"], reason=values["reason"])
