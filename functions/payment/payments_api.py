"""The resource `payments` and the provider's ledger over HTTP, read only: money moves by events alone."""

from pathlib import Path

from flask import Response, request
from sqlalchemy import select

import provider
from choreography import access, conditions, contract, fields, hal, resources, store, unsent, web
from choreography.contract import Access, Document, Operation, Parameter, Shape, Shown
from choreography.errors import NotFound
from choreography.fields import Field
from choreography.resources import ANYTHING, Filter, Resource
from payments import PAYMENTS
from provider import LEDGER

AMOUNT = fields.integer(0)

app = web.api(
    "payment",
    Path(__file__).with_name("payments.openapi.json"),
    Document(
        "Payments",
        "Payments, read only: money moves by events alone.",
        {"number": Parameter("paymentId", "The number of the payment.", [1])},
    ),
)

_PAYMENT = Resource(
    "payment",
    "payments",
    {
        "paymentId": Shown(PAYMENTS.c.id, fields.IDENTITY),
        "reservationId": Shown(PAYMENTS.c.reservation_id),
        "customerId": Shown(PAYMENTS.c.customer_id, fields.IDENTITY),
        "amount": Shown(PAYMENTS.c.amount, AMOUNT, "Of the whole party, in whole units."),
        "paymentMethod": Shown(PAYMENTS.c.payment_method, nullable=False, examples=["accept", "decline", "slow"]),
        "status": Shown(PAYMENTS.c.status, fields.one_of("CHARGING", "PAID", "FAILED", "REFUNDING", "REFUNDED")),
        "reason": Shown(PAYMENTS.c.reason, about="Why it FAILED or was refunded."),
    },
    key=PAYMENTS.c.id,
    owner=PAYMENTS.c.customer_id,
    address="/payments/{paymentId}",
    sorts=("reservationId", "customerId", "amount", "status"),
    filters={"reservationId": Filter(Field(ANYTHING, None, "Only that of this reservation."))},
)
_ENTRY = Resource(
    "entry",
    "entries",
    {
        "key": Shown(LEDGER.c.key, about="The id of the reservation."),
        "kind": Shown(LEDGER.c.kind, fields.one_of("charge", "refund")),
        "accepted": Shown(LEDGER.c.accepted, about="False where a charge was declined."),
        "amount": Shown(LEDGER.c.amount, AMOUNT),
        "at": Shown(LEDGER.c.at),
    },
    key=LEDGER.c.key,
    ties=(LEDGER.c.kind,),
    subject=("reservation", "/reservations/{key}"),
    sorts=("key", "kind", "accepted", "amount", "at"),
    filters={"key": Filter(Field(ANYTHING, None, "Only those of this reservation."))},
    about="What the provider was asked for and how it answered: once for each key and kind, however often it is asked.",
)
# a remembered cancel is not a payment
_QUERY = select(PAYMENTS).where(PAYMENTS.c.status != "CANCELED")


@app.get("/payments")
@contract.promises(Operation(_PAYMENT.collection, access=Access.OWNERS))
def list_payments() -> Response:
    """A page of payments"""
    return resources.listed(request, _PAYMENT, _QUERY)


@app.get("/payments/<int:number>")
@contract.promises(Operation(_PAYMENT.shape, conditional=True, access=Access.OWNERS))
def read_payment(number: int) -> Response:
    """One payment"""
    with store.reading() as connection:
        payment = connection.execute(_QUERY.where(PAYMENTS.c.id == number)).one_or_none()
    if payment is None or not access.owns(payment.customer_id):
        raise NotFound(f"There is no payment {number}.")
    return conditions.read(request, resources.shown(request, _PAYMENT, payment))


@app.get("/ledger")
@contract.promises(Operation(_ENTRY.collection))
def list_entries() -> Response:
    """A page of the provider's own ledger"""
    return resources.listed(request, _ENTRY, select(LEDGER), reading=provider.statement)


@app.get("/outbox")
@contract.promises(Operation(Shape("Outbox", unsent.VALUES)))
def read_outbox() -> Response:
    """What was decided here and the broker has not taken yet"""
    return hal.answer(unsent.count())
