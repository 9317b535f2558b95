"""The shelf has the copies. A loan is one row, which remembers its event: a repeat gets the same answer."""

import functions_framework
from flask import Request, Response
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, select, update

from choreography import policy, serving, store
from examples.library.words import BookPutBack, BookRequested, BookSetAside, LoanRefused

serving.prepare()
BOOKS = Table("books", MetaData(), Column("title", String(40), primary_key=True), Column("copies", Integer))
LOANS = Table("loans", MetaData(), Column("id", String(40), primary_key=True), Column("state", String(9)))


def set_aside(wanted: BookRequested, transaction: Connection) -> BookSetAside | LoanRefused:
    """Keeps a copy for the loan, if one is left."""
    new = store.insert_if_absent(transaction, LOANS, id=wanted.loan_id, state="REFUSED")
    copy = update(BOOKS).where(BOOKS.c.title == wanted.book, BOOKS.c.copies > 0)
    if new and transaction.execute(copy.values(copies=BOOKS.c.copies - 1)).rowcount:
        transaction.execute(update(LOANS).where(LOANS.c.id == wanted.loan_id).values(state="SET_ASIDE"))
    state = transaction.execute(select(LOANS.c.state).where(LOANS.c.id == wanted.loan_id)).scalar_one()
    return LoanRefused(**vars(wanted)) if state == "REFUSED" else BookSetAside(**vars(wanted))


def put_back(refused: LoanRefused, transaction: Connection) -> BookPutBack | None:
    """Compensation: a copy that was set aside is there for others again, once however often this is heard."""
    mine = LOANS.c.id == refused.loan_id
    if transaction.execute(update(LOANS).where(mine, LOANS.c.state == "SET_ASIDE").values(state="PUT_BACK")).rowcount:
        transaction.execute(update(BOOKS).where(BOOKS.c.title == refused.book).values(copies=BOOKS.c.copies + 1))
    state = transaction.execute(select(LOANS.c.state).where(mine)).scalar_one()
    return BookPutBack(**vars(refused)) if state == "PUT_BACK" else None


@functions_framework.http
def set_aside_book(request: Request) -> Response:
    return policy.reply(request, set_aside, "/library/shelf")


@functions_framework.http
def put_back_book(request: Request) -> Response:
    return policy.reply(request, put_back, "/library/shelf")
