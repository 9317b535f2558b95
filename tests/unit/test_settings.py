"""Wrong settings are named, and never shown where they may hold a password."""

import pytest

from airline.settings import read

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        ("THREADS", "many", "THREADS must be a whole number"),
        ("RESERVATION_EXPIRES_AFTER", "15m", "RESERVATION_EXPIRES_AFTER must be a whole number"),
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
