"""The time, in one place, so that a test can hold it."""

from datetime import UTC, date, datetime


def now() -> datetime:
    """This moment, aware, in UTC, to the millisecond: what every database of ours can keep."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def today() -> date:
    """The date in the time zone of the setting TIME_ZONE."""
    from choreography.settings import settings  # noqa: PLC0415 - SQLAlchemy, which reading a glossary does not need

    return now().astimezone(settings().time_zone).date()


def text(moment: datetime) -> str:
    """RFC 3339 with milliseconds and Z, as CloudEvents writes `time`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
