"""Whom mails go to, and which were sent: for operators, and for whoever keeps the customers' data."""

import re
from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import delete, select, update

import mails
import wording
from choreography import contract, fields, hal, resources, store, web
from choreography.contract import Body, Document, Operation, Parameter, Shown
from choreography.errors import NotFound
from choreography.fields import Field, Reader
from choreography.resources import ANYTHING, Filter, Resource
from mails import CONTACTS, MAILS

STATUS = fields.one_of("OWED", "SENDING", "SENT", "GIVEN_UP", "NO_ADDRESS")
LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"]{1,189}")


def _address(value: object) -> str:
    text = fields.text(3, LONGEST_ADDRESS)(value)
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an address such as kim@example.com")
    return text


ADDRESS = Reader(
    _address, {"type": "string", "minLength": 3, "maxLength": LONGEST_ADDRESS, "examples": ["kim@example.com"]}
)
app = web.api(
    "contacts",
    Path(__file__).with_name("contacts.openapi.json"),
    Document(
        "Contacts",
        "Whom notify-customer sends mails to, and which it has sent. No gateway leads here: these are personal data.",
        {"number": Parameter("customerId", "The number of the customer.", [1])},
    ),
)
_CONTACT = Resource(
    "contact",
    "contacts",
    {
        "customerId": Shown(CONTACTS.c.customer_id, fields.IDENTITY),
        "name": Shown(CONTACTS.c.name, examples=["김하늘", "Zoë"]),
        "address": Shown(CONTACTS.c.address),
        "language": Shown(CONTACTS.c.language, fields.one_of(*wording.LANGUAGES)),
    },
    key=CONTACTS.c.customer_id,
    address="/contacts/{customerId}",
)
_MAIL = Resource(
    "mail",
    "mails",
    {
        "eventId": Shown(MAILS.c.event_id, about="The first part of its Message-ID."),
        "kind": Shown(MAILS.c.kind, about="The type of the event."),
        "reservationId": Shown(MAILS.c.reservation_id),
        "customerId": Shown(MAILS.c.customer_id, fields.IDENTITY),
        "status": Shown(MAILS.c.status, STATUS),
        "problem": Shown(MAILS.c.problem, about="What the mail server said against it."),
        "madeAt": Shown(MAILS.c.made_at),
        "movedAt": Shown(MAILS.c.moved_at),
    },
    key=MAILS.c.event_id,
    subject=("reservation", "/reservations/{reservationId}"),
    sorts=("madeAt", "movedAt", "status"),
    filters={
        "reservationId": Filter(Field(ANYTHING, None, "Only those about this reservation.")),
        "status": Filter(Field(STATUS, None, "Only those.")),
    },
)
_BODY = Body(
    "ContactOfCustomer",
    {
        "name": Field(fields.text(1, 100), about="As the mail addresses the customer."),
        "address": Field(ADDRESS),
        "language": Field(fields.one_of(*wording.LANGUAGES), "en", "Of the mails."),
    },
)


@app.get("/contacts/<int:number>")
@contract.promises(Operation(_CONTACT.shape))
def read_contact(number: int) -> Response:
    """Whom mails to a customer go to"""
    with store.reading() as connection:
        found = connection.execute(select(CONTACTS).where(CONTACTS.c.customer_id == number)).one_or_none()
    if found is None:
        raise NotFound(f"There is no contact of customer {number}.")
    return hal.answer(resources.shown(hal.here(request), _CONTACT, found))


@app.put("/contacts/<int:number>")
@contract.promises(Operation(_CONTACT.shape, "As it is now.", body=_BODY))
def put_contact(number: int) -> Response:
    """Say whom mails to a customer go to

    Mails of the last three days that could not be sent to this customer are sent now.
    """
    values = fields.read(web.json_object(request), _BODY.fields)

    def put(transaction: Any) -> Any:
        if not store.insert_if_absent(transaction, CONTACTS, customer_id=number, **values):
            transaction.execute(update(CONTACTS).where(CONTACTS.c.customer_id == number).values(values))
        mails.owe_again(number, transaction)
        return transaction.execute(select(CONTACTS).where(CONTACTS.c.customer_id == number)).one()

    return hal.answer(resources.shown(hal.here(request), _CONTACT, store.commit(put)))


@app.delete("/contacts/<int:number>")
@contract.promises(Operation(about="Forgotten. What is known of the mails stays, without name and address."))
def delete_contact(number: int) -> Response:
    """Forget whom mails to a customer go to"""
    store.commit(lambda transaction: transaction.execute(delete(CONTACTS).where(CONTACTS.c.customer_id == number)))
    return Response(status=204)


@app.get("/mails")
@contract.promises(Operation(_MAIL.collection))
def list_mails() -> Response:
    """A page of mails, sent or not"""
    return resources.listed(request, _MAIL, select(MAILS))
