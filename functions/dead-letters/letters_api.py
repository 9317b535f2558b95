"""Dead letters over HTTP: to be read, replayed and discarded."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Row, select

import letters
import replay
import retention
import sink
from airline import saga
from choreography import audit, clock, conditions, contract, fields, hal, resources, store, web
from choreography.contract import Body, Document, Operation, Parameter, Shape, Shown
from choreography.errors import Invalid
from choreography.fields import Field
from choreography.resources import ANYTHING, Filter, Resource
from letters import LETTERS

STATUS = fields.one_of("OPEN", "REPLAYED", "DISCARDED", "SETTLED")
BROKER_AWAY = "The broker has not taken it, or the database is out of reach; the letters are as they were."

app = web.api(
    "dead-letters",
    Path(__file__).with_name("letters.openapi.json"),
    Document(
        "Dead letters",
        "Events that the broker gave up on, and why; to be sent to it again, or discarded.",
        {"identity": Parameter("id", "As `id` has it.")},
        elsewhere={("post", "/"): sink.keep},
        refuses={400: "This is not a CloudEvent, or there is a NUL in the address."},
    ),
)

_LETTER = Resource(
    "deadLetter",
    "deadLetters",
    {
        "id": Shown(LETTERS.c.id),
        "eventId": Shown(LETTERS.c.event_id),
        "type": Shown(LETTERS.c.type),
        "source": Shown(LETTERS.c.source),
        "reservationId": Shown(LETTERS.c.reservation_id, about="Empty where the event belongs to no saga."),
        "function": Shown(
            LETTERS.c.function,
            about="The Service that failed; its address if the name is unknown, empty if the broker does not say.",
        ),
        "destination": Shown(LETTERS.c.destination, about="The address of the function that failed."),
        "status": Shown(
            LETTERS.c.status,
            STATUS,
            "SETTLED: its saga has ended meanwhile and nothing is owed; replaying it is harmless. OPEN again when it "
            "comes again, whatever was decided before.",
        ),
        "note": Shown(
            LETTERS.c.note,
            about="Why it was discarded, the last time; also why the letter of a stranger represents several or has no "
            "data.",
        ),
        "decidedAt": Shown(LETTERS.c.decided_at, about="Since when it is not OPEN."),
        "code": Shown(
            LETTERS.c.code, about="The last HTTP status; null if there was no answer, or one that is not an event."
        ),
        "reason": Shown(LETTERS.c.reason),
        "times": Shown(LETTERS.c.times, fields.integer(1), "How often the broker gave up on it."),
        "firstAt": Shown(LETTERS.c.first_at),
        "lastAt": Shown(LETTERS.c.last_at),
    },
    key=LETTERS.c.id,
    address="/dead-letters/{id}",
    sorts=("lastAt", "firstAt", "type", "times"),
    filters={
        "status": Filter(Field(STATUS, None, "Only those that are so now.")),
        "reservationId": Filter(Field(ANYTHING, None, "Only those of this saga."), narrow=True),
        "type": Filter(Field(ANYTHING, None, "Only events of this type.")),
        "function": Filter(Field(ANYTHING, None, "Only those that this function failed on.")),
    },
)
_WHOLE = Shape(
    "WholeLetter",
    {
        "attributes": Shown({"type": "object"}, about="All attributes of the event, extensions included."),
        "data": Shown({}, about='Its data; what is not JSON is given as {"base64": …}.'),
    },
    extends=_LETTER.shape,
)
_TEXT = fields.text(0, letters.LONGEST)
_KIND = Body(
    "Kind",
    {
        "reservationId": Field(_TEXT, None),
        "type": Field(_TEXT, None, examples=["Paid"]),
        "function": Field(_TEXT, None, examples=[saga.COMPENSATION[0].name]),
        "before": Field(fields.instant, None, "Only what last came before then; now where absent."),
    },
    example={"type": "Paid", "function": saga.FORWARD[2].name},
    closed=True,
)
_REPLAYED = Shape(
    "Replayed",
    {
        "replayed": Shown(fields.integer(0, replay.MOST_AT_ONCE)),
        "remaining": Shown(fields.integer(0), about="OPEN, of that kind, and not tried by this call."),
        "before": Shown(fields.instant, about="For the next call."),
    },
)
_DISCARDING = Body(
    "Discarding",
    {"note": Field(fields.text(1, letters.LONGEST_NOTE))},
    example={"note": "a test of ours"},
)


@app.after_request
def prune(response: Response) -> Response:
    if request.method == "POST" and response.status_code == HTTPStatus.OK:  # something was decided
        retention.prune()
    return response


@app.get("/dead-letters")
@contract.promises(Operation(_LETTER.collection))
def list_letters() -> Response:
    """A page of dead letters"""
    return resources.listed(request, _LETTER, select(LETTERS))


@app.get("/dead-letters/<string(length=32):identity>")
@contract.promises(Operation(_WHOLE, conditional=True))
def read_letter(identity: str) -> Response:
    """One dead letter with the whole event"""
    with store.reading() as connection:
        letter = letters.find(identity, connection)
    return conditions.read(request, _whole(letter))


@app.post("/dead-letters/<string(length=32):identity>/replay")
@contract.promises(
    Operation(
        _WHOLE,
        "The broker has taken it: REPLAYED, or OPEN if it has failed again already.",
        refuses={409: "The present state forbids it.", 503: BROKER_AWAY},
    )
)
def replay_letter(identity: str) -> Response:
    """Send the event to the broker again, as it was

    Any number of times: a function that had handled it recognizes it as a repeat. If it fails again, the letter is OPEN
    again and `times` has grown.
    """
    with store.reading() as connection:
        letter = letters.find(identity, connection)
    audit.begin(_saga(letter))
    return hal.answer(_whole(replay.one(identity)))


@app.post("/dead-letters/replay")
@contract.promises(Operation(_REPLAYED, "What the broker has taken.", body=_KIND, refuses={503: BROKER_AWAY}))
def replay_letters() -> Response:
    """Send all that are OPEN, or all of a kind, oldest first and 500 at most

    Call again while `remaining` is above 0, with the `before` of the first answer, or what fails again at once is sent
    again and again.
    """
    body = web.json_object(request)
    if unknown := sorted(body.keys() - _KIND.fields):  # misspelt, it would let everything through
        known = ", ".join(name for name in _KIND.fields if name != "before")
        raise Invalid(f"Only {known} can be asked for.", dict.fromkeys(unknown, "is not known here"))
    asked = fields.read(body, _KIND.fields)
    before = asked.pop("before") or clock.now()
    audit.begin()
    done = replay.all_open(resources.by_column(_LETTER, asked), before)
    return hal.answer({"replayed": done.replayed, "remaining": done.remaining, "before": clock.text(done.before)})


@app.post("/dead-letters/<string(length=32):identity>/discard")
@contract.promises(Operation(_WHOLE, "DISCARDED.", body=_DISCARDING))
def discard_letter(identity: str) -> Response:
    """Leave it be, and say why; again to say it better"""
    note = fields.read(web.json_object(request), _DISCARDING.fields)["note"]

    def discard(transaction: Connection) -> Row[Any]:
        letter = letters.discard(identity, note, transaction)
        audit.note(transaction, HTTPStatus.OK, _saga(letter))
        return letter

    return hal.answer(_whole(store.commit(discard)))


audit.serve(app, "dead-letters")


def _saga(letter: Row[Any]) -> str:
    return f"/reservations/{letter.reservation_id}" if letter.reservation_id else ""


def _whole(letter: Row[Any]) -> dict[str, Any]:
    whole = {"attributes": json.loads(letter.attributes), "data": letters.data_of(letter)}
    return resources.shown(hal.here(request), _LETTER, letter) | whole
