"""The one place that reads the environment. Every setting of every function stands here."""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

LONGEST_HISTORY = 36_500
LEAST_LIFE, LONGEST_LIFE = 24, 24 * 366
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DRIVERS = ("sqlite", "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql")


@dataclass(frozen=True)
class Settings:
    """What a function can be told from outside; on a cluster from ConfigMaps and a Secret."""

    database_url: URL
    """DATABASE_URL; DATABASE_USER, DATABASE_PASSWORD and DATABASE_CA, where set, are put into it (not for SQLite)."""
    provider_database_url: URL
    """PROVIDER_DATABASE_URL: the test payment provider's own ledger, apart from payment's tables. It may have its own
    PROVIDER_DATABASE_USER and PROVIDER_DATABASE_PASSWORD."""
    sink: str | None
    """K_SINK, from the SinkBinding: where the outbox sends."""
    public_url: str | None
    """PUBLIC_URL: where all links begin, for an ingress that overwrites X-Forwarded-Host; unset: as a client says."""
    service: str
    """K_SERVICE: the name in every log line."""
    log_level: str
    """LOG_LEVEL: DEBUG, INFO, WARNING or ERROR."""
    threads: int
    """THREADS: what gunicorn runs; the database pool is as large."""
    reservation_id_secret: str = field(repr=False)  # as SQLAlchemy keeps passwords out of the text of a URL
    """RESERVATION_ID_SECRET: makes derived reservation ids unguessable."""
    reservation_expires_after: timedelta
    """RESERVATION_EXPIRES_AFTER, seconds: how long a reservation may stay PENDING."""
    owed_after: timedelta
    """OWED_AFTER, seconds: until reserve says the events of a reservation again that is not settled."""
    time_zone: tzinfo
    """TIME_ZONE: whose calendar says which day is today. UTC, an offset as +09:00, or a name as Asia/Seoul."""
    refuse_departed_flights: bool
    """REFUSE_DEPARTED_FLIGHTS: sell no seats on flights whose takeoff date has passed."""
    allowed_hosts: tuple[str, ...]
    """ALLOWED_HOSTS: host names between blanks, without port, that a function answers to; empty (or *): any."""
    promotions_folder: Path | None
    """PROMOTIONS_FOLDER: where the texts of GET /promotions are; unset or not there: no promotions."""
    token_issuer: str | None
    """TOKEN_ISSUER: base URL of the OpenID Connect issuer whose tokens deliveries must carry; unset: none are asked."""
    token_ca: Path | None
    """TOKEN_CA: file of the authorities that vouch for TOKEN_ISSUER; unset: those of the system."""
    token_subjects: tuple[str, ...]
    """TOKEN_SUBJECTS: who may deliver, between spaces; a * at the end stands for any rest."""
    event_history: timedelta | None
    """EVENT_HISTORY_DAYS: how long the dashboard keeps the events of reservations that ended; 0: for ever."""
    idempotency_life: timedelta
    """IDEMPOTENCY_HOURS: how long an Idempotency-Key stands for the command that it was sent with; 24 or more."""
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
        database_url=_database_url(env, "DATABASE_URL"),
        provider_database_url=_database_url(env, "PROVIDER_DATABASE_URL"),
        sink=env.get("K_SINK") or None,
        public_url=_public_url(env.get("PUBLIC_URL", "")),
        service=env.get("K_SERVICE") or env.get("FUNCTION_TARGET", "").replace("_", "-"),
        log_level=_log_level(env.get("LOG_LEVEL", "INFO").upper()),
        threads=_number(env, "THREADS", "1"),
        reservation_id_secret=env.get("RESERVATION_ID_SECRET", ""),
        reservation_expires_after=timedelta(seconds=_number(env, "RESERVATION_EXPIRES_AFTER", "900")),
        owed_after=timedelta(seconds=_number(env, "OWED_AFTER", "600")),
        time_zone=_time_zone(env.get("TIME_ZONE", "UTC")),
        refuse_departed_flights=env.get("REFUSE_DEPARTED_FLIGHTS", "false").lower() == "true",
        allowed_hosts=_hosts(env.get("ALLOWED_HOSTS", "")),
        promotions_folder=_path(env, "PROMOTIONS_FOLDER"),
        token_issuer=env.get("TOKEN_ISSUER") or None,
        token_ca=_path(env, "TOKEN_CA"),
        token_subjects=tuple(env.get("TOKEN_SUBJECTS", "").split()),
        idempotency_life=_life(_number(env, "IDEMPOTENCY_HOURS", "48")),
        event_history=_days(env, "EVENT_HISTORY_DAYS", "365"),
        dead_letter_days=_days(env, "DEAD_LETTER_DAYS", "30"),
        dead_letters_from_outside=_number(env, "DEAD_LETTERS_FROM_OUTSIDE", "1000"),
    )


