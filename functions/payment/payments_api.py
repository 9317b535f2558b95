"""The resource `payments` and the provider's ledger over HTTP, read only: money moves by events alone."""

from pathlib import Path

from flask import Response, request
from sqlalchemy import select, text

import provider
from airline.settings import settings
from choreography import access, conditions, contract, fields, hal, resources, store, unsent, web
from choreography.contract import Access, Body, Document, Operation, Parameter, Shape, Shown
from choreography.errors import NotFound
from choreography.fields import Field
from choreography.resources import ANYTHING, Filter, Resource
from payments import PAYMENTS, SHOWN
from provider import LEDGER
from provider.entries import ENTRY

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
    filters={"reservationId": Filter(Field(ANYTHING, None, "Only that of this reservation."), narrow=True)},
)
_QUERY = select(PAYMENTS).where(text(SHOWN))  # word for word as the indexes have it, or SQLite does not use them


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
    return conditions.read(request, resources.shown(hal.here(request), _PAYMENT, payment))


@app.get("/ledger")
@contract.promises(
    Operation(ENTRY.collection, refuses={404: "The provider is somebody else, and shows its ledger on its own pages."})
)
def list_entries() -> Response:
    """A page of the provider's own ledger"""
    if settings().payment_provider_url is not None:
        import statements  # noqa: PLC0415 - an HTTP client, which the provider in this process does not need

        return statements.of_provider(request)
    return resources.listed(request, ENTRY, select(LEDGER), reading=provider.statement)


@app.post("/payments/webhook")
@contract.promises(
    Operation(
        about="Heard. The provider was asked what became of the payment, if that was open.",
        body=Body("Hint", {}, "Whatever the provider sends: only the key in it is read."),
        access=Access.EVERYBODY,
        refuses={
            401: "Not signed, with another secret, or more than five minutes ago.",
            404: "No webhooks are heard here: the payment provider is the test provider, in this process.",
        },
    )
)
def hear_hint() -> Response:
    """A webhook of the payment provider

    Signed in the header Provider-Signature, or Stripe-Signature. It is a hint: it may be lost, doubled, late or out of
    order, and changes nothing by itself.
    """
    import hints  # noqa: PLC0415 - which nobody needs whose provider sends none

    signature = request.headers.get("Provider-Signature") or request.headers.get("Stripe-Signature", "")
    hints.take(request.get_data(), signature)
    return Response(status=204)


@app.get("/outbox")
@contract.promises(Operation(Shape("Outbox", unsent.VALUES)))
def read_outbox() -> Response:
    """What was decided here and the broker has not taken yet"""
    return hal.answer(unsent.count())
