"""The desk lends. It needs no table: a repeat gets the same answer, as it follows from the event alone."""

import functions_framework
from flask import Request, Response
from sqlalchemy import Connection

from choreography import policy, serving
from examples.library.words import BookLent, BookSetAside, LoanRefused

serving.prepare()
FROM_AGE = {"Steppenwolf": 16}


def lend(waiting: BookSetAside, _: Connection) -> BookLent | LoanRefused:
    """Lends the copy if the reader is old enough for the book."""
    lent = waiting.age >= FROM_AGE.get(waiting.book, 0)
    return BookLent(**vars(waiting)) if lent else LoanRefused(**vars(waiting))


@functions_framework.http
def lend_book(request: Request) -> Response:
    return policy.reply(request, lend, "/library/desk")
