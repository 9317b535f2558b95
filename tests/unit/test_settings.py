"""Wrong settings are named, and never shown where they may hold a password."""

import sys
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from airline.settings import read
from choreography import clock
from choreography.settings import settings

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        ("THREADS", "many", "THREADS must be a whole number"),
        ("RESERVATION_EXPIRES_AFTER", "15m", "RESERVATION_EXPIRES_AFTER must be a whole number"),
        ("TIME_ZONE", "Mars/Olympus", "TIME_ZONE must be UTC, an offset such as"),
        ("TIME_ZONE", "+25:00", "TIME_ZONE must be UTC, an offset such as"),
        ("TIME_ZONE", "Asia", "TIME_ZONE must be UTC, an offset such as"),
        ("TIME_ZONE", "/etc/passwd", "TIME_ZONE must be UTC, an offset such as"),
        ("IDEMPOTENCY_HOURS", "23", "IDEMPOTENCY_HOURS must be between 24 and 8784"),
        ("TOKEN_ISSUER", "https://cluster.test", "TOKEN_AUDIENCE must be set where TOKEN_ISSUER is"),
        ("WAKE_AHEAD", "-1", "WAKE_AHEAD must be a number of seconds, or 0 for never"),
        ("PAYMENT_PROVIDER_URL", "pay.example", "PAYMENT_PROVIDER_URL must be an address such as"),
        ("PAYMENT_PROVIDER_URL", f"https://me:{SECRET}@pay.example", "PAYMENT_PROVIDER_URL must be an address such as"),
        ("PAYMENT_WEBHOOK_URL", "https://pay.example/?a=b", "PAYMENT_WEBHOOK_URL must be an address such as"),
        ("PAYMENT_PROVIDER", "cash", "PAYMENT_PROVIDER must be contract or stripe"),
        ("PAYMENT_CURRENCY", "won!", "PAYMENT_CURRENCY must be three letters such as KRW"),
        ("EVENT_HISTORY_DAYS", "-1", "EVENT_HISTORY_DAYS must be between 0 and 36500"),
        ("DATABASE_URL", f"airline:{SECRET}@postgres", "DATABASE_URL is not the URL of a database"),
        ("DATABASE_URL", f"postgresql+psycopg://a:{SECRET}@here:port/x", "DATABASE_URL is not the URL of a database"),
        (
            "PROVIDER_DATABASE_URL",
            f"postgres://airline:{SECRET}@here/x",
            "PROVIDER_DATABASE_URL must begin with one of",
        ),
    ],
)
def test_a_wrong_setting_is_named_without_its_secrets(name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as wrong:
        read({name: value})
    assert SECRET not in str(wrong.value)
    assert wrong.value.__suppress_context__ or wrong.value.__context__ is None


def test_a_log_level_may_be_small() -> None:
    assert read({"LOG_LEVEL": "debug"}).log_level == "DEBUG"


@pytest.fixture
def no_time_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without a database of time zones."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()


MIDNIGHT_IN_SEOUL = datetime(2026, 5, 1, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "today"), [("UTC", date(2026, 5, 1)), ("+09:00", date(2026, 5, 2)), ("-09:30", date(2026, 5, 1))]
)
def test_the_day_of_a_reservation_is_that_of_the_airlines_time_zone_without_a_database_of_zones(
    zone: str, today: date, monkeypatch: pytest.MonkeyPatch, no_time_zones: None
) -> None:
    monkeypatch.setenv("TIME_ZONE", zone)
    monkeypatch.setattr(clock, "now", lambda: MIDNIGHT_IN_SEOUL)
    settings.cache_clear()

    assert clock.today() == today


def test_a_time_zone_may_be_named_where_the_machine_knows_it() -> None:
    if not zoneinfo.available_timezones():
        pytest.skip("no time zone database here")

    assert MIDNIGHT_IN_SEOUL.astimezone(read({"TIME_ZONE": "Asia/Seoul"}).time_zone).date() == date(2026, 5, 2)
