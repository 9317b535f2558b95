"""Dead letters: events that the broker gave up on, kept with the reason.

The broker sends the event as it was, with the extensions `knativeerrordest` (who failed), `knativeerrorcode` (the
last HTTP status; absent if there was no answer or it was not an event) and `knativeerrordata` (base64 of the first
kilobyte of the answer; some versions send it plain).

    OPEN -> REPLAYED       sent to the broker again, which took it
    OPEN -> DISCARDED      somebody decided that there is nothing to do, and said why
    OPEN -> SETTLED        its saga has ended and nothing is owed: its cause is finished (settled_letters.py)

A letter that comes again, after any decision, is OPEN again: `times` counts. What is decided is removed after
DEAD_LETTER_DAYS (retention.py); what is OPEN stays, of strangers a bounded number (quota.py).
"""

import base64
import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Boolean, Column, Connection, Index, Integer, MetaData, Row, String, Table, select, update

from airline.events import AIRLINE
from choreography import clock, store, wire
from choreography.actions import ACTIONS
from choreography.columns import LONG_TEXT, Instant, indexes
from choreography.errors import NotFound
from choreography.wire import Envelope

LONGEST = 255
LONGEST_NOTE = 500

SORTED = ("last_at", "first_at", "type", "times")
"""What a list is sorted by, also where it is narrowed to a status, a type or a function."""

metadata = MetaData()
LETTERS = Table(
    "dead_letters",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("event_id", String(255), nullable=False),
    Column("type", String(255), nullable=False),
    Column("source", String(255), nullable=False),
    Column("reservation_id", String(255), nullable=False, index=True),
    Column("function", String(255), nullable=False),
    Column("destination", String(255), nullable=False),
    Column("status", String(9), nullable=False),
    Column("note", String(LONGEST_NOTE)),
    Column("decided_at", Instant),
    Column("code", Integer),
    Column("reason", LONG_TEXT, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("attributes", LONG_TEXT, nullable=False),
    Column("data", LONG_TEXT, nullable=False),
    Column("in_base64", Boolean, nullable=False),  # `data` is the base64 of what was not JSON
    Column("outside", Boolean),  # a stranger's event, which others may send at will
    *indexes("dead_letters", *((one, "id") for one in SORTED)),
    *indexes("dead_letters", *(("status", one, "id") for one in SORTED), ("status", "id")),
    *indexes("dead_letters", *(("type", one, "id") for one in SORTED if one != "type")),
    *indexes("dead_letters", *(("function", one, "id") for one in (*SORTED, "status")), ("function", "id")),
    Index("ix_dead_letters_type_status", "type", "status", "last_at"),  # reports that were given up on
    Index("ix_dead_letters_outside", "outside", "status"),
    Index("ix_dead_letters_decided", "decided_at"),
)
SETTLED_SAGAS = Table(
    "settled_sagas",
    metadata,
    Column("reservation_id", String(12), primary_key=True),
    Column("status", String(8), nullable=False),
    Column("settled_at", Instant, nullable=False, index=True),
)
ACTIONS.to_metadata(metadata)

_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_IN_CLUSTER = re.compile(r"([^.]+)\.[^.]+\.svc(\..*)?")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def put(identity: str, row: Mapping[str, Any], transaction: Connection) -> None:
    """Keeps one letter; one that is there is counted, and is what it is now."""
    now = clock.now()
    row = {"status": "OPEN", "decided_at": None, **row, "last_at": now}
    if not store.insert_if_absent(transaction, LETTERS, id=identity, **row, first_at=now, times=1):
        again = update(LETTERS).where(LETTERS.c.id == identity).values(row | {"times": LETTERS.c.times + 1})
        transaction.execute(again)


def find(identity: str, connection: Connection) -> Row[Any]:
    """The letter of that id. Raises NotFound."""
    letter = connection.execute(select(LETTERS).where(LETTERS.c.id == identity)).one_or_none()
    if letter is None:
        raise NotFound(f"There is no dead letter {identity}.")
    return letter


def discard(identity: str, note: str, transaction: Connection) -> Row[Any]:
    """Leaves a letter be, and says why; the latest note stays. Raises NotFound."""
    decision = {"status": "DISCARDED", "note": note, "decided_at": clock.now()}
    transaction.execute(update(LETTERS).where(LETTERS.c.id == identity).values(decision))
    return find(identity, transaction)


def data_of(letter: Row[Any]) -> Any:
    """The data as they are shown: JSON, or {"base64": ...}."""
    data = json.loads(letter.data)
    return {"base64": data} if letter.in_base64 else data


def identity_of(envelope: Envelope) -> str:
    """The same for an event that the same function gives up on again."""
    return digest(envelope.source, envelope.id, str(envelope.attributes.get("knativeerrordest", "")))


def digest(*parts: str) -> str:
    """The id of the letter that these are about."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def row_of(envelope: Envelope) -> dict[str, Any]:
    """What is kept of an event, by column."""
    code = str(envelope.attributes.get("knativeerrorcode", ""))
    destination = _storable(envelope.attributes.get("knativeerrordest", ""))
    json_text = _json_text(envelope)
    return {
        "event_id": _storable(envelope.id)[:LONGEST],
        "type": _storable(envelope.type)[:LONGEST],
        "source": _storable(envelope.source)[:LONGEST],
        "reservation_id": _storable(wire.saga_of(envelope, AIRLINE))[:LONGEST],
        "function": _service(destination)[:LONGEST],
        "destination": destination[:LONGEST],
        "code": int(code) if _STATUS.fullmatch(code) else None,
        "reason": _storable(_reason(envelope, code)),
        "attributes": json.dumps(dict(envelope.attributes)),
        "data": json.dumps(base64.b64encode(envelope.content or b"").decode()) if json_text is None else json_text,
        "in_base64": json_text is None,
    }


def _service(destination: str) -> str:
    try:
        host = urlsplit(destination).hostname or ""
    except ValueError:
        return destination
    named = _IN_CLUSTER.fullmatch(host)
    return named[1] if named else destination


def _reason(envelope: Envelope, code: str) -> str:
    answer = _decoded(str(envelope.attributes.get("knativeerrordata", "")))
    try:
        problem = json.loads(answer)
        return str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return answer or (f"answered {code}" if code else "did not answer, or not with an event")


def _decoded(text: str) -> str:
    try:
        # not final: a broker that cuts at one kilobyte may cut a character in two
        return codecs.getincrementaldecoder("utf-8")().decode(base64.b64decode(text, validate=True))
    except ValueError:
        return text


def _storable(value: object) -> str:
    # a letter is kept whatever is in it; `attributes` has these characters, as JSON escapes them
    return _UNSTORABLE.sub("\ufffd", str(value))


def _json_text(envelope: Envelope) -> str | None:
    """The data as JSON; None where they came as bytes that would not come out of it the same."""
    data, content = envelope.data, envelope.content
    said_json = wire.is_json(str(envelope.attributes.get("datacontenttype", wire.JSON)))
    if content is not None and (isinstance(data, bytes) or data is None or not said_json):
        return None
    try:
        return json.dumps(data, allow_nan=False)
    except ValueError:  # NaN or Infinity in it, which are not JSON
        return json.dumps(json.dumps(data)) if content is None else None
