"""The broker's ingress over HTTP: what one event gets there, and what its answers mean."""

import functools
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from choreography import tokens, tracing, wire
from choreography.backlog import SENDERS
from choreography.errors import BrokerAway, EventRefused, TryAgain
from choreography.settings import settings

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

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
        headers, content = wire.message(event)
        _post(sink, {**headers, **traced}, content, timeout)


def _post(sink: str | None, headers: Mapping[str, str], content: bytes, timeout: tuple[float, float]) -> None:
    if sink is None:
        raise BrokerAway(NO_SINK)
    import urllib3  # noqa: PLC0415 - a part of a cold start; functions that never send skip it

    pool, path = _broker(sink)
    try:
        status = pool.urlopen(
            "POST",
            path,
            body=content,
            headers={**headers, **tokens.own()},
            timeout=urllib3.Timeout(*timeout),
            redirect=False,
            retries=False,
        ).status
    except urllib3.exceptions.HTTPError as error:
        raise BrokerAway(f"The broker is out of reach ({type(error).__name__}).") from error
    except ValueError as error:  # of the standard library's http.client, which has sent nothing
        raise EventRefused("An attribute of this event has a name that no header can have.") from error
    if status in OF_THE_EVENT:
        raise EventRefused(f"The broker answered {status}.")
    if status != HTTPStatus.ACCEPTED:
        raise TryAgain(f"The broker answered {status}.")


@functools.cache
def _broker(sink: str) -> tuple["HTTPConnectionPool", str]:
    """The connections to a broker, and its path. No proxy lies between a function and its broker."""
    # by urllib3 alone: a request by requests, which builds on it, costs three times as much
    from urllib3 import connection_from_url  # noqa: PLC0415 - as above
    from urllib3.util import parse_url  # noqa: PLC0415 - as above

    return connection_from_url(sink, maxsize=SENDERS + settings().threads), parse_url(sink).request_uri
