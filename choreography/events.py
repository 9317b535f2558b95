"""What events are made of: the glossary of a system, and the words in it.

A system has one `Glossary`, a base class for its events, and a frozen dataclass for each word:

    LENDING = Glossary(
        sources="/library/",
        saga="loan_id",
        subjects="loans",
        namespace=UUID("..."),
        schemas="tag:library.example,2026:events/",
    )

    class Event(events.Event):
        glossary = LENDING

    @dataclass(frozen=True, slots=True, kw_only=True)
    class BookLent(Event):
        loan_id: LoanId

The class name is the CloudEvents `type`; a field `loan_id` travels as `loanId` in the event's JSON data, and
`choreography.fields` reads it as its type says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID, uuid5

from choreography.fields import camel


@dataclass(frozen=True, slots=True)
class Glossary:
    """What all events of one system have in common."""

    sources: str
    """What the `source` of its own events begins with: "/library/"."""
    saga: str
    """The field that all events of one saga share: its correlation id."""
    subjects: str
    """What a saga is about; the `subject` of an event is this, a slash, and the saga's id."""
    namespace: UUID
    """Ids of events are made in it: never to be changed, or no repeat is known as one any more."""
    schemas: str
    """What the `dataschema` of an event begins with, an absolute URI; the rest is its type and its version."""
    ahead: str = ""
    """The type of the event that wakes the functions that a saga will need (choreography/ahead.py); empty: none."""

    @property
    def saga_in_json(self) -> str:
        """The field `saga` as data and log lines name it."""
        return camel(self.saga)

    def event_id(self, type_: str, *identity: str) -> str:
        """The id of an event (UUID 5): the same fact always has the same id, whoever says it."""
        return str(uuid5(self.namespace, "/".join((type_, *identity))))

    def about(self, saga: str) -> dict[str, str]:
        """What a log line says about a saga, for `logs.about` and `logs.note`."""
        return {self.saga_in_json: saga}


class Event:
    """A word of a glossary. Systems derive a base class with their `glossary` from it, and their words from that."""

    __slots__ = ()
    glossary: ClassVar[Glossary]
    version: ClassVar[int] = 1
    """Of its schema. What only adds keeps it: consumers ignore what they do not know."""
    batch: ClassVar[tuple[str, ...]] = ()
    """Of an event about many sagas: the fields that distinguish it within its type. Empty: it is about one saga."""


def identity(event: Event) -> str:
    """The id of an event: made of its type and its saga, or of the fields named in `batch`."""
    parts = _parts(event) if event.batch else [saga_of(event)]
    return event.glossary.event_id(type(event).__name__, *parts)


def schema_of(word: type[Event]) -> str:
    """The `dataschema` of an event: an identifier, not an address (CloudEvents 1.0, dataschema)."""
    return f"{word.glossary.schemas}{word.__name__}/{word.version}"


def saga_of(event: Event) -> str:
    """The id of the saga that an event is about; empty for one about many."""
    return "" if event.batch else str(getattr(event, event.glossary.saga))


def routing(event: Event) -> dict[str, str]:
    """The context attributes `subject`, `partitionkey` and `correlationid`: events of one saga keep their order.

    An event about many sagas has no `correlationid`, and any partition will do.
    """
    if event.batch:
        return {"subject": event.glossary.subjects, "partitionkey": identity(event)}
    saga = saga_of(event)
    return {"subject": f"{event.glossary.subjects}/{saga}", "partitionkey": saga, "correlationid": saga}


def _parts(event: Event) -> Iterator[str]:
    for name in event.batch:
        value = getattr(event, name)
        yield from value if isinstance(value, tuple) else (str(value),)
