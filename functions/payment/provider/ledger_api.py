"""The test provider as a server of its own: the HTTP contract that over_http.py is written against."""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import select

from airline.settings import settings
from choreography import callers, contract, fields, hal, idempotency, resources, web
from choreography.contract import Access, Body, Document, Operation, Parameter, Shape, Shown
from choreography.errors import Invalid, NotFound, Unauthenticated
from choreography.fields import Field
from provider import charges, entries, ledger, webhooks
from provider.receipts import DECLINED

LONGEST_KEY = 64
AMOUNT = fields.integer(0)
STATUS = fields.one_of("ACCEPTED", "DECLINED", "PENDING", "REFUNDED")

app = web.api(
    "payment-provider",
    Path(__file__).with_name("ledger.openapi.json"),
    Document(
        "Payment provider",
        "What the airline asks of a payment provider, and what the test provider does. An Idempotency-Key is one "
        "charge, for ever: whatever is asked how often, it is taken once and given back once, as a whole. Callers send "
        "`Authorization: Bearer` with the key that they were given. Where the provider has a webhook, it sends "
        "`{key, status}` after each entry, signed in the header Provider-Signature as `t=TIME,v1=HMAC`: the "
        "HMAC-SHA256 of the time, a full stop and the body, in hex. It is a hint: it may be lost, doubled, late or out "
        "of order, and only `GET /charges/{key}` says what is true.",
        {"key": Parameter("key", "The Idempotency-Key of the charge.", ["7Q2M9XW4TBCK"])},
        refuses={422: "Another amount than that of the charge, or no key."},
    ),
)

_STRANGERS = {401: "Without the key of this provider."}
_CHARGE = Shape(
    "Charge",
    {
        "key": Shown(fields.text(1, LONGEST_KEY), about="The Idempotency-Key."),
        "status": Shown(
            STATUS,
            about="ACCEPTED: the money was taken. DECLINED: it was not, and never will be for this key. PENDING: not "
            "decided, ask again. REFUNDED: it was taken, and all of it went back.",
        ),
        "amount": Shown(AMOUNT),
        "reason": Shown(fields.text(), about="Why it is DECLINED.", nullable=True),
    },
)
_ORDER = Body(
    "ChargeOrder",
    {
        "amount": Field(AMOUNT, about="Whole units of the one currency."),
        "method": Field(fields.text(1, 20), about="How it is paid.", examples=["accept", "decline", "slow"]),
    },
)
_REFUND = Body("RefundOrder", {"amount": Field(AMOUNT, about="All of the charge: a part of it is refused.")})


@app.before_request
def _refuse_who_has_no_key() -> None:
    known, sent = settings().payment_provider_key, request.headers.get("Authorization", "")
    asks = request.path not in (callers.PROBE, "/openapi.json")
    if known and asks and not hmac.compare_digest(f"Bearer {known}".encode(), sent.encode()):
        raise Unauthenticated("Send the key of this provider as a bearer token.")


@app.post("/charges")
@contract.promises(
    Operation(
        _CHARGE,
        "Taken or declined, now or before.",
        body=_ORDER,
        repeatable=True,
        refuses=_STRANGERS,
        access=Access.EVERYBODY,
    )
)
def charge() -> Response:
    """Take the money of one key, once

    The key is in the header Idempotency-Key. Asked again, it answers with what was decided first.
    """
    key, order = _key(), fields.read(web.json_object(request), _ORDER.fields)
    _refuse_another_amount(key, order["amount"])
    charges.charge(key, order["amount"], order["method"])
    return _answer(key)


@app.post("/refunds")
@contract.promises(
    Operation(
        _CHARGE, "Given back, or closed.", body=_REFUND, repeatable=True, refuses=_STRANGERS, access=Access.EVERYBODY
    )
)
def refund() -> Response:
    """Give back the money of one key, once

    The key is that of the charge. Where nothing was taken, the key is closed: a charge that still comes is declined.
    """
    key, order = _key(), fields.read(web.json_object(request), _REFUND.fields)
    _refuse_another_amount(key, order["amount"])
    charges.undo(key, order["amount"])
    return _answer(key)


@app.get("/charges/<key>")
@contract.promises(Operation(_CHARGE, refuses=_STRANGERS, access=Access.EVERYBODY))
def read_charge(key: str) -> Response:
    """What became of a key"""
    return hal.answer(_shown(key))


@app.get("/ledger")
@contract.promises(Operation(entries.ENTRY.collection, refuses=_STRANGERS, access=Access.EVERYBODY))
def list_entries() -> Response:
    """A page of the ledger"""
    return resources.listed(request, entries.ENTRY, select(ledger.LEDGER), reading=ledger.statement)


def _key() -> str:
    key = idempotency.key_of(request)
    if key is None or len(key) > LONGEST_KEY:
        wrong = f"must be 1 to {LONGEST_KEY} printable characters"
        raise Invalid(f"Idempotency-Key {wrong}", {"Idempotency-Key": wrong})
    return key


def _refuse_another_amount(key: str, amount: int) -> None:
    taken = ledger.entries(key).get("charge")
    if taken is not None and taken.amount != amount:
        wrong = f"must be {taken.amount}, all of the charge of this key"
        raise Invalid(f"amount {wrong}", {"amount": wrong})


def _answer(key: str) -> Response:
    shown = _shown(key)
    webhooks.send(shown["key"], shown["status"])
    return hal.answer(shown)


def _shown(key: str) -> Mapping[str, Any]:
    found = ledger.entries(key)
    if "charge" not in found:
        raise NotFound("There was no charge with this key.")
    entry = found["charge"]
    status = "REFUNDED" if "refund" in found else "ACCEPTED" if entry.accepted else "DECLINED"
    return {"key": key, "status": status, "amount": entry.amount, "reason": DECLINED if status == "DECLINED" else None}
