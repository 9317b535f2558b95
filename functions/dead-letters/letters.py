"""Dead letters: events that the broker gave up on, kept with the reason.

The broker sends the event as it was, with the extensions `knativeerrordest` (who failed), `knativeerrorcode` (the
last HTTP status; absent where nobody answered or the answer was no event) and `knativeerrordata` (base64 of the first
kilobyte of the answer; some versions send it plain).
"""

import base64
import codecs
import hashlib
import json
import re
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Row, String, Table, select, update

from airline import clock, store
from airline.columns import LONG_TEXT, Instant
from airline.wire import Envelope

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
    Column("code", Integer),
    Column("reason", LONG_TEXT, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("attributes", LONG_TEXT, nullable=False),
    Column("data", LONG_TEXT, nullable=False),
)
LONGEST = 255

_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def keep(envelope: Envelope, transaction: Connection) -> None:
    """Keeps one letter; the same event given up on by the same function again is counted."""
    now = clock.now()
    identity = _identity(envelope)
    row = _row(envelope) | {"first_at": now, "last_at": now, "times": 1}
    if not store.insert_if_absent(transaction, LETTERS, id=identity, **row):
        latest = {"code": row["code"], "reason": row["reason"], "last_at": now, "times": LETTERS.c.times + 1}
        transaction.execute(update(LETTERS).where(LETTERS.c.id == identity).values(latest))


def find(identity: str, connection: Connection) -> Row[Any] | None:
    """The letter of that id, if there is one."""
    return connection.execute(select(LETTERS).where(LETTERS.c.id == identity)).one_or_none()


def _identity(envelope: Envelope) -> str:
    key = json.dumps([envelope.source, envelope.id, str(envelope.attributes.get("knativeerrordest", ""))])
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _row(envelope: Envelope) -> dict[str, Any]:
    code = str(envelope.attributes.get("knativeerrorcode", ""))
    return {
        "event_id": _storable(envelope.id)[:LONGEST],
        "type": _storable(envelope.type)[:LONGEST],
        "source": _storable(envelope.source)[:LONGEST],
        "reservation_id": _storable(envelope.reservation_id)[:LONGEST],
        "function": _storable(envelope.attributes.get("knativeerrordest", ""))[:LONGEST],
        "code": int(code) if _STATUS.fullmatch(code) else None,
        "reason": _storable(_reason(envelope, code)),
        "attributes": json.dumps(dict(envelope.attributes)),
        "data": _data(envelope.data),
    }


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


def _data(data: Any) -> str:
    if isinstance(data, bytes):
        return json.dumps({"base64": base64.b64encode(data).decode()})
    try:
        return json.dumps(data, allow_nan=False)
    except ValueError:
        return json.dumps(json.dumps(data))  # with NaN in it, which is no JSON: kept as text
