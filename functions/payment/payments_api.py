"""The resource `payments` and the provider's ledger over HTTP, read only: money moves by events alone."""

from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Row, select

import provider
from choreography import conditions, hal, outbox, paging, store, web
from choreography.errors import NotFound
from payments import PAYMENTS
from provider import LEDGER

app = web.api("payment", Path(__file__).with_name("payments.openapi.json"))

_COLUMNS = {
    "paymentId": PAYMENTS.c.id,
    "reservationId": PAYMENTS.c.reservation_id,
    "customerId": PAYMENTS.c.customer_id,
    "amount": PAYMENTS.c.amount,
    "paymentMethod": PAYMENTS.c.payment_method,
    "status": PAYMENTS.c.status,
    "reason": PAYMENTS.c.reason,
}
_SORTABLE = {name: _COLUMNS[name] for name in ("reservationId", "customerId", "amount", "status")} | {
    "id": PAYMENTS.c.id
}
_ENTRY_COLUMNS = {column.name: column for column in LEDGER.columns}
_ENTRY_SORTABLE = {**_ENTRY_COLUMNS, "id": LEDGER.c.key + LEDGER.c.kind}
# a remembered cancel is no payment
_QUERY = select(PAYMENTS).where(PAYMENTS.c.status != "CANCELED")


@app.get("/payments")
def list_payments() -> Response:
    page = paging.asked(request, _SORTABLE)
    query = _QUERY
    if reservation_id := request.args.get("reservationId"):
        query = query.where(PAYMENTS.c.reservation_id == reservation_id)
    with store.reading() as connection:
        rows, total = paging.rows(connection, query, page, _SORTABLE)
    return hal.collection(request, "payments", map(_as_resource, rows), page, total)


@app.get("/payments/<int:number>")
def read_payment(number: int) -> Response:
    with store.reading() as connection:
        payment = connection.execute(_QUERY.where(PAYMENTS.c.id == number)).one_or_none()
    if payment is None:
        raise NotFound(f"There is no payment {number}.")
    return conditions.read(request, _as_resource(payment))


@app.get("/ledger")
def list_entries() -> Response:
    page = paging.asked(request, _ENTRY_SORTABLE)
    query = select(LEDGER)
    if key := request.args.get("key"):
        query = query.where(LEDGER.c.key == key)
    with provider.statement() as connection:
        rows, total = paging.rows(connection, query, page, _ENTRY_SORTABLE)
    return hal.collection(request, "entries", map(_as_entry, rows), page, total)


@app.get("/outbox")
def read_outbox() -> Response:
    return hal.answer(outbox.unsent())


def _as_entry(row: Row[Any]) -> dict[str, Any]:
    return hal.entry(request, row._asdict(), "reservation", f"/reservations/{row.key}")


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    values = {name: row._mapping[column] for name, column in _COLUMNS.items()}
    return hal.item(request, f"/payments/{row.id}", "payment", values)
