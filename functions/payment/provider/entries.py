"""The ledger as a resource, the same in the provider's own API and in that of payment."""

from choreography import fields
from choreography.contract import Shown
from choreography.fields import Field
from choreography.resources import ANYTHING, Filter, Resource
from provider.ledger import LEDGER

ENTRY = Resource(
    "entry",
    "entries",
    {
        "key": Shown(LEDGER.c.key, about="The id of the reservation."),
        "kind": Shown(LEDGER.c.kind, fields.one_of("charge", "refund")),
        "accepted": Shown(LEDGER.c.accepted, about="False where a charge was declined."),
        "amount": Shown(LEDGER.c.amount, fields.integer(0)),
        "at": Shown(LEDGER.c.at),
    },
    key=LEDGER.c.key,
    ties=(LEDGER.c.kind,),
    subject=("reservation", "/reservations/{key}"),
    sorts=("key", "kind", "accepted", "amount", "at"),
    filters={"key": Filter(Field(ANYTHING, None, "Only those of this reservation."), narrow=True)},
    about="What the provider was asked for and how it answered: once for each key and kind, however often it is asked.",
)
