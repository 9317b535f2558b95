"""From an HTTP call of a broker to a policy and back.

A policy is a plain function `(event, transaction) -> event | None`; its signature is the one place that says what
it hears and what it says. The wrappers here parse, run it in one transaction and reply. Every 2xx is 204 or one
CloudEvent: any other body is a failure to a broker, "OK" included, which is why `@functions_framework.cloud_event`
is not used (it answers "OK").
"""

import functools
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from flask import Request, Response
from sqlalchemy import Connection

from choreography import (
    ahead,
    bodies,
    callers,
    events,
    logs,
    origins,
    outbox,
    problems,
    store,
    tokens,
    tracing,
    wire,
)
from choreography.errors import Invalid, Problem
from choreography.events import Event, Glossary
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
        # the answer is made inside the transaction: an effect whose event cannot be made must not happen
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
        outbox.announce(lambda transaction: policy(event, transaction), source, envelope)
        return _nothing()

    return _handled(request, respond, policy)


def reply_in_steps(  # noqa: PLR0913 - three rules, and what is around them
    request: Request,
    begin: Callable[[HeardEvent, Connection], Intent | None],
    call: Callable[[Intent], Outcome],
    record: Callable[[Intent, Outcome, Connection], Event | None],
    source: str,
    *,
    others_finish: bool = False,
) -> Response:
    """Three steps where the outside world is asked: commit the intent, ask outside any transaction, record.

    `begin` returns None if there is nothing (more) to ask. All three must be safe to run again. `others_finish`: what
    was left after the first step may be finished by others, through the outbox; they then know the saga's trace.
    """

    def respond(envelope: Envelope) -> Response:
        event = understood(envelope, begin)

        def first(transaction: Connection) -> Intent | None:
            intent = begin(event, transaction)
            if others_finish:
                origins.of(events.saga_of(event), transaction, envelope.traceparent)
            return intent

        intent = store.commit(first)
        if intent is None:
            return _nothing()
        with tracing.inside(f"ask outside: {call.__name__}"):
            outcome = call(intent)
        return store.commit(lambda transaction: _said(record(intent, outcome, transaction), source, envelope))

    return _handled(request, respond, begin, record)


def observe(request: Request, observer: Callable[[Envelope, Connection], None], *, sagas: Glossary) -> Response:
    """Runs an observer of any event, strangers' included. It never replies, because it would hear its own reply.

    Log lines name the sagas of the glossary `sagas`.
    """

    def respond(envelope: Envelope) -> Response:
        store.commit(lambda transaction: observer(envelope, transaction))
        return _nothing()

    return _handled(request, respond, sagas=sagas)


def tidy(request: Request, work: Callable[[], None]) -> Response:
    """Runs housekeeping at a tick. Ticks get lost and doubled, so `work` catches up and can be repeated."""

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
    return {event.__name__ for event in _said_by(get_type_hints(policy)["return"])}


def _said_by(hint: Any) -> set[Any]:
    # a union, or a sequence of some
    parts = [part for part in get_args(hint) if part is not Ellipsis]
    return set().union(*map(_said_by, parts)) if parts else {hint} - {NoneType}


@functools.cache
def check(rules: tuple[Rule, ...]) -> None:
    """Raises TypeError where the first of the rules hears, or the last one says, what is not in a glossary."""
    words = set(hears(rules[0]).values()) | _said_by(get_type_hints(rules[-1])["return"]) if rules else set()
    if strangers := sorted(word.__name__ for word in words if not issubclass(word, Event)):
        wanted = ", ".join(strangers)
        raise TypeError(f"{wanted} must be derived from the class Event of the glossary, or it cannot be read.")


def understood(envelope: Envelope, policy: Callable[[HeardEvent, Connection], object]) -> HeardEvent:
    """What an envelope says to a policy, as a word of the glossary. Raises Malformed and Invalid."""
    cls = hears(policy).get(envelope.type)
    if cls is None:
        raise Invalid(f"{envelope.type} is not heard here.")
    event: HeardEvent = wire.event_of(envelope, cls)  # type: ignore[assignment]
    return event


def _handled(
    request: Request, respond: Callable[[Envelope], Response], *rules: Rule, sagas: Glossary | None = None
) -> Response:
    logs.configure()
    bodies.guard(request)
    try:
        check(rules)  # the first to ask is the readiness probe
    except TypeError as error:
        log.exception("this policy can never be ready")
        return problems.problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    except Exception as error:  # such as a name in its signature that is not imported
        return problems.crash(error)
    with logs.about():
        try:
            return _answer(request, respond, _glossary(rules[0]) if rules else sagas)
        except Problem as error:
            return problems.refusal(error)
        except Exception as error:  # answered with 500, so a broker retries it and keeps it with its reason
            return problems.crash(error)


def _answer(request: Request, respond: Callable[[Envelope], Response], sagas: Glossary | None) -> Response:
    if request.method == "GET":
        store.ready()
        return _nothing()
    callers.refuse_strangers(request)
    callers.refuse_forms(request)
    tokens.verify(request.headers)
    envelope = wire.of_call(request.environ, bodies.of_an_event(request))
    saga = sagas.about(wire.saga_of(envelope, sagas)) if sagas else {}
    with tracing.hearing(
        envelope.type, lambda: _traced(envelope, saga), envelope.traceparent, request.environ.get("HTTP_TRACEPARENT")
    ):
        trace = wire.trace_id(tracing.current() or envelope.traceparent)
        logs.note(**saga, eventId=envelope.id, traceId=trace)
        response = _nothing() if sagas and ahead.only_wakes(envelope, sagas) else respond(envelope)
        logs.routine(f"handled {envelope.type}", status=response.status_code)
        return response


def _traced(envelope: Envelope, saga: dict[str, str]) -> dict[str, str]:
    of_event = {"id": envelope.id, "source": envelope.source, "type": envelope.type}
    return {f"cloudevents.event_{name}": value for name, value in of_event.items()} | saga


def _glossary(rule: Rule) -> Glossary:
    return next(iter(hears(rule).values())).glossary


def _said(event: Event | None, source: str, cause: Envelope) -> Response:
    if event is None:
        return _nothing()
    headers, body = wire.message(wire.say(event, source, cause))
    return Response(body, 200, headers)


def _nothing() -> Response:
    return Response(status=204)
