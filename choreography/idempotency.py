"""Commands over HTTP: an Idempotency-Key makes however many requests one effect (IETF draft idempotency-key-header).

The key, the effect, its event and the answer are one transaction. So there is nothing to clean up: a process that is
killed leaves neither a key nor an effect, and a refused command leaves no key. A second request with the key waits for
the first one's row, and then

    gets the same answer, marked as a repeat        the first was committed
    is carried out itself                           the first was refused, failed, or died
    gets 409                                        the first is still at work after LOCK_SECONDS (connections.py)
    gets 422                                        the first was another request

A key is one for all resources of a service, in its plain form (abc) and in the draft's ("abc"); of two known senders
(access.py) each has keys of its own. It lives for IDEMPOTENCY_HOURS; the answer that made something is forgotten with
the thing (`forget`), so it never reports what is gone.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import Request, Response
from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.exc import DBAPIError

from choreography import access, answers, audit, clock, database_errors, hal, keys, outbox, store
from choreography.errors import Conflict, Invalid, Malformed
from choreography.events import Event
from choreography.settings import settings

KEYS = keys.KEYS
LONGEST_KEY = 255
REPEAT = "Idempotent-Replayed"
"""The header of an answer that was given before: the request has done nothing this time."""
PRUNED_AT_ONCE = 100
PRUNED_BESIDE = 10
"""Expired keys that each command with a key removes: more than arrive, so services need no housekeeping."""
UNCLAIMED = ""
OTHER_REQUEST = "This Idempotency-Key was used for another request."
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')

Work = Callable[[Connection], tuple[Response, Event | None]]
"""The effect of a command: its answer and its event."""


def key_of(request: Request) -> str | None:
    """The client's Idempotency-Key, if it sent one, without the quotes of a structured field.

    Raises Invalid, and Malformed for two of them.
    """
    sent = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if sent is None:
        return None
    quoted = _QUOTED.fullmatch(sent)
    if not quoted and "," in sent:  # two headers are one with a comma (RFC 9110, section 5.3)
        raise Malformed("The request has more than one Idempotency-Key. A key with a comma is written in quotes.")
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else sent
    if not 0 < len(key) <= LONGEST_KEY or not (quoted or (_PLAIN.fullmatch(key) and not key.startswith('"'))):
        wrong = f"must be 1 to {LONGEST_KEY} printable ASCII characters, plain or as a quoted string"
        raise Invalid(f"Idempotency-Key {wrong}", {"Idempotency-Key": wrong})
    return key


def carry_out(request: Request, work: Work, source: str) -> Response:
    """Runs a command once, in one transaction, and sends its event. Raises Conflict, Invalid, TryAgain."""
    sent, trace = key_of(request), str(request.environ.get("HTTP_TRACEPARENT", ""))
    key, mark = sent and own(sent), fingerprint(request.method, request.path, request.get_data())

    def once(transaction: Connection) -> tuple[Response, Event | None]:
        earlier = _claim(transaction, key, mark) if key else None
        if earlier is not None:
            audit.skip()
            return earlier, None
        response, event = work(transaction)
        _check(response, request)
        audit.note(transaction, response.status_code, subject_of(response, request))
        if key:
            _keep(transaction, key, response, request)
        return response, event

    return outbox.commit(once, source, traceparent=trace)


def own(key: str) -> str:
    """The key as it is kept: each of the known senders has keys of its own."""
    # or whoever guesses another caller's key would read the answer to it
    sender = access.caller()
    if sender is None:
        return key
    return "of " + hashlib.sha256(f"{len(sender.subject)}:{sender.subject}{key}".encode()).hexdigest()


def forget(resource: str, transaction: Connection) -> None:
    """Forgets the answers about this resource, because it no longer exists."""
    transaction.execute(delete(KEYS).where(KEYS.c.resource == resource))


def prune(until: float) -> int:
    """Removes the keys that have had their time, until that moment of the monotonic clock; returns how many."""
    return store.in_batches(lambda transaction: _prune(transaction, PRUNED_AT_ONCE), until)


def _claim(transaction: Connection, key: str, mark: str) -> Response | None:
    """The answer that was given before; None if the command is ours to carry out, and then its row is ours as well."""
    now = clock.now()
    row = {"fingerprint": mark, "claim": UNCLAIMED, "claimed_at": now}
    try:
        if store.insert_if_absent(transaction, KEYS, key=key, **row):
            prune_beside(transaction)
            return None
    except DBAPIError as error:
        if database_errors.lock_timed_out(error):
            raise Conflict("The first request with this Idempotency-Key is still at work.") from error
        raise
    held = transaction.execute(select(KEYS).where(KEYS.c.key == key).with_for_update()).one()
    if is_over(held):
        transaction.execute(update(KEYS).where(KEYS.c.key == key).values(row | {"status": None}))
        return None
    return earlier_answer(held, mark)


def is_over(held: Row[Any]) -> bool:
    """Whether what is kept under a key no longer counts."""
    # without an answer it is of an earlier release, whose process was killed; if it lives, it finds itself taken over
    return held.status is None or held.claimed_at < clock.now() - settings().idempotency_life


def earlier_answer(held: Row[Any], mark: str) -> Response:
    """The answer that is kept, marked as a repeat. Raises Invalid where it was given to another request."""
    if held.fingerprint != mark:
        raise Invalid(OTHER_REQUEST)
    response = Response(held.body, held.status, json.loads(held.headers))
    response.headers[REPEAT] = "true"
    return response


def _keep(transaction: Connection, key: str, response: Response, request: Request) -> None:
    answer = kept_answer(response, subject_of(response, request))
    transaction.execute(update(KEYS).where(KEYS.c.key == key).values(answer))


def kept_answer(response: Response, subject: str) -> dict[str, Any]:
    """An answer as the columns of its key."""
    return {
        "status": response.status_code,
        "headers": json.dumps(dict(response.headers)),
        "body": response.get_data(as_text=True),
        "resource": subject if response.data else None,
    }


def subject_of(response: Response, request: Request) -> str:
    """The address of what an answer is about: of what was made, else the path that was asked."""
    # not the path of the address: a PUBLIC_URL may have one, too
    return (response.location.removeprefix(hal.base_url(request)) if response.location else request.path).rstrip("/")


def _check(response: Response, request: Request) -> None:
    """Raises Malformed inside the transaction if the answer could not be sent afterwards: the host is malformed."""
    try:
        for name, value in answers.head(response, request.environ):
            f"{name}{value}".encode("latin-1")
    except ValueError as error:
        raise Malformed(f"The answer to this request cannot be sent: {error}") from error


def prune_beside(transaction: Connection, commands: int = 1) -> None:
    """Removes expired keys, more than these commands bring."""
    _prune(transaction, PRUNED_BESIDE * commands)


def _prune(transaction: Connection, most: int) -> int:
    keys = _expired(transaction, most)
    if keys:
        transaction.execute(delete(KEYS).where(KEYS.c.key.in_(keys)))
    return len(keys)


def _expired(transaction: Connection, most: int) -> Sequence[str]:
    # without those that another transaction is pruning, or is about to use again
    old = KEYS.c.claimed_at < clock.now() - settings().idempotency_life
    query = select(KEYS.c.key).where(old).order_by(KEYS.c.claimed_at).limit(most)
    return transaction.execute(query.with_for_update(skip_locked=True)).scalars().all()


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What distinguishes a request from others that are sent under its key."""
    return hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()
