"""What the provider says by itself, by webhooks. Each is a hint: it may be lost, doubled, late, out of order or forged.

So nothing in it is believed but the key: the provider is asked what became of it, and that is recorded. Without any
hint, housekeeping asks.
"""

import json

from sqlalchemy import select

import finishing
import payments
import provider
from airline.events import AIRLINE
from airline.settings import settings
from choreography import logs, store
from choreography.errors import Malformed, NotFound
from payments import PAYMENTS, UNFINISHED
from provider import signatures


def take(body: bytes, signature: str) -> None:
    """Takes one webhook. Raises NotFound where there are none, Unauthenticated, Malformed and TryAgain."""
    secret = settings().payment_webhook_secret
    if settings().payment_provider_url is None or not secret:
        raise NotFound("No webhooks are heard here: PAYMENT_PROVIDER_URL or PAYMENT_WEBHOOK_SECRET is not set.")
    signatures.verify(secret, body, signature)
    key = provider.subject(_read(body))
    if key is not None:
        logs.note(**AIRLINE.about(key))
        _finish(key)


def _read(body: bytes) -> dict[str, object]:
    try:
        hint = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("This webhook is not JSON.") from error
    if not isinstance(hint, dict):
        raise Malformed("This webhook is not a JSON object.")
    return hint


def _finish(key: str) -> None:
    with store.reading() as connection:
        found = connection.execute(select(PAYMENTS.c.status).where(PAYMENTS.c.reservation_id == key)).scalar()
    if found in UNFINISHED:
        finishing.finish_if_decided(store.commit(lambda transaction: payments.take_up(key, transaction)))
