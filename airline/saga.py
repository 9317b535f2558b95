"""The saga, drawn once: each policy, what it hears, what it says, and what it undoes.

    ReservationPlaced -> decrease-seats -> RemainingSeatsDecreased -> charge-payment -> Paid -> confirm-reservation
                                        \\> SeatsSoldOut                            \\> PaymentFailed
                                                    both -> cancel-reservation -> ReservationCanceled
    ReservationCanceled -> restore-seats, refund-payment: each undoes its step once, or says that nothing was done

The dashboard's timeline asks `waits`; the contracts, tables and diagrams are made from this module or compared with it.
It calls nobody: what makes a policy run is its Trigger, and what it hears and says is the signature of its rule.
`tests/unit/test_drift.py` holds both to this module. Policies do not import it; the dashboard and the dead letters do,
which look at whole sagas.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from airline.events import (
    OF_SAGAS,
    CancellationRequested,
    Event,
    Paid,
    PaymentFailed,
    PaymentNotTaken,
    PaymentRefunded,
    RemainingSeatsDecreased,
    RemainingSeatsIncreased,
    ReservationCanceled,
    ReservationConfirmed,
    ReservationPlaced,
    ReservationRequested,
    SagaExpected,
    SagasSettled,
    SeatsNotHeld,
    SeatsSoldOut,
)

Word = type[Event]


class Road(Enum):
    """How what a policy says reaches the Broker."""

    REPLY = "reply"
    """As the HTTP answer to the delivery."""
    OUTBOX = "outbox"
    """Kept in the outbox with the effect and sent after it: HTTP functions of the same service say the same event."""
    NONE = "none"
    """It says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One function: whenever it hears one of these events, it says one of those."""

    name: str
    hears: tuple[Word, ...]
    says: tuple[Word, ...] = ()
    road: Road = Road.REPLY
    undoes: str | None = None
    """The policy whose effect it takes back."""
    says_ahead: tuple[Word, ...] = ()
    """What it says as soon as it starts, whatever it hears (choreography/ahead.py)."""

    def heard(self, said: Collection[str]) -> list[str]:
        """The types it hears among those that have occurred."""
        return [word.__name__ for word in self.hears if word.__name__ in said]

    def answered(self, said: Collection[str]) -> bool:
        """Whether one of its answers has occurred."""
        return any(word.__name__ in said for word in self.says)


FROM_OUTSIDE = (
    Policy(
        name="place-reservation",
        hears=(ReservationRequested,),
        says=(ReservationPlaced, ReservationCanceled),
        road=Road.OUTBOX,
        says_ahead=(SagaExpected,),
    ),
)
FORWARD = (
    Policy(name="decrease-seats", hears=(ReservationPlaced,), says=(RemainingSeatsDecreased, SeatsSoldOut)),
    Policy(name="charge-payment", hears=(RemainingSeatsDecreased,), says=(Paid, PaymentFailed)),
    Policy(name="confirm-reservation", hears=(Paid,), says=(ReservationConfirmed, ReservationCanceled)),
    Policy(
        name="cancel-reservation",
        hears=(SeatsSoldOut, PaymentFailed, CancellationRequested),
        says=(ReservationCanceled,),
        road=Road.OUTBOX,
    ),
)
"""In the order in which a reservation goes through them."""
COMPENSATION = (
    Policy(
        name="restore-seats",
        hears=(ReservationCanceled,),
        says=(RemainingSeatsIncreased, SeatsNotHeld),
        undoes="decrease-seats",
    ),
    Policy(
        name="refund-payment",
        hears=(ReservationCanceled,),
        says=(PaymentRefunded, PaymentNotTaken),
        undoes="charge-payment",
    ),
)
"""Both at once, whatever had been done by then. Each says that it took something back, or that nothing was there."""
SETTLEMENT = (
    Policy(name="settle-reservations", hears=(SagasSettled,), road=Road.NONE),
    Policy(name="settle-letters", hears=(SagasSettled,), road=Road.NONE),
)
BESIDE = tuple(
    Policy(name=word.beside[0], hears=(word.beside[1],), says=(word,)) for word in OF_SAGAS.values() if word.beside
)
"""What a saga leads to and does not wait for: the event of such a policy names it. `make policy` writes such events."""
POLICIES = FROM_OUTSIDE + FORWARD + COMPENSATION + SETTLEMENT + BESIDE

OUTSIDE = "outside"
SPEAKERS: Mapping[str, tuple[Word, ...]] = {
    OUTSIDE: (ReservationRequested, CancellationRequested),
    "reserve-commands": (ReservationRequested, CancellationRequested, SagaExpected),
    "reserve": (ReservationPlaced, ReservationCanceled, SagaExpected),
    "reserve-housekeeping": (ReservationPlaced, ReservationConfirmed, ReservationCanceled),
    "payment-housekeeping": (Paid, PaymentFailed, PaymentRefunded),
    "dashboard-housekeeping": (SagasSettled,),
}
"""Who says events without hearing any: HTTP functions, and housekeeping, which says again what is owed."""

SUCCESS: tuple[Word, ...] = (ReservationPlaced, RemainingSeatsDecreased, Paid, ReservationConfirmed)
"""The events of a reservation that succeeds, in order: each is the cause of the next."""
ENDS: Mapping[str, Word] = {"SUCCEED": ReservationConfirmed, "CANCELED": ReservationCanceled}
"""What a saga ends with, by the status of its reservation; the compensation of a canceled one is still owed then."""
ROAD = tuple(policy for policy in FROM_OUTSIDE + FORWARD if {*policy.says} & {*SUCCESS})
"""The policies that a successful reservation needs, in order."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The policy whose word is missing, and the moment of the event that it has to hear."""

    function: str
    since: datetime


