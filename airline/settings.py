"""The one place that reads the environment. Every setting of every function stands here."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import URL, make_url

LONGEST_HISTORY = 36_500


@dataclass(frozen=True)
class Settings:
    """What a function can be told from outside; on a cluster from ConfigMaps and a Secret."""

    database_url: URL
    """DATABASE_URL; DATABASE_USER and DATABASE_PASSWORD, where set, are put into it (not for SQLite)."""
    provider_database_url: URL
    """PROVIDER_DATABASE_URL: the test payment provider's own ledger, apart from payment's tables."""
    sink: str | None
    """K_SINK, from the SinkBinding: where the outbox sends."""
    service: str
    """K_SERVICE: the name in every log line."""
    log_level: str
    """LOG_LEVEL: DEBUG, INFO, WARNING or ERROR."""
    threads: int
    """THREADS: what gunicorn runs; the database pool is as large."""
    reservation_id_secret: str
    """RESERVATION_ID_SECRET: makes derived reservation ids unguessable."""
    reservation_expires_after: timedelta
    """RESERVATION_EXPIRES_AFTER, seconds: how long a reservation may stay PENDING."""
    refuse_departed_flights: bool
    """REFUSE_DEPARTED_FLIGHTS: sell no seats on flights whose takeoff date has passed."""
    promotions_folder: Path | None
    """PROMOTIONS_FOLDER: where the texts of GET /promotions are; unset or not there: no promotions."""
    event_history: timedelta | None
    """EVENT_HISTORY_DAYS: how long the dashboard keeps the events of reservations that ended; 0: for ever."""


@functools.cache
def settings() -> Settings:
    """The settings of this process. Tests that change the environment call `settings.cache_clear()`."""
    return read(os.environ)


def read(env: Mapping[str, str]) -> Settings:
    """Settings from any mapping. Raises KeyError or ValueError naming what is missing or wrong."""
    return Settings(
        database_url=_database_url(env, "DATABASE_URL"),
        provider_database_url=_database_url(env, "PROVIDER_DATABASE_URL"),
        sink=env.get("K_SINK") or None,
        service=env.get("K_SERVICE") or env.get("FUNCTION_TARGET", "").replace("_", "-"),
        log_level=env.get("LOG_LEVEL", "INFO").upper(),
        threads=int(env.get("THREADS", "1")),
        reservation_id_secret=env.get("RESERVATION_ID_SECRET", ""),
        reservation_expires_after=timedelta(seconds=int(env.get("RESERVATION_EXPIRES_AFTER", "900"))),
        refuse_departed_flights=env.get("REFUSE_DEPARTED_FLIGHTS", "false").lower() == "true",
        promotions_folder=Path(folder) if (folder := env.get("PROMOTIONS_FOLDER")) else None,
        event_history=_history(env.get("EVENT_HISTORY_DAYS", "365")),
    )


def _history(days: str) -> timedelta | None:
    kept = int(days)
    if not 0 <= kept <= LONGEST_HISTORY:
        raise ValueError(f"EVENT_HISTORY_DAYS must be between 0 and {LONGEST_HISTORY}")
    return timedelta(days=kept) if kept else None


def _database_url(env: Mapping[str, str], name: str) -> URL:
    return signed_in(make_url(env.get(name, "sqlite://")), env)


def signed_in(url: URL, env: Mapping[str, str] = os.environ) -> URL:
    """With DATABASE_USER and DATABASE_PASSWORD, where set; a file (SQLite) has no use for them."""
    if url.host is None:
        return url
    return url.set(
        username=env.get("DATABASE_USER") or url.username,
        password=env.get("DATABASE_PASSWORD") or url.password,
    )
