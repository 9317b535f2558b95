"""Commands over HTTP: the effect, its event and the answer are one transaction; an Idempotency-Key makes it one effect.

With the header `Idempotency-Key` a command is claimed first, in a transaction of its own, so that a second one with
the same key can be told that the first is in flight (409). The answer is stored together with the effect: the same
key and request get the same answer, another request under that key gets 422 (IETF draft idempotency-key-header).
A refused command leaves no claim. A claim whose process died is free again after LEASE.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from flask import Request, Response
from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Update,
    delete,
    select,
    update,
)

from airline import clock, outbox, store
from airline.columns import Instant
from airline.errors import Conflict, Invalid
from airline.events import Event

COMMANDS = Table(
    "commands",
    MetaData(),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("claim", String(36), nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", Text),
)
"""A service that takes commands declares it with `COMMANDS.to_metadata(...)` beside its own tables."""
LEASE = timedelta(seconds=60)
LONGEST_KEY = 255

S = TypeVar("S", Update, Delete)
Work = Callable[[Connection], tuple[Response, Event | None]]
"""The effect of a command: its answer, and what is to be said of it."""


def key_of(request: Request) -> str | None:
    """The client's Idempotency-Key, if it sent one. Raises Invalid."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        wrong = f"must be 1 to {LONGEST_KEY} printable ASCII characters"
        raise Invalid(f"Idempotency-Key {wrong}", {"Idempotency-Key": wrong})
    return key


def carry_out(request: Request, work: Work, source: str) -> Response:
    """Runs a command once, in one transaction, and sends its event. Raises Conflict, Invalid, TryAgain."""
    key, trace = key_of(request), request.headers.get("traceparent", "")
    if key is None:
        return outbox.commit(work, source, traceparent=trace)
    fingerprint, claim = _fingerprint(request), str(uuid4())
    earlier = store.commit(lambda transaction: _claim(transaction, key, fingerprint, claim))
    if earlier is not None:
        return earlier
    try:
        return outbox.commit(lambda transaction: _keep(transaction, key, claim, work), source, traceparent=trace)
    except BaseException:
        store.commit(lambda transaction: transaction.execute(_mine(delete(COMMANDS), key, claim)))
        raise


def _claim(transaction: Connection, key: str, fingerprint: str, claim: str) -> Response | None:
    now = clock.now()
    row = {"fingerprint": fingerprint, "claim": claim, "claimed_at": now}
    if store.insert_if_absent(transaction, COMMANDS, key=key, **row):
        return None
    held = transaction.execute(select(COMMANDS).where(COMMANDS.c.key == key).with_for_update()).one()
    if held.fingerprint != fingerprint:
        raise Invalid("This Idempotency-Key was used for another request.")
    if held.status is not None:
        return Response(held.body, held.status, json.loads(held.headers))
    if held.claimed_at > now - LEASE:
        raise Conflict("The first request with this Idempotency-Key is still in flight.")
    transaction.execute(_mine(update(COMMANDS), key, held.claim).values(row))
    return None


def _keep(transaction: Connection, key: str, claim: str, work: Work) -> tuple[Response, Event | None]:
    response, event = work(transaction)
    answer = {
        "status": response.status_code,
        "headers": json.dumps(dict(response.headers)),
        "body": response.get_data(as_text=True),
    }
    if transaction.execute(_mine(update(COMMANDS), key, claim).values(answer)).rowcount == 0:
        raise Conflict("Another request with this Idempotency-Key has taken over.")
    return response, event


def _mine(statement: S, key: str, claim: str) -> S:
    return statement.where(COMMANDS.c.key == key, COMMANDS.c.claim == claim)


def _fingerprint(request: Request) -> str:
    return hashlib.sha256(f"{request.method} {request.path}\n".encode() + request.get_data()).hexdigest()
