"""The provider's ledger: one entry for each charge and each refund, which is never changed."""

from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Engine, MetaData, Row, String, Table, select

from airline.settings import settings
from choreography import clock, connections, store
from choreography.columns import Instant, indexes

metadata = MetaData()
LEDGER = Table(
    "ledger",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(6), primary_key=True),
    Column("accepted", Boolean, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    *indexes("ledger", ("kind", "key"), *((one, "key", "kind") for one in ("accepted", "amount", "at"))),
)


def enter(key: str, kind: str, accepted: bool, amount: int) -> bool:
    """Enters a charge or a refund, once. Returns the entry in the ledger, whoever entered it first."""
    row = {"key": key, "kind": kind, "accepted": accepted, "amount": amount, "at": clock.now()}
    # of two requests at once, the first is entered and both get the entry in the ledger
    first = store.commit(lambda transaction: store.insert_if_absent(transaction, LEDGER, **row), _database())
    return accepted if first else bool(charged(key))


def charged(key: str) -> bool | None:
    """Whether the charge of a key was accepted; None if there was no such charge."""
    query = select(LEDGER.c.accepted).where(LEDGER.c.key == key, LEDGER.c.kind == "charge")
    with statement() as connection:
        return connection.execute(query).scalar_one_or_none()


def entries(key: str) -> dict[str, Row[Any]]:
    """The entries of a key, by their kind."""
    with statement() as connection:
        return {row.kind: row for row in connection.execute(select(LEDGER).where(LEDGER.c.key == key))}


def statement() -> AbstractContextManager[Connection]:
    """A look at the ledger, as a provider's statement of account gives it."""
    return store.reading(_database())


def _database() -> Engine:
    return connections.at(settings().provider_database_url)