def _log_level(level: str) -> str:
    if level not in LOG_LEVELS:
        raise ValueError(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
    return level


def _time_zone(name: str) -> tzinfo:
    """UTC and offsets need no time zone database, which small machines and images may lack."""
    if name == "UTC":
        return UTC
    if offset := re.fullmatch(r"([+-])(\d\d):([0-5]\d)", name):
        distance = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if distance < timedelta(days=1):
            return timezone(-distance if offset[1] == "-" else distance)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(
            "TIME_ZONE must be UTC, an offset such as +09:00, or a name in the time zone database of the machine"
        ) from None


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]) if env.get(name) else None


def _hosts(names: str) -> tuple[str, ...]:
    return () if names.strip() in {"", "*"} else tuple(names.lower().split())


def _public_url(url: str) -> str | None:
    if url and not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w.~/-]*)?", url, re.ASCII):
        raise ValueError("PUBLIC_URL must be an address such as https://airline.example, without query")
    return url.rstrip("/") or None


def _number(env: Mapping[str, str], name: str, default: str) -> int:
    try:
        return int(env.get(name, default))
    except ValueError:
        raise ValueError(f"{name} must be a whole number") from None


def _life(hours: int) -> timedelta:
    if not LEAST_LIFE <= hours <= LONGEST_LIFE:
        raise ValueError(f"IDEMPOTENCY_HOURS must be between {LEAST_LIFE} and {LONGEST_LIFE}")
    return timedelta(hours=hours)


def _days(env: Mapping[str, str], name: str, default: str) -> timedelta | None:
    kept = _number(env, name, default)
    if not 0 <= kept <= LONGEST_HISTORY:
        raise ValueError(f"{name} must be between 0 and {LONGEST_HISTORY}")
    return timedelta(days=kept) if kept else None


def _database_url(env: Mapping[str, str], name: str) -> URL:
    try:
        url = make_url(env.get(name, "sqlite://"))
    except (ArgumentError, ValueError):
        raise ValueError(f"{name} is not the URL of a database") from None
    if url.drivername not in DRIVERS:
        raise ValueError(f"{name} must begin with one of {', '.join(DRIVERS)}")
    return signed_in(url, env, name.removesuffix("DATABASE_URL"))


def signed_in(url: URL, env: Mapping[str, str] = os.environ, whose: str = "") -> URL:
    """With DATABASE_USER, DATABASE_PASSWORD and DATABASE_CA, where set; a file (SQLite) has no use for them.

    `whose`, such as PROVIDER_, begins the names of a user and a password that are used instead, where they are set.
    """
    if url.host is None:
        return url
    signed = url.set(
        username=env.get(f"{whose}DATABASE_USER") or env.get("DATABASE_USER") or url.username,
        password=env.get(f"{whose}DATABASE_PASSWORD") or env.get("DATABASE_PASSWORD") or url.password,
    )
    authorities = env.get("DATABASE_CA")
    return _verified(signed, authorities) if authorities else signed


def _verified(url: URL, authorities: str) -> URL:
    """Speaks only to a server with a certificate of these authorities, in its own name."""
    if url.get_backend_name() == "postgresql":
        return url.update_query_dict({"sslmode": "verify-full", "sslrootcert": authorities})
    return url.update_query_dict({"ssl_ca": authorities})  # with it, PyMySQL verifies both by default
