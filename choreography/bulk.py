"""Many commands of one kind in one request, each under a key of its own, in one transaction.

A row is the command that it would be alone, with its key as Idempotency-Key (idempotency.py): what was sent in one of
the two ways is known in the other. So the same rows may be sent again at any time, in any company and order. A row that
is refused hinders no other, and leaves no key.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Request, Response
from sqlalchemy import Connection, Row, delete, insert, select

from choreography import audit, clock, idempotency, problems, store
from choreography.errors import Invalid
from choreography.fields import Reader
from choreography.idempotency import KEYS, LONGEST_KEY, REPEAT, UNCLAIMED

T = TypeVar("T")
Work = Callable[[Sequence[T], Connection], Sequence[Response]]
"""Carries out several commands, and answers each as if it were alone, in their order."""


@dataclass(frozen=True, slots=True)
class Command:
    """A row of a request: its key, and the body that it would have alone."""

    key: str
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The body as clients write it: separated by blanks, in ASCII."""
        return json.dumps(self.body)


def _row(value: object) -> Command:
    row = value if isinstance(value, dict) else {}
    key = row.get("key")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise ValueError(f"must be an object with a key of 1 to {LONGEST_KEY} printable ASCII characters")
    return Command(key, {name: one for name, one in row.items() if name != "key"})


_KEY = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]*$"}
ROW = Reader(_row, {"type": "object", "required": ["key"], "properties": {"key": _KEY}})
"""A row of a request. What else is wrong with it is said in the answer to this row."""


def carry_out(
    request: Request, path: str, rows: Sequence[Command], read: Callable[[Mapping[str, Any]], T], work: Work[T]
) -> list[Response]:
    """Carries out rows. Each alone would be a POST to `path`. Returns the answer to each, in their order.

    `read` makes of a body what `work` wants, or raises Invalid, which refuses its row. Raises TryAgain, which is about
    all of them.
    """
    keys = [idempotency.own(row.key) for row in rows]
    marks = [idempotency.fingerprint(request.method, path, row.text.encode()) for row in rows]
    first = {key: place for place, key in reversed([*enumerate(keys)])}

    def earlier(place: int, known: Mapping[str, Row[Any]]) -> Response | None:
        if first[keys[place]] < place:
            raise Invalid("An earlier row of this request has the same key.")
        there = known.get(keys[place])
        return idempotency.earlier_answer(there, marks[place]) if there else None

    def once(transaction: Connection) -> list[Response]:
        known = _known(keys, transaction)
        answers: dict[int, Response] = {}
        wanted: dict[int, T] = {}
        for place, row in enumerate(rows):
            try:
                if (answer := earlier(place, known)) is not None:
                    answers[place] = answer
                else:
                    wanted[place] = read(row.body)
            except Invalid as error:
                answers[place] = problems.problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), error.fields)
        if wanted:
            answers |= zip(wanted, work([*wanted.values()], transaction), strict=True)
            _keep([(keys[place], marks[place], answers[place]) for place in wanted], request, transaction)
        _note([(row, answers[place]) for place, row in enumerate(rows)], path, request, transaction)
        return [answers[place] for place in range(len(rows))]

    return store.commit(once)


def outcome(row: Command, answer: Response, name: str) -> dict[str, Any]:
    """The result of a row: its key, status, whether it had been done before, and what it made or what is wrong."""
    made, refused = json.loads(answer.get_data()), answer.status_code >= HTTPStatus.BAD_REQUEST
    known = {"key": row.key, "status": answer.status_code, "repeated": REPEAT in answer.headers}
    return {**known, name: None if refused else made, "problem": made if refused else None}


def _known(keys: Sequence[str], transaction: Connection) -> dict[str, Row[Any]]:
    """What is kept under these keys, once what no longer counts is removed. Nobody else can use them meanwhile.

    A key that another transaction is adding is not among them; then `_keep` fails, and `once` is run again.
    """
    query = select(KEYS).where(KEYS.c.key.in_(keys)).order_by(KEYS.c.key).with_for_update()
    there = transaction.execute(query).all()
    if over := [row.key for row in there if idempotency.is_over(row)]:
        transaction.execute(delete(KEYS).where(KEYS.c.key.in_(over)))
    return {row.key: row for row in there if row.key not in over}


def _keep(done: Sequence[tuple[str, str, Response]], request: Request, transaction: Connection) -> None:
    now = clock.now()
    rows = [
        {"key": key, "fingerprint": mark, "claim": UNCLAIMED, "claimed_at": now}
        | idempotency.kept_answer(answer, idempotency.subject_of(answer, request))
        for key, mark, answer in sorted(done, key=lambda one: one[0])  # as others would: none waits for the other
    ]
    transaction.execute(insert(KEYS), rows)
    idempotency.prune_beside(transaction, len(rows))


def _note(answered: Sequence[tuple[Command, Response]], path: str, request: Request, transaction: Connection) -> None:
    audit.skip()  # of the request as a whole
    for row, answer in answered:
        if REPEAT not in answer.headers:
            subject = idempotency.subject_of(answer, request) if answer.location else path
            audit.note(transaction, answer.status_code, subject, row.text)
