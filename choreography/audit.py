"""What operators did: who, what, when, and how it ended. Kept where it was done, and never removed.

    note(transaction, status)    the action and its row are one transaction: there is no action without a row
    begin()                      where an action is several transactions: its row is there before the first of them
    finish(response)             after each answer: how what was begun has ended, and what was refused

The subject of an action is the address of what it was about; unless somebody knows it better, that of the request.

Only what operators change is kept, and only where IDENTITY_ISSUER says who they are.
"""

import uuid
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy import Connection, Row, select, update
from werkzeug.exceptions import HTTPException

from choreography import access, clock, contract, fields, resources, store, wire
from choreography.actions import ACTIONS, LONGEST
from choreography.callers import READING
from choreography.contract import Operation, Shown
from choreography.fields import Field
from choreography.hal import Here
from choreography.logs import log
from choreography.resources import ANYTHING, Filter, Resource

LONGEST_BODY = 4000
"""Characters of what was sent."""

_ACTION = Resource(
    "action",
    "actions",
    {
        "id": Shown(ACTIONS.c.id),
        "at": Shown(ACTIONS.c.at),
        "actor": Shown(ACTIONS.c.actor, about="Who: the subject of the token."),
        "method": Shown(ACTIONS.c.method, examples=["POST"]),
        "path": Shown(ACTIONS.c.path, about="Of the function, without the query."),
        "body": Shown(ACTIONS.c.body, about=f"What was sent, up to {LONGEST_BODY} characters; null: nothing."),
        "status": Shown(
            ACTIONS.c.status,
            about="How it was answered; null: it was begun, and is still at work or was broken off.",
        ),
        "traceId": Shown(ACTIONS.c.trace_id, about="Of the log lines about it; empty if the client named none."),
        "subject": Shown(
            ACTIONS.c.subject,
            about="What it was about, as an address: what it made, or the saga of a command or an event; null where an "
            "earlier release kept it.",
        ),
    },
    key=ACTIONS.c.id,
    sorts=("at", "actor"),
    filters={
        "actor": Filter(Field(ANYTHING, None, "Only what they did.")),
        "subject": Filter(Field(ANYTHING, None, "Only what was about this address."), narrow=True),
        "since": Filter(
            Field(fields.instant, None, "Only what was done then or later."),
            lambda then: ACTIONS.c.at >= then,
            bounds=ACTIONS.c.at,
        ),
    },
    about="Something that an operator did, or tried to do.",
)


def serve(app: Flask, service: str) -> None:
    """Adds the route under which operators read what was done at this service."""

    @contract.promises(Operation(_ACTION.collection, name="listActions"))
    def list_actions() -> Response:
        """A page of what operators did here"""
        return resources.listed(request, _ACTION, select(ACTIONS), show=_shown)

    app.add_url_rule(f"/audit/{service}", "audit", list_actions)


def note(transaction: Connection, status: int, subject: str = "", sent: str | None = None) -> None:
    """Keeps what the request does, in the transaction that does it. `sent`: the part of its body that says so."""
    if (actor := _actor()) is not None:
        transaction.execute(ACTIONS.insert().values(_row(actor, status, subject, sent)))
        g.noted = True


def begin(subject: str = "") -> None:
    """Keeps that the request is at work, before it has done anything. Raises TryAgain where that cannot be kept."""
    if (actor := _actor()) is not None:
        row = _row(actor, None, subject)
        store.commit(lambda transaction: transaction.execute(ACTIONS.insert().values(row)))
        g.begun = row["id"]


def skip() -> None:
    """The request is a repeat that does nothing."""
    if _actor() is not None:
        g.noted = True


def finish(response: Response) -> Response:
    """Keeps how the request was answered, unless that is known. The answer stays as it is, whatever happens here."""
    actor = _actor()
    if actor is None or (g.get("noted") and response.status_code < 400):  # noqa: PLR2004 - it was done
        return response
    status = response.status_code
    ended = update(ACTIONS).where(ACTIONS.c.id == g.get("begun", "")).values(status=status)
    statement = ended if "begun" in g else ACTIONS.insert().values(_row(actor, status))
    try:
        store.commit(lambda transaction: transaction.execute(statement))
    except Exception:
        log.exception("how an operator's request ended is not in the audit log", extra={"fields": {"actor": actor}})
    return response


def _actor() -> str | None:
    found = access.caller()
    return found.subject if found and found.is_operator and request.method not in READING else None


def _row(actor: str, status: int | None, subject: str = "", sent: str | None = None) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "at": clock.now(),
        "actor": actor[:LONGEST],
        "method": request.method[:16],
        "path": request.path[:LONGEST],
        "body": _sent() if sent is None else sent[:LONGEST_BODY],
        "status": status,
        "trace_id": wire.trace_id(request.headers.get("traceparent", "")),
        "subject": (subject or request.path)[:LONGEST],
    }


def _sent() -> str | None:
    try:
        body = request.get_data()
    except HTTPException:  # it was refused because nobody reads so much
        return None
    # no database takes a NUL, and not all of them half a character
    return body.decode(errors="replace").replace("\0", "\ufffd")[:LONGEST_BODY] or None


def _shown(row: Row[Any], _: Here) -> dict[str, Any]:
    there = row._mapping
    return fields.plain_values({name: there[column] for name, column in _ACTION.columns.items()})
