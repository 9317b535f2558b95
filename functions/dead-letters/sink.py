"""The dead-letter sink: what the broker gives up on is kept, whatever it is."""

from sqlalchemy import Connection

import letters
import quota
import settled_letters
from choreography import contract
from choreography.contract import AnyEvent, Operation
from choreography.wire import Envelope


@contract.promises(
    Operation(
        about="Kept, or counted if it was there.",
        body=AnyEvent(
            {
                "knativeerrordest": "Who failed.",
                "knativeerrorcode": "The last HTTP status.",
                "knativeerrordata": "What it answered, base64.",
            }
        ),
        refuses={415: "A body that is encoded, or of a media type that a page's form can send."},
        name="keepLetter",
    )
)
def keep(envelope: Envelope, transaction: Connection) -> None:
    """The sink: keep a dead letter (for the broker; the gateway does not lead here)

    The same event given up on by the same function again is counted, and OPEN again. Of strangers no more is kept than
    has room; of a saga that is settled already it is SETTLED at once.
    """
    identity, row = letters.identity_of(envelope), letters.row_of(envelope)
    if quota.is_stranger(envelope):
        identity, row = quota.bounded(identity, row, transaction)
    letters.put(identity, row, transaction)
    settled_letters.settle(transaction, letters.LETTERS.c.id == identity)
