"""The airline's own settings. Those that every function has are in choreography/settings.py, which this builds on."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import URL

from choreography import settings as kit


@dataclass(frozen=True)
class Settings(kit.Settings):
    """The settings of the airline's functions, in addition to those of every function."""

    provider_database_url: URL
    """PROVIDER_DATABASE_URL: the test payment provider's own ledger, apart from payment's tables. It may have its own
    PROVIDER_DATABASE_USER and PROVIDER_DATABASE_PASSWORD."""
    reservation_id_secret: str = field(repr=False)  # as SQLAlchemy keeps passwords out of the text of a URL
    """RESERVATION_ID_SECRET: makes derived reservation ids unguessable."""
    reservation_expires_after: timedelta
    """RESERVATION_EXPIRES_AFTER, seconds: how long a reservation may stay PENDING."""
    owed_after: timedelta
    """OWED_AFTER, seconds: until reserve says the events of a reservation again that is not settled."""
    refuse_departed_flights: bool
    """REFUSE_DEPARTED_FLIGHTS: sell no seats on flights whose takeoff date has passed."""
    promotions_folder: Path | None
    """PROMOTIONS_FOLDER: where the texts of GET /promotions are; unset or not there: no promotions."""
    event_history: timedelta | None
    """EVENT_HISTORY_DAYS: how long the dashboard keeps the events of reservations that ended; 0: for ever."""
    dead_letter_days: timedelta | None
    """DEAD_LETTER_DAYS: how long a dead letter is kept after it was replayed, discarded or settled; 0: for ever."""
    dead_letters_from_outside: int
    """DEAD_LETTERS_FROM_OUTSIDE: how many letters of strangers' events may be open; more are only counted."""


@functools.cache
def settings() -> Settings:
    """The settings of this process. Tests that change the environment call `settings.cache_clear()`."""
    return read(os.environ)


def read(env: Mapping[str, str]) -> Settings:
    """Settings from any mapping. Raises ValueError naming what is wrong; it shows no URL, which may hold a password."""
    return Settings(
        **vars(kit.read(env)),
        provider_database_url=kit.database(env, "PROVIDER_DATABASE_URL"),
        reservation_id_secret=env.get("RESERVATION_ID_SECRET", ""),
        reservation_expires_after=timedelta(seconds=kit.number(env, "RESERVATION_EXPIRES_AFTER", "900")),
        owed_after=timedelta(seconds=kit.number(env, "OWED_AFTER", "600")),
        refuse_departed_flights=env.get("REFUSE_DEPARTED_FLIGHTS", "false").lower() == "true",
        promotions_folder=kit.path(env, "PROMOTIONS_FOLDER"),
        event_history=kit.days(env, "EVENT_HISTORY_DAYS", "365"),
        dead_letter_days=kit.days(env, "DEAD_LETTER_DAYS", "30"),
        dead_letters_from_outside=kit.number(env, "DEAD_LETTERS_FROM_OUTSIDE", "1000"),
    )
