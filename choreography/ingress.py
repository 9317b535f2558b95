"""The broker's ingress over HTTP: what one event gets there, and what its answers mean."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from choreography import posting, tokens, tracing, wire
from choreography.errors import BrokerAway, EventRefused, TryAgain

OF_THE_EVENT = {400, 413, 415, 422, 431}
"""What a broker answers to an event that it will never take. All the rest (404, 429, 5xx) is about the broker."""
NO_SINK = "K_SINK is not set: this function has no SinkBinding that gives it the broker's address."


def deliver(sink: str | None, body: bytes, timeout: tuple[float, float]) -> None:
    """Posts one CloudEvent, as `wire.pack` wrote it, to that address; None: it is not known.

    `timeout`: seconds to connect, and to wait for its 202.
    Raises BrokerAway without an answer, EventRefused for an event that it will never take, else TryAgain.
    """
    event = json.loads(body)
    with tracing.sending(event) as traced:
        headers, content = wire.message(event, body)
        _post(sink, {**headers, **traced}, content, timeout)


def _post(sink: str | None, headers: Mapping[str, str], content: bytes, timeout: tuple[float, float]) -> None:
    if sink is None:
        raise BrokerAway(NO_SINK)
    try:
        status = posting.post(sink, {**headers, **tokens.own()}, content, timeout)
    except OSError as error:
        raise BrokerAway(f"The broker is out of reach ({type(error).__name__}).") from error
    except ValueError as error:  # nothing was sent
        raise EventRefused("An attribute of this event has a name that no header can have.") from error
    if status in OF_THE_EVENT:
        raise EventRefused(f"The broker answered {status}.")
    if status != HTTPStatus.ACCEPTED:
        raise TryAgain(f"The broker answered {status}.")
