"""The whole airline in memory, one transaction at a time: a test decides what interleaves and what dies.

The broker here promises only what Knative does, delivery at least once and in no order: `pending` is a bag.
A handling of a delivery can be left between any two of its transactions, for a while (it is slow) or for good (it is
dead); its delivery stays in the bag until a reply has gone out.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, StaticPool, Table, create_engine, select

import flights
import letters
import payments
import projection
import provider
import reservations
from airline import ids
from airline.events import AIRLINE
from airline.settings import settings
from choreography import clock, ingress, logs, outbox, store, wire
from choreography.errors import BrokerAway, NotFound, TryAgain
from choreography.relay import Relay, Round
from choreography.settings import settings as kit_settings
from choreography.wire import CloudEvent, Envelope
from testbed.policies import Policy, hearers, housekeeping
from testbed.sample_events import NOON
from tests.model.interleaving import Crossings

PROVIDER = "the provider"
HOUSEKEEPING = {
    "reservations": housekeeping("reserve"),
    "payments": housekeeping("payment"),
    "projection": housekeeping("dashboard-projector"),
}


class Mishap(StrEnum):
    """What goes wrong the next time that the broker or the provider is asked for something."""

    NONE = "nothing"
    AWAY = "the broker is away"
    REFUSED = "the broker refuses the event"
    DIED_UNSENT = "death before sending"
    DIED_SENT = "death after sending"
    UNANSWERED = "the provider does what it is asked, and its answer is lost"
    DIED_UNASKED = "death before asking the provider"
    DIED_ASKED = "death after asking the provider"


class Died(BaseException):
    """The process was killed; as no Exception, nothing in it gets to say a last word."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """An event on its way to one policy, until that has answered."""

    envelope: Envelope
    policy: Policy

    @property
    def module(self) -> str:
        return self.policy.module

    @property
    def reservation(self) -> str:
        return wire.saga_of(self.envelope, AIRLINE)

    @property
    def about(self) -> list[str]:
        """The reservations that it is about."""
        return list(self.envelope.data.get("reservationIds", [self.reservation]))

    def __str__(self) -> str:
        return f"{self.envelope.type} of {', '.join(self.about)} to {self.policy.name}"


@dataclass(eq=False)
class Handling:
    """A delivery that a process is at work on; `steps` stops wherever it can be left."""

    delivery: Delivery
    steps: Iterator[None] = field(repr=False)

    @property
    def module(self) -> str:
        return self.delivery.module

    @property
    def reservation(self) -> str:
        return self.delivery.reservation

    @property
    def about(self) -> list[str]:
        return self.delivery.about

    def __str__(self) -> str:
        return f"going on with {self.delivery}"


@dataclass(frozen=True)
class Expiry:
    """Housekeeping comes to a reservation that it has listed as overdue, some time ago."""

    reservation: str
    module: str = "reservations"

    @property
    def about(self) -> list[str]:
        return [self.reservation]


Task = Delivery | Handling | Expiry


class _WithoutThread(Relay):
    """What could not be sent is left to housekeeping: everything here happens one after the other."""

    def want(self) -> None:
        pass


class Database:
    """A service's database in memory; the laws, which look at it after every step, read it past SQLAlchemy."""

    def __init__(self, metadata: MetaData) -> None:
        arguments = {"check_same_thread": False, "isolation_level": "IMMEDIATE"}
        self.engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=arguments)
        metadata.create_all(self.engine)
        self._tables = [table.name for table in metadata.sorted_tables]
        self._connection: Any = self.engine.raw_connection().driver_connection

    def run(self, rule: Callable[..., Any], *arguments: Any) -> Any:
        """What a rule says, after its transaction was committed."""
        return store.commit(lambda transaction: rule(*arguments, transaction), self.engine)

    def rows(self, table: Table) -> list[Any]:
        with store.reading(self.engine) as connection:
            return list(connection.execute(select(table)))

    @property
    def changes(self) -> int:
        """How many rows were inserted, changed and removed so far."""
        changed: int = self._connection.total_changes
        return changed

    def read(self, query: str) -> list[Any]:
        return list(self._connection.execute(query))

    def empty(self) -> None:
        for table in self._tables:
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.commit()


