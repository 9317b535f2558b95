"""The words of a library that lends books: what can become of a loan."""

from dataclasses import dataclass
from typing import Annotated, ClassVar
from uuid import UUID

from choreography import events
from choreography.fields import integer, text

IDS = UUID("0b9a7f54-3c1e-4f0e-9d55-7a61c2f4e8d3")
LENDING = events.Glossary("/library/", "loan_id", "loans", IDS, schemas="tag:library.example,2026:events/")


@dataclass(frozen=True, kw_only=True)
class Loan(events.Event):
    """The fields of every event of a loan: the book, and the age of the reader."""

    glossary: ClassVar = LENDING
    loan_id: Annotated[str, text(1, 40)]
    book: Annotated[str, text(1, 40)]
    age: Annotated[int, integer(0, 150)]


class BookRequested(Loan):
    """A reader wants a copy."""


class BookSetAside(Loan):
    """A copy waits at the desk."""


class BookLent(Loan):
    """The reader has it."""


class LoanRefused(Loan):
    """There is no copy, or the reader is too young for the book."""


class BookPutBack(Loan):
    """The copy that had been set aside is there for others again."""
