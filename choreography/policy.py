"""From an HTTP call of a broker to a policy and back.

A policy is a plain function `(event, transaction) -> event | None`; its signature is the one place that says what
it hears and what it says. The wrappers here parse, run it in one transaction and reply. Every 2xx is 204 or one
CloudEvent: any other body is a failure to a broker, "OK" included, which is why `@functions_framework.cloud_event`
is not used (it answers "OK").
"""

import functools
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, get_args, get_type_hints

from flask import Request, Response
from sqlalchemy import Connection, text

from airline.events import BY_TYPE, Event
from choreography import bodies, callers, logs, outbox, problems, store, tokens, wire
from choreography.errors import AirlineError, Invalid
from choreography.logs import log
from choreography.wire import Envelope

Intent = TypeVar("Intent")
Outcome = TypeVar("Outcome")
HeardEvent = TypeVar("HeardEvent", bound=Event)
Policy = Callable[[HeardEvent, Connection], Event | None]
Announcer = Callable[[HeardEvent, Connection], Event | Sequence[Event] | None]
"""A policy that may have several things to say, which only the outbox can."""
Rule = Callable[..., object]


def reply(request: Request, policy: Policy[HeardEvent], source: str) -> Response:
    """Runs a policy and replies with what it says; the broker puts the reply back into the stream."""

    def respond(envelope: Envelope) -> Response:
        event = understood(envelope, policy)
        # the answer is made inside: what cannot be said must not have happened
        return store.commit(lambda transaction: _said(policy(event, transaction), source, envelope))

    return _handled(request, respond, policy)


def announce(
    request: Request,
    policy: Announcer[HeardEvent],
    source: str,
    understand: Callable[[Envelope, Announcer[HeardEvent]], HeardEvent] | None = None,
) -> Response:
    """Runs a policy whose events must not be lost with the reply: they go through the outbox, the answer is 204.

    `understand` reads what the policy hears where that takes more than the glossary: a command from outside.
    """

    def respond(envelope: Envelope) -> Response:
        event = (understand or understood)(envelope, policy)
        outbox.commit(lambda transaction: (None, policy(event, transaction)), source, envelope)
        return _nothing()

    return _handled(request, respond, policy)


def reply_in_steps(
    request: Request,
    begin: Callable[[HeardEvent, Connection], Intent | None],
    call: Callable[[Intent], Outcome],
    record: Callable[[Intent, Outcome, Connection], Event | None],
    source: str,
) -> Response:
    """Three steps where the outside world is asked: commit the intent, ask outside any transaction, record.

    `begin` returns None where nothing is to be asked (any more). All three must bear being run again.
    """

    def respond(envelope: Envelope) -> Response:
        event = understood(envelope, begin)
        intent = store.commit(lambda transaction: begin(event, transaction))
        if intent is None:
            return _nothing()
        outcome = call(intent)
        return store.commit(lambda transaction: _said(record(intent, outcome, transaction), source, envelope))

    return _handled(request, respond, begin, record)


def observe(request: Request, observer: Callable[[Envelope, Connection], None]) -> Response:
    """Runs an observer of any event, strangers included. It never replies, as a reply would be heard by itself."""

    def respond(envelope: Envelope) -> Response:
        store.commit(lambda transaction: observer(envelope, transaction))
        return _nothing()

    return _handled(request, respond)


def tidy(request: Request, work: Callable[[], None]) -> Response:
    """Runs housekeeping at a tick. Ticks get lost and doubled, so `work` catches up and bears repeating."""

    def respond(_: Envelope) -> Response:
        work()
        return _nothing()

    return _handled(request, respond)


@functools.cache
def hears(policy: Callable[..., object]) -> dict[str, type[Event]]:
    """Type name -> class of every event that a policy's first parameter admits."""
    hint = next(iter(get_type_hints(policy).values()))
    return {event.__name__: event for event in get_args(hint) or (hint,)}


def says(policy: Callable[..., object]) -> set[str]:
    """Type names of every event that a policy's signature returns, one or several of them."""
    return _named(get_type_hints(policy)["return"]) - {"NoneType"}


def _named(hint: Any) -> set[str]:
    # a union, or a sequence of some
    parts = [part for part in get_args(hint) if part is not Ellipsis]
    return set().union(*map(_named, parts)) if parts else {hint.__name__}


@functools.cache
def check(rules: tuple[Rule, ...]) -> None:
    """Raises TypeError where the first of the rules hears, or the last one says, what is not in the glossary."""
    if rules and (strangers := (hears(rules[0]).keys() | says(rules[-1])) - BY_TYPE.keys()):
        wanted = ", ".join(sorted(strangers))
        raise TypeError(f"{wanted} must be added to the union Event in airline/events.py: nobody could read it.")


def ready() -> Response:
    """The readiness probe: 204 when the database answers."""
    with store.reading() as connection:
        connection.execute(text("SELECT 1"))
    return _nothing()


def understood(envelope: Envelope, policy: Callable[[HeardEvent, Connection], object]) -> HeardEvent:
    """What an envelope says to a policy, as a word of the glossary. Raises Malformed and Invalid."""
    cls = hears(policy).get(envelope.type)
    if cls is None:
        raise Invalid(f"{envelope.type} is not heard here.")
    event: HeardEvent = wire.event_of(envelope, cls)  # type: ignore[assignment]
    return event


def _handled(request: Request, respond: Callable[[Envelope], Response], *rules: Rule) -> Response:
    logs.configure()
    bodies.guard(request)
    try:
        check(rules)  # the first to ask is the readiness probe
        if request.method == "GET":
            return ready()
        callers.refuse_strangers(request)
        callers.refuse_forms(request)
        tokens.verify(request.headers)
        envelope = wire.read(request.headers, bodies.whole(request))
        with logs.about(
            reservationId=envelope.reservation_id,
            eventId=envelope.id,
            traceId=wire.trace_id(envelope.traceparent),
        ):
            return _logged(envelope, respond)
    except AirlineError as error:
        return problems.refusal(error)
    except TypeError as error:
        log.error("%s", error)
        return problems.problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


def _logged(envelope: Envelope, respond: Callable[[Envelope], Response]) -> Response:
    try:
        response = respond(envelope)
    except AirlineError as error:
        return problems.refusal(error)
    except Exception as error:  # told to the broker as 500, so it is retried and kept with its reason
        return problems.crash(error)
    log.info("handled %s", envelope.type, extra={"fields": {"status": response.status_code}})
    return response


def _said(event: Event | None, source: str, cause: Envelope) -> Response:
    if event is None:
        return _nothing()
    headers, body = wire.message(wire.say(event, source, cause))
    return Response(body, 200, headers)


def _nothing() -> Response:
    return Response(status=204)
