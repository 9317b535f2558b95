"""What becomes of one event at one Trigger: attempts, backoff, reply, dead letter (Knative: class Kafka).

| answer | counts as |
|---|---|
| 2xx with nothing | done |
| 2xx with one CloudEvent | done, the event goes into the same Broker |
| 2xx with anything else, or a reply that is too large | failure, not retried, dead letter without code and data |
| 404, 408, 409, 429, 5xx | failure, retried, dead letter with code and data |
| other 3xx and 4xx | failure, not retried, dead letter with code and data |
| no answer: refused, reset, timeout | failure, retried, dead letter without code and data |

The dead-letter sink is called by the same rules and with the same settings, its reply goes into the Broker as well.
The one difference to class Kafka: where there is no sink, or it failed too, the event is kept instead of dropped.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from broker.embedded.event import MAX_BYTES, Event, NotAnEvent, binary_head, is_extension_name, parse_reply, readable
from broker.embedded.http_post import NoAnswerError, Response
from broker.embedded.log_records import Attempt, Ending, StoredEvent
from broker.embedded.retry_policy import RetryPolicy
from broker.embedded.traces import DeliveryTrace
from broker.embedded.triggers import Trigger

ERROR_DATA_BYTES = 1024
ERROR_HEADER_PREFIX = "kne-"
REDIRECTION, SERVER_ERROR = 300, 500
_RETRIED = frozenset({404, 408, 409, 429})

# url, header lines, body, timeout in seconds; raises NoAnswerError. Faults for tests are put around this one call.
Post = Callable[[str, bytes, bytes, float], Awaitable[Response]]


@dataclass(frozen=True)
class Failure:
    """extensions: what a dead letter says about it, in addition to where it happened."""

    reason: str
    retryable: bool
    extensions: dict[str, str] = field(default_factory=dict)


class _Call(NamedTuple):
    """What is sent where, with each attempt."""

    url: str
    head: bytes
    body: bytes
    to_sink: bool


class Outcome(NamedTuple):
    """What is left to be written when a delivery has ended.

    failure: of the subscriber; kept_because: set when nobody took the event; last: the attempt that ended it, None
    where it was taken at the first one.
    """

    event: Event
    reply: Event | None
    failure: Failure | None
    last: Attempt | None
    kept_because: str | None = None

    @property
    def ending(self) -> Ending:
        if self.kept_because is not None:
            return "kept"
        return "delivered" if self.failure is None else "dead-lettered"


async def deliver(
    trigger: Trigger,
    stored: StoredEvent,
    post: Post,
    tell: Callable[[Attempt], None],
    trace: DeliveryTrace | None = None,
) -> Outcome:
    """Brings the event to the Trigger's subscriber, or else to its dead-letter sink, with all retries.

    tell: called for every attempt that failed and was not the last one.
    """
    policy, event = trigger.retry_policy, stored.delivered
    call = _Call(trigger.subscriber, trigger.head + stored.head, event.data or b"", to_sink=False)
    answer, last = await _send(post, call, policy, tell, trace)
    if not isinstance(answer, Failure):
        return Outcome(event, answer, None, last=None if last.number == 1 else last)
    letter = event.with_extensions({"knativeerrordest": trigger.subscriber_there, **answer.extensions})
    if policy.dead_letter_sink is None:
        return Outcome(letter, None, answer, last, kept_because=f"no dead-letter sink; subscriber: {answer.reason}")
    tell(last)
    call = _Call(policy.dead_letter_sink, trigger.head + binary_head(letter), letter.data or b"", to_sink=True)
    sink_answer, last = await _send(post, call, policy, tell, trace)
    if isinstance(sink_answer, Failure):
        both = f"dead-letter sink: {sink_answer.reason}; subscriber: {answer.reason}"
        return Outcome(letter, None, answer, last, kept_because=both)
    return Outcome(letter, sink_answer, answer, last)


def judge(response: Response) -> Event | Failure | None:
    """The reply event, None for no reply, or the failure."""
    status = response.status
    if status >= REDIRECTION:
        retryable = status in _RETRIED or status >= SERVER_ERROR
        return Failure(f"status {status}", retryable, _error_extensions(response))
    try:
        reply = parse_reply(response.headers, response.body)
    except NotAnEvent as error:
        return Failure(f"status {status} with a body that is not an event: {error}", retryable=False)
    if reply is not None and reply.record_bytes > MAX_BYTES:
        return Failure(f"the reply is larger than {MAX_BYTES} bytes", retryable=False)
    return reply


async def _send(
    post: Post,
    call: _Call,
    policy: RetryPolicy,
    tell: Callable[[Attempt], None],
    trace: DeliveryTrace | None,
) -> tuple[Event | Failure | None, Attempt]:
    number = 0
    while True:
        number += 1
        began = time.time()
        try:
            head = trace.head() + call.head if trace else call.head
            answer = judge(await post(call.url, head, call.body, policy.timeout))
        except NoAnswerError as error:
            answer = Failure(str(error), retryable=True)
        ended = time.time()
        failure = answer.reason if isinstance(answer, Failure) else None
        again = isinstance(answer, Failure) and answer.retryable and number <= policy.retries
        wait = policy.backoff(number) if again else None
        attempt = Attempt(number, call.to_sink, began, ended, failure, None if wait is None else ended + wait)
        if trace:
            trace.attempted(attempt)
        if wait is None:
            return answer, attempt
        tell(attempt)
        await asyncio.sleep(wait)


def _error_extensions(response: Response) -> dict[str, str]:
    extensions = {"knativeerrorcode": str(response.status)}
    if response.body:
        extensions["knativeerrordata"] = base64.b64encode(response.body[:ERROR_DATA_BYTES]).decode("ascii")
    for name, value in response.headers:
        extension = name.removeprefix(ERROR_HEADER_PREFIX)
        if extension != name and is_extension_name(extension):
            extensions[extension] = readable(value)
    return extensions