class Simulation:
    """Every service with its database, the provider, the clock and the broker.

    `away` are the modules whose database is away, and PROVIDER; `unheard` the ids of events that the broker has given
    up to tell the dashboard; `counted_at` how many changes the dashboard had when its counts were last found right.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reserve_service, self.seats = Database(reservations.metadata), Database(flights.metadata)
        self.payment_service, self.dashboard_service = Database(payments.metadata), Database(projection.metadata)
        self.provider_service = Database(provider.metadata)
        self.services = {
            "reservations": self.reserve_service,
            "flights": self.seats,
            "payments": self.payment_service,
            "projection": self.dashboard_service,
            "settled_letters": Database(letters.metadata),
        }
        self.crossings = Crossings([service.engine for service in self.services.values()])
        self.deliveries = 0
        self.counted_at = -1
        self._here = "reservations"
        self._ask: dict[str, Callable[..., Any]] = {"charge": provider.charge, "undo": provider.undo}
        self._put_in_place_of_the_outside(patch)
        self.begin()

    def begin(self) -> None:
        """Nothing has happened yet."""
        for service in (*self.services.values(), self.provider_service):
            service.empty()
        self.seats.run(lambda tx: tx.execute(flights.NUMBERS.insert().values(latest=0)))
        self.now = NOON
        self.mishap = Mishap.NONE
        self.pending: list[Delivery] = []
        self.working: list[Handling] = []
        self.said: dict[str, CloudEvent] = {}
        self.away: set[str] = set()
        self.unheard: set[str] = set()
        self.asked: dict[tuple[str, str], tuple[Any, ...]] = {}
        self.asked_first: set[str] = set()
        self._numbers = count()

    @contextmanager
    def at(self, module: str) -> Iterator[None]:
        """The functions of that module's service are at work."""
        before, self._here = self._here, module
        try:
            yield
        finally:
            self._here = before

    @contextmanager
    def going_wrong(self, mishap: Mishap) -> Iterator[None]:
        """What is done here goes wrong that way, once, if it gets there."""
        self.mishap = mishap
        with suppress(Died):
            yield
        self.mishap = Mishap.NONE

    def publish(self, event: CloudEvent) -> None:
        """The broker has taken an event: it will be delivered to all who hear it."""
        known = self.said.setdefault(event["id"], event)
        assert known["data"] == event["data"], f"{event['type']} was published with other data"
        envelope = Envelope({name: value for name, value in event.items() if name != "data"}, event["data"])
        heard = [hearer for hearer in hearers(envelope.type) if hearer.module in self.services]
        self.pending += [Delivery(envelope, hearer) for hearer in heard]

    def start(self, delivery: Delivery) -> Handling:
        """A process begins to work on a delivery."""
        self.deliveries += 1
        handling = Handling(delivery, self._handle(delivery))
        self.working.append(handling)
        return handling

    def go_on(self, handling: Handling, steps: int = 9) -> None:
        """This many more steps of a handling. One that is refused leaves its delivery to be tried again."""
        with self.at(handling.module):
            try:
                for _ in range(steps):
                    next(handling.steps)
            except (StopIteration, TryAgain, NotFound, Died):
                self.working.remove(handling)

    def deliver(self, delivery: Delivery) -> None:
        """A delivery is handled without delay; it stays pending if it is refused or its process dies."""
        self.go_on(self.start(delivery))

    def give_up(self, delivery: Delivery) -> None:
        """The broker gives up a delivery. It becomes a dead letter that is never replayed."""
        self.pending.remove(delivery)
        if delivery.module == "projection":
            self.unheard.add(delivery.envelope.id)

    def keep_house(self, module: str) -> None:
        """A tick comes to the housekeeping of a service."""
        with self.at(module), suppress(TryAgain):
            HOUSEKEEPING[module].keep_house()

    def do(self, task: Task) -> None:
        """All that is left of a task."""
        if isinstance(task, Delivery):
            self.deliver(task)
        elif isinstance(task, Handling):
            if task in self.working:
                self.go_on(task)
        else:
            with self.at(task.module), suppress(TryAgain):
                HOUSEKEEPING["reservations"]._expire(task.reservation)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def _handle(self, delivery: Delivery) -> Iterator[None]:
        # the wrappers of choreography/policy.py, with a stop after each transaction and each call
        envelope, policy = delivery.envelope, delivery.policy
        said = None
        if policy.wrapper == "observe":
            store.commit(lambda tx: policy.rules[0](envelope, tx))
        else:
            event = wire.event_of(envelope, policy.heard(envelope.type))
            if policy.wrapper == "announce":
                outbox.announce(lambda tx: policy.rules[0](event, tx), policy.source, envelope)
            elif policy.wrapper == "reply":
                said = store.commit(lambda tx: policy.rules[0](event, tx))
            else:
                said = yield from _in_steps(event, *policy.rules)
        yield
        if said is not None:
            self._accept(wire.pack(wire.say(said, policy.source, envelope)))
        if delivery in self.pending:
            self.pending.remove(delivery)

    def _put_in_place_of_the_outside(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(clock, "now", lambda: self.now)
        # what a seed has done it does again: ids are also what rows are sorted by
        patch.setattr(ids, "random_reservation_id", lambda: ids.derived_reservation_id("", f"{next(self._numbers)}"))
        patch.setattr(logs.log, "disabled", True)
        patch.setattr(store, "database", self._database)
        patch.setenv("K_SINK", "http://broker.test")
        settings.cache_clear()
        kit_settings.cache_clear()
        patch.setattr(ingress, "deliver", lambda _sink, body, _timeout: self._send(body))
        patch.setattr(outbox, "_relay", lambda _there, _sink: _WithoutThread(lambda _: Round(0, False), 1))
        patch.setattr("provider.ledger._database", lambda: self.provider_service.engine)
        patch.setattr("provider.charges.SLOW_SECONDS", 0)
        patch.setattr(provider, "charge", self._charge)
        patch.setattr(provider, "undo", lambda key, amount: self._asks("undo", key, (amount,)))

    def _database(self) -> Engine:
        if self._here in self.away:
            raise TryAgain("The database is out of reach; try again.")
        return self.services[self._here].engine

    def _accept(self, body: bytes) -> None:
        self.publish(json.loads(body))

    def _send(self, body: bytes) -> None:
        self._meets(Mishap.AWAY, BrokerAway("away"))
        self._meets(Mishap.REFUSED, TryAgain("refused"))
        self._meets(Mishap.DIED_UNSENT, Died())
        self._accept(body)
        self._meets(Mishap.DIED_SENT, Died())

    def _charge(self, key: str, amount: int, method: str, again: bool = False) -> Any:
        # of all that ask, even at once, only who made the payment's row may leave out to ask for the outcome before
        assert again or key not in self.asked_first, f"{key} is asked for the first time twice"
        if not again:
            self.asked_first.add(key)
        return self._asks("charge", key, (amount, method), again)

    def _asks(self, kind: str, key: str, what: tuple[Any, ...], *how: Any) -> Any:
        if PROVIDER in self.away:
            raise TryAgain("The provider does not answer.")
        self._meets(Mishap.DIED_UNASKED, Died())
        assert self.asked.setdefault((kind, key), what) == what, f"another {kind} for {key}"
        answer = self._ask[kind](key, *what, *how)
        self._meets(Mishap.UNANSWERED, TryAgain("The provider does not answer."))
        self._meets(Mishap.DIED_ASKED, Died())
        return answer

    def _meets(self, mishap: Mishap, error: BaseException) -> None:
        if self.mishap is mishap:
            self.mishap = Mishap.NONE
            raise error


def _in_steps(event: Any, begin: Callable[..., Any], call: Callable[..., Any], record: Callable[..., Any]) -> Any:
    intent = store.commit(lambda tx: begin(event, tx))
    if intent is None:
        return None
    yield
    outcome = call(intent)
    yield
    return store.commit(lambda tx: record(intent, outcome, tx))