def waits(said: Mapping[str, datetime]) -> list[Wait]:
    """What a saga waits for, from the types and times of its events; nothing if it has ended.

    It follows from the events alone; the state of a saga is not stored anywhere.
    """
    if ReservationCanceled.__name__ in said:
        return list(_unanswered(COMPENSATION, said))
    if ReservationConfirmed.__name__ in said:
        return []
    reached = [policy for policy in FORWARD if policy.heard(said)]
    return list(_unanswered(reached[-1:], said))


def said_by(word: Word) -> list[str]:
    """The names of those who say it: policies in their order, then the others."""
    others = [name for name, words in SPEAKERS.items() if word in words]
    return [policy.name for policy in POLICIES if word in policy.says + policy.says_ahead] + others


def speaker(type_: str, cause: str | None) -> str:
    """Who said an event, by its type and that of its cause; without a cause, the first who needs none.

    The type itself if nobody here says it.
    """
    saying = [policy for policy in POLICIES if type_ in _types(policy.says)]
    hearing = [policy.name for policy in saying if cause in _types(policy.hears)]
    unasked = [name for name, words in SPEAKERS.items() if type_ in _types(words)]
    return next(iter((*hearing, *unasked, *(policy.name for policy in saying))), type_)


def heard_by(word: Word) -> list[str]:
    """The names of the policies that hear it; project-dashboard hears every event, and is left out."""
    woken = {name for speaker in said_by(word) for name in needed_after(speaker)} if word is SagaExpected else {}
    return [policy.name for policy in POLICIES if word in policy.hears or policy.name in woken]


def needed_after(speaker: str) -> list[str]:
    """The policies on the road to success that come after this one, or after a function that begins sagas.

    SagaExpected wakes them, when that one says it. Raises KeyError for one that says nothing by itself.
    """
    words = {**{policy.name: policy.says for policy in ROAD}, **SPEAKERS}
    first = next(place for place, policy in enumerate(ROAD) if {*policy.hears} & {*words[speaker]})
    return [policy.name for policy in ROAD[first:]]


def _types(words: Collection[Word]) -> set[str]:
    return {word.__name__ for word in words}


def _unanswered(policies: Collection[Policy], said: Mapping[str, datetime]) -> Iterator[Wait]:
    for policy in policies:
        if not policy.answered(said):
            yield Wait(policy.name, min(said[type_] for type_ in policy.heard(said)))
