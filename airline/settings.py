"""The airline's own settings. Those that every function has are in choreography/settings.py, which this builds on."""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import URL

from choreography import settings as kit

PROVIDERS = ("contract", "stripe")


@dataclass(frozen=True)
class Settings(kit.Settings):
    """The settings of the airline's functions, in addition to those of every function."""

    provider_database_url: URL
    """PROVIDER_DATABASE_URL: the test payment provider's own ledger, apart from payment's tables. It may have its own
    PROVIDER_DATABASE_USER and PROVIDER_DATABASE_PASSWORD."""
    payment_provider_url: str | None
    """PAYMENT_PROVIDER_URL: where a payment provider of somebody else is; unset: the test provider in this process."""
    payment_provider: str
    """PAYMENT_PROVIDER: its API, `contract` (functions/payment/provider/ledger.openapi.json) or `stripe`."""
    payment_currency: str
    """PAYMENT_CURRENCY: the one currency of all amounts (ISO 4217), for a provider that asks."""
    payment_webhook_url: str | None
    """PAYMENT_WEBHOOK_URL: where the test provider sends its webhooks, as a server of its own; unset: nowhere."""
    payment_provider_key: str = field(repr=False)
    """PAYMENT_PROVIDER_KEY: the bearer token of the provider; empty: it asks for none."""
    payment_webhook_secret: str = field(repr=False)
    """PAYMENT_WEBHOOK_SECRET: what the provider signs its webhooks with; empty: none are heard."""
    smtp_url: str | None
    """SMTP_URL: the mail server, smtp://host:port (with STARTTLS if it offers that) or smtps://; unset: no mails."""
    smtp_user: str
    """SMTP_USER: who logs in there; empty: nobody."""
    mail_from: str
    """MAIL_FROM: the address that writes to customers."""
    smtp_password: str = field(repr=False)
    """SMTP_PASSWORD: of SMTP_USER."""
    reservation_id_secret: str = field(repr=False)  # as SQLAlchemy keeps passwords out of the text of a URL
    """RESERVATION_ID_SECRET: makes derived reservation ids unguessable."""
    reservation_expires_after: timedelta
    """RESERVATION_EXPIRES_AFTER, seconds: how long a reservation may stay PENDING."""
    owed_after: timedelta
    """OWED_AFTER, seconds: until reserve says the events of an unsettled reservation again."""
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
        payment_provider_url=_address(env, "PAYMENT_PROVIDER_URL"),
        payment_provider=_provider(env.get("PAYMENT_PROVIDER") or "contract"),
        payment_currency=_currency(env.get("PAYMENT_CURRENCY") or "KRW"),
        payment_webhook_url=_address(env, "PAYMENT_WEBHOOK_URL"),
        payment_provider_key=env.get("PAYMENT_PROVIDER_KEY", ""),
        payment_webhook_secret=env.get("PAYMENT_WEBHOOK_SECRET", ""),
        smtp_url=_mail_server(env.get("SMTP_URL", "")),
        smtp_user=env.get("SMTP_USER", ""),
        smtp_password=env.get("SMTP_PASSWORD", ""),
        mail_from=_sender(env),
        reservation_id_secret=env.get("RESERVATION_ID_SECRET", ""),
        reservation_expires_after=timedelta(seconds=kit.number(env, "RESERVATION_EXPIRES_AFTER", "900")),
        owed_after=timedelta(seconds=kit.number(env, "OWED_AFTER", "600")),
        refuse_departed_flights=env.get("REFUSE_DEPARTED_FLIGHTS", "false").lower() == "true",
        promotions_folder=kit.path(env, "PROMOTIONS_FOLDER"),
        event_history=kit.days(env, "EVENT_HISTORY_DAYS", "365"),
        dead_letter_days=kit.days(env, "DEAD_LETTER_DAYS", "30"),
        dead_letters_from_outside=kit.number(env, "DEAD_LETTERS_FROM_OUTSIDE", "1000"),
    )


def _address(env: Mapping[str, str], name: str) -> str | None:
    url = env.get(name, "")
    if url and not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w.~/-]*)?", url, re.ASCII):
        raise ValueError(f"{name} must be an address such as https://pay.example, without query, user and password")
    return url.rstrip("/") or None


def _provider(kind: str) -> str:
    if kind not in PROVIDERS:
        raise ValueError(f"PAYMENT_PROVIDER must be {' or '.join(PROVIDERS)}")
    return kind


def _currency(code: str) -> str:
    if not re.fullmatch("[A-Za-z]{3}", code):
        raise ValueError("PAYMENT_CURRENCY must be three letters such as KRW")
    return code.upper()


def _mail_server(url: str) -> str | None:
    if url and not re.fullmatch(r"smtps?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", url, re.ASCII):
        raise ValueError("SMTP_URL must be an address such as smtp://mail.example:587; user and password are set apart")
    return url or None


def _sender(env: Mapping[str, str]) -> str:
    address = env.get("MAIL_FROM", "")
    if env.get("SMTP_URL") and not re.fullmatch(r"[^\s@<>,;:\"]+@[\w.-]+", address, re.ASCII):
        raise ValueError("MAIL_FROM must be an address such as reservations@airline.example where SMTP_URL is set")
    return address
