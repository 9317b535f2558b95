"""The resource `payments` over HTTP, read only: money moves by events alone."""

from pathlib import Path
from typing import Any

from flask import Response, request
from sqlalchemy import Row, select

from airline import hal, paging, store, web
from airline.errors import NotFound
from payments import PAYMENTS

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
    return hal.answer(_as_resource(payment))


def _as_resource(row: Row[Any]) -> dict[str, Any]:
    values = {name: row._mapping[column] for name, column in _COLUMNS.items()}
    return hal.item(request, f"/payments/{row.id}", "payment", values)
